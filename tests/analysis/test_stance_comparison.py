"""Stances by several models side by side: which answers are measured, what is left out, gains, the poles that ship."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from univar.analysis.representations import sentence_encoder, tfidf
from univar.analysis.stance import triplets
from univar.analysis.stance_comparison import compare_stances, stances_side_by_side
from univar.corpus.questions.poles import poles
from univar.corpus.records import QARecord, question_hash, split_of
from univar.corpus.stances import StanceError
from univar.model.embedded import EmbeddedCorpus, EmbeddedCorpusError
from univar.model.encoding import Provenance

MODELS = ("ada", "bob")
WORDS = (*MODELS, "always", "never")


def corpus(claims: int = 60, models: tuple[str, ...] = MODELS) -> list[QARecord]:
    """Each model answers each question from both ends and says its own name every time."""
    return [
        QARecord(str(number), f"question {number}?", f"{word} says {model}", model, "eng", stance=stance)
        for number in range(claims)
        for model in models
        for word, stance in (("always", 1.0), ("never", -1.0))
    ]


class Reader:
    """Encodes a text by which of its words it holds, each word with a weight."""

    def __init__(self, author: float, side: float) -> None:
        self.weights = np.array([author, author, side, side])
        self.calls: list[list[str]] = []
        self.training_record: dict[str, list[str]] = {}

    def encode(self, sentences: list[str], **options: Any) -> np.ndarray[Any, Any]:
        self.calls.append(sentences)
        return np.array([[word in text for word in WORDS] for text in sentences]) * self.weights


def encoders() -> dict[str, Any]:
    return {"sides": sentence_encoder(Reader(1, 2)), "base": sentence_encoder(Reader(2, 1))}


def embedded(records: list[QARecord], name: str = "sides", fingerprint: str = "0", author: float = 1) -> EmbeddedCorpus:
    vectors = Reader(author, 2).encode([record.text for record in records]).astype(np.float32)
    return EmbeddedCorpus(tuple(records), vectors, Provenance(name, fingerprint * 64, None))


def rows_of(comparison: Any) -> dict[tuple[str, str], Any]:
    return {(row.measure, row.representation): row for row in comparison.rows}


def test_every_measure_is_taken_by_every_representation_beside_its_baseline() -> None:
    compared = stances_side_by_side(corpus(), encoders())
    rows = rows_of(compared)
    assert list(rows) == [
        (measure, name) for measure in ("retrieval", "pairs", "triplets", "correlation") for name in ("sides", "base")
    ]
    # A name and a side are a dimension each: with more weight on the side, its own is always nearer.
    assert (rows["triplets", "sides"].score, rows["triplets", "base"].score) == (1.0, 0.0)
    assert (rows["pairs", "sides"].score, rows["pairs", "base"].score) == (1.0, 0.5)
    assert rows["correlation", "sides"].score == pytest.approx(1, abs=0.01)
    (gain,) = rows["triplets", "sides"].gains
    assert (gain.over, gain.score, *gain.interval) == ("base", 1.0, 1.0, 1.0)
    assert rows["triplets", "base"].gains == ()
    tests = sum(split_of(f"question {number}?") == "test" for number in range(60))
    trains = sum(split_of(f"question {number}?") == "train" for number in range(60))
    assert (rows["triplets", "sides"].n, rows["triplets", "sides"].groups) == (240, 60)
    assert (rows["correlation", "sides"].n, rows["correlation", "sides"].groups) == (4 * tests, tests)
    assert (compared.selection.n, compared.selection.learned, compared.left_out) == (240, 4 * trains, ())


def test_the_result_says_n_chance_and_interval_in_every_form() -> None:
    compared = stances_side_by_side(corpus(), encoders())
    assert str(compared) == (
        "Of 240 answers to 60 questions or claims: is an answer nearer to its side by another author than to the other "
        "side by the same author? (percent) sides 100.0 [100.0, 100.0], base 0.0 [0.0, 0.0] with 95 % intervals; by "
        "chance 50.0."
    )
    assert "| triplets | sides | 240 | 60 | 50.0 | 100.0 [100.0, 100.0] | +100.0 [+100.0, +100.0] | - |" in (
        compared.to_markdown().splitlines()
    )
    frame = compared.to_pandas().set_index(["measure", "representation"])
    assert frame.loc[("triplets", "sides"), "over_base_low"] == 1.0
    assert np.isnan(frame.loc[("triplets", "base"), "over_base"])
    described = json.loads(compared.to_json())
    assert described["rows"][0]["interval"].keys() == {"low", "high"}
    assert described["rows"][0]["gains"][0]["interval"].keys() == {"low", "high"}
    panels = [layout for layout in compared.plot().to_dict()["layout"] if layout.startswith("xaxis")]
    assert len(panels) == 4


def test_only_the_part_asked_for_is_measured_and_the_probe_learns_from_train() -> None:
    model = Reader(1, 2)
    compared = stances_side_by_side(corpus(200), {"sides": sentence_encoder(model)}, part="validation")
    validation = [n for n in range(200) if split_of(f"question {n}?") == "validation"]
    assert {row.groups for row in compared.rows} == {len(validation)}
    assert compared.selection.other_parts == 4 * (200 - len(validation))
    assert not [text for text in model.calls[0] if split_of(text[3 : text.index(" A: ")]) == "test"]


def test_questions_that_a_model_was_trained_on_are_measured_for_none_and_may_teach_the_probe() -> None:
    records = corpus(200)
    trained = {question_hash(r.question.upper()) for r in records if split_of(r.question) != "test"}
    compared = stances_side_by_side(records, encoders(), trained_on=trained)
    tests = sum(split_of(f"question {number}?") == "test" for number in range(200))
    assert {row.groups for row in compared.rows} == {tests}
    assert compared.selection.trained_on == 4 * (200 - tests)
    assert compared.selection.learned > 0


def test_answers_are_compared_within_their_claim() -> None:
    records = [replace(r, question=f"{r.model} and {r.stance}?", claim=f"claim {r.question_id}") for r in corpus()]
    assert rows_of(stances_side_by_side(records, encoders()))["triplets", "sides"].groups == 60


def test_what_cannot_be_measured_is_left_out_and_said() -> None:
    twice = [replace(r, answer=f"{r.answer} {sample}", sample=sample) for r in corpus(5, ("ada",)) for sample in (0, 1)]
    compared = stances_side_by_side(twice, encoders())
    assert compared.measures == ["retrieval", "pairs"]
    assert [reason.partition(":")[0] for reason in compared.left_out] == ["triplets", "correlation"]
    assert "Left out: triplets: 0 groups have two authors, one of whom took both sides" in compared.to_markdown()
    assert compared.selection.learned == 0


def test_where_no_question_is_of_train_or_test_all_but_the_probe_is_measured() -> None:
    records = [r for r in corpus(200) if split_of(r.question) == "validation"]
    compared = stances_side_by_side(records, encoders())
    assert compared.measures == ["retrieval", "pairs", "triplets"]
    assert compared.left_out == ("correlation: no answers with a stance are to questions of the train or test part",)


def test_an_author_who_is_a_stance_is_told() -> None:
    sided = [r for r in corpus(60, ("ada", "bob", "cyd", "dee")) if (r.model in MODELS) == (r.stance == 1.0)]
    compared = stances_side_by_side(sided, {"sides": sentence_encoder(Reader(1, 2))})
    assert "Warning: the author is the stance" in compared.to_markdown()
    assert "triplets" not in compared.measures


def test_answers_without_a_stance_are_left_out_and_counted() -> None:
    records = [*corpus(), *(replace(r, stance=None) for r in corpus(10))]
    assert stances_side_by_side(records, encoders()).selection.no_stance == 40


@pytest.mark.parametrize(
    ("records", "options", "error", "message"),
    [
        ([replace(r, stance=None) for r in corpus(9)], {}, StanceError, "stance asked of a corpus without any"),
        ([replace(r, stance=0.5) for r in corpus(9)], {}, StanceError, "all 36 stances are 0.5"),
        (corpus(1), {}, ValueError, "nothing can be measured. Answers with a stance, all parts: 4 to 1 questions"),
        (corpus(9), {"part": "train"}, ValueError, "part must be one of validation, test, all, got 'train'"),
        (corpus(9), {"max_characters": 0}, ValueError, "max_characters must be at least 1, got 0"),
    ],
)
def test_what_says_nothing_is_refused_before_anything_is_encoded(records, options, error, message) -> None:  # type: ignore[no-untyped-def]
    model = Reader(1, 2)
    with pytest.raises(error, match=message):
        stances_side_by_side(records, {"sides": sentence_encoder(model)}, **options)
    assert model.calls == []


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="no representation to compare"):
        stances_side_by_side(corpus(), {})


def test_stored_vectors_are_measured_as_they_are(tmp_path) -> None:  # type: ignore[no-untyped-def]
    embedded(corpus()).save(tmp_path / "sides.parquet")
    compared = compare_stances(tmp_path / "sides.parquet")
    assert (compared.stored, compared.baselines) == (("sides",), ["tfidf"])
    assert rows_of(compared)["triplets", "sides"].score == 1.0
    assert compared.selection.n == 240
    beside = compare_stances(corpus(), models=[embedded(corpus()), embedded(corpus(), "base", "1", author=4)])
    assert rows_of(beside)["triplets", "sides"].gains[0].score == 1.0
    with pytest.raises(EmbeddedCorpusError, match="QAs have no vector by sides"):
        compare_stances(corpus(70), models=[embedded(corpus())])


def test_the_poles_that_ship_are_measured_by_voice() -> None:
    compared = compare_stances(models=["mine"], load=lambda _: Reader(1, 2), part="all")
    rows = rows_of(compared)
    assert compared.selection.source == "poles"
    # Each of 870 questions has two voices from both ends.
    assert {(row.n, row.groups) for row in compared.rows[:3]} == {(3480, 870)}
    assert rows["retrieval", "mine"].chance == 0.5
    held = [pole for pole in poles() if pole.split == "test"]
    assert (rows["correlation", "mine"].n, compared.selection.learned) == (len(held), 1680)


def test_words_tell_the_voices_of_poles_rather_than_their_ends() -> None:
    records = [pole.record for pole in poles()]
    texts = [record.text for record in records]
    words, _ = tfidf()(texts, texts[:1])
    found = triplets(words, *zip(*((r.question_id, r.stance, r.model) for r in records), strict=True))
    # Counted apart from this code, triplet by triplet: 36.6 %.
    assert (found.n, found.score) == (3480, pytest.approx(0.366, abs=0.001))


def test_of_the_poles_only_values_and_voices_that_train_never_meets_are_measured_by_default() -> None:
    model = Reader(1, 2)
    compared = compare_stances(models=["mine"], load=lambda _: model)
    held = [pole for pole in poles() if pole.split == "test"]
    assert (compared.selection.part, compared.selection.n) == ("test", len(held))
    learned = set(model.calls[0]) - {pole.record.text for pole in held}
    splits = {pole.record.text: pole.split for pole in poles()}
    assert {splits[text] for text in learned} == {"train"}
    assert "The poles that ship, the test part: 984 to 363 questions or claims" in compared.to_markdown()


def test_a_representation_is_given_all_texts_at_once() -> None:
    galleries: list[list[str]] = []

    def encode(gallery: list[str], query: list[str]) -> Any:
        galleries.append(gallery)
        return tfidf()(gallery, query)

    stances_side_by_side(corpus(40), {"words": encode})
    assert galleries == [[record.text for record in corpus(40)]]
