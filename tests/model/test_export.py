"""Exports: the same embeddings in another format, whole or not at all."""

import copy
import pickle
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer

from univar.model import export
from univar.model.export import ExportError, Fidelity, export_model, fidelity, with_backend
from univar.model.modeling import UniVaR, load_model
from univar.model.onnx_encoder import GRAPH_FILE, OnnxEncoder, is_export, read_export

QAS = ["q yes always", "q no", "q i think one should help honest family", "q law is right", "q save thrift"]
VIEWS = [QAS[:3], QAS[3:], QAS[1:2], [QAS[4], QAS[0]]]
RECORD = {"recipe": {"seed": 7}, "corpora": {}, "questions": ["00ff"]}
HOW_TO_GET_ONNX = r"need onnxruntime, of the extra `onnx`: pip install onnxruntime onnx onnxscript"


@pytest.fixture(scope="module")
def source(tiny_encoder_folder: Path) -> UniVaR:
    model = UniVaR(str(tiny_encoder_folder), device="cpu", prompts={"short": "q "})
    model.training_record = RECORD
    model.max_seq_length = 8
    return model


@pytest.fixture(scope="module")
def exports(source: UniVaR, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The tiny model in each format."""
    folders = {name: tmp_path_factory.mktemp("export") / name for name in ("stock", "onnx", "onnx-int8")}
    for name, folder in folders.items():
        export_model(source, folder, name, source="tiny")
    return folders


@pytest.mark.parametrize("name", ["stock", "onnx"])
def test_an_export_in_32_bits_gives_the_embeddings_of_its_source(source, exports, name):
    model = load_model(str(exports[name]))
    for given in (QAS, VIEWS, QAS[0], [" ".join(QAS)], [np.array(QAS)]):
        np.testing.assert_allclose(model.encode(given), source.encode(given), atol=1e-5)
    prompted = model.encode(QAS, prompt_name="short")
    np.testing.assert_allclose(prompted, source.encode(QAS, prompt_name="short"), atol=1e-5)


def test_an_export_in_eight_bits_is_near_its_source_and_smaller(source, exports):
    model = OnnxEncoder(exports["onnx-int8"])
    embeddings = model.encode(VIEWS)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1.0, atol=1e-6)
    assert (embeddings * source.encode(VIEWS)).sum(axis=1).min() > 0.98
    graph = onnxruntime.InferenceSession(str(exports["onnx-int8"] / GRAPH_FILE))
    assert [node.name for node in graph.get_inputs()] == ["input_ids", "attention_mask"]
    assert {path.name for path in exports["onnx-int8"].iterdir()} == {
        GRAPH_FILE,
        "tokenizer.json",
        "univar.json",
        "univar_export.json",
    }


def test_a_token_of_large_numbers_does_not_round_away_the_others(tmp_path):
    # One grid of 256 steps from -1000 to 1000 has steps of 7.8: numbers below 1 would all be rounded to 0.
    generator = np.random.default_rng(0)
    weight = generator.normal(size=(6, 4)).astype(np.float32)
    tokens = np.stack([generator.uniform(-1, 1, 6), [0.0] * 6, generator.uniform(-1000, 1000, 6)]).astype(np.float32)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, size]) for name, size in (("x", 6), ("y", 4))]
    product = helper.make_node("MatMul", ["x", "w"], ["y"], "product")
    graph = helper.make_graph([product], "layer", ends[:1], ends[1:], [numpy_helper.from_array(weight, "w")])
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), tmp_path / "whole.onnx")
    export.quantize(tmp_path / "whole.onnx", tmp_path / "eight.onnx")
    (found,) = onnxruntime.InferenceSession(tmp_path / "eight.onnx").run(None, {"x": tokens})
    expected = tokens @ weight
    # Steps of 1/127 of a token's largest number, for 6 inputs and weights alike.
    np.testing.assert_allclose(found[0], expected[0], atol=0.1)
    assert np.array_equal(found[1], np.zeros(4))
    np.testing.assert_allclose(found[2], expected[2], atol=100)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_an_export_is_copied_with_what_was_set(exports, copied):
    model = OnnxEncoder(exports["onnx"], threads=1)
    model.max_seq_length = 5
    twin = copied(model)
    assert (twin.max_seq_length, twin.format, twin.training_record) == (5, "onnx", RECORD)
    assert np.array_equal(twin.encode(VIEWS), model.encode(VIEWS))
    twin.max_seq_length = 4
    assert model.max_seq_length == 5


def test_an_export_runs_in_processes_of_its_own(exports):
    # One, as each imports torch anew.
    model = OnnxEncoder(exports["onnx"], threads=1)
    assert np.array_equal(model.encode(QAS * 3, device=["cpu"]), model.encode(QAS * 3))


def test_an_export_reads_fewer_tokens_where_it_is_told_to(source, exports):
    model = OnnxEncoder(exports["onnx"])
    model.max_seq_length = 5  # [CLS] q i think [SEP]
    np.testing.assert_allclose(model.encode("q i think one should"), source.encode("q i think"), atol=1e-5)
    for tokens in (9, None, 2, 4.5):
        with pytest.raises(ValueError, match=rf"at least 3, and at most 8, .* got {tokens}\. .*export that again"):
            model.max_seq_length = tokens
    assert model.max_seq_length == 5


def test_an_export_reads_many_texts_at_once_and_views_as_asked(exports):
    model = OnnxEncoder(exports["onnx-int8"])
    rows = []
    model[0].register_forward_hook(lambda _module, _inputs, found: rows.append(len(found["sentence_embedding"])))
    model.encode(QAS * 60)
    model.encode([[text] for text in QAS * 8])
    assert rows == [256, 44, 32, 8]


@pytest.mark.parametrize("name", ["onnx", "onnx-int8"])
def test_no_embedding_depends_on_what_else_is_encoded(exports, name):
    model = OnnxEncoder(exports[name], threads=3)
    assert np.array_equal(model.encode(QAS), [model.encode(qa) for qa in QAS])


@pytest.mark.usefixtures("exports")
def test_a_model_computes_attention_as_before_it_was_exported(source, tiny_model):
    before = tiny_model[0].model.config._attn_implementation
    assert before != "eager"  # which the graph is traced with
    assert source[0].model.config._attn_implementation == before


def test_the_graph_takes_padded_batches_of_other_software(source, exports):
    features = source.preprocess(QAS)
    graph = onnxruntime.InferenceSession(str(exports["onnx"] / GRAPH_FILE))
    fed = {name: features[name].numpy() for name in ("input_ids", "attention_mask")}
    assert fed["attention_mask"].min() == 0
    (embeddings,) = graph.run(None, fed)
    np.testing.assert_allclose(embeddings, source.encode(QAS), atol=1e-5)


def test_an_export_brings_what_its_source_knew(exports):
    model = load_model(str(exports["onnx-int8"]))
    assert isinstance(model, OnnxEncoder)
    assert model.training_record == RECORD  # which questions must be left out of a measurement
    assert (model.format, model.max_seq_length, model.get_embedding_dimension()) == ("onnx-int8", 8, 16)
    described = read_export(exports["onnx-int8"])
    assert (described["source"], described["max_tokens"], described["dimension"]) == ("tiny", 8, 16)
    assert described["fidelity"]["texts"] == 96


def test_nothing_that_is_exported_is_pickled(exports):
    suffixes = {path.suffix for folder in exports.values() for path in folder.rglob("*") if path.is_file()}
    assert suffixes == {".json", ".safetensors", ".md", ".onnx"}


def test_fidelity_compares_what_is_given():
    class Turned:
        """By so many degrees in the plane of the first two numbers, and of some length."""

        def __init__(self, degrees: float, length: float = 1.0) -> None:
            self.row = [length * np.cos(np.radians(degrees)), length * np.sin(np.radians(degrees))]

        def encode(self, texts):
            return np.tile(self.row, (len(texts), 1))

    # cos 60 = 0.5; (1, 0) and (0.5, 0.87) differ by 0.87 at most.
    found = fidelity(Turned(0), Turned(60))
    assert (found.texts, round(found.mean_cosine, 6), round(found.lowest_cosine, 6)) == (96, 0.5, 0.5)
    assert round(found.largest_difference, 3) == 0.866
    assert "mean cosine 0.50000, lowest 0.50000, largest difference 8.7e-01" in found.sentence()
    # (1, 0) and (10, 0)
    longer = fidelity(Turned(0), Turned(0, length=10))
    assert (round(longer.mean_cosine, 6), round(longer.largest_difference, 6)) == (1.0, 9.0)


@pytest.mark.parametrize(("dtype", "name"), [(torch.float16, "onnx"), (torch.bfloat16, "onnx-int8")])
def test_a_source_in_half_precision_is_exported_in_32_bits(tiny_encoder_folder, tmp_path, dtype, name):
    half = UniVaR(str(tiny_encoder_folder), device="cpu", model_kwargs={"dtype": dtype})
    found = export_model(half, tmp_path / "export", name)
    assert found.mean_cosine > (0.99999 if name == "onnx" else 0.98)
    embeddings = OnnxEncoder(tmp_path / "export").encode(QAS)
    assert embeddings.dtype == np.float32
    assert {parameter.dtype for parameter in half.parameters()} == {dtype}
    if name == "onnx":
        np.testing.assert_allclose(embeddings, half.float().encode(QAS), atol=1e-5)


@pytest.mark.parametrize("name", ["stock", "onnx"])
def test_an_export_cuts_embeddings_where_its_source_does(tiny_encoder_folder, tmp_path, name):
    source = UniVaR(str(tiny_encoder_folder), device="cpu", truncate_dim=6)
    export_model(source, tmp_path / "export", name)
    model = load_model(str(tmp_path / "export"))
    assert (model.truncate_dim, model.get_embedding_dimension()) == (6, 6)
    np.testing.assert_allclose(model.encode(VIEWS), source.encode(VIEWS), atol=1e-5)
    assert model.encode(QAS, truncate_dim=16).shape == (5, 16)


# What cannot be exported


def test_an_export_that_is_not_the_model_is_not_written(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "fidelity", lambda *_: Fidelity(96, 0.9, 0.1, 1.0))
    with pytest.raises(ExportError, match=r"the stock export is not the model; nothing was written\. .*cosine 0\.9"):
        export_model(tiny_model, tmp_path / "export", "stock")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_refused_with_those_there_are(tiny_model, tmp_path):
    with pytest.raises(ValueError, match="format must be one of stock, onnx, onnx-int8, got 'gguf'"):
        export_model(tiny_model, tmp_path / "export", "gguf")


def test_a_folder_of_something_else_is_spared(tiny_model, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(FileExistsError, match="holds something else than an export and would be lost"):
        export_model(tiny_model, tmp_path, "onnx")
    with pytest.raises(FileExistsError, match="is a file and would be lost"):
        export_model(tiny_model, tmp_path / "thesis.tex", "onnx")


def test_an_earlier_export_is_replaced(source, tmp_path):
    for _ in range(2):
        export_model(source, tmp_path / "again", "stock")
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_what_onnx_cannot_hold_says_which_format_can(tiny_encoder_folder, exports, tmp_path):
    attentive = UniVaR(str(tiny_encoder_folder), view_pooling="attention", device="cpu")
    with pytest.raises(ExportError, match=r"views pooled by attention have no ONNX format, only by mean\. Run it on"):
        export_model(attentive, tmp_path / "export")
    tokenizer = Tokenizer.from_file(str(tiny_encoder_folder / "tokenizer.json"))
    static = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=4)], device="cpu")
    with pytest.raises(ExportError, match=r"begins with StaticEmbedding has no ONNX format\. Run it on torch, export"):
        export_model(static, tmp_path / "export")
    plain = SentenceTransformer(modules=list(attentive)[:2], device="cpu")
    with pytest.raises(
        ExportError, match=r"ends in Pooling has no ONNX format: .*have other lengths\. Run it .* stock, or"
    ):
        export_model(plain, tmp_path / "export")
    with pytest.raises(ExportError, match=r"mine is an export itself \(onnx\); give the model it was made of"):
        export_model(OnnxEncoder(exports["onnx"]), tmp_path / "export", source="mine")
    assert list(tmp_path.iterdir()) == []


def test_a_graph_that_torch_cannot_trace_is_an_error_in_one_line(tmp_path):
    class Untraceable(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return ids if ids.sum() > 3 else self.layer(ids)

    with pytest.raises(ExportError, match="torch cannot turn this encoder into an ONNX graph"):
        export.trace(Untraceable(), tmp_path / "graph.onnx", ["input_ids"])


@pytest.mark.parametrize("missing", [GRAPH_FILE, "tokenizer.json", "univar_export.json"])
def test_a_folder_with_a_file_missing_is_no_export(exports, tmp_path, missing):
    for path in exports["onnx"].iterdir():
        if path.name != missing:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(FileNotFoundError, match=missing):
        OnnxEncoder(tmp_path)


def test_an_export_is_not_saved_but_copied(exports, tmp_path):
    with pytest.raises(TypeError, match="format onnx is not saved: copy its folder"):
        OnnxEncoder(exports["onnx"]).save_pretrained(str(tmp_path / "saved"))


def test_without_onnxruntime_the_error_says_how_to_get_it(source, exports, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=HOW_TO_GET_ONNX):
        OnnxEncoder(exports["onnx"])
    with pytest.raises(ImportError, match=HOW_TO_GET_ONNX):
        export_model(source, tmp_path / "export", "onnx-int8")
    assert list(tmp_path.iterdir()) == []


# Backends


def test_a_backend_is_exported_once_for_the_same_weights(source, exports, tmp_path, monkeypatch):
    monkeypatch.setattr(export.huggingface_hub, "cached_assets_path", lambda *_, subfolder, **__: tmp_path / subfolder)
    made = []
    stand_in = exports["onnx"]

    def copied(_model, folder, _format) -> None:
        made.append(folder)
        folder.mkdir(parents=True)
        for path in stand_in.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())

    monkeypatch.setattr(export, "export_model", copied)
    for _ in range(2):
        assert isinstance(with_backend(source, "onnx"), OnnxEncoder)
    assert len(made) == 1
    source.max_seq_length = 7
    with_backend(source, "onnx")
    source.max_seq_length = 8
    assert len(made) == 2
    assert all(is_export(folder) for folder in made)
    assert with_backend(source, "torch") is source


def test_an_export_runs_on_its_own_backend_alone(exports):
    model = OnnxEncoder(exports["onnx"])
    assert with_backend(model, "onnx") is model
    with pytest.raises(ValueError, match="is an export to onnx and does not run on torch"):
        with_backend(model, "torch")
