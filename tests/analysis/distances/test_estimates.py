"""How sure distances are: by hand, and how often intervals hold and tests find where the truth is known."""

import numpy as np
import pytest
from scipy.stats import norm

from univar.analysis.distances.estimates import SWAPS, Estimates, estimates, excess, limits, signs
from univar.analysis.distances.pairwise import Group, cells_of, groups_of

REACH = float(norm.isf(0.025))
ONE = np.ones((1, 1))


def group_of(apart: np.ndarray) -> Group:
    """Two authors who differ by these at each question."""
    means = np.stack([apart, np.zeros_like(apart)])
    return Group(means, np.ones(means.shape[:2], dtype=bool), np.array([[0, 1]]))


def estimate_of(apart: np.ndarray, seed: int = 0) -> Estimates:
    group = group_of(apart)
    return estimates([group], [group.estimates()], ONE, by_group=ONE[:, 0], seed=seed)[0]


def noisy(seed: int, *, questions: int, squared: float = 0, width: int = 24) -> tuple[np.ndarray, float]:
    """Differences with noise of length 1, whose mean has this squared length."""
    generator = np.random.default_rng([seed, 1])  # a stream that no swap is drawn from
    scales = np.sqrt(1 / np.arange(1, width + 1))
    scales /= np.linalg.norm(scales)
    mean = generator.normal(size=width) * scales
    mean *= np.sqrt(squared) / np.linalg.norm(mean)
    return mean + generator.normal(size=(questions, width)) * scales, squared


def test_the_swaps_of_few_questions_are_all_that_differ():
    assert signs(3, 0).tolist() == [[1, 1, 1], [-1, 1, 1], [1, -1, 1], [-1, -1, 1]]
    many = signs(30, 0)
    assert many.shape == (SWAPS + 1, 30)
    assert (many[0] == 1).all()
    assert set(np.unique(many)) == {-1, 1}
    assert not (many == signs(30, 1)).all()


def test_p_by_hand():
    # Differences 1, 2 and 3: products 2 + 3 + 6 = 11. Swapping the first: -2 - 3 + 6 = 1; the second: -2 + 3 - 6 = -5;
    # the third: 2 - 3 - 6 = -7. None but the answers as they are is as large: 1 of 4. With -1: -2 - 3 + 6 = 1, which
    # 11 and itself reach: 2 of 4.
    assert estimate_of(np.array([[1.0], [2], [3]])).p[0] == 0.25
    assert estimate_of(np.array([[-1.0], [2], [3]])).p[0] == 0.5


def test_what_never_varies_has_an_interval_without_width():
    found = estimate_of(np.full((20, 3), 0.5))
    assert found.squared[0] == pytest.approx(0.75)
    low, high = found.interval(0)
    assert 0.7 < low <= 0.75 <= high < 0.8
    nothing = estimate_of(np.zeros((20, 3)))
    assert (nothing.squared[0], *nothing.interval(0), nothing.p[0]) == (0, 0, 0, 1)


def test_fewer_than_four_questions_have_no_interval():
    found = estimate_of(np.array([[1.0], [2], [3]]))
    assert np.isfinite(found.squared[0])
    assert np.isnan(found.interval(0)).all()


def test_the_ends_by_hand():
    # No slope: U +- z sqrt alike, for endlessly many questions. With a slope s and nothing alike:
    # (U - d)^2 = z^2 s d, so d = U + z^2 s / 2 +- sqrt((U + z^2 s / 2)^2 - U^2).
    def of(squared: float, alike: float, slope: float) -> tuple[float, float]:
        parts = (np.array([number]) for number in (squared, alike, slope, 1e9, np.nan))
        low, high = limits(Estimates(*parts), 2.0)
        return float(low[0]), float(high[0])

    np.testing.assert_allclose(of(1, 0.01, 0), (0.8, 1.2), rtol=1e-5)
    np.testing.assert_allclose(of(-1, 0.01, 0), (-1.2, -0.8), rtol=1e-5)
    # 1 + 0.2 +- sqrt(1.44 - 1)
    np.testing.assert_allclose(of(1, 0, 0.1), (1.2 - 0.44**0.5, 1.2 + 0.44**0.5), rtol=1e-5)
    # About 0 the lower end is where nothing differs, and does not depend on the slope.
    np.testing.assert_allclose(of(0.1, 0.01, 5)[0], -0.1, rtol=1e-5)


@pytest.mark.parametrize(("questions", "squared"), [(8, 0), (30, 0), (8, 0.3), (30, 0.1), (30, 2)])
def test_intervals_hold_the_truth_and_few_tests_find_what_is_not_there(questions, squared):
    held, found = [], []
    for seed in range(200):
        estimate = estimate_of(noisy(seed, questions=questions, squared=squared)[0], seed)
        low, high = estimate.interval(0)
        held.append(low <= squared <= high)
        found.append(estimate.p[0] <= 0.05)
    # Two standard errors of 200 are 3 points: 92 to 98 % are asked for, and a p of 5 %.
    assert 0.89 <= np.mean(held) <= 1
    assert np.mean(held) < 0.995 or squared
    assert np.mean(found) <= 0.1 if not squared else np.mean(found) > 0.3


def test_an_interval_excludes_nothing_where_the_swaps_do():
    agreed = []
    for seed in range(60):
        found = estimate_of(noisy(seed, questions=30, squared=0.05)[0], seed)
        (low,), _ = limits(found, norm.isf(0.05))
        agreed.append((low > 0) == (found.p[0] <= 0.05))
    assert np.mean(agreed) > 0.9


def test_a_p_far_out_is_smaller_than_swaps_alone_could_say():
    found = estimate_of(noisy(0, questions=60, squared=1)[0])
    assert 0 < found.p[0] < 1 / (SWAPS + 1) / 100


def test_means_of_pairs_and_of_each_value_alone():
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(3, 8, 4))
    names, values = [f"q{number}" for number in range(8)] * 3, (["x"] * 4 + ["y"] * 4) * 3
    cells = cells_of(rows.reshape(24, 4), np.repeat([0, 1, 2], 8), names, values)
    groups = groups_of(cells, np.array([[0, 1], [0, 2], [1, 2]]))
    columns = np.array([[1.0, 0, 1], [0, 1, 1], [0, 1, 1]])
    pairs = [group.estimates() for group in groups]
    found, alone = estimates(groups, pairs, columns, by_group=columns[:, -1])
    each = np.mean([one.squared for one in pairs], axis=0)
    np.testing.assert_allclose(found.squared, [each[0], each[1:].mean(), each.mean()])
    np.testing.assert_allclose([one.squared[0] for one in alone], [one.squared.mean() for one in pairs])
    assert found.freedom.tolist() == [6, 6, 6]


def test_a_pair_that_shares_nothing_counts_for_no_mean():
    rows = np.random.default_rng(0).normal(size=(10, 3))
    owners, names = np.repeat([0, 1, 2], [4, 4, 2]), ["a", "b", "c", "d", "a", "b", "c", "d", "e", "f"]
    cells = cells_of(rows, owners, names, authors=3)
    groups = groups_of(cells, np.array([[0, 1], [0, 2]]))
    found, _ = estimates(groups, [groups[0].estimates()], np.array([[1.0, 0, 1], [0, 1, 1]]), by_group=np.ones(2))
    assert np.isnan([part[1] for part in found]).all()
    assert found.squared[2] == found.squared[0]


# One beside another


def test_an_excess_has_a_p_that_says_when_its_interval_reaches_0():
    for seed, squared in ((0, 0.1), (1, 0.3), (2, 0.0), (3, 1.0)):
        one = estimate_of(noisy(seed, questions=40, squared=squared)[0])
        other = estimate_of(noisy(seed + 100, questions=25, squared=0.1)[0])
        more, low, high, p = excess(one, other)
        assert more == one.squared - other.squared
        assert low < more < high
        assert (p <= 0.05) == (low > 0 or high < 0)
        _, _, _, mirrored = excess(other, one)
        np.testing.assert_allclose(mirrored, p, rtol=1e-6)


def test_nothing_to_compare_with_leaves_an_excess_unknown():
    known, few = estimate_of(noisy(0, questions=40)[0]), estimate_of(noisy(0, questions=3)[0])
    assert np.isnan(excess(known, few)[3]).all()


def test_equal_distances_are_seldom_called_unequal():
    called = []
    for seed in range(150):
        one = estimate_of(noisy(seed, questions=40, squared=0.2)[0])
        other = estimate_of(noisy(seed + 10_000, questions=20, squared=0.2)[0])
        more, _, _, p = excess(one, other)
        called.append(bool(p[0] <= 0.05 and more[0] > 0))
    assert np.mean(called) <= 0.07
