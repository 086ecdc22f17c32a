"""How reliable a set of distances is: by hand, in the limits, and what is left out."""

import math

import numpy as np
import pytest

from univar.analysis.distances.reliability import split_half


def test_by_hand():
    # Of four things, six distances: 1 2 3 4 5 6 beside 2 1 4 3 6 5. The squares of each about their mean sum to 17.5,
    # those of their differences to 6, so their products to (2 * 17.5 - 6) / 2 = 14.5: r = 14.5 / 17.5, raised
    # 2 r / (1 + r).
    r, _ = split_half(np.array([[1.0, 2, 3, 4, 5, 6]]), np.array([[2.0, 1, 4, 3, 6, 5]]), 4)
    assert r == pytest.approx(2 * 14.5 / 17.5 / (1 + 14.5 / 17.5))


def test_equal_halves_are_reliable_and_unrelated_ones_are_not():
    generator = np.random.default_rng(0)
    distances = generator.normal(size=(5, 45))
    r, (low, high) = split_half(distances, distances, 10)
    assert r == pytest.approx(1)
    assert low > 0.99
    r, (low, high) = split_half(distances, generator.normal(size=(5, 45)), 10)
    assert low < 0 < high
    assert abs(r) < 0.4


def test_a_pair_without_a_distance_is_left_out_and_what_does_not_vary_has_none():
    generator = np.random.default_rng(0)
    one = generator.normal(size=(3, 10))
    other = one + 0.1 * generator.normal(size=(3, 10))
    other[:, 4] = np.nan
    r, (low, high) = split_half(one, other, 5)
    assert 0.9 < r < 1
    assert low < r < high
    assert math.isnan(split_half(np.ones((1, 6)), np.ones((1, 6)), 4)[0])
