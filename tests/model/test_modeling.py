import copy
import inspect
import json
import os
import subprocess
import sys
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.base import model as stock_model
from sentence_transformers.base.modules import Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import AutoTokenizer, LlamaConfig, LlamaModel

from univar.analysis.representations import representations
from univar.corpus.records import QARecord
from univar.model import weights
from univar.model.modeling import UniVaR, is_shipped, load_model
from univar.model.modules import MultiViewPooling, ViewTransformer

ROOT = Path(__file__).parent.parent.parent
QAS = ["q yes always", "q no", "q i think one should help honest family", "q law is right", "q save thrift"]
VIEWS = [QAS[:3], QAS[3:], QAS[1:2], [QAS[4], QAS[0]]]


@pytest.fixture
def attentive_model(tiny_encoder_folder) -> UniVaR:
    """A model whose view pooling has something to lose."""
    model = UniVaR(str(tiny_encoder_folder), view_pooling="attention", device="cpu")
    torch.nn.init.normal_(model.view_pooling.score.weight, generator=torch.Generator().manual_seed(0))
    model.training_record = {"recipe": {"seed": 7}, "corpora": {}, "questions": ["00ff"]}
    model.max_seq_length = 16
    return model


def assert_close(embeddings: np.ndarray, expected: np.ndarray, tolerance: float = 1e-6) -> None:
    np.testing.assert_allclose(embeddings, expected, atol=tolerance)


# C1: what encode takes and gives


def test_encode_takes_a_text_texts_and_views(tiny_model):
    single, texts, views = tiny_model.encode(QAS[0]), tiny_model.encode(QAS), tiny_model.encode(VIEWS)
    assert single.shape == (16,)
    assert texts.shape == (5, 16)
    assert views.shape == (4, 16)
    for embeddings in (texts, views):
        assert embeddings.dtype == np.float32
        assert_close(np.linalg.norm(embeddings, axis=1), 1.0)
    assert_close(texts[0], single)
    assert_close(tiny_model.encode([tuple(view) for view in VIEWS]), views)


@pytest.mark.parametrize("dtype", [str, object])
def test_a_view_may_be_an_array_as_in_a_data_frame(tiny_model, dtype):
    arrays = [np.array(view, dtype=dtype) for view in VIEWS]
    assert_close(tiny_model.encode(arrays), tiny_model.encode(VIEWS))
    column = np.empty(len(VIEWS), dtype=object)
    column[:] = arrays
    assert_close(tiny_model.encode(column), tiny_model.encode(VIEWS))
    with pytest.raises(TypeError, match=r"view 1: 0\.5 \(float\) is no QA"):
        tiny_model.encode([arrays[0], np.array([0.5, 0.5])])


ROWS = [
    {"question": "is it right", "answer": "yes always", "lang": "eng", "model": "aya"},
    {"question": "est-ce juste", "answer": "oui", "lang": "fra", "question_eng": "is it right", "answer_eng": "no"},
]
RECORDS = [QARecord("0", row["question"], row["answer"], "aya", row["lang"]) for row in ROWS]
RECORDS[1] = replace(RECORDS[1], question_eng="is it right", answer_eng="no")
TEXTS = ["Q: is it right A: yes always", "Q: is it right A: no"]


@pytest.mark.parametrize(
    "qas",
    [
        ROWS,
        RECORDS,
        [ROWS[0], RECORDS[1]],
        (text for text in TEXTS),
        pd.Series(TEXTS, index=[5, 7]),
        pd.Series(ROWS),
        [row for _, row in pd.DataFrame(ROWS).iterrows()],  # whose first row has no number for a question_eng
        pd.DataFrame(ROWS).to_dict("records"),
        Dataset.from_pandas(pd.DataFrame(ROWS)),
        [{"text": text} for text in TEXTS],
    ],
    ids=[
        "rows",
        "records",
        "mixed",
        "iterator",
        "column",
        "column of rows",
        "rows of a frame",
        "frame",
        "data set",
        "what sentence-transformers takes for texts",
    ],
)
def test_qas_are_taken_as_they_come(tiny_model, qas):
    assert_close(tiny_model.encode(qas), tiny_model.encode(TEXTS))


@pytest.mark.parametrize("qa", [ROWS[1], RECORDS[1], pd.DataFrame(ROWS).iloc[1], {"text": TEXTS[1]}])
def test_a_single_qa_gives_one_row_and_several_a_view(tiny_model, qa):
    assert_close(tiny_model.encode(qa), tiny_model.encode(TEXTS[1]))
    assert_close(tiny_model.encode([[ROWS[0], qa], [qa]]), tiny_model.encode([TEXTS, TEXTS[1:]]))


def test_a_data_frame_is_no_qa_and_the_error_says_what_of_it_is(tiny_model):
    with pytest.raises(TypeError, match=r'many QAs are a list of QAs, .* frame\.to_dict\("records"\)'):
        tiny_model.encode(pd.DataFrame(ROWS))


def test_what_is_no_qa_is_told_by_its_place_among_what_was_given(tiny_model):
    # The longest is encoded first.
    with pytest.raises(TypeError, match=r"^view 2: None \(NoneType\) is no QA"):
        tiny_model.encode(["q", "q yes no", None, "q yes"])


def test_nothing_is_encoded_as_nothing(tiny_model):
    assert tiny_model.encode([]).shape == (0,)


def test_the_name_univar_means_the_shipped_weights(shipped):
    model = SentenceTransformer("univar", device="cpu")
    assert isinstance(model, UniVaR)
    assert isinstance(model.view_pooling, MultiViewPooling)
    # This model changed by as much as its weights are, and a change of eight bits is off by about a hundredth.
    assert_close(model.encode(VIEWS), shipped.encode(VIEWS), 2e-2)


@pytest.mark.usefixtures("shipped")
def test_the_shipped_model_reads_as_many_tokens_as_it_was_trained_with():
    assert SentenceTransformer("univar", device="cpu").max_seq_length == 24


def test_the_shipped_model_brings_its_record_and_card(shipped, tmp_path):
    model = SentenceTransformer("univar", device="cpu")
    model.save_pretrained(str(tmp_path / "saved"))
    assert model.training_record == shipped.training_record
    assert (tmp_path / "saved" / "README.md").read_text() == "# The card of the shipped weights\n"


@pytest.mark.usefixtures("shipped")
def test_scores_of_the_shipped_weights_are_not_saved_with_others(tmp_path):
    model = SentenceTransformer("univar", device="cpu")
    with torch.no_grad():
        model.encoder.pooler.dense.bias.add_(1e-3)
    model.save_pretrained(str(tmp_path / "changed"))
    card = (tmp_path / "changed" / "README.md").read_text()
    assert "The card of the shipped weights" not in card
    assert "what they identify was not measured" in card


@pytest.mark.parametrize("place", ["repository root", "empty folder"])
def test_the_weights_that_ship_load_offline_from_any_folder(place, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT if place == "repository root" else tmp_path)
    model = SentenceTransformer("univar", device="cpu")
    assert isinstance(model, UniVaR)
    assert isinstance(model.view_pooling, MultiViewPooling)
    embeddings = model.encode([["Q: Is thrift a virtue? A: Yes.", "Q: Is lying wrong? A: No."], ["Q: a A: b"]])
    assert embeddings.shape == (2, 384)
    assert_close(np.linalg.norm(embeddings, axis=1), 1.0)


@pytest.mark.usefixtures("shipped")
def test_a_folder_named_univar_without_a_model_changes_nothing(tmp_path, monkeypatch):
    (tmp_path / "univar").mkdir()
    monkeypatch.chdir(tmp_path)
    assert isinstance(SentenceTransformer("univar", device="cpu"), UniVaR)


@pytest.mark.usefixtures("shipped")
def test_a_model_saved_in_a_folder_named_univar_is_that_model(attentive_model, tmp_path, monkeypatch):
    attentive_model.save_pretrained(str(tmp_path / "univar"))
    monkeypatch.chdir(tmp_path)
    assert not is_shipped("univar")
    for load in (SentenceTransformer, UniVaR, load_model):
        assert load("univar").training_record == attentive_model.training_record


def test_other_models_stay_as_they_are(tiny_encoder_folder):
    assert type(SentenceTransformer(str(tiny_encoder_folder), device="cpu")) is SentenceTransformer
    assert type(SentenceTransformer(modules=[Transformer(str(tiny_encoder_folder))])) is SentenceTransformer

    class Derived(SentenceTransformer):
        pass

    assert type(Derived(str(tiny_encoder_folder), device="cpu")) is Derived


# A process that is forked after loading, as by `Dataset.map(num_proc=2)`, can encode

FORKED = """
import os, signal, sys
from univar import UniVaR

models = [UniVaR(name, device="cpu") for name in ("univar", "univar-static")]
models[1].save_pretrained(sys.argv[1])
models.append(UniVaR(sys.argv[1], device="cpu"))
for model in models:
    if (child := os.fork()) == 0:
        signal.alarm(30)  # a child that waits for threads of its parent would wait for ever
        embeddings = model.encode(["Q: Is thrift a virtue? A: Yes, waste harms everyone."] * 100)
        os._exit(embeddings.shape != (100, 384))
    print(os.waitpid(child, 0)[1])
"""


def test_a_process_that_is_forked_after_loading_encodes(tmp_path):
    # Two threads of OpenMP even where there is one core: without a second there is nothing to wait for.
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-c", FORKED, str(tmp_path / "saved")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "0", "0"]


# C2: a saved folder in an environment without univar

WITHOUT_UNIVAR = """
import json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "univar":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
from sentence_transformers import SentenceTransformer

models = {folder: SentenceTransformer(folder, device="cpu") for folder in sys.argv[2:]}
assert {type(model) for model in models.values()} == {SentenceTransformer}
qas = json.loads(sys.argv[1])
print(json.dumps({folder: model.encode(qas).tolist() for folder, model in models.items()}))
"""


@pytest.mark.usefixtures("shipped")
def test_a_saved_model_gives_the_same_embeddings_where_univar_is_not_installed(tiny_model, attentive_model, tmp_path):
    models = {
        "mean": tiny_model,
        "attention": attentive_model,
        "shipped": SentenceTransformer("univar", device="cpu"),
    }
    for name, model in models.items():
        model.save_pretrained(str(tmp_path / name))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_UNIVAR, json.dumps(QAS), *(str(tmp_path / name) for name in models)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    encoded = json.loads(done.stdout)
    for name, model in models.items():
        assert_close(np.array(encoded[str(tmp_path / name)]), model.encode(QAS), 1e-5)


def test_modules_json_names_stock_modules_only(attentive_model, tmp_path):
    attentive_model.save_pretrained(str(tmp_path))
    modules = json.loads((tmp_path / "modules.json").read_text())
    assert [module["type"].rpartition(".")[2] for module in modules] == ["Transformer", "Pooling", "Normalize"]
    assert all(module["type"].startswith("sentence_transformers.") for module in modules)
    assert [module["idx"] for module in modules] == [0, 1, 2]
    assert not [path.name for path in tmp_path.iterdir() if "MultiViewPooling" in path.name]


def test_nothing_that_is_saved_is_pickled(attentive_model, tmp_path):
    attentive_model.save_pretrained(str(tmp_path))
    suffixes = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert suffixes == {".json", ".safetensors", ".md"}
    with pytest.raises(ValueError, match="safetensors only"):
        attentive_model.save_pretrained(str(tmp_path), safe_serialization=False)


# C3: saving and loading


@pytest.mark.parametrize("load", [UniVaR, UniVaR.from_pretrained, SentenceTransformer, load_model])
def test_a_saved_model_is_restored_without_loss(attentive_model, tmp_path, load):
    attentive_model.save_pretrained(str(tmp_path))
    loaded = load(str(tmp_path))
    assert isinstance(loaded, UniVaR)
    assert torch.equal(loaded.view_pooling.score.weight, attentive_model.view_pooling.score.weight)
    assert loaded.training_record == attentive_model.training_record
    assert loaded.max_seq_length == 16
    assert np.array_equal(loaded.encode(VIEWS), attentive_model.encode(VIEWS))


def test_what_was_saved_about_views_wins_over_the_argument(attentive_model, tmp_path):
    attentive_model.save_pretrained(str(tmp_path))
    assert UniVaR(str(tmp_path), view_pooling="mean").view_pooling.pooling_mode == "attention"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_precision_of_weights_is_kept(tiny_encoder_folder, tmp_path, dtype):
    options = {"view_pooling": "attention", "device": "cpu", "model_kwargs": {"dtype": dtype}}
    UniVaR(str(tiny_encoder_folder), **options).save_pretrained(str(tmp_path))
    loaded = UniVaR(str(tmp_path), device="cpu")
    assert {parameter.dtype for parameter in loaded.parameters()} == {dtype}


def cached(model: SentenceTransformer, cache: Path) -> None:
    """Has the cache of the Hub client stand for the Hub: a snapshot with every file of `someone/encoder`."""
    revision = "0123456789abcdef0123456789abcdef01234567"
    repository = cache / "models--someone--encoder"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision)
    model.save_pretrained(str(repository / "snapshots" / revision))


def test_a_model_is_loaded_from_the_hub(attentive_model, tmp_path):
    cached(attentive_model, tmp_path)
    loaded = UniVaR("someone/encoder", cache_folder=str(tmp_path), local_files_only=True, device="cpu")
    assert np.array_equal(loaded.encode(VIEWS), attentive_model.encode(VIEWS))
    assert loaded.training_record == attentive_model.training_record


def test_a_name_on_the_hub_means_the_model_with_its_views_and_record(attentive_model, tmp_path, monkeypatch):
    cached(attentive_model, tmp_path)
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    loaded = load_model("someone/encoder")
    assert np.array_equal(loaded.encode(VIEWS), attentive_model.encode(VIEWS))
    assert representations(["someone/encoder"])[1] == {"00ff"}


def test_a_stock_encoder_on_the_hub_stays_one(tiny_encoder_folder, tmp_path, monkeypatch):
    cached(SentenceTransformer(str(tiny_encoder_folder), device="cpu"), tmp_path)
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    assert type(load_model("someone/encoder")) is SentenceTransformer


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nobody/no-such-encoder", "couldn't find them in the cached files"),
        ("no-such-encoder", "couldn't find them in the cached files"),
        ("no/such/folder", "Path no/such/folder not found"),
        ("no such/encoder", "Repo id must use alphanumeric chars"),
    ],
)
def test_a_name_that_means_no_model_is_an_error_of_the_library(name, words):
    with pytest.raises(OSError, match=words):
        load_model(name)


def test_a_model_is_pushed_as_it_is_saved(attentive_model, tmp_path, monkeypatch):
    pushed = {}

    class Hub:
        def __init__(self, token=None):
            pass

        def create_repo(self, repo_id, **_):
            return type("Url", (), {"repo_id": repo_id})

        def upload_folder(self, folder_path, **_):
            pushed.update({path.name: path.read_bytes() for path in Path(folder_path).iterdir() if path.is_file()})
            return type("Commit", (), {"commit_url": "https://hub/commit"})

    monkeypatch.setattr(stock_model, "HfApi", Hub)
    assert attentive_model.push_to_hub("someone/encoder", replace_model_card=True) == "https://hub/commit"
    attentive_model.save_pretrained(str(tmp_path))
    assert pushed == {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}


def test_joined_views_are_encoded_as_one_text_before_and_after_saving(tiny_encoder_folder, tmp_path):
    model = UniVaR(str(tiny_encoder_folder), view_pooling="concat", device="cpu")
    joined = model.encode(["\n".join(view) for view in VIEWS])
    assert_close(model.encode(VIEWS), joined)
    assert np.abs(UniVaR(str(tiny_encoder_folder), device="cpu").encode(VIEWS)[0] - joined[0]).max() > 1e-3
    model.save_pretrained(str(tmp_path))
    loaded = UniVaR(str(tmp_path), device="cpu")
    assert np.array_equal(loaded.encode(VIEWS), model.encode(VIEWS))
    # Single QAs as ever, also without univar.
    assert_close(SentenceTransformer(str(tmp_path), device="cpu").encode(QAS), loaded.encode(QAS), 1e-5)


def test_a_joined_view_is_cut_at_the_window_and_its_order_matters(tiny_encoder_folder):
    model = UniVaR(str(tiny_encoder_folder), view_pooling="concat", device="cpu")
    model.max_seq_length = 5  # [CLS] q yes always [SEP]
    assert_close(model.encode([["q yes always", "q no"]]), model.encode(["q yes always"]))
    assert np.abs(model.encode([["q no", "q yes always"]]) - model.encode(["q yes always"])).max() > 1e-3


def test_saving_over_another_model_leaves_nothing_of_it(attentive_model, tiny_model, tmp_path):
    attentive_model.save_pretrained(str(tmp_path))
    tiny_model.save_pretrained(str(tmp_path))
    loaded = UniVaR(str(tmp_path), device="cpu")
    assert loaded.view_pooling.pooling_mode == "mean"
    assert loaded.training_record == {}


def test_the_card_of_the_encoder_that_training_starts_from_is_not_ours(tiny_encoder_folder, tmp_path):
    base = tmp_path / "base"
    stock = SentenceTransformer(str(tiny_encoder_folder), device="cpu")
    stock.save_pretrained(str(base))
    (base / "README.md").write_text("# Some other model\n")
    UniVaR(str(base), device="cpu").save_pretrained(str(tmp_path / "ours"))
    assert "UniVaR" in (tmp_path / "ours" / "README.md").read_text()
    assert "other model" not in (tmp_path / "ours" / "README.md").read_text()


def test_a_card_that_was_set_is_saved_and_loaded(attentive_model, tmp_path):
    attentive_model.set_model_card("# Ours\n")
    attentive_model.save_pretrained(str(tmp_path / "first"))
    UniVaR(str(tmp_path / "first"), device="cpu").save_pretrained(str(tmp_path / "second"))
    assert (tmp_path / "second" / "README.md").read_text() == "# Ours\n"


def test_a_model_can_be_made_of_modules_and_copied(attentive_model):
    made = UniVaR(modules=list(attentive_model), device="cpu")
    plain = UniVaR(modules=list(attentive_model)[:2], view_pooling="mean", device="cpu")
    assert [type(module) for module in plain] == [ViewTransformer, Pooling, MultiViewPooling, Normalize]
    for model in (made, copy.deepcopy(attentive_model)):
        assert np.array_equal(model.encode(VIEWS), attentive_model.encode(VIEWS))


def test_modules_may_have_names_or_come_one_by_one(attentive_model):
    expected = attentive_model.encode(VIEWS)
    for modules in (OrderedDict(attentive_model.named_children()), iter(attentive_model)):
        assert np.array_equal(UniVaR(modules=modules, device="cpu").encode(VIEWS), expected)
    with pytest.raises(ValueError, match="modules is empty: give at least a Transformer or a StaticEmbedding"):
        UniVaR(modules=[])


def test_a_model_of_the_same_modules_leaves_the_first_as_it_was(tiny_encoder_folder):
    stock = SentenceTransformer(str(tiny_encoder_folder), device="cpu")
    first = UniVaR(modules=list(stock), device="cpu")
    before = first.encode(VIEWS)
    joining = UniVaR(modules=list(first)[:2], view_pooling="concat", device="cpu")
    assert np.abs(joining.encode(VIEWS) - before).max() > 1e-3
    assert np.array_equal(first.encode(VIEWS), before)
    # The weights are those of all three.
    with torch.no_grad():
        next(stock.parameters()).add_(0.1)
    for model in (first, joining):
        assert_close(model.encode(QAS), stock.encode(QAS))


def test_a_module_of_another_kind_is_not_taken_for_a_stock_one(tiny_encoder_folder):
    class Louder(Transformer):
        def forward(self, features, **kwargs):
            found = super().forward(features, **kwargs)
            return {**found, "token_embeddings": 2 * found["token_embeddings"]}

    with pytest.raises(ValueError, match="got Louder, a subclass whose own methods would be lost"):
        UniVaR(modules=[Louder(str(tiny_encoder_folder)), Pooling(16)])


def test_saving_nowhere_saves_nothing(tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_model.save(None)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_model_is_an_error_that_says_what_to_give(tmp_path):
    for load in (UniVaR, load_model):
        with pytest.raises(FileNotFoundError, match=r"neither modules\.json nor config\.json"):
            load(str(tmp_path))


@pytest.mark.parametrize("load", [UniVaR, load_model])
@pytest.mark.parametrize(("name", "error"), [(None, TypeError), (3, TypeError), ([], TypeError), ("", ValueError)])
def test_what_is_no_name_is_an_error_that_says_what_to_give(load, name, error):
    with pytest.raises(error, match=r"name.*; give univar, univar-static, a folder of a saved model"):
        load(name)


def test_the_first_module_must_be_a_transformer():
    with pytest.raises(ValueError, match="must be a Transformer or a StaticEmbedding, got Normalize"):
        UniVaR(modules=[Normalize()])


@pytest.mark.usefixtures("shipped")
def test_base_means_the_untouched_base_encoder(tiny_encoder_folder):
    model = load_model("base")
    assert type(model) is SentenceTransformer
    assert_close(model.encode(QAS), SentenceTransformer(str(tiny_encoder_folder), device="cpu").encode(QAS))


def test_a_lone_hugging_face_encoder_gets_mean_pooling(tiny_encoder_folder, tmp_path):
    Transformer(str(tiny_encoder_folder)).save(str(tmp_path))
    for name in ("modules.json", "sentence_bert_config.json"):
        (tmp_path / name).unlink(missing_ok=True)
    model = UniVaR(str(tmp_path), device="cpu")
    assert_close(model.encode(VIEWS), UniVaR(str(tiny_encoder_folder), device="cpu").encode(VIEWS), 1e-5)


# C4: a view is a set


@pytest.fixture(params=["mean", "attention"])
def model(request, tiny_model, attentive_model) -> UniVaR:
    return tiny_model if request.param == "mean" else attentive_model


def test_order_within_a_view_does_not_matter(model):
    assert_close(model.encode([view[::-1] for view in VIEWS]), model.encode(VIEWS))


def test_one_qa_a_view_is_the_embedding_of_that_qa(model):
    assert_close(model.encode([[qa] for qa in QAS]), model.encode(QAS))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 32])
def test_other_views_of_the_batch_do_not_matter(model, batch_size):
    alone = np.stack([model.encode([view])[0] for view in VIEWS])
    assert_close(model.encode(VIEWS, batch_size=batch_size), alone)


@pytest.mark.parametrize("padding_side", ["left", "right"])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_the_side_of_the_padding_does_not_matter(tiny_encoder_folder, tmp_path, padding_side, batch_size):
    # BERT counts positions from the left of the padding; an encoder with relative positions can be padded there.
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, pad_token_id=0
    )
    LlamaModel(config).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder_folder, padding_side=padding_side)
    tokenizer.save_pretrained(tmp_path)
    model = UniVaR(modules=[Transformer(str(tmp_path)), Pooling(16)], device="cpu")
    assert model.tokenizer.padding_side == padding_side
    many = [VIEWS[0] * 15, VIEWS[1] * 20]  # more QAs than pass the encoder at once
    alone = [model.encode(list(view)).mean(axis=0) for view in (VIEWS[0], VIEWS[1])]
    expected = np.stack([embedding / np.linalg.norm(embedding) for embedding in alone])
    assert_close(model.encode(many, batch_size=batch_size), expected, 1e-5)


def rows_passing_the_encoder(model: UniVaR) -> list[int]:
    rows: list[int] = []
    model.encoder.embeddings.register_forward_hook(lambda _module, _inputs, output: rows.append(len(output)))
    return rows


@pytest.mark.parametrize(("views", "qas", "most"), [(1, 200, 32), (3, 200, 32), (40, 20, 40)])
def test_memory_grows_with_the_batch_and_not_with_the_view(tiny_model, views, qas, most):
    rows = rows_passing_the_encoder(tiny_model)
    tiny_model.encode([[QAS[number % 5] for number in range(qas)]] * views, batch_size=views)
    assert sum(rows) == qas * views
    assert max(rows) == most


def test_large_views_give_what_they_give_in_one_piece(model):
    rows = rows_passing_the_encoder(model)
    large = [[QAS[(number * step) % 5] for number in range(100 * step)] for step in (1, 2)]
    features = model.preprocess(large)
    with torch.enable_grad():  # training needs all QAs of a batch at once
        whole = model(features)["sentence_embedding"]
    assert rows == [300]
    assert whole.requires_grad
    assert_close(model.encode(large), whole.detach().numpy())


def test_tokens_of_views_are_not_given_instead_of_tokens_of_qas(tiny_model):
    assert len(tiny_model.encode(QAS, output_value="token_embeddings")) == 5
    with pytest.raises(KeyError, match="token_embeddings"):
        tiny_model.encode(VIEWS, output_value="token_embeddings")


def test_what_is_no_view_is_an_error(tiny_model):
    with pytest.raises(ValueError, match="view 0 is empty"):
        tiny_model.encode([[]])
    with pytest.raises(TypeError, match=r"3 \(int\) is no QA; give a text as univar.qa_text"):
        tiny_model.encode([3])


# Private names of sentence-transformers


def test_the_private_hook_that_we_override_is_still_there():
    signature = inspect.signature(SentenceTransformer._load_modules)
    expected = ["self", "model_name_or_path", "token", "cache_folder", "revision", "trust_remote_code"]
    assert list(signature.parameters)[: len(expected)] == expected
    assert "local_files_only" in signature.parameters
    assert "_create_model_card" in vars(stock_model.BaseModel)


@pytest.mark.usefixtures("shipped")
def test_a_missing_adapter_is_an_error_that_says_what_to_do():
    os.remove(weights.ASSETS / weights.ADAPTER_FILE)
    with pytest.raises(weights.WeightsError, match=r"weights missing: .*adapter.*reinstall"):
        SentenceTransformer("univar", device="cpu")
