"""The shifts by two crossed factors: by hand, over all halvings, on vectors whose shifts are known."""

import json
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.stats import ortho_group

from univar.analysis.shift_ratio import ShiftRatio, shift_ratio


class Grid(NamedTuple):
    """Vectors of every question in every cell, and the columns beside them."""

    vectors: np.ndarray
    questions: np.ndarray
    values: np.ndarray
    styles: np.ndarray

    def take(self, rows: object) -> "Grid":
        return Grid(*(column[rows] for column in self))


def grid(
    *, seed: int, questions: int = 60, values: float = 0, style: float = 0, noise: float = 1, dimensions: int = 24
) -> tuple[Grid, float, float]:
    """4 values x 3 styles, and the true mean squared distances between levels.

    A vector is what its question, its values and its style add, and noise; the scales are those of one coordinate.
    """
    generator = np.random.default_rng(seed)
    effects = [scale * generator.normal(size=(levels, dimensions)) for scale, levels in ((values, 4), (style, 3))]
    topics = 3 * generator.normal(size=(questions, dimensions))
    places = np.array(list(product(range(questions), range(4), range(3))))
    exact = topics[places[:, 0]] + effects[0][places[:, 1]] + effects[1][places[:, 2]]
    vectors = exact + noise * generator.normal(size=exact.shape)
    names = [np.array([f"{kind}{number}" for number in places[:, at]]) for at, kind in enumerate("qvs")]
    truths = [np.mean([np.sum((a - b) ** 2) for a, b in combinations(found, 2)]) for found in effects]
    return Grid(vectors, *names), float(truths[0]), float(truths[1])


# By hand


def test_shifts_by_hand():
    # Two questions, one coordinate. Answers to the first: 0 (calm, kind), 3 (calm, stern), 1 (loud, kind), 5 (loud,
    # stern); to the second 0, 1, 2, 4. Two questions have one halving, so a squared shift is the product of the two
    # differences. By values, stern less kind: calm 3 * 1, loud 4 * 2: mean (3 + 8) / 2 = 5.5. By style, loud less calm:
    # kind 1 * 2, stern 2 * 3: mean (2 + 6) / 2 = 4.
    found = shift_ratio(
        np.array([0, 3, 1, 5, 0, 1, 2, 4.0])[:, None],
        ["first"] * 4 + ["second"] * 4,
        ["kind", "stern"] * 4,
        ["calm", "calm", "loud", "loud"] * 2,
    )
    assert (found.first.squared, found.second.squared) == (5.5, 4)
    assert found.ratio == 1.375
    assert (found.n, found.questions, found.first.levels, found.second.levels) == (8, 2, 2, 2)
    assert str(found).startswith("The squared shift by values is 1.38 times that by style (95 % interval ")


def test_a_shift_may_be_negative_and_is_not_clipped():
    # By style 1 for the first question, -1 for the second: 1 * -1 in both values. By values 2 and 2: 4 in both styles.
    found = shift_ratio(
        np.array([0, 2, 1, 3, 0, 2, -1, 1.0])[:, None],
        ["first"] * 4 + ["second"] * 4,
        ["kind", "stern"] * 4,
        ["calm", "calm", "loud", "loud"] * 2,
    )
    assert (found.first.squared, found.second.squared) == (4, -1)
    assert np.isnan(found.ratio)
    assert str(found).startswith("The shift by style cannot be told from 0, so there is no ratio")


# What it is the mean of


def over_all_halvings(vectors: np.ndarray) -> float:
    """The mean product of the differences of two cells in two halves, over every halving of the questions (q, 2, d)."""
    apart = vectors[:, 0] - vectors[:, 1]
    everything = set(range(len(apart)))
    return float(
        np.mean(
            [
                apart[list(half)].mean(axis=0) @ apart[list(everything - set(half))].mean(axis=0)
                for half in combinations(everything, len(apart) // 2)
            ]
        )
    )


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), questions=st.sampled_from([2, 4, 6]))
def test_it_is_the_mean_over_all_halvings_of_the_questions(seed, questions):
    made, _, _ = grid(seed=seed, questions=questions, values=1, style=1, dimensions=3)
    found = shift_ratio(*made, resamples=1)
    cells = made.vectors.reshape(questions, 4, 3, 3)
    by_values = [over_all_halvings(cells[:, list(pair), at]) for pair in combinations(range(4), 2) for at in range(3)]
    by_style = [over_all_halvings(cells[:, at][:, list(pair)]) for pair in combinations(range(3), 2) for at in range(4)]
    np.testing.assert_allclose(found.first.squared, np.mean(by_values), atol=1e-9)
    np.testing.assert_allclose(found.second.squared, np.mean(by_style), atol=1e-9)


# Known shifts


@pytest.mark.parametrize(("values", "style"), [(1, 0.5), (0.3, 0.6), (0.5, 0.5)])
def test_known_shifts_are_recovered(values, style):
    # The plain squared distance of two means of 60 has 2 * 24 / 60 = 0.8 of noise in it, which this must not have.
    errors = []
    for seed in range(12):
        made, by_values, by_style = grid(seed=seed, values=values, style=style)
        found = shift_ratio(*made, resamples=1)
        errors.append((found.first.squared - by_values, found.second.squared - by_style))
    assert np.abs(np.mean(errors, axis=0)).max() < 0.3


def test_the_intervals_hold_the_truth_nineteen_times_of_twenty():
    held = []
    for seed in range(40):
        made, by_values, by_style = grid(seed=seed, values=0.4, style=0.3)
        found = shift_ratio(*made, resamples=300, seed=seed)
        truths = (by_values, by_style, by_values / by_style)
        ends = (found.first.interval, found.second.interval, found.interval)
        held.append([low <= truth <= high for truth, (low, high) in zip(truths, ends, strict=True)])
    assert np.mean(held, axis=0).min() >= 0.8


def test_noise_alone_gives_zero_from_both_sides():
    found = [shift_ratio(*grid(seed=seed)[0], resamples=100) for seed in range(40)]
    shifts = np.array([(one.first.squared, one.second.squared) for one in found])
    assert np.abs(shifts.mean(axis=0)).max() < 0.05
    assert (shifts < 0).mean() > 0.25
    assert (shifts > 0).mean() > 0.25
    assert np.isnan([one.ratio for one in found]).mean() > 0.8


# What changes nothing


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_rotations_and_what_a_question_adds_change_nothing(seed):
    made, _, _ = grid(seed=seed, questions=6, values=1, style=1, dimensions=5)
    generator = np.random.default_rng(seed)
    turned = made.vectors @ ortho_group.rvs(5, random_state=generator)
    moved = turned + 10 * generator.normal(size=(6, 5))[np.unique(made.questions, return_inverse=True)[1]]
    one, other = shift_ratio(*made, resamples=20), shift_ratio(moved, *made[1:], resamples=20)
    np.testing.assert_allclose(
        [one.first.squared, one.second.squared, *one.first.interval, *one.second.interval],
        [other.first.squared, other.second.squared, *other.first.interval, *other.second.interval],
        atol=1e-7,
    )


def test_neither_the_order_of_rows_nor_sparse_vectors_change_anything():
    made, _, _ = grid(seed=1, values=1, style=1)
    expected = shift_ratio(*made)
    shuffled = made.take(np.random.default_rng(0).permutation(len(made.vectors)))
    for found in (shift_ratio(*shuffled), shift_ratio(sparse.csr_matrix(made.vectors), *made[1:])):
        np.testing.assert_allclose([found.ratio, *found.interval], [expected.ratio, *expected.interval])


def test_the_other_way_round_the_shifts_change_places():
    made, _, _ = grid(seed=1, values=1, style=0.5)
    one = shift_ratio(*made)
    other = shift_ratio(made.vectors, made.questions, made.styles, made.values, factors=("style", "values"))
    assert (one.first, one.second) == (other.second, other.first)
    np.testing.assert_allclose(one.ratio, 1 / other.ratio)


# Answers that are missing or repeated


def test_repeated_answers_are_averaged_first():
    made, _, _ = grid(seed=1, questions=5, values=1, style=1)
    generator = np.random.default_rng(0)
    spread = generator.normal(size=made.vectors.shape)
    twice = Grid(np.vstack([made.vectors + spread, made.vectors - spread]), *(np.tile(side, 2) for side in made[1:]))
    np.testing.assert_allclose(shift_ratio(*twice).first.squared, shift_ratio(*made).first.squared)


def test_a_pair_is_compared_on_the_questions_that_both_answered():
    made, by_values, by_style = grid(seed=3, questions=200, values=0.5, style=0.5)
    kept = np.random.default_rng(0).random(len(made.vectors)) < 0.8
    found = shift_ratio(*made.take(kept), resamples=200)
    assert found.n == kept.sum()
    np.testing.assert_allclose([found.first.squared, found.second.squared], [by_values, by_style], rtol=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"questions": ["q0"] * 3}, r"got \(72, 24\) and \[3, 72, 72\]"),
        ({"values": np.array(["one"] * 72)}, "a shift by values needs at least 2 levels, got one"),
        ({"styles": np.array(["one"] * 72)}, "a shift by style needs at least 2 levels, got one"),
        ({"vectors": np.full((72, 24), np.nan)}, "1728 numbers that are not finite"),
        ({"vectors": np.zeros(72)}, r"must be \(n, d\)"),
        ({"questions": np.array(["q0"] * 72)}, "have 1 questions in common and need at least 2"),
    ],
)
def test_what_has_no_shifts_is_refused(change, message):
    made, _, _ = grid(seed=0, questions=6)
    with pytest.raises(ValueError, match=message):
        shift_ratio(*made._replace(**change))


def test_factors_that_are_not_crossed_are_refused():
    made, _, _ = grid(seed=0, questions=6)
    kept = ~((made.values == "v1") & (made.styles == "s2"))
    with pytest.raises(ValueError, match="v0 with s2 and v1 with s2 have 0 questions in common"):
        shift_ratio(*made.take(kept))


# The result


def test_a_ratio_that_there_is_not_is_none_in_json():
    found = shift_ratio(*grid(seed=1, questions=6, values=1)[0])
    assert isinstance(found, ShiftRatio)
    described = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert described["ratio"] is None
    assert described["interval"] == {"low": None, "high": None}
    assert described["first"]["factor"] == "values"
    assert found.to_markdown().splitlines()[4] == "| ratio | - | - | - |"


def test_the_table_has_the_factors_and_the_ratio():
    made, _, _ = grid(seed=1, values=1, style=1)
    frame = shift_ratio(*made, factors=("creed", "tone")).to_pandas()
    assert frame["finding"].tolist() == ["creed", "tone", "ratio"]
    assert (frame["low"] < frame["estimate"]).all()
    assert (frame["estimate"] < frame["high"]).all()
    assert set(frame["n"]) == {60 * 12}
    assert set(frame["questions"]) == {60}
