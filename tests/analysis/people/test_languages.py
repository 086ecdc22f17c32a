"""Distances between languages: by hand, paired by question within LLMs, without the noise of sampling."""

import dataclasses
from itertools import combinations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from univar.analysis.distances.pairwise import shared_questions
from univar.analysis.people.languages import LanguageDistances, language_distances
from univar.corpus.records import QARecord

LANGS = ("deu", "eng", "fra", "jpn")


def asked(
    langs: tuple[str, ...] = LANGS, questions: int = 8, models: tuple[str, ...] = ("aya",), values: int = 0
) -> list[QARecord]:
    return [
        QARecord(f"q{q}", f"Why {q}?", "So.", model, lang, value=f"v{q % values}" if values else None)
        for model in models
        for lang in langs
        for q in range(questions)
    ]


def vectors_of(records: list[QARecord], places: dict[str, np.ndarray], noise: float, seed: int = 0) -> np.ndarray:
    """The place of the language, what question and LLM add, and noise."""
    generator = np.random.default_rng(seed)
    width = len(next(iter(places.values())))
    added = {
        name: 5 * generator.normal(size=width)
        for name in sorted({record.question_id for record in records} | {record.model for record in records})
    }
    exact = [places[record.lang] + added[record.question_id] + added[record.model] for record in records]
    return np.array(exact) + noise * generator.normal(size=(len(records), width))


def places(langs: tuple[str, ...], seed: int = 0, width: int = 6) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {lang: generator.normal(size=width) for lang in langs}


def test_by_hand():
    # Four questions, one coordinate; German answers 1 2 3 4, English 0, French 0 0 0 4, Japanese -1.
    said = {"deu": (1, 2, 3, 4), "eng": (0, 0, 0, 0), "fra": (0, 0, 0, 4), "jpn": (-1, -1, -1, -1)}
    records = asked(questions=4)
    found = language_distances(records, [[said[record.lang][int(record.question_id[1:])]] for record in records])
    # The mean product of differences at two different questions, of the 12 ordered pairs. German less English
    # 1 2 3 4: (10 ** 2 - 30) / 12. Less French 1 2 3 0: (36 - 14) / 12; less Japanese 2 3 4 5: (196 - 54) / 12.
    # English less French 0 0 0 -4: 0; less Japanese 1 1 1 1: 1. French less Japanese 1 1 1 5: (64 - 28) / 12.
    assert found.languages == LANGS
    np.testing.assert_allclose(found.squared, [70 / 12, 22 / 12, 142 / 12, 0, 1, 36 / 12])
    assert (found.qas, found.questions, found.models, found.within, found.values) == (16, 4, 1, True, 0)
    # A half has two questions, and the product of their differences. Those of German and English are 1 2 3 4, so
    # that of the one half times that of the other is 24, whatever the halves.
    np.testing.assert_allclose(found.halves[0, :, 0] * found.halves[1, :, 0], 24)
    assert found.halves.shape == (2, 30, 6)


def test_noise_does_not_lengthen_them():
    true = {lang: place / 2 for lang, place in places(LANGS).items()}
    exact = pdist(np.array([true[lang] for lang in LANGS]), "sqeuclidean")
    records = asked(questions=24)
    made = [vectors_of(records, true, 2, seed) for seed in range(80)]
    found = np.mean([language_distances(records, vectors, halvings=1).squared for vectors in made], axis=0)
    # The plain distance of means has the noise of both: twice 4 in 6 coordinates over 24 questions, which is 2.
    plain = np.mean([pdist(vectors.reshape(4, 24, 6).mean(axis=1), "sqeuclidean") for vectors in made], axis=0)
    np.testing.assert_allclose(found - exact, 0, atol=0.6)
    np.testing.assert_allclose(plain - found, 2, atol=0.3)


def test_llms_are_compared_with_themselves_and_averaged():
    true = places(LANGS)
    records = asked(models=("aya", "solar"))
    half = [record for record in records if record.model == "aya"]
    exact = pdist(np.array([true[lang] for lang in LANGS]), "sqeuclidean")
    np.testing.assert_allclose(language_distances(half, vectors_of(half, true, 0)).squared, exact)
    # Another LLM of the same places lies elsewhere, which is no distance between languages.
    found = language_distances(records, vectors_of(records, true, 0))
    np.testing.assert_allclose(found.squared, exact)
    assert (found.models, found.models_a_pair, found.within) == (2, (2, 2), True)


def test_one_llm_a_language_is_told():
    records = [dataclasses.replace(record, model=f"only {record.lang}") for record in asked()]
    found = language_distances(records, vectors_of(records, places(LANGS), 0.1))
    assert (found.within, found.models, found.models_a_pair) == (False, 4, (1, 1))


def test_values_are_compared_one_by_one_where_they_have_questions():
    # What one language says against the second value it says for the first: centroids do not differ.
    records = asked(questions=8, values=2)
    sign = {"v0": 1, "v1": -1}
    exact = {"deu": 0.0, "eng": 1.0, "fra": 2.0, "jpn": 4.0}
    vectors = [[exact[record.lang] * sign[record.value or ""]] for record in records]
    found = language_distances(records, vectors)
    np.testing.assert_allclose(found.squared, [1, 4, 16, 1, 9, 4])
    assert found.values == 2
    with pytest.raises(ValueError, match="all languages lie equally far apart"):
        language_distances([dataclasses.replace(record, value=None) for record in records], np.ones((32, 1)))
    # With three questions a value none is compared by itself.
    few = asked(questions=6, values=2)
    assert language_distances(few, vectors_of(few, places(LANGS), 1)).values == 0


def test_questions_are_paired_by_id_or_by_their_english():
    german = QARecord("q1", "Warum?", "Darum.", "aya", "deu", question_eng="For what?", answer_eng="So.")
    english = QARecord("q1", "Why?", "So.", "aya", "eng")
    assert len(set(shared_questions([german, english]))) == 1
    numbered = [dataclasses.replace(german, question_id="deu-1", question_eng="Why?"), english]
    assert set(shared_questions(numbered)) == {"Why?"}


def test_a_language_that_shares_no_question_is_left_out():
    records = asked((*LANGS, "swe"))
    vectors = vectors_of(records, places((*LANGS, "swe")), 1)
    moved = [
        dataclasses.replace(record, question_id=f"other {record.question_id}", question=f"Other {record.question}")
        if record.lang == "swe"
        else record
        for record in records
    ]
    found = language_distances(moved, vectors)
    assert found.languages == LANGS
    assert found.left_out == {"swe": "too few questions of one LLM in common with deu, eng, fra, jpn"}
    assert found.qas == 32
    with pytest.raises(ValueError, match=r"fewer than 4 languages can be compared: .*too few questions"):
        language_distances([r for r in moved if r.lang != "fra"], vectors[[r.lang != "fra" for r in moved]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda records, rows: (records[:16], rows[:16]), "these answers are in deu, eng; ask in more languages"),
        (lambda records, rows: (records[:0], rows[:0]), "these answers are in none"),
        (lambda records, rows: (records, rows[:5]), r"one a record, got \(5, 6\) for 32 records"),
        (lambda records, rows: (records, rows * np.nan), "must be finite"),
        (lambda records, rows: (records, np.ones_like(rows)), "as where all answers are equal; nothing is related"),
    ],
)
def test_what_cannot_be_compared_is_named(change, message):
    records = asked()
    with pytest.raises(ValueError, match=message):
        language_distances(*change(records, vectors_of(records, places(LANGS), 1)))


def test_distances_from_elsewhere():
    made = LanguageDistances(LANGS, np.arange(6.0))
    part = LanguageDistances((*LANGS, "swe"), np.arange(10.0)).of(["deu", "eng", "jpn", "swe"])
    # The pairs of five are 01 02 03 04 12 13 14 23 24 34: those without the third language are 0 2 3 5 6 9.
    assert part.squared.tolist() == [0, 2, 3, 5, 6, 9]
    assert made.halves.size == 0
    with pytest.raises(ValueError, match=r"one a pair, got \(5,\) for 4 \(deu, eng, fra, jpn\)"):
        LanguageDistances(LANGS, np.arange(5.0))


def test_part_of_the_languages_keeps_its_halves():
    langs = (*LANGS, "swe")
    records = asked(langs)
    found = language_distances(records, vectors_of(records, places(langs), 1))
    kept = ["deu", "fra", "jpn", "swe"]
    part = found.of(kept)
    wanted = [number for number, pair in enumerate(combinations(langs, 2)) if set(pair) <= set(kept)]
    np.testing.assert_allclose(part.halves, found.halves[:, :, wanted])
