"""Mantel, partial Mantel, Procrustes, the ceiling: by hand, against scipy, and where nothing is related."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import procrustes
from scipy.spatial.distance import pdist
from scipy.stats import kstest, pearsonr, spearmanr

from univar.analysis.people.matrices import (
    ceiling,
    coordinates,
    jackknifed,
    mantel,
    procrustes_test,
    subset,
    things_of,
)

SIX = np.arange(1.0, 7)
"""Distances between four things, all different."""


def random_sides(seed: int, things: int, count: int = 2) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [pdist(generator.normal(size=(things, 3))) for _ in range(count)]


# Mantel


def test_four_things_that_agree_have_a_p_of_one_in_24():
    # Of the 24 orders only the one that is there leaves six different distances as they are.
    found = mantel(SIX, 10 * SIX)
    assert (found.r, found.p, found.orders, found.exact, found.things) == (pytest.approx(1), 1 / 24, 24, True, 4)
    # One order of 24 may reach the level of .05, so r had to be above that of the second best. The pairs are 12 13 14
    # 23 24 34. Where the second and third thing change places, 12 and 13 do and 24 and 34: the ranks are
    # 2 1 3 4 6 5, and Spearman's r is 1 - 6 (1 + 1 + 1 + 1) / (6 * 35) = 0.886. No other order differs by less.
    assert found.threshold == pytest.approx(1 - 24 / 210)
    assert np.isnan(mantel(SIX, SIX, level=0.01).threshold)


@pytest.mark.parametrize(("coefficient", "other"), [("spearman", spearmanr), ("pearson", pearsonr)])
def test_r_is_that_of_scipy(coefficient, other):
    one, two = random_sides(0, 9)
    found = mantel(one, two, coefficient=coefficient, orders=19)
    assert found.r == pytest.approx(other(one, two).statistic)
    assert (found.orders, found.exact) == (20, False)


def test_the_partial_r_is_that_of_the_formula():
    one, two, held = random_sides(1, 9, 3)
    ab, ac, bc = (spearmanr(*pair).statistic for pair in ((one, two), (one, held), (two, held)))
    expected = (ab - ac * bc) / np.sqrt((1 - ac**2) * (1 - bc**2))
    assert mantel(one, two, [held], orders=19).r == pytest.approx(expected)
    # What is constant, or there twice, holds nothing more fixed.
    assert mantel(one, two, [held, held, np.ones(36)], orders=19).r == pytest.approx(expected)


def test_p_counts_all_orders_of_few_things():
    one, two = random_sides(2, 5)
    square = np.zeros((5, 5))
    square[np.triu_indices(5, 1)] = two
    square += square.T
    orders = [subset(two, order) for order in permutations(range(5))]
    rs = [spearmanr(one, moved).statistic for moved in orders]
    found = mantel(one, two)
    assert found.p == np.mean(np.array(rs) >= rs[0] - 1e-9)
    assert found.orders == 120


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), things=st.integers(4, 9))
def test_what_is_above_the_threshold_has_a_p_of_at_most_the_level(seed, things):
    found = mantel(*random_sides(seed, things), orders=199, seed=seed)
    assert (found.r > found.threshold + 1e-9) == (found.p <= 0.05) or abs(found.r - found.threshold) < 1e-6
    assert -1 <= found.interval.low <= found.r <= found.interval.high <= 1


def test_the_names_of_the_things_do_not_matter():
    one, two, held = random_sides(3, 6, 3)
    order = np.random.default_rng(0).permutation(6)
    found, renamed = (
        mantel(*sides[:2], sides[2:])
        for sides in ((one, two, held), [subset(side, order) for side in (one, two, held)])
    )
    np.testing.assert_allclose([*renamed.interval, renamed.r, renamed.p], [*found.interval, found.r, found.p])


@pytest.mark.parametrize("held", [0, 2])
def test_p_is_uniform_where_nothing_is_related(held):
    p = [
        mantel(one, two, others, orders=199, seed=seed).p
        for seed in range(250)
        for one, two, *others in [random_sides(seed, 9, 2 + held)]
    ]
    assert kstest(p, "uniform").pvalue > 0.05
    assert 0.02 < np.mean(np.array(p) <= 0.05) < 0.09


def test_what_both_follow_is_held_fixed():
    generator = np.random.default_rng(0)
    plain, partial = [], []
    for seed in range(60):
        ground = pdist(generator.normal(size=(12, 2)))
        one, two = (ground + 0.5 * generator.normal(size=66) for _ in range(2))
        plain.append(mantel(one, two, orders=199, seed=seed).p <= 0.05)
        partial.append(mantel(one, two, [ground], orders=199, seed=seed).p <= 0.05)
    assert np.mean(plain) > 0.9
    assert np.mean(partial) < 0.15


def test_nothing_is_said_of_a_side_that_is_constant_or_explained():
    one, two = random_sides(4, 6)
    for found in (mantel(np.ones(15), two), mantel(one, np.full(15, 0.1)), mantel(one, two, [one])):
        assert np.isnan([found.r, found.p, found.threshold, *found.interval]).all()
        assert found.orders == 0


@pytest.mark.parametrize(
    ("sides", "options", "message"),
    [
        ((SIX, SIX[:3]), {}, r"the same n for all, got \(6,\), \(3,\)"),
        ((SIX[:5], SIX[:5]), {}, r"got \(5,\), \(5,\)"),
        ((SIX[:3], SIX[:3]), {}, "at least 4 things, got 3"),
        ((SIX, [1, 2, 3, 4, 5, np.nan]), {}, "1 distances are not finite"),
        ((SIX, SIX), {"coefficient": "kendall"}, "unknown coefficient 'kendall'; allowed: spearman, pearson"),
        ((SIX, SIX), {"orders": 0}, r"orders at least 1, got 0.05 and 0"),
        ((SIX, SIX), {"level": 1}, r"level must be in \(0, 1\)"),
    ],
)
def test_what_cannot_be_compared_is_named(sides, options, message):
    with pytest.raises(ValueError, match=message):
        mantel(*sides, **options)


# Procrustes and places


def test_procrustes_is_that_of_scipy_in_every_order():
    generator = np.random.default_rng(5)
    one, two = generator.normal(size=(2, 5, 2))
    found = procrustes_test(one, two)
    fits = [np.sqrt(1 - procrustes(one, two[list(order)])[2]) for order in permutations(range(5))]
    assert found.r == pytest.approx(fits[0])
    assert found.p == np.mean(np.array(fits) >= fits[0] - 1e-9)
    assert (found.orders, found.exact) == (120, True)


def test_what_is_turned_mirrored_and_scaled_fits():
    places = np.random.default_rng(6).normal(size=(8, 2))
    found = procrustes_test(places, 3 * places @ [[0, 1], [1, 0]] + 5, orders=199)
    assert found.r == pytest.approx(1)
    assert found.p == 1 / 200
    np.testing.assert_allclose(found.first, found.second, atol=1e-9)
    assert procrustes_test(places, np.ones((8, 2))) is None
    with pytest.raises(ValueError, match=r"n of at least 4, got \(3, 2\) and \(3, 2\)"):
        procrustes_test(places[:3], places[:3])


def test_places_have_the_distances_that_they_are_made_of():
    places = np.random.default_rng(7).normal(size=(7, 2))
    np.testing.assert_allclose(pdist(coordinates(pdist(places, "sqeuclidean"))), pdist(places))
    # Squared distances below 0 fit no plane; what does not is left at 0.
    assert np.isfinite(coordinates([-1.0, 2, 3, 1, -2, 4])).all()
    assert not coordinates(-np.ones(6)).any()


# The ceiling, the jackknife, Holm


def test_the_ceiling_by_hand():
    # Ranks 1 2 3 4 5 6 and 2 1 4 3 6 5: Spearman's r = 1 - 6 * 6 / (6 * 35) = 29 / 35, so that all of the data have a
    # reliability of 4 r / (1 + 3 r) = 116 / 122 at most, and the ceiling is its root.
    highest, (low, high) = ceiling(SIX[None], np.array([[2.0, 1, 4, 3, 6, 5]]))
    assert highest == pytest.approx((116 / 122) ** 0.5)
    assert 0 <= low <= highest <= high <= 1
    assert ceiling(SIX[None], -SIX[None])[0] == 0


def test_the_jackknife_covers_a_correlation_of_many_things():
    generator = np.random.default_rng(8)

    def sides(things: int) -> tuple[np.ndarray, np.ndarray]:
        places = generator.normal(size=(things, 2))
        return pdist(places), pdist(places + generator.normal(size=(things, 2)))

    truth = spearmanr(*sides(400)).statistic
    held = [low <= truth <= high for low, high in (mantel(*sides(12), orders=1).interval for _ in range(120))]
    assert np.mean(held) > 0.9


def test_an_interval_needs_every_part():
    assert np.isnan(jackknifed(lambda kept: np.where((kept == 0).any(axis=1), 0.5, np.nan), 5)).all()
    # All parts say the same, so there is no width.
    assert jackknifed(lambda kept: np.full(len(kept), 0.5), 5) == pytest.approx((0.5, 0.5))


def test_how_many_things_distances_are_between():
    assert [things_of(np.zeros(pairs)) for pairs in (6, 10, 15, 300)] == [4, 5, 6, 25]
