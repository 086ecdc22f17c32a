"""Distances of all pairs at once: by hand, against one pair at a time, and what counts as the same question."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from univar.analysis.distances.pairwise import cells_of, groups_of, mean_lengths, shared_questions
from univar.analysis.unbiased import squared_lengths
from univar.corpus.records import QARecord


def all_pairs(authors: int) -> np.ndarray:
    return np.array(list(combinations(range(authors), 2)))


def test_one_pair_by_hand():
    # One coordinate, three questions: differences 1, 2 and 4. Products of two different ones: 2, 4, 8, each twice over
    # 6: mean 14 / 3. Each with the others: 1 * (2 + 4) / 2 = 3, 2 * 5 / 2 = 5, 4 * 3 / 2 = 6; less 14 / 3.
    cells = cells_of([[1.0], [2], [4], [0], [0], [0]], [0, 0, 0, 1, 1, 1], ["a", "b", "c"] * 2)
    (group,) = groups_of(cells, all_pairs(2))
    found = group.estimates()
    np.testing.assert_allclose(found.squared, 14 / 3)
    np.testing.assert_allclose(found.influence[:, 0], [3 - 14 / 3, 5 - 14 / 3, 6 - 14 / 3])
    np.testing.assert_allclose(found.raw, (7 / 3) ** 2)
    assert found.shared.tolist() == [3]
    # Swapped at the third question: 2 * (2 - 4 - 8).
    np.testing.assert_allclose(group.crossed(np.array([[1.0, 1, -1]])), -20)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), authors=st.integers(2, 5), questions=st.integers(2, 12), width=st.integers(1, 6))
def test_they_are_those_of_one_pair_at_a_time(seed, authors, questions, width):
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(authors, questions, width))
    there = generator.random((authors, questions)) < 0.8
    owners, places = np.nonzero(there)
    cells = cells_of(rows[there], owners, [f"{place:03d}" for place in places], authors=authors)
    pairs = all_pairs(authors)
    asked = np.flatnonzero(there.sum(axis=0) > 1)
    weights = generator.integers(0, 3, size=(4, len(asked))).astype(float)
    if not len(asked):
        assert cells.groups == ()
        return
    (group,) = groups_of(cells, pairs)
    found, lengths = group.estimates(), group.lengths(weights)
    np.testing.assert_allclose(group._by_products(weights), group._by_sums(weights), atol=1e-3)
    for pair, (one, other) in enumerate(pairs):
        shared = there[one, asked] & there[other, asked]
        apart = (rows[one, asked] - rows[other, asked])[shared]
        (expected,) = squared_lengths(apart, np.ones((1, len(apart))))
        np.testing.assert_allclose(found.squared[pair], expected, atol=1e-9)
        np.testing.assert_allclose(lengths[:, pair], squared_lengths(apart, weights[:, shared]), atol=1e-3)


def test_answers_of_one_author_to_one_question_are_averaged_and_their_scatter_is_kept():
    # Author 0 says 0 and 2 to a: mean 1, and (1 + 1) / 1 is the variance of one answer; author 1 says 4 and 4: 0.
    # Over both, 2 squares over 2 degrees of freedom.
    cells = cells_of([[0.0], [2], [4], [4], [1], [1]], [0, 0, 1, 1, 0, 1], ["a", "a", "a", "a", "b", "b"])
    assert cells.scatter == 1
    assert cells.counts.tolist() == [[2, 1], [2, 1]]
    np.testing.assert_allclose(cells.means[0] - cells.means[1], [[-3], [0]])
    assert np.isnan(cells_of([[0.0], [1]], [0, 1], ["a", "a"]).scatter)


def test_a_question_that_one_author_alone_answered_is_left_out():
    cells = cells_of(np.eye(3), [0, 1, 1], ["a", "a", "b"])
    assert cells.counts.tolist() == [[1], [1]]
    assert cells_of(np.eye(2), [0, 1], ["a", "b"]).groups == ()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["x"] * 4 + ["y"] * 4, ("x", "y")),
        (["x"] * 4 + ["y"] * 2 + [None] * 2, ("x",)),  # half of the questions are of a value that has four
        (["x"] * 3 + ["y"] * 3 + ["z"] * 2, ()),
        ([None] * 8, ()),
    ],
)
def test_values_with_four_questions_are_compared_one_by_one_where_they_have_most(values, expected):
    rows = np.random.default_rng(0).normal(size=(16, 3))
    names = [f"q{number}" for number in range(8)] * 2
    cells = cells_of(rows, np.repeat([0, 1], 8), names, values * 2)
    assert cells.values == expected
    assert [len(group) for group in cells.groups] == ([4] * len(expected) or [8])


def test_by_value_it_is_the_mean_over_values():
    generator = np.random.default_rng(0)
    rows, pairs = generator.normal(size=(2, 10, 3)), all_pairs(2)
    names, values = [f"q{number}" for number in range(10)], ["x"] * 4 + ["y"] * 6
    cells = cells_of(rows.reshape(20, 3), np.repeat([0, 1], 10), names * 2, values * 2)
    apart = rows[0] - rows[1]
    parts = [squared_lengths(apart[own], np.ones((1, len(apart[own]))))[0] for own in (slice(4), slice(4, 10))]
    found = mean_lengths(groups_of(cells, pairs), [np.ones((1, 4)), np.ones((1, 6))])
    np.testing.assert_allclose(found, [[np.mean(parts)]], rtol=1e-5)
    # Of the first value no two questions are drawn: the other stands alone.
    found = mean_lengths(groups_of(cells, pairs), [np.eye(1, 4), np.ones((1, 6))])
    np.testing.assert_allclose(found, [[parts[1]]], rtol=1e-5)


def test_the_same_question_in_two_languages_is_told_by_its_id_or_its_english():
    def qa(number: str, question: str, lang: str, english: str | None = None) -> QARecord:
        return QARecord(number, question, "A.", "me", lang, question_eng=english)

    by_id = [qa("1", "Why?", "eng"), qa("1", "Pourquoi ?", "fra"), qa("2", "Who?", "eng"), qa("2", "Qui ?", "fra")]
    assert shared_questions(by_id) == ["1", "1", "2", "2"]
    by_english = [qa("1", "Why?", "eng"), qa("2", "Pourquoi ?", "fra", "Why?")]
    assert shared_questions(by_english) == ["Why?", "Why?"]
    assert shared_questions([qa("1", "Why?", "eng"), qa("2", "Who?", "eng")]) == ["Why?", "Who?"]


@pytest.mark.parametrize(
    ("rows", "owners", "message"),
    [
        (np.zeros((2, 3)), [0], r"give an owner, a question and a value for each vector, got \(2, 3\)"),
        (np.array([[0.0], [np.nan]]), [0, 1], "1 of 2 vectors are not finite"),
    ],
)
def test_what_cannot_be_laid_out_is_refused(rows, owners, message):
    with pytest.raises(ValueError, match=message):
        cells_of(rows, owners, ["a", "a"])
