"""The poles as vectors: encoded once a model, kept, and never by another model than the answers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from univar.corpus.questions.poles import poles
from univar.corpus.records import question_hash
from univar.model import pole_vectors
from univar.model.embedded import EmbeddedCorpusError, embed
from univar.model.encoding import Provenance
from univar.model.modeling import UniVaR, load_model, weights_sha256
from univar.model.pole_vectors import are_kept, embedded_poles, ship_poles

FEW = poles()[:6]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and six poles."""
    monkeypatch.setattr("huggingface_hub.cached_assets_path", lambda *_, namespace: tmp_path / namespace)
    monkeypatch.setattr(pole_vectors, "poles", lambda: FEW)
    return tmp_path / "poles"


def made(model: UniVaR, name: str = "tiny") -> Provenance:
    return Provenance.of(model, name, ())


def test_they_are_encoded_once_and_kept(tiny_model, cache, monkeypatch):
    counted = []
    first = embedded_poles(made(tiny_model), tiny_model, advance=counted.append)
    assert first.records == tuple(pole.record for pole in FEW)
    assert sum(counted) == len(FEW)
    assert [file.name for file in cache.iterdir()] == [f"{weights_sha256(tiny_model)[:20]}.parquet"]
    monkeypatch.setattr(pole_vectors, "embed", lambda *_, **__: pytest.fail("encoded"))
    monkeypatch.setattr("univar.model.modeling.load_model", lambda _: pytest.fail("loaded"))
    assert are_kept(made(tiny_model))
    np.testing.assert_array_equal(embedded_poles(made(tiny_model)).embeddings, first.embeddings)


def test_the_model_is_loaded_by_its_name(tiny_model, tiny_encoder_folder):
    tiny_model.save_pretrained(str(tiny_encoder_folder.parent / "saved"), create_model_card=False)
    named = made(tiny_model, str(tiny_encoder_folder.parent / "saved"))
    assert len(embedded_poles(named)) == len(FEW)


def test_what_is_kept_of_other_poles_or_damaged_is_encoded_again(tiny_model, cache, monkeypatch):
    embedded_poles(made(tiny_model), tiny_model)
    (file,) = cache.iterdir()
    monkeypatch.setattr(pole_vectors, "poles", lambda: (*FEW[:5], replace(FEW[5], answer="Another.")))
    assert not are_kept(made(tiny_model))
    assert embedded_poles(made(tiny_model), tiny_model).records[5].answer == "Another."
    file.write_bytes(b"PAR1 but no more")
    assert len(embedded_poles(made(tiny_model), tiny_model)) == 6


def test_a_model_that_cannot_be_loaded_by_its_name_is_told_with_the_way_out(tiny_model):
    with pytest.raises(
        EmbeddedCorpusError,
        match=r"the poles must be embedded by the model that the answers were embedded by, and './gone' cannot be "
        r"loaded by its name .* give it as model=, in the terminal --model FOLDER",
    ):
        embedded_poles(made(tiny_model, "./gone"))


def test_another_model_is_refused_and_nothing_kept(tiny_model, cache):
    other = Provenance("mine", "f" * 64, None)
    with pytest.raises(
        EmbeddedCorpusError, match=r"the vectors are by mine \(f{12}…\), and the model given or found under"
    ):
        embedded_poles(other, tiny_model)
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_costs_time_alone(tiny_model, cache):
    cache.write_text("a file where the folder should be")
    assert len(embedded_poles(made(tiny_model), tiny_model)) == len(FEW)


def test_where_there_is_no_place_for_a_cache(tiny_model, monkeypatch):
    def refuse(*_: object, **__: object) -> Path:
        raise PermissionError("read-only")

    monkeypatch.setattr("huggingface_hub.cached_assets_path", refuse)
    assert len(embedded_poles(made(tiny_model), tiny_model)) == len(FEW)


def test_those_by_the_weights_that_ship_come_with_them(monkeypatch):
    # Encoded here are some of them; all 3,480 take a minute.
    monkeypatch.setattr(pole_vectors, "poles", poles)
    model = load_model("univar")
    shipped = embedded_poles(made(model, "univar"))
    assert are_kept(made(model, "univar"))
    for row in (0, 1234, 3479):
        vector = embed([poles()[row].record], model, name="univar").embeddings[0]
        np.testing.assert_allclose(shipped.embeddings[row], vector, atol=2e-3)
    trained_on = set(model.training_record["questions"])
    assert shipped.provenance.trained_on == {
        hashed for pole in poles() if (hashed := question_hash(pole.record.question_key)) in trained_on
    }


def test_of_other_texts_than_they_were_made_of_they_are_not_taken(tiny_model, tmp_path, monkeypatch):
    found = embedded_poles(made(tiny_model), tiny_model)
    monkeypatch.setattr(pole_vectors, "SHIPPED", tmp_path / "shipped.safetensors")
    ship_poles(found, tmp_path / "shipped.safetensors")
    pole_vectors._shipped.cache_clear()
    np.testing.assert_allclose(embedded_poles(made(tiny_model)).embeddings, found.embeddings, atol=1e-3)
    fewer = found.records[:3]
    assert pole_vectors._shipped(made(tiny_model).fingerprint, pole_vectors._texts_sha256(fewer)) is None
    pole_vectors._shipped.cache_clear()
