"""Style of a corpus: what is encoded again and by what, and what is said where that cannot be."""

import dataclasses

import numpy as np
import pytest

import univar
from univar.corpus.records import QARecord
from univar.model.embedded import EmbeddedCorpus, EmbeddedCorpusError
from univar.model.encoding import Provenance
from univar.model.unread import UntranslatedError

SAID = {"plain": "yes honest family", "marked": "# yes\n\n- **honest**\n- family!", "other": "no never save"}


def corpus(about: str = "q", questions: int = 12, said: dict[str, str] = SAID) -> list[QARecord]:
    """Two LLMs that say the same, one of them in Markdown, and one that says another thing."""
    return [
        QARecord(f"{about}{number}", f"is it right to lie {about} {number}", answer, model, "eng")
        for number in range(questions)
        for model, answer in said.items()
    ]


@pytest.fixture
def embedded(tiny_encoder_folder, tmp_path):
    univar.embed(corpus(), str(tiny_encoder_folder)).save(tmp_path / "e.parquet")
    return tmp_path / "e.parquet"


def test_what_differs_by_markdown_alone_is_the_same_when_restyled(tiny_encoder_folder):
    said = {"plain": "yes. honest. family.", "marked": SAID["marked"]}
    found = univar.style(corpus(said=said), model=str(tiny_encoder_folder))
    written, restyled = found.row("as written"), found.row("restyled")
    assert written.squared > 0.001
    assert restyled.squared == pytest.approx(0, abs=1e-6)
    assert restyled.left == pytest.approx(0, abs=1e-3)
    assert restyled.changed == 12
    assert found.verdict == "mostly style"
    assert found.row("style alone").linear.accuracy == 1


def test_only_what_is_changed_of_an_embedded_corpus_is_encoded(embedded, tiny_encoder_folder, monkeypatch):
    given: list[str] = []
    plain = univar.analysis.style.reading.embed_texts

    def counted(model, texts, **options):
        given.extend(texts)
        return plain(model, texts, **options)

    monkeypatch.setattr("univar.analysis.style.reading.embed_texts", counted)
    found = univar.style(embedded)
    assert found.row("as written").questions == 12
    assert given
    assert len(given) == len(set(given))
    assert not set(given) & {record.text for record in corpus()}
    again = univar.style(corpus(), model=str(tiny_encoder_folder))
    np.testing.assert_allclose([row.left for row in found.rows], [row.left for row in again.rows], rtol=1e-4)


def test_the_rows_of_a_corpus_whose_model_is_gone_say_so():
    rows = np.random.default_rng(0).normal(size=(36, 8)).astype(np.float32)
    made = Provenance("no/such-model", "0" * 64, None)
    found = univar.style(EmbeddedCorpus(tuple(corpus()), rows, made), EmbeddedCorpus(tuple(corpus("c")), rows, made))
    assert found.row("restyled").reason.startswith("no/such-model, which made the vectors, cannot be loaded (")
    assert found.row("restyled").reason.endswith(
        "name it or its folder as the model, or give the answers without vectors"
    )
    assert found.row("as written").questions == found.row("whole answers").questions == 12
    assert not found.beyond.looks  # both as written are what there is to compare
    with pytest.raises(EmbeddedCorpusError, match="one corpus is embedded and the other cannot be: no/such-model"):
        univar.style(EmbeddedCorpus(tuple(corpus()), rows, made), corpus("c"))


def test_a_model_of_the_same_name_with_other_weights_is_not_taken(embedded, tiny_encoder_folder):
    stored = EmbeddedCorpus.load(embedded)
    other = dataclasses.replace(stored, provenance=dataclasses.replace(stored.provenance, fingerprint="1" * 64))
    found = univar.style(other)
    assert f"{tiny_encoder_folder} here has other weights than the model of the vectors (111111" in str(found.rows)


def test_vectors_of_another_model_are_refused(embedded):
    stored = EmbeddedCorpus.load(embedded)
    other = dataclasses.replace(stored, provenance=dataclasses.replace(stored.provenance, fingerprint="1" * 64))
    with pytest.raises(
        EmbeddedCorpusError, match=r"the corpus was embedded by .* vectors of two models cannot be compared"
    ):
        univar.style(other, model=stored.provenance.model)
    with pytest.raises(EmbeddedCorpusError, match=r"the control answers by .* embed both by one model"):
        univar.style(stored, other)


def test_control_answers_are_read_beside(tiny_encoder_folder):
    found = univar.style(corpus(), corpus("c"), model=str(tiny_encoder_folder))
    assert found.controlled
    assert found.beyond.looks
    assert found.row("control").n == found.row("control, all three").n == 36
    assert found.row("control, all three").changed == 36  # each gets its full stops


def test_languages_that_the_model_does_not_read_are_refused_or_told(tiny_encoder_folder):
    from univar.model.modeling import load_model

    model = load_model(str(tiny_encoder_folder))
    model.model_card_data.language = ["eng"]
    french = [dataclasses.replace(record, lang="fra") for record in corpus()]
    with pytest.raises(UntranslatedError, match="36 of 36 QAs are in languages that tiny does not read"):
        univar.style(french, model=model, name="tiny")
    found = univar.style(french, model=model, name="tiny", untranslated=True)
    assert found.remarks[0].startswith("Untranslated: 36 of 36 QAs were encoded as they were written")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (corpus(said={"one": "yes"}), r"got 1 \(one \(eng\)\); add answers by another LLM"),
        (corpus(said={"one": "yes"}) + corpus("p", said={"two": "no"}), "share two questions"),
    ],
)
def test_what_cannot_be_compared_is_refused(given, message, tiny_encoder_folder):
    with pytest.raises(ValueError, match=message):
        univar.style(given, model=str(tiny_encoder_folder))
