"""Means of few answers each: by hand, and on numbers whose spread is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from univar.analysis.values.spread import estimate, steadied


def test_groups_of_one_spread_share_it():
    # Each group has variance ((0 - 1)^2 + (2 - 1)^2) / 1 = 2: they differ by less than chance makes them.
    found = steadied([[0, 2], [5, 7], [1, 3]])
    np.testing.assert_allclose(found.variances, [2, 2, 2])
    assert np.isinf(found.freedom).all()


def test_one_group_has_nobody_to_learn_from():
    found = steadied([[1.0, 2.0, 6.0]])
    assert found.variances[0] == pytest.approx(7)  # mean 3: (4 + 1 + 9) / 2
    assert found.freedom[0] == 2


def test_groups_of_one_number_each_take_the_spread_of_all():
    found = steadied([[1.0], [2.0], [6.0]])
    np.testing.assert_allclose(found.variances, 7)
    np.testing.assert_array_equal(found.freedom, 2)
    assert np.isnan(steadied([[1.0]]).variances).all()
    assert len(steadied([]).variances) == 0


def test_a_group_of_one_number_takes_what_the_others_have_in_common():
    found = steadied([[0, 2], [5, 7], [1, 3], [9]])
    assert found.variances[3] == pytest.approx(2)


def test_what_is_common_is_found_again():
    # Smyth's model: 1 / variance is chi squared with 8 degrees of freedom over 8 * 2: variances of about 2.
    generator = np.random.default_rng(0)
    true = 8 * 2 / generator.chisquare(8, size=4000)
    groups = [np.sqrt(variance) * generator.normal(size=5) for variance in true]
    found = steadied(groups)
    assert found.freedom[0] - 4 == pytest.approx(8, rel=0.25)
    own = np.array([np.var(group, ddof=1) for group in groups])
    assert np.mean((found.variances - true) ** 2) < 0.6 * np.mean((own - true) ** 2)


def test_equal_answers_are_of_no_spread():
    np.testing.assert_array_equal(steadied([[1, 1], [2, 2], [3, 3]]).variances, 0)
    mixed = steadied([[1, 1, 1], [0, 2, 4], [1, 3, 8]])
    assert 0 <= mixed.variances[0] < mixed.variances[2]


def test_an_estimate_by_hand():
    # Standard error 0.2: 0.5 +- 1.96 * 0.2, and p = P(|z| > 2.5).
    found = estimate(0.5, [(0.03, math.inf), (0.01, math.inf)])
    assert found.interval == pytest.approx((0.108, 0.892), abs=1e-3)
    assert found.p == pytest.approx(0.0124, abs=1e-4)
    # Satterthwaite: 0.04^2 / (0.03^2 / 3 + 0.01^2 / 1) = 4, whose t is 2.776.
    few = estimate(0.5, [(0.03, 3), (0.01, 1)])
    assert few.interval == pytest.approx((0.5 - 2.776 * 0.2, 0.5 + 2.776 * 0.2), abs=1e-3)


def test_the_interval_of_a_quotient_lies_unevenly():
    # Fieller, unit off by half of it at most: (1 +- sqrt(1 * 0.25 + 0.196^2 * 0.75)) / 0.75.
    found = estimate(1.0, [(0.01, math.inf)], scale_error=0.5)
    half = math.sqrt(0.25 + 0.196**2 * 0.75)
    assert found.interval == pytest.approx(((1 - half) / 0.75, (1 + half) / 0.75), abs=1e-3)
    assert found.p == estimate(1.0, [(0.01, math.inf)]).p


@given(st.floats(-2, 2), st.floats(0.001, 1), st.floats(2, 50), st.floats(0, 0.95))
def test_p_and_interval_agree(number, variance, freedom, scale_error):
    found = estimate(number, [(variance, freedom)], scale_error=scale_error)
    assert found.interval.low <= number + 1e-9
    assert number - 1e-9 <= found.interval.high
    if abs(found.p - 0.05) > 1e-6:
        assert (found.p < 0.05) == (found.interval.low > 0 or found.interval.high < 0)


def test_what_is_not_known_is_not_a_number():
    assert all(map(math.isnan, (*estimate(1.0, [(float("nan"), 1.0)]).interval, estimate(1.0, [(math.nan, 1)]).p)))
    assert estimate(1.0, [(0.0, math.inf)]).p == 0
    assert estimate(0.0, [(0.0, math.inf)]).p == 1
