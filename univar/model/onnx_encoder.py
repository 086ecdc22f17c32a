"""Encoders that were exported to ONNX, run by onnxruntime: the quickest way to encode whole QAs on a CPU."""

import hashlib
import importlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import InputModule, Normalize
from tokenizers import Encoding, Tokenizer

from univar.corpus.records import are_many
from univar.model import weights
from univar.model.modules import MultiViewPooling, View, flatten_views, texts_of

GRAPH_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
EXPORT_FILE = "univar_export.json"
OUTPUT = "sentence_embedding"

# Measured (onnxruntime 1.31): these nodes take longer than the two that each replaces, the first five times as long.
_SLOW_FUSIONS = ["SkipLayerNormFusion", "BiasGeluFusion"]
# QAs handed to the threads at once, if not more are asked for: at the end of each batch a thread waits for the others,
# and with 32 that took a tenth of the time of two threads.
_LEAST_BATCH = 256


class OnnxEncoder(SentenceTransformer):
    """An exported encoder: encodes single QAs and views as the model that it was made from.

    Every QA goes through the graph by itself, one QA a core: nothing is padded, and with eight-bit weights, whose
    inputs are rounded run by run, no embedding depends on what else is encoded. It runs on CPUs and cannot be trained.

    Args:
        folder: What `univar.model.export.export_model` or `univar export` wrote in the format `onnx` or `onnx-int8`.
        threads: QAs encoded at once; as many as torch would use threads if None.

    Raises:
        FileNotFoundError: If the folder is no such export, or lacks one of its files.
        ImportError: If onnxruntime is not installed.

    Attributes:
        folder: Where it is, absolute.
        format: `onnx` or `onnx-int8`.
        training_record: That of the model it was made from.
    """

    def __init__(self, folder: str | os.PathLike[str], *, threads: int | None = None) -> None:
        described = read_export(folder)
        transformer = OnnxTransformer(folder, described["dimension"], threads or torch.get_num_threads())
        super().__init__(
            modules=[transformer, MultiViewPooling(described["dimension"]), Normalize()],
            device="cpu",
            prompts=described["prompts"],
            default_prompt_name=described["default_prompt_name"],
            truncate_dim=described.get("truncate_dim"),
        )
        self.model_card_data.language = described.get("languages", [])  # which earlier versions did not write
        self.folder = Path(folder).resolve()
        self.format: str = described["format"]
        record = Path(folder, weights.RECORD_FILE)
        self.training_record: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))

    def preprocess(  # type: ignore[override]  # views are one more kind of input
        self, inputs: Sequence[View], prompt: str | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """The encodings of views; see `OnnxTransformer.preprocess`."""
        # The stock method takes an array for a sound, and a dict for several of sound, image and text.
        return super().preprocess(texts_of(inputs), prompt=prompt, **kwargs)

    def is_singular_input(self, inputs: Any) -> bool:  # type: ignore[override]  # narrows no types
        """Whether `encode` is given one view and gives one row, see `univar.corpus.records.are_many`."""
        return super().is_singular_input(inputs) and not are_many(inputs)

    def _inference(self, inputs: list[Any], **kwargs: Any) -> Any:
        # Private in sentence-transformers: without it `encode` gives the same embeddings more slowly, and what is no
        # view is told by its place in the batch, in which the longest is first.
        inputs = texts_of(inputs)
        if all(isinstance(text, str) for text in inputs):
            kwargs["batch_size"] = max(kwargs["batch_size"], _LEAST_BATCH)
        return super()._inference(inputs, **kwargs)

    def graph_sha256(self) -> str:
        """The sha256 of the file of the graph, which holds the weights."""
        with (self.folder / GRAPH_FILE).open("rb") as graph:
            return hashlib.file_digest(graph, "sha256").hexdigest()

    def save(self, path: str, *args: Any, **kwargs: Any) -> None:
        """Refused: an export is copied as a folder, or made anew.

        Raises:
            TypeError: Always.
        """
        raise TypeError(f"an encoder in the format {self.format} is not saved: copy its folder, or export again")


class OnnxTransformer(InputModule):
    """Texts or views to QA embeddings `(Q, D)`: tokenizer, encoder, pooling and normalisation of an export.

    Args:
        folder: Of the export.
        dimension: D.
        threads: QAs encoded at once.

    Attributes:
        window: The tokens of a QA that the export was made for, None if there is no limit.

    Raises:
        FileNotFoundError: If the folder lacks a file; also when a copy is made, which opens the graph again.
    """

    def __init__(self, folder: str | os.PathLike[str], dimension: int, threads: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.folder = Path(folder).resolve()
        self.session = _session(self.folder)
        self.tokenizer = Tokenizer.from_file(str(self.folder / TOKENIZER_FILE))
        self.window = self.max_seq_length
        self.inputs = [node.name for node in self.session.get_inputs()]
        self.dimension = dimension
        self.threads = threads

    def __getstate__(self) -> dict[str, Any]:
        # A session cannot be copied or sent to another process: it is opened again there, from the folder.
        return {name: value for name, value in self.__dict__.items() if name != "session"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self.session = _session(self.folder)

    @property
    def max_seq_length(self) -> int | None:
        """Tokens of a QA that are read; None if there is no limit. It can be set to fewer than the export was made for.

        Raises:
            ValueError: If it is set to more than `window`, or to so few that no token of a text is left.
        """
        truncation = self.tokenizer.truncation
        return truncation["max_length"] if truncation else None

    @max_seq_length.setter
    def max_seq_length(self, tokens: int) -> None:
        least = self.tokenizer.num_special_tokens_to_add(False) + 1
        if not isinstance(tokens, int) or tokens < least or (self.window is not None and tokens > self.window):
            most = "" if self.window is None else f", and at most {self.window}, for which the export was made"
            raise ValueError(
                f"max_seq_length must be a whole number, at least {least}{most}; got {tokens!r}. "
                "To read more of a text, set it on the source and export that again"
            )
        self.tokenizer.enable_truncation(tokens)

    def preprocess(  # type: ignore[override]  # views are one more kind of input
        self, inputs: Sequence[View], prompt: str | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """The encodings of Q QAs, and `view_ids` `(Q,)` int64; see `ViewTransformer.preprocess`."""
        texts, view_ids = flatten_views(inputs)
        encodings = self.tokenizer.encode_batch_fast([(prompt or "") + text for text in texts])
        return {"encodings": encodings, "view_ids": torch.tensor(view_ids)}

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Adds `sentence_embedding` `(Q, D)` float32."""
        with ThreadPoolExecutor(self.threads) as pool:
            rows = list(pool.map(self._embedding, features["encodings"]))
        return {**features, OUTPUT: torch.from_numpy(np.concatenate(rows))}

    def _embedding(self, encoding: Encoding) -> npt.NDArray[np.float32]:
        """`(1, D)`."""
        rows = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        fed = {name: np.array([rows[name]], dtype=np.int64) for name in self.inputs}
        embedding: npt.NDArray[np.float32] = self.session.run([OUTPUT], fed)[0]
        return embedding

    def get_embedding_dimension(self) -> int:
        """D."""
        return self.dimension

    def save(self, output_path: str, *args: Any, safe_serialization: bool = True, **kwargs: Any) -> None:
        """See `OnnxEncoder.save`."""
        raise TypeError("an exported encoder is not saved: copy its folder, or export again")


def _session(folder: Path) -> Any:
    """The graph of an export, opened by onnxruntime."""
    for name in (GRAPH_FILE, TOKENIZER_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} lacks {name}; export the model again")
    runtime = require("onnxruntime")
    options = runtime.SessionOptions()
    # QAs side by side keep the cores busier than the parts of one matrix product do.
    options.intra_op_num_threads = 1
    return runtime.InferenceSession(
        str(folder / GRAPH_FILE),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=_SLOW_FUSIONS,
    )


def is_export(name: object) -> bool:
    """Whether a path is a folder that was exported to `onnx` or `onnx-int8`."""
    return isinstance(name, str | os.PathLike) and os.path.isfile(os.path.join(name, EXPORT_FILE))


def read_export(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """What an export says of itself: `format`, `dimension` of the graph, `max_tokens`, `source`, `fidelity` and so on.

    Raises:
        FileNotFoundError: If the folder is no export.
    """
    if not is_export(folder):
        raise FileNotFoundError(
            f"{folder} is no exported encoder: it has no {EXPORT_FILE}. "
            "Give a folder that `univar export DIR --format onnx` wrote"
        )
    described: dict[str, Any] = json.loads(Path(folder, EXPORT_FILE).read_text(encoding="utf-8"))
    return described


def require(module: str) -> ModuleType:
    """A module of the extra `onnx`.

    Raises:
        ImportError: If it is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"the formats onnx and onnx-int8 need {error.name}, of the extra `onnx`: "
            "pip install onnxruntime onnx onnxscript"
        ) from error
