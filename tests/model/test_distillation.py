"""The static student: its tokens, its start in closed form, its training, and the folder that stock software reads."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from univar.model import weights
from univar.model.distillation import (
    Distillation,
    distil,
    least_squares,
    phrase_tokenizer,
    principal_axes,
    token_shares,
)
from univar.model.modeling import UniVaR, load_model

SAID = {"aya": "I would say that one must always tell the truth.", "solar": "It depends, I would not be too strict."}
TEXTS = [f"Q: is it right {number} A: {answer}" for number in range(24) for answer in SAID.values()]
LABELS = [("tiny", model) for _ in range(24) for model in SAID]
SETTINGS = Distillation(vocabulary=300, hidden=8, epochs=30, batch_pairs=8, learning_rate=1e-2, contrast=0.01)


@pytest.fixture(scope="module")
def targets() -> np.ndarray:
    """A teacher that tells the two apart, and hears a little of the question."""
    rows = np.tile([[1.0, 0.2, 0.0], [0.0, 0.2, 1.0]], (24, 1)).astype(np.float32)
    rows[:, 1] += np.repeat(np.linspace(0, 0.1, 24), 2).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def student(targets) -> UniVaR:
    return distil(TEXTS, LABELS, targets, SETTINGS)


@pytest.fixture
def words() -> Tokenizer:
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "a": 1, "b": 2, "c": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    return tokenizer


# Tokens


def test_frequent_phrases_become_tokens_that_cross_no_punctuation():
    tokenizer = phrase_tokenizer(TEXTS, vocabulary=300)
    tokens = tokenizer.encode("A: It depends, I would not be TOO strict.").tokens
    assert "▁i▁would▁not▁be▁too▁strict." in tokens
    assert "".join(tokens) == "a:▁it▁depends,▁i▁would▁not▁be▁too▁strict."
    short = phrase_tokenizer(TEXTS, vocabulary=300, phrase=6)
    assert max(map(len, short.get_vocab())) <= 6


def test_token_shares_of_a_text_sum_to_one(words):
    # Two of four tokens are a, one is b, one is unknown; the empty text has none.
    shares = token_shares(words, ["a b a x", "", "c"])
    assert shares.toarray().tolist() == [[0.25, 0.5, 0.25, 0.0], [0.0] * 4, [0.0, 0.0, 0.0, 1.0]]


# Least squares


def test_least_squares_gives_the_mean_of_a_token_shrunk_by_the_penalty(words):
    # Each text is one token, so that the Gram matrix is the identity (a and b in one text each) and its mean
    # diagonal 1: a penalty of 0.25 divides every target by 1.25.
    shares = token_shares(words, ["a", "b"])
    targets = np.array([[1.0, 0.0], [0.0, 2.0]], dtype=np.float32)
    vectors = least_squares(shares, targets, ridge=0.25, rarity=0.5)
    np.testing.assert_allclose(vectors, [[0, 0], [0.8, 0], [0, 1.6], [0, 0]], atol=1e-6)
    assert vectors.dtype == np.float32


def test_rarity_leaves_more_freedom_to_rare_tokens(words):
    shares = token_shares(words, ["a"] * 8 + ["b"])
    targets = np.ones((9, 1), dtype=np.float32)
    alike, freed = (least_squares(shares, targets, ridge=0.5, rarity=rarity)[:, 0] for rarity in (0.0, 0.4))
    # a: 8 / (8 + p), b: 1 / (1 + p) with the penalty p = 0.5 * (8 + 1) / 2 = 2.25.
    np.testing.assert_allclose(alike[1:3], [8 / 10.25, 1 / 3.25], atol=1e-6)
    assert freed[2] > alike[2]


# Training


def test_axes_are_those_along_which_embeddings_are_longest():
    # Squared lengths along x, y and z: 1 + 9 = 10, 4 and 1.
    embeddings = np.array([[1, 0, 0], [3, 0, 0], [0, 2, 0], [0, 0, 1]], dtype=np.float32)
    axes = principal_axes(embeddings, 2)
    np.testing.assert_allclose(np.abs(axes), [[1, 0], [0, 1], [0, 0]], atol=1e-6)
    assert principal_axes(embeddings, 9).shape == (3, 3)


def test_vectors_are_narrower_than_embeddings(targets):
    narrow = distil(TEXTS, LABELS, targets, dataclasses.replace(SETTINGS, width=2))
    assert narrow[0].embedding.weight.shape[1] == 2
    assert narrow.encode(TEXTS[:2]).shape == (2, targets.shape[1])


def test_the_student_comes_near_its_teacher(student, targets):
    embeddings = student.encode(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1.0, atol=1e-5)
    assert (embeddings * targets).sum(axis=1).min() > 0.9


def test_the_same_seed_gives_the_same_student(student, targets):
    again = distil(TEXTS, LABELS, targets, SETTINGS)
    np.testing.assert_allclose(again.encode(TEXTS), student.encode(TEXTS), atol=1e-6)


def test_a_student_takes_views(student):
    views = [TEXTS[:3], [TEXTS[5]], TEXTS[:3][::-1]]
    encoded, single = student.encode(views), student.encode(TEXTS[5])
    assert encoded.shape == (3, 3)
    np.testing.assert_allclose(encoded[0], encoded[2], atol=1e-6)
    np.testing.assert_allclose(encoded[1], single, atol=1e-6)
    mean = student.encode(TEXTS[:3]).mean(axis=0)
    np.testing.assert_allclose(encoded[0], mean / np.linalg.norm(mean), atol=1e-6)


def test_a_student_reads_many_texts_at_once_and_views_as_asked(student):
    rows = []
    hook = student[2].register_forward_hook(
        lambda _module, _inputs, found: rows.append(len(found["sentence_embedding"]))
    )
    try:
        student.encode(TEXTS * 6)
        student.encode([[text] for text in TEXTS[:40]])
    finally:
        hook.remove()
    assert rows == [256, 32, 32, 8]


def test_what_does_not_fit_together_is_refused(targets):
    with pytest.raises(ValueError, match="differ in number: 48, 47, 48"):
        distil(TEXTS, LABELS[1:], targets)
    with pytest.raises(ValueError, match="no corpus has 128 pairs of texts; lower batch_pairs"):
        distil(TEXTS, LABELS, targets, Distillation(vocabulary=300))
    with pytest.raises(ValueError, match="dropout"):
        Distillation(dropout=1.0)


# Files


class Stock(SentenceTransformer):
    """What `import univar` does not touch."""


def test_a_saved_student_is_restored_and_stock_software_reads_it_too(student, tmp_path):
    student.save_pretrained(str(tmp_path))
    restored = load_model(str(tmp_path))
    assert isinstance(restored, UniVaR)
    np.testing.assert_allclose(restored.encode([TEXTS[:2]]), student.encode([TEXTS[:2]]), atol=1e-6)
    np.testing.assert_allclose(Stock(str(tmp_path)).encode(TEXTS), student.encode(TEXTS), atol=1e-6)
    modules = json.loads((tmp_path / "modules.json").read_text())
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    assert kinds == ["StaticEmbedding", "Normalize", "Dense", "Dense", "Normalize"]
    assert all(module["type"].startswith("sentence_transformers.") for module in modules)


def test_a_stock_static_model_becomes_one_that_takes_views(words):
    stock = SentenceTransformer(modules=[StaticEmbedding(words, embedding_dim=4)], device="cpu")
    model = UniVaR(modules=list(stock.children()), device="cpu")
    assert model.encode([["a b", "c"], ["a"]]).shape == (2, 4)
    with pytest.raises(TypeError, match="a static model has no transformer"):
        _ = model.encoder


# The student that ships


@pytest.fixture
def shipped_student(student, tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "static"
    student.save_pretrained(str(folder))
    files = folder.rglob("*.safetensors")
    hashes = {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    (folder / weights.RECORD_FILE).write_text(json.dumps({"sha256": hashes, "questions": ["00ff"]}))
    monkeypatch.setattr(weights, "STATIC_ASSETS", folder)
    return folder


def test_the_name_univar_static_means_the_shipped_student(student, shipped_student):
    assert shipped_student
    for load in (SentenceTransformer, UniVaR, load_model):
        model = load("univar-static")
        assert isinstance(model, UniVaR)
        assert model.training_record["questions"] == ["00ff"]
        np.testing.assert_allclose(model.encode(TEXTS), student.encode(TEXTS), atol=1e-6)


@pytest.mark.parametrize("damage", ["damaged", "missing"])
def test_a_student_that_is_not_the_published_one_is_refused(shipped_student, damage):
    file = next(shipped_student.glob("*.safetensors"))
    file.write_bytes(b"x") if damage == "damaged" else file.unlink()
    with pytest.raises(weights.WeightsError, match=f"{damage}.*reinstall this package"):
        SentenceTransformer("univar-static")


def test_the_student_that_ships_loads_offline_in_single_precision():
    model = SentenceTransformer("univar-static")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert model.encode([["Q: Is thrift a virtue? A: Yes.", "Q: A lie? A: No."], ["Q: a A: b"]]).shape == (2, 384)
    assert sum(file.stat().st_size for file in weights.STATIC_ASSETS.rglob("*")) < 16 * 2**20
    assert len(model.training_record["questions"]) > 1000


def test_the_student_has_learned_from_training_questions_alone():
    """Some of its teacher's: a question of the other splits would make every measurement of it worthless."""
    student = json.loads((weights.STATIC_ASSETS / weights.RECORD_FILE).read_text(encoding="utf-8"))
    assert set(student["questions"]) <= set(weights.shipped_record()["questions"])
