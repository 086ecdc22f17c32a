"""Identification: points one can count, then what must hold for any points, then awkward input."""

import json
import logging
import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from univar.analysis.identification import (
    Identification,
    gallery_query_masks,
    identify_knn,
    identify_linear,
    names_by_knn,
)

METHODS = [identify_knn, identify_linear]


def directions(*degrees: float) -> np.ndarray[Any, Any]:
    """Unit vectors in the plane."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def gaussians(identities: int, questions: int, spread: float, seed: int = 0) -> tuple[Any, list[str], list[str]]:
    """One QA of each identity to each question, around a mean of the identity's own in 16 dimensions."""
    generator = np.random.default_rng(seed)
    means = generator.normal(size=(identities, 16))
    rows = np.concatenate([means + spread * generator.normal(size=means.shape) for _ in range(questions)])
    labels = [f"m{identity} (eng)" for identity in range(identities)] * questions
    return rows, labels, [f"q{question}" for question in range(questions) for _ in range(identities)]


def score(
    method: Any, rows: Any, labels: list[str], questions: list[str], gallery_questions: int, **options: Any
) -> Any:
    border = gallery_questions * len(set(labels))
    return method(rows[:border], labels[:border], rows[border:], labels[border:], questions[border:], **options)


def test_nearest_neighbours_that_can_be_counted() -> None:
    # Gallery on the circle: a at 0, 10, 20 degrees, b at 60, 70, 80; k = 3 is the smallest identity.
    # Query 5 -> a a a; 75 -> b b b; 30 -> 20, 10 and (30 away each) 0 or 60: two votes for a whatever the third;
    # 48 -> 60 (12), 70 (22), 20 (28): b; of these a, b, b, b is asked, so the third is wrong: 3 of 4.
    result = identify_knn(
        directions(0, 10, 20, 60, 70, 80), list("aaabbb"), directions(5, 75, 30, 48), list("abbb"), list("1234")
    )
    assert (result.k, result.n, result.questions, result.identities) == (3, 4, 4, 2)
    assert result.accuracy == 0.75
    # a: precision 1/2, recall 1, F1 2/3, one query; b: precision 1, recall 2/3, F1 4/5, three: (2/3 + 3 * 4/5) / 4.
    assert result.f1_weighted == pytest.approx((2 / 3 + 12 / 5) / 4)
    assert (result.accuracy_at_5, result.accuracy_at_10) == (None, None)


def test_equal_votes_go_to_the_nearer_identity() -> None:
    # k = 2, one vote each: the query at 14 is 14 from a and 11 from b; at 11, 11 from a and 14 from b.
    gallery, labels = directions(0, 180, 25, 205), list("aabb")
    result = identify_knn(gallery, labels, directions(14, 11), list("ba"), list("12"))
    assert result.k == 2
    assert result.accuracy == 1.0


def test_names_are_those_of_the_identification() -> None:
    # The gallery of the first test: 5 and 30 are named a, 75 and 48 b.
    gallery, labels = directions(0, 10, 20, 60, 70, 80), list("aaabbb")
    assert names_by_knn(gallery, labels, directions(5, 75, 30, 48), k=3).tolist() == list("abab")
    with pytest.raises(ValueError, match="at most the 6 of the gallery: 7"):
        names_by_knn(gallery, labels, directions(5), k=7)


def test_an_identity_without_a_vote_is_no_hit_at_five() -> None:
    # Six identities 60 degrees apart, two QAs each, k = 2: both votes go to one identity. The query beside identity 0
    # but of identity 1 is wrong at any depth, the one beside identity 2 is right.
    gallery = directions(*[60 * i + offset for i in range(6) for offset in (-1, 1)])
    labels = [f"m{i}" for i in range(6) for _ in range(2)]
    result = identify_knn(gallery, labels, directions(0, 120), ["m1", "m2"], ["1", "2"])
    assert result.accuracy == result.accuracy_at_5 == 0.5
    # The probe ranks them all: identity 1 is next to identity 0, so it is among the first five.
    assert identify_linear(gallery, labels, directions(0, 120), ["m1", "m2"], ["1", "2"]).accuracy_at_5 == 1.0


def test_k_never_exceeds_the_smallest_identity_nor_what_was_asked() -> None:
    gallery, labels = directions(*range(9)), list("aaaaaabbb")
    arguments = gallery, labels, directions(1, 2), ["a", "a"], ["1", "2"]
    assert identify_knn(*arguments).k == 3
    assert identify_knn(*arguments, k=2).k == 2
    assert identify_linear(*arguments).k is None


def test_chance_is_the_share_of_the_most_frequent_identity_where_that_is_more() -> None:
    gallery, labels = directions(0, 1, 2, 90, 91), list("aaabb")
    query = directions(0, 1, 90, 91)
    # a is most frequent in the gallery; it has 3 of the 4 queries, then 1 of 4, where two identities give 1/2.
    assert identify_knn(gallery, labels, query, list("aaab"), list("1234")).chance == 0.75
    assert identify_knn(gallery, labels, query, list("abbb"), list("1234")).chance == 0.5


@pytest.mark.parametrize("method", METHODS)
def test_separated_identities_are_told_apart_and_noise_is_not(method: Any) -> None:
    rows, labels, questions = gaussians(12, 40, spread=0.1)
    separated = score(method, rows, labels, questions, 20)
    assert separated.accuracy == separated.accuracy_at_5 == separated.accuracy_at_10 == 1.0
    noise = np.random.default_rng(5).normal(size=rows.shape)
    guessed = score(method, noise, labels, questions, 20)
    # 240 queries at 1/12: the standard deviation of the share is 0.018.
    assert guessed.accuracy == pytest.approx(guessed.chance, abs=3 * 0.018)
    assert guessed.interval.low <= guessed.accuracy <= guessed.interval.high
    if method is identify_linear:
        assert guessed.accuracy_at_5 == pytest.approx(5 / 12, abs=3 * 0.032)


@pytest.mark.parametrize("method", METHODS)
def test_sparse_and_dense_rows_score_alike(method: Any) -> None:
    rows, labels, questions = gaussians(4, 30, spread=1.0)
    rows = np.maximum(rows, 0)
    dense = score(method, rows, labels, questions, 15)
    for kind in (sparse.csr_array, sparse.csr_matrix, sparse.coo_array):
        border = 15 * 4
        parts = kind(rows[:border]), labels[:border], kind(rows[border:]), labels[border:], questions[border:]
        assert method(*parts).accuracy == pytest.approx(dense.accuracy, abs=1 / 60)


@pytest.mark.parametrize("method", METHODS)
def test_the_length_of_rows_changes_nothing(method: Any) -> None:
    rows, labels, questions = gaussians(4, 30, spread=1.0)
    scaled = rows * np.random.default_rng(0).uniform(0.1, 100, size=(len(rows), 1))
    first, second = score(method, rows, labels, questions, 15), score(method, scaled, labels, questions, 15)
    assert first.accuracy == pytest.approx(second.accuracy, abs=1 / 60)


@given(order=st.permutations(range(24)))
@settings(max_examples=20)
def test_the_order_of_the_gallery_changes_nothing(order: list[int]) -> None:
    rows, labels, questions = gaussians(4, 12, spread=1.0)
    gallery, names = rows[:24], np.array(labels[:24], dtype=object)
    query = rows[24:], labels[24:], questions[24:]
    assert identify_knn(gallery[order], names[order], *query) == identify_knn(gallery, names, *query)


@pytest.mark.parametrize("method", METHODS)
def test_any_input_converges_without_a_warning(method: Any) -> None:
    rows, labels, questions = gaussians(5, 20, spread=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for awkward in (rows, rows * 1e-30, rows * 1e30, np.zeros_like(rows), np.ones_like(rows), rows + 1e3):
            assert 0 <= score(method, awkward, labels, questions, 10).accuracy <= 1


def test_equal_embeddings_give_chance() -> None:
    rows, labels, questions = gaussians(5, 20, spread=1.0)
    for method in METHODS:
        assert score(method, np.ones_like(rows), labels, questions, 10).accuracy == pytest.approx(1 / 5)


@pytest.mark.parametrize("method", METHODS)
def test_unknown_identities_are_left_out_counted_and_named(method: Any, caplog: pytest.LogCaptureFixture) -> None:
    gallery, labels = directions(0, 1, 90, 91), list("aabb")
    query = directions(0, 90, 45, 44), ["a", "b", "new (fin)", "new (fin)"], list("1234")
    with caplog.at_level(logging.WARNING):
        result = method(gallery, labels, *query)
    assert (result.n, result.excluded, result.questions, result.accuracy) == (2, 2, 2, 1.0)
    assert "2 query QAs left out" in caplog.text
    assert "new (fin)" in caplog.text


def test_a_result_is_plain_json() -> None:
    rows, labels, questions = gaussians(6, 20, spread=1.0)
    result: Identification = score(identify_knn, rows, labels, questions, 10)
    read = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert read["interval"] == {"low": result.interval.low, "high": result.interval.high}
    assert (read["method"], read["k"], read["n"]) == ("knn", 10, 60)
    assert read["accuracy_at_10"] is None


def test_masks_put_the_threshold_itself_into_the_query() -> None:
    gallery, query = gallery_query_masks([0.0, 0.49, 0.5, 0.99])
    assert gallery.tolist() == [True, True, False, False]
    assert query.tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("fractions", "threshold", "message"),
    [
        ([0.1, 0.2], 0.5, "no question is left on the query side of 0.5"),
        ([0.8, 0.9], 0.5, "no question is left on the gallery side of 0.5"),
        ([], 0.5, "no question is left"),
        ([0.1, 1.0], 0.5, r"in \[0, 1\)"),
        ([0.1, math.nan], 0.5, r"in \[0, 1\)"),
        ([0.1, 0.9], 1.0, "threshold must lie between 0 and 1, got 1.0"),
    ],
)
def test_masks_refuse_what_cannot_be_split(fractions: list[float], threshold: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gallery_query_masks(fractions, threshold=threshold)


SIDE = directions(0, 1, 90, 91)
LABELS, QUESTIONS = list("aabb"), list("1122")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("gallery", "gallery_labels", "query", "query_labels", "questions", "message"),
    [
        (SIDE, list("aaaa"), SIDE, LABELS, QUESTIONS, "the gallery has one identity, 'a'"),
        (SIDE, list("aaab"), SIDE, LABELS, QUESTIONS, "identity 'b' has 1 QA in the gallery"),
        (SIDE, LABELS, SIDE, list("cccc"), QUESTIONS, "none of the query's identities: c"),
        (SIDE[:0], [], SIDE, LABELS, QUESTIONS, "no QA on the gallery side"),
        (SIDE, LABELS, SIDE[:0], [], [], "no QA on the query side"),
        (SIDE, [*LABELS, "a"], SIDE, LABELS, QUESTIONS, r"gallery: embeddings of shape \(4, 2\) for 5 labels"),
        (SIDE, LABELS, SIDE, LABELS, QUESTIONS[:3], "3 for 4 rows"),
        (SIDE, LABELS, np.ones((4, 3)), LABELS, QUESTIONS, "2 and 3 dimensions"),
        (SIDE, LABELS, np.ones(4), LABELS, QUESTIONS, r"query: embeddings of shape \(4,\)"),
        (SIDE, LABELS, SIDE * [1, math.nan], LABELS, QUESTIONS, "query: 4 numbers in the embeddings are not finite"),
        (sparse.csr_array(SIDE + math.inf), LABELS, SIDE, LABELS, QUESTIONS, "gallery: .* not finite"),
        (SIDE, LABELS, SIDE, LABELS, list("1111"), "the query has one question, .* at least 2; add questions"),
    ],
)
def test_what_cannot_be_identified_is_refused(
    method: Any, gallery: Any, gallery_labels: Any, query: Any, query_labels: Any, questions: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        method(gallery, gallery_labels, query, query_labels, questions)


@pytest.mark.parametrize("k", [0, 2.0, "5", True, None])
def test_k_below_one_or_no_number_is_refused(k: Any) -> None:
    with pytest.raises(ValueError, match=f"k must be at least 1 and a whole number, got {k!r}"):
        identify_knn(SIDE, LABELS, SIDE, LABELS, QUESTIONS, k=k)
