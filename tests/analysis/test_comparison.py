"""The comparison: what is dropped and how it is split, one k for all, encoders, and three renderings of one table."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from univar.analysis.comparison import Comparison, compare, side_by_side
from univar.analysis.representations import representations, sentence_encoder, tfidf
from univar.corpus.records import QARecord, question_fraction, question_hash, split_of
from univar.model.embedded import EmbeddedCorpus, EmbeddedCorpusError
from univar.model.encoding import Provenance

MODELS = ("ada", "bob", "cyd")


def corpus(models: tuple[str, ...] = MODELS, questions: int = 60, topic: str = "value") -> list[QARecord]:
    """Each model answers each question and says its own name every time."""
    return [
        QARecord(str(number), f"{topic} question {number}?", f"{model} says so {number % 7}", model, "eng")
        for number in range(questions)
        for model in models
    ]


class NameReader:
    """Encodes a text by the model name it holds; remembers what it was asked to encode."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.options: dict[str, Any] = {}
        self.training_record: dict[str, list[str]] = {}

    def encode(self, sentences: list[str], **options: Any) -> np.ndarray[Any, Any]:
        self.calls.append(sentences)
        self.options = options
        return np.array([[float(model in text) for model in (*MODELS, "dee")] for text in sentences])


def blind(gallery: list[str], query: list[str]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return np.ones((len(gallery), 4)), np.ones((len(query), 4))


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    control = [*corpus(topic="control"), *corpus(("dee",), topic="control")]
    return side_by_side(corpus(), {"names": sentence_encoder(NameReader()), "blind": blind}, control=control)


def rows_of(comparison: Comparison) -> dict[tuple[str, str], Any]:
    return {(row.corpus, row.representation): row for row in comparison.rows}


def test_every_representation_stands_on_both_corpora_with_the_same_k(comparison: Comparison) -> None:
    rows = rows_of(comparison)
    assert list(rows) == [("values", "names"), ("values", "blind"), ("control", "names"), ("control", "blind")]
    for corpus_name in ("values", "control"):
        first, second = rows[corpus_name, "names"], rows[corpus_name, "blind"]
        assert (first.knn.k, first.knn.n, first.linear.n) == (second.knn.k, second.knn.n, second.linear.n)
        assert (first.knn.accuracy, first.linear.accuracy) == (1.0, 1.0)
        # One embedding for all names one identity for all: a third is right, which is chance.
        assert second.knn.accuracy == second.knn.chance == pytest.approx(1 / 3)


def test_the_split_is_the_fixed_hash_of_the_question(comparison: Comparison) -> None:
    gallery = {number for number in range(60) if question_fraction(f"value question {number}?") < 0.5}
    values = comparison.selections[0]
    assert (values.threshold, values.gallery_questions, values.gallery) == (0.5, len(gallery), 3 * len(gallery))
    assert (values.query_questions, values.query) == (60 - len(gallery), 3 * (60 - len(gallery)))
    assert rows_of(comparison)["values", "names"].knn.questions == 60 - len(gallery)


def test_control_identities_that_the_values_lack_are_dropped_and_counted(comparison: Comparison) -> None:
    control = comparison.selections[1]
    assert (control.corpus, control.other_identities, control.trained_on) == ("control", 60, 0)
    assert rows_of(comparison)["control", "names"].knn.identities == 3
    assert any("60 QAs dropped of identities that the value corpus lacks" in note for note in comparison.notes())


def test_identities_without_control_are_named() -> None:
    compared = side_by_side(corpus(), {"blind": blind}, control=corpus(("ada", "bob"), topic="control"))
    assert compared.selections[1].uncontrolled == ("cyd (eng)",)
    assert "no control QAs of cyd (eng)" in compared.to_markdown()


def test_a_table_without_control_says_so(comparison: Comparison) -> None:
    assert "No control answers were compared" in side_by_side(corpus(), {"blind": blind}).to_markdown()
    assert "No control answers were compared" not in comparison.to_markdown()


def test_the_same_model_in_another_language_is_another_identity() -> None:
    finnish = [QARecord(r.question_id, r.question, r.answer, r.model, "fin") for r in corpus(topic="control")]
    with pytest.raises(ValueError, match=r"control: no QA is left of 180 \(180 of other identities, 0 trained on"):
        side_by_side(corpus(), {"blind": blind}, control=finnish)


def test_trained_questions_are_dropped_and_test_questions_become_the_query() -> None:
    records = corpus(questions=300)
    # Another spelling of a question is the same question.
    trained = {question_hash(r.question.upper()) for r in records if split_of(r.question) == "train"}
    model = NameReader()
    compared = side_by_side(
        records, {"names": sentence_encoder(model)}, trained_on=trained, control=corpus(topic="control")
    )
    splits = [split_of(r.question) for r in records]
    values, control = compared.selections
    assert values.trained_on == splits.count("train") > 0
    assert (values.gallery, values.query) == (splits.count("validation"), splits.count("test"))
    assert values.threshold == 0.9
    assert (control.threshold, control.trained_on) == (0.5, 0)
    assert f"{values.trained_on} QAs dropped whose questions were trained on" in compared.to_markdown()
    assert not [text for text in model.calls[0] if split_of(text[3 : text.index(" A: ")]) == "train"]


def test_trained_control_questions_are_dropped_too() -> None:
    control = corpus(questions=300, topic="control")
    trained = {question_hash(r.question) for r in control if split_of(r.question) == "train"}
    values, selected = side_by_side(corpus(), {"blind": blind}, control=control, trained_on=trained).selections
    assert (values.threshold, values.trained_on) == (0.5, 0)
    assert (selected.threshold, selected.trained_on) == (
        0.9,
        sum(question_hash(r.question) in trained for r in control),
    )


def test_a_corpus_that_loses_a_few_questions_is_still_split_in_halves() -> None:
    control = corpus(questions=300, topic="control")
    met_elsewhere = {question_hash(r.question) for r in control[:30]}
    selected = side_by_side(corpus(), {"blind": blind}, control=control, trained_on=met_elsewhere).selections[1]
    assert (selected.threshold, selected.trained_on) == (0.5, 30)


def test_a_text_is_encoded_once_and_options_reach_the_model() -> None:
    model = NameReader()
    records = [
        QARecord(r.question_id, r.question, f"{r.model} again", r.model, "eng", sample=s)
        for r in corpus()
        for s in (0, 1)
    ]
    compared = side_by_side(records, {"names": sentence_encoder(model, batch_size=4, show_progress_bar=False)})
    assert len(model.calls) == 1
    assert len(model.calls[0]) == len(set(model.calls[0])) == 180
    assert compared.selections[0].gallery + compared.selections[0].query == 360
    assert model.options == {"batch_size": 4, "show_progress_bar": False}


def test_every_representation_reads_texts_of_the_same_length() -> None:
    seen: list[str] = []

    def listening(gallery: list[str], query: list[str]) -> Any:
        seen.extend(gallery + query)
        return blind(gallery, query)

    compared = side_by_side(corpus(), {"listening": listening}, max_characters=12)
    assert {len(text) for text in seen} == {12}
    assert "Texts were cut to 12 characters" in compared.to_markdown()


def test_tfidf_is_fitted_on_the_gallery_and_knows_word_pairs() -> None:
    gallery, query = tfidf()(["red sky", "red sea"], ["red sky tonight", "unknown words"])
    # The gallery has the words red, sky, sea and the pairs "red sky", "red sea"; nothing of the query is added.
    assert gallery.shape == (2, 5)
    assert query.shape == (2, 5)
    assert np.diff(query.tocsr().indptr).tolist() == [3, 0]


def test_tfidf_tells_style_apart() -> None:
    row = side_by_side(corpus(), {"TF-IDF": tfidf()}).rows[0]
    assert row.knn.accuracy == row.linear.accuracy == 1.0


def test_a_one_pass_iterator_is_enough() -> None:
    def stream() -> Iterator[QARecord]:
        yield from corpus()

    assert side_by_side(stream(), {"blind": blind}, control=stream()).rows[0].knn.n > 0


def test_the_renderings_hold_the_same_rows(comparison: Comparison) -> None:
    read = json.loads(comparison.to_json())
    assert read == comparison.to_dict() | {"selections": read["selections"]}
    assert [(row["corpus"], row["representation"]) for row in read["rows"]] == list(rows_of(comparison))
    first = read["rows"][1]["knn"]
    shown = f"33.3 [{100 * first['interval']['low']:.1f}, {100 * first['interval']['high']:.1f}]"
    assert comparison.to_markdown().count("names") == comparison.to_markdown().count("blind") == 2
    assert shown in comparison.to_markdown()
    table = [line for line in comparison.to_markdown().splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {12}
    assert len(table) == 2 + 4


def test_names_are_shown_as_they_are() -> None:
    compared = side_by_side(corpus(), {"[red]a|b\n[/red]": blind})
    assert "| [red]a\\|b [/red] |" in compared.to_markdown()


def test_representations_by_name_bring_the_questions_they_were_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    trained, plain = NameReader(), NameReader()
    trained.training_record = {"questions": ["0123456789abcdef"]}
    models = {"univar": trained, "base": plain}
    monkeypatch.setattr("univar.model.modeling.load_model", models.__getitem__)
    encoders, trained_on = representations(["univar", "base", "tfidf"], batch_size=8)
    assert list(encoders) == ["univar", "base", "tfidf"]
    assert trained_on == {"0123456789abcdef"}
    assert side_by_side(corpus(), encoders, trained_on=trained_on).rows[1].representation == "base"
    assert trained.options == plain.options == {"batch_size": 8}


def test_a_model_that_reads_passages_is_given_all_of_a_text_up_to_the_limit() -> None:
    class Passages(NameReader):
        def encode(self, sentences: list[list[str]], **options: Any) -> np.ndarray[Any, Any]:
            self.calls += sentences
            return super().encode([" ".join(view) for view in sentences])

    model = Passages()
    model.training_record = {"recipe": {"passages": True}}
    records = [replace(record, answer=f"{'so ' * 400}{record.answer}") for record in corpus()]
    encoder = {"names": sentence_encoder(model)}
    assert side_by_side(records, encoder, max_characters=2_000).rows[0].knn.accuracy == 1.0  # the name comes last
    assert min(len(view) for view in model.calls if isinstance(view, list)) == 3
    assert side_by_side(records, encoder, max_characters=1_000).rows[0].knn.accuracy == pytest.approx(1 / 3)
    assert side_by_side(records, encoder).max_characters == 8_000


@pytest.mark.parametrize(
    ("window", "texts", "longer"),
    [
        # Of three passages two say so, (0.6, 0.8) of unit length, and one does not, (1, 0): their sum is (2.2, 1.6).
        (128, 4, [2.2, 1.6]),
        # Of two passages one says so.
        (256, 3, [1.6, 0.8]),
        (512, 2, [0.6, 0.8]),
        (math.inf, 2, [0.6, 0.8]),
        (None, 2, [0.6, 0.8]),
    ],
)
def test_any_other_model_reads_a_text_in_passages_as_long_as_its_window(
    window: float | None, texts: int, longer: list[float]
) -> None:
    class Lengths(NameReader):
        max_seq_length = window

        def encode(self, sentences: list[str], **options: Any) -> np.ndarray[Any, Any]:
            self.calls.append(sentences)
            return np.array([[3.0, 4.0 * ("so" in text)] for text in sentences])

    model = Lengths()
    long, short = f"Q: Why? A: {'so ' * 200}{'no ' * 200}", f"Q: Why? A: {'no ' * 100}so"
    first, second = sentence_encoder(model)([long, short], [short])
    assert [len(calls) for calls in model.calls] == [texts]
    np.testing.assert_allclose(first, [np.array(longer) / np.linalg.norm(longer), [0.6, 0.8]])
    np.testing.assert_allclose(second, [[0.6, 0.8]])


@pytest.mark.parametrize(
    ("records", "options"),
    [
        (corpus(("ada",)), {}),
        (corpus(questions=1), {}),
        (corpus(), {"control": corpus(("ada",), topic="control")}),
        (corpus(), {"control": corpus(topic="control")[:6]}),
        (corpus(), {"k": 0}),
    ],
)
def test_what_is_too_small_is_refused_before_anything_is_encoded(
    records: list[QARecord], options: dict[str, Any]
) -> None:
    model = NameReader()
    with pytest.raises(ValueError, match=r"one identity|has one question|no question is left|k must be"):
        side_by_side(records, {"names": sentence_encoder(model)}, **options)
    assert model.calls == []


@pytest.mark.parametrize(
    ("records", "encoders", "options", "message"),
    [
        (corpus(), {}, {}, "no representation to compare"),
        ([], {"blind": blind}, {}, "values: no QA is left of 0"),
        (corpus(("ada",)), {"blind": blind}, {}, "values: .* one identity, 'ada .eng.'"),
        (corpus(questions=1), {"blind": blind}, {}, "values: no question is left on the"),
        (corpus(), {"blind": blind}, {"k": 0}, "k must be at least 1"),
        (corpus(), {"blind": blind}, {"max_characters": 0}, "max_characters must be at least 1, got 0"),
        (
            corpus(),
            {"nan": lambda g, q: (np.full((len(g), 2), np.nan), np.ones((len(q), 2)))},
            {},
            "values, nan: .* not finite",
        ),
        (corpus(), {"blind": blind}, {"control": corpus(("ada",))}, "control: .* one identity"),
        (corpus(), {"blind": blind}, {"trained_on": {question_hash(r.question) for r in corpus()}}, "180 trained on"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    records: list[QARecord], encoders: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        side_by_side(records, encoders, **options)


# The whole, from answers or from vectors


def embedded(records: list[QARecord], name: str = "names", fingerprint: str = "0") -> EmbeddedCorpus:
    vectors = NameReader().encode([record.text for record in records])
    return EmbeddedCorpus(tuple(records), np.asarray(vectors, dtype=np.float32), Provenance(name, fingerprint, None))


def test_stored_vectors_are_compared_and_no_model_is_loaded(tmp_path):
    embedded(corpus()).save(tmp_path / "e.parquet")
    control = embedded(corpus(topic="control"))
    compared = compare(tmp_path / "e.parquet", control=control, load=lambda name: pytest.fail(f"loaded {name}"))
    assert [(row.corpus, row.representation) for row in compared.rows] == [
        ("values", "names"),
        ("values", "tfidf"),
        ("control", "names"),
        ("control", "tfidf"),
    ]
    assert compared.stored == ("names",)
    assert "The vectors of names were stored; they are of whole QAs." in compared.notes()
    same = side_by_side(corpus(), {"names": sentence_encoder(NameReader())}, control=corpus(topic="control"))
    assert compared.rows[0] == same.rows[0]


def test_vectors_of_several_models_stand_beside_each_other_and_beside_a_model(tmp_path):
    embedded(corpus(), "other", "1").save(tmp_path / "other.parquet")
    models = [embedded(corpus()), tmp_path / "other.parquet", "mine", "tfidf"]
    compared = compare(corpus(), models=models, load=lambda _: NameReader())
    assert [row.representation for row in compared.rows] == ["names", "other", "mine", "tfidf"]
    assert compared.stored == ("names", "other")
    assert compared.rows[0].knn == compared.rows[2].knn


def test_questions_that_stored_vectors_were_trained_on_are_dropped():
    records = corpus()
    trained = frozenset({question_hash(records[0].question_key)})
    vectors = embedded(records)
    known = replace(vectors, provenance=replace(vectors.provenance, trained_on=trained))
    assert compare(vectors, models=["tfidf"]).selections[0].trained_on == 0
    assert compare(known).selections[0].trained_on == sum(record.question == records[0].question for record in records)


def test_control_answers_without_vectors_are_told():
    with pytest.raises(
        EmbeddedCorpusError, match=r"QAs have no vector by names: embed these answers by the same model"
    ):
        compare(embedded(corpus()), control=corpus(topic="control"))


def test_two_corpora_of_one_name_and_different_weights_are_told():
    with pytest.raises(EmbeddedCorpusError, match="two corpora embedded by 'names' are of different weights"):
        compare(embedded(corpus()), control=embedded(corpus(topic="control"), fingerprint="1"))


def test_a_model_named_for_stored_vectors_must_be_theirs(tiny_model, tmp_path):
    tiny_model.save_pretrained(str(tmp_path / "tiny"))
    with pytest.raises(EmbeddedCorpusError, match="not by"):
        compare(embedded(corpus(), str(tmp_path / "tiny")), models=[str(tmp_path / "tiny")])
