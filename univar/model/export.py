"""Exports an encoder: for stock sentence-transformers, or as one ONNX graph in 32 or 8 bits; then compares the two."""

import copy
import hashlib
import json
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import huggingface_hub
import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize, Transformer
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

import univar
from univar.corpus.simulation import simulated_records
from univar.files import replacing
from univar.model import weights
from univar.model.encoding import check_loaded
from univar.model.modeling import is_univar_folder, load_model
from univar.model.modules import MultiViewPooling
from univar.model.onnx_encoder import (
    EXPORT_FILE,
    GRAPH_FILE,
    OUTPUT,
    TOKENIZER_FILE,
    OnnxEncoder,
    is_export,
    require,
)
from univar.model.unread import languages_read

Format = Literal["stock", "onnx", "onnx-int8"]

# What BERT and its kin read of a text.
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
# The first in which GELU is one operator and not five.
_OPSET = 20
# 32 bits everywhere: a graph further away than rounding was traced wrongly.
_LEAST_COSINE = {"stock": 0.9999, "onnx": 0.9999, "onnx-int8": 0.5}
_INSTEAD = "Run it on torch, export it as stock"


class ExportError(RuntimeError):
    """A model that cannot be exported to a format; the message says which format can."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How near the embeddings of an export are to those of its source.

    Attributes:
        texts: QAs that were encoded by both.
        mean_cosine: Mean cosine similarity of the two embeddings of a QA, whatever their lengths.
        lowest_cosine: Of the QA that changed most.
        largest_difference: Of a single number of an embedding as `encode` gives it, as an absolute value.
    """

    texts: int
    mean_cosine: float
    lowest_cosine: float
    largest_difference: float

    def to_dict(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)

    def sentence(self) -> str:
        """The fidelity in words."""
        return (
            f"Against the source, on {self.texts} simulated answers to questions of the bank: mean cosine "
            f"{self.mean_cosine:.5f}, lowest {self.lowest_cosine:.5f}, largest difference {self.largest_difference:.1e}"
        )


def export_model(
    model: SentenceTransformer, folder: str | os.PathLike[str], file_format: Format = "onnx-int8", *, source: str = ""
) -> Fidelity:
    """Writes a model to a folder, whole or not at all, and compares its embeddings with the model's.

    `stock` is the folder that sentence-transformers loads without univar. The other two hold the encoder with its
    pooling and normalisation as one graph from `input_ids` and `attention_mask` (and `token_type_ids`, where the
    encoder reads them), `(texts, tokens)` int64, to `sentence_embedding` `(texts, D)` float32; `tokenizer.json`; and
    `univar_export.json`. `OnnxEncoder` and `univar.model.modeling.load_model` read them. `onnx-int8` has weights of
    eight bits, a scale a channel, and rounds what it multiplies with them at run time. A model in half precision is
    written to a graph, and compared with it, as it is in 32 bits.

    Args:
        model: A `UniVaR` or another SentenceTransformer; for a graph one that ends in `Normalize`.
        folder: New, empty, or an earlier export or saved UniVaR model, which is replaced.
        file_format: `stock`, `onnx` or `onnx-int8`.
        source: What to call the model in `univar_export.json`.

    Raises:
        TypeError: If the model is only its name.
        ValueError: If there is no such format.
        FileExistsError: If the folder holds anything else.
        ExportError: If the model cannot be written in this format.
        ImportError: If the extra `onnx` is not installed.
    """
    check_loaded(model)
    if file_format not in get_args(Format):
        raise ValueError(f"format must be one of {', '.join(get_args(Format))}, got {file_format!r}")
    _check_replaceable(Path(folder))
    if isinstance(model, OnnxEncoder):
        raise ExportError(
            f"{source or 'the model'} is an export itself ({model.format}); give the model it was made of"
        )
    with replacing(folder) as temporary:
        if file_format == "stock":
            model.save_pretrained(str(temporary))
        else:
            model = _in_32_bits(model)
            _write_onnx(model, temporary, file_format, source)
        found = fidelity(model, load_model(str(temporary)))
        if found.mean_cosine < _LEAST_COSINE[file_format]:
            raise ExportError(f"the {file_format} export is not the model; nothing was written. {found.sentence()}")
        if file_format != "stock":
            _describe(temporary, fidelity=found.to_dict())
    return found


def fidelity(source: SentenceTransformer, exported: SentenceTransformer) -> Fidelity:
    """Compares two encoders on 96 simulated answers, which differ in length, to questions of the bank."""
    texts = [record.text for record in simulated_records(4, 24, seed=11)]
    # Not scaled to one length: a difference in length is one, too.
    expected, found = (np.asarray(model.encode(texts), dtype=np.float64) for model in (source, exported))
    lengths = np.linalg.norm(expected, axis=1) * np.linalg.norm(found, axis=1)
    cosines = (expected * found).sum(axis=1) / np.maximum(lengths, np.finfo(np.float64).tiny)
    return Fidelity(len(texts), float(cosines.mean()), float(cosines.min()), float(np.abs(expected - found).max()))


def with_backend(model: SentenceTransformer, backend: Literal["torch", "onnx", "onnx-int8"]) -> SentenceTransformer:
    """The same encoder on another backend; an export is made once and kept in the cache of huggingface_hub.

    Args:
        model: As it was loaded.
        backend: `torch` for the model itself.

    Raises:
        ValueError: If the model is an export to another format.
        ExportError: As for `export_model`.
    """
    if isinstance(model, OnnxEncoder):
        if model.format != backend:
            raise ValueError(f"the model is an export to {model.format} and does not run on {backend}")
        return model
    if backend == "torch":
        return model
    cache = huggingface_hub.cached_assets_path("univar", namespace="exports", subfolder=backend)
    folder = cache / _fingerprint(model)
    if not is_export(folder):
        export_model(model, folder, backend)
    return OnnxEncoder(folder)


def _check_replaceable(folder: Path) -> None:
    if not folder.exists() or is_export(folder) or is_univar_folder(folder):
        return
    if folder.is_dir() and not any(folder.iterdir()):
        return
    kind = "a folder that holds something else than an export" if folder.is_dir() else "a file"
    raise FileExistsError(f"{folder} is {kind} and would be lost; give a new folder")


def _write_onnx(model: SentenceTransformer, folder: Path, file_format: Format, source: str) -> None:
    transformer, modules, tokenizer = _exportable(model)
    for package in ("onnx", "onnxscript", "onnxruntime"):  # before the work
        require(package)
    names = [name for name in _INPUTS if name in tokenizer.model_input_names]
    folder.mkdir()
    graph = folder / GRAPH_FILE
    with _eager_attention(transformer):
        trace(_Graph(modules, names), graph, names)
    if file_format == "onnx-int8":
        whole = graph.rename(folder / "whole.onnx")
        quantize(whole, graph)
        whole.unlink()
    backend = tokenizer.backend_tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_padding()
    if model.max_seq_length is not None:
        backend.enable_truncation(model.max_seq_length)
    backend.save(str(folder / TOKENIZER_FILE))
    record = json.dumps(getattr(model, "training_record", {}), indent=2, ensure_ascii=False)
    (folder / weights.RECORD_FILE).write_text(record + "\n", encoding="utf-8")
    _describe(
        folder,
        format=file_format,
        source=source,
        dimension=_graph_width(model),
        truncate_dim=model.truncate_dim,
        max_tokens=model.max_seq_length,
        prompts=dict(model.prompts),
        default_prompt_name=model.default_prompt_name,
        languages=sorted(languages_read(model) or ()),
        univar=univar.__version__,
    )


def _in_32_bits(model: SentenceTransformer) -> SentenceTransformer:
    """The same model, or a copy where it is in half precision: half of the operators of a graph do not run in it."""
    if all(parameter.dtype == torch.float32 for parameter in model.parameters()):
        return model
    return copy.deepcopy(model).float()


def _graph_width(model: SentenceTransformer) -> int | None:
    """The width of the embeddings before `truncate_dim` cuts them."""
    with model.truncate_embeddings(None):
        return model.get_embedding_dimension()


def _describe(folder: Path, **fields: Any) -> None:
    """Writes `univar_export.json`, or adds to it."""
    file = folder / EXPORT_FILE
    known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    file.write_text(json.dumps(known | fields, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _exportable(model: SentenceTransformer) -> tuple[Transformer, list[nn.Module], PreTrainedTokenizerFast]:
    """The transformer, all modules that embed one QA, and the tokenizer."""
    modules = list(model.children())
    if not isinstance(modules[0], Transformer):
        raise ExportError(f"a model that begins with {type(modules[0]).__name__} has no ONNX format. {_INSTEAD}")
    pooling = next((module for module in modules if isinstance(module, MultiViewPooling)), None)
    if pooling is not None and pooling.pooling_mode != "mean":
        raise ExportError(f"views pooled by {pooling.pooling_mode} have no ONNX format, only by mean. {_INSTEAD}")
    if not isinstance(modules[-1], Normalize):
        raise ExportError(
            f"a model that ends in {type(modules[-1]).__name__} has no ONNX format: what runs a graph gives unit "
            f"vectors, and this model's have other lengths. {_INSTEAD}, or give "
            "univar.UniVaR(modules=list(model)), which ends in Normalize"
        )
    if not isinstance(modules[0].tokenizer, PreTrainedTokenizerFast):
        raise ExportError(f"a model without a fast tokenizer (tokenizer.json) has no ONNX format. {_INSTEAD}")
    return modules[0], [module for module in modules if module is not pooling], modules[0].tokenizer


class _Graph(nn.Module):
    """The modules as a function from tensors to one tensor."""

    def __init__(self, modules: Sequence[nn.Module], inputs: Sequence[str]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(modules)
        self.inputs = inputs

    def forward(self, *tensors: Tensor) -> Tensor:
        features: dict[str, Any] = dict(zip(self.inputs, tensors, strict=True))
        for stage in self.stages:
            features = stage(features)
        embedding: Tensor = features[OUTPUT]
        return embedding


def trace(graph: nn.Module, file: Path, names: Sequence[str]) -> None:
    """Writes a graph whose inputs, all `(texts, tokens)` int64, may have any size."""
    device = next(graph.parameters()).device
    # Two texts: sizes of one would be taken for constants. Tensors of their own: one given twice is taken for one.
    examples = tuple(torch.ones(2, 8, dtype=torch.int64, device=device) for _ in names)
    sizes = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens")}
    try:
        with _quiet(), torch.no_grad():
            torch.onnx.export(
                graph.eval(),
                examples,
                str(file),
                input_names=list(names),
                output_names=[OUTPUT],
                dynamic_shapes=(tuple(sizes for _ in names),),
                opset_version=_OPSET,
                external_data=False,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error).strip().partition("\n")[0]
        raise ExportError(
            f"torch cannot turn this encoder into an ONNX graph ({reason}); use the format stock"
        ) from error


@contextmanager
def _eager_attention(transformer: Transformer) -> Iterator[None]:
    """Attention as plain products: traced from `sdpa`, a twentieth of the time goes into guards against NaN."""
    encoder = transformer.model
    before = encoder.config._attn_implementation
    encoder.set_attn_implementation("eager")
    try:
        yield
    finally:
        encoder.set_attn_implementation(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporters say about packages that they do not need, names of axes and further passes."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def quantize(whole: Path, file: Path) -> None:
    """Writes a graph of 32 bits again with weights of eight bits.

    A scale a channel, for one a matrix costs 0.016 of mean cosine on the shipped weights; and one a token for what
    feed-forward layers read, see `scale_tokens`. Seven of the eight bits are used: with eight, sums overflow on
    processors without VNNI instructions.
    """
    quantization, onnx = require("onnxruntime.quantization"), require("onnx")
    graph = onnx.load(str(whole))
    scale_tokens(graph.graph)
    with _quiet():
        quantization.quantize_dynamic(
            graph, str(file), weight_type=quantization.QuantType.QInt8, per_channel=True, reduce_range=True
        )


def scale_tokens(graph: Any) -> None:
    """Divides what each feed-forward matrix reads by the largest number of its token, and multiplies the product by it.

    Nothing changes in 32 bits. In eight, onnxruntime rounds all tokens of a run on one grid, and a single token with
    large numbers leaves the others few steps of it: with a grid a token, three quarters of the distance from the source
    are gone (benchmarks/README.md).

    Args:
        graph: An `onnx.GraphProto`, changed in place. Its weights that are not square are those of feed-forward layers.
    """
    helper, numpy_helper = require("onnx.helper"), require("onnx.numpy_helper")
    forward = {w.name for w in graph.initializer if len(w.dims) == 2 and w.dims[0] != w.dims[1]}
    constants = {"univar.last_axis": np.array([-1], np.int64), "univar.least": np.array(1e-9, np.float32)}
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    nodes = []
    for node in graph.node:
        if node.op_type != "MatMul" or node.input[1] not in forward:
            nodes.append(node)
            continue
        read, product, name = node.input[0], node.output[0], f"univar.{node.name}"
        size, largest, scale, scaled, scaled_product = (
            f"{name}.{part}" for part in ("size", "largest", "scale", "scaled", "product")
        )
        node.input[0], node.output[0] = scaled, scaled_product
        nodes += [
            helper.make_node("Abs", [read], [size], size),
            helper.make_node("ReduceMax", [size, "univar.last_axis"], [largest], largest),
            helper.make_node("Max", [largest, "univar.least"], [scale], scale),  # a token may be zero everywhere
            helper.make_node("Div", [read, scale], [scaled], scaled),
            node,
            helper.make_node("Mul", [scaled_product, scale], [product], f"{name}.whole"),
        ]
    del graph.node[:]
    graph.node.extend(nodes)


def _fingerprint(model: SentenceTransformer) -> str:
    """A hash of everything that an export depends on."""
    digest = hashlib.sha256(f"{univar.__version__} {torch.__version__} {model} {model.max_seq_length}".encode())
    digest.update(json.dumps([model.prompts, model.default_prompt_name, model.truncate_dim]).encode())
    if isinstance(tokenizer := model.tokenizer, PreTrainedTokenizerFast):
        digest.update(tokenizer.backend_tokenizer.to_str().encode())
    digest.update(weights.tensors_sha256(model.state_dict()).encode())
    return digest.hexdigest()[:20]
