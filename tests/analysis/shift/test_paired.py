"""What all questions moved in common: by hand, what changes nothing, how often intervals and tests are right."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from univar.analysis.shift.paired import Movement, Noise, beyond, movement, noise_of, swap_test
from univar.analysis.statistics import Interval

SCALES = 1 / np.sqrt(np.arange(1, 25))
"""Of 24 dimensions, as unequal as those of sentence embeddings."""
UNIT = float(np.sum(SCALES**2))
"""The true square of the unit: the mean squared distance of a difference from the true one."""


def differences(questions: int, size: float, seed: int) -> np.ndarray:
    """Noise around a shift of a length, whose direction is drawn."""
    generator = np.random.default_rng(seed)
    direction = SCALES * generator.normal(size=SCALES.size)
    return size * direction / np.linalg.norm(direction) + SCALES * generator.normal(size=(questions, SCALES.size))


def spread(apart: np.ndarray) -> np.ndarray:
    """Squared distances of which the mean is the square of the unit, as from halves of the questions."""
    return np.sum((apart - apart.mean(axis=0)) ** 2, axis=1) * len(apart) / (len(apart) - 1)


# By hand


def test_three_questions_by_hand():
    # Differences 1, 2 and 3 in one dimension. Products of different questions: 2, 3 and 6, whose mean is 11 / 3. The
    # unit is told to be 4 squared / 4 = 1, so the size is the root of 11 / 3.
    found = movement([[1.0], [2.0], [3.0]], [1.0, 0.5, 1.5])
    assert found.squared == pytest.approx(11 / 3)
    assert found.size == pytest.approx(np.sqrt(11 / 3))
    # Swapping leaves the sign of products: 2+3+6 = 11 as it is; turned at the first -2-3+6 = 1, at the second
    # -2+3-6 = -5, at the third 2-3-6 = -7. One of four is as long.
    assert found.p == 0.25
    assert np.isnan(found.smallest)  # of three questions no p is below 1/4


def test_differences_that_are_alike_have_a_p_of_two_to_the_power_of_the_others():
    assert swap_test(np.ones((8, 2))) == 2**-7
    assert swap_test(np.ones((30, 2))) == 1 / 5000


def test_where_nothing_differs_nothing_moved():
    found = movement(np.zeros((8, 3)), np.zeros(8))
    assert (found.squared, found.p) == (0, 1)
    assert found.squared_interval == pytest.approx((0, 0), abs=1e-9)
    assert np.isnan([found.size, *found.interval]).all()


def test_a_negative_length_is_kept_and_its_size_is_0():
    found = movement([[1.0], [-1.0], [1.0], [-1.0]], np.ones(4))  # products: two pairs of 1, four of -1
    assert found.squared == pytest.approx(-1 / 3)
    assert found.size == 0
    assert found.squared_interval.low <= found.squared <= found.squared_interval.high


def test_the_smallest_that_is_seen_by_hand():
    # Two dimensions of variance 1: tr(S^2) = 2, so over 101 questions the standard deviation is sqrt(2 * 2 / 10100) =
    # 0.0199, and with a reach of 2 the test begins at 0.0398. The length s has s - 0.8416 sqrt(4 s / 101 + 0.000396) =
    # 0.0398: s = 0.0892 gives 0.0892 - 0.8416 * sqrt(0.003533 + 0.000396) = 0.0892 - 0.0528 = 0.0364; s = 0.0945 gives
    # 0.0945 - 0.8416 * sqrt(0.003743 + 0.000396) = 0.0945 - 0.0541 = 0.0404; between them it is 0.0937.
    noise = Noise(squares=2.0, total=2.0, reach=2.0)
    assert noise.smallest(101) == pytest.approx(0.0937, abs=2e-4)
    assert np.isnan(noise.smallest(5))
    assert noise.smallest(101, share=0.5) < noise.smallest(101) < noise.smallest(50)


# What changes nothing


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_rotations_and_the_order_of_questions_change_nothing_but_draws(seed):
    apart = differences(9, 0.5, seed)
    turned = apart @ ortho_group.rvs(SCALES.size, random_state=np.random.default_rng(seed))
    one, other = (movement(rows, spread(rows), resamples=50) for rows in (apart, turned))
    np.testing.assert_allclose([one.squared, one.size, one.p], [other.squared, other.size, other.p], atol=1e-9)
    np.testing.assert_allclose(one.squared_interval, other.squared_interval, atol=1e-6)
    backwards = movement(apart[::-1], spread(apart[::-1]), resamples=50)
    np.testing.assert_allclose([one.squared, one.size, one.p], [backwards.squared, backwards.size, backwards.p])


def test_before_and_after_can_change_places():
    apart = differences(20, 0.5, 3)
    one, other = movement(apart, spread(apart)), movement(-apart, spread(apart))
    assert one == other


def test_the_scale_of_vectors_changes_no_size():
    apart = differences(20, 0.5, 3)
    one, other = movement(apart, spread(apart)), movement(10 * apart, spread(10 * apart))
    np.testing.assert_allclose([one.size, *one.interval, one.smallest], [other.size, *other.interval, other.smallest])


# How often it is right: `benchmarks/calibration_shift.py` does this at length


@pytest.mark.parametrize("size", [0.0, 0.6, 2.0])
def test_intervals_hold_the_truth_and_no_more(size):
    held = []
    for seed in range(100):
        apart = differences(40, size, seed)
        found = movement(apart, spread(apart), resamples=200, seed=seed)
        held.append(
            (
                found.squared_interval.low <= size**2 <= found.squared_interval.high,
                found.interval.low <= size / np.sqrt(UNIT) <= found.interval.high,
            )
        )
    # 0.95 within three standard errors of 100; at a size of 0 the size can only be missed from above, in one of forty.
    squared, sized = np.mean(held, axis=0)
    assert squared >= 0.88
    assert sized >= 0.88


def test_chance_is_called_a_shift_one_time_in_twenty():
    seen = [swap_test(differences(40, 0.0, seed), seed=seed) < 0.05 for seed in range(200)]
    assert 0.01 <= np.mean(seen) <= 0.1


def test_the_smallest_shift_is_seen_as_often_as_promised():
    promised = float(np.sqrt(np.mean([noise_of(differences(40, 0.0, seed)).smallest(40) for seed in range(10)])))
    seen = [swap_test(differences(40, promised, seed), seed=seed) < 0.05 for seed in range(100, 250)]
    assert 0.68 <= np.mean(seen) <= 0.92
    weaker = [swap_test(differences(40, promised / 2, seed), seed=seed) < 0.05 for seed in range(100, 200)]
    assert np.mean(weaker) < 0.5


def test_a_shift_has_the_size_that_was_planted_on_average():
    squared = [
        movement(rows, spread(rows), resamples=1).squared for rows in (differences(30, 0.5, n) for n in range(60))
    ]
    assert np.mean(squared) == pytest.approx(0.25, abs=0.03)


# Beyond controls


def found(squared: float, low: float, high: float) -> Movement:
    return Movement(10, squared, Interval(low, high), 1.0, Interval(0, 1), 0.5, 0.2)


def test_beyond_controls_by_hand():
    # 9 - 1 = 8; downwards sqrt((9 - 6)^2 + (5 - 1)^2) = 5, upwards sqrt((21 - 9)^2 + (1 + 4)^2) = 13.
    further = beyond(found(9, 6, 21), found(1, -4, 5))
    assert further.squared == 8
    assert further.interval == pytest.approx((3, 21))
    # 8 lies 8 / 5 * 1.95996 = 3.136 standard deviations from 0.
    assert further.p == pytest.approx(0.001713, abs=1e-5)
    assert further.holds
    assert not beyond(found(1, -4, 5), found(9, 6, 21)).holds
    assert beyond(found(0, 0, 0), found(0, 0, 0)).p == 1


@pytest.mark.parametrize("size", [0.0, 0.5])
def test_equal_movements_are_rarely_called_unequal(size):
    held = []
    for seed in range(80):
        direction = np.random.default_rng(seed).normal(size=SCALES.size) * SCALES
        direction *= size / np.linalg.norm(direction)
        sides = [direction + differences(number, 0.0, 2 * seed + number) for number in (60, 40)]
        both = [movement(rows, spread(rows), resamples=200, seed=seed) for rows in sides]
        held.append(beyond(*both).holds)
    assert np.mean(held) <= 0.07


# Bad input


@pytest.mark.parametrize(
    ("apart", "units", "message"),
    [
        (np.ones((1, 3)), np.ones(1), r"at 2 questions or more, got \(1, 3\); ask more of the same questions"),
        (np.ones(3), np.ones(3), r"differences \(q, d\)"),
        (np.ones((3, 2)), np.ones(2), r"units must be \(3,\), one a question, got \(2,\)"),
        (np.full((3, 2), np.nan), np.ones(3), "6 numbers that are not finite"),
    ],
)
def test_what_is_no_shift_is_refused(apart, units, message):
    with pytest.raises(ValueError, match=message):
        movement(apart, units)


def test_two_questions_have_a_movement_that_no_swapping_can_tell():
    found = movement([[1.0, 0.0], [1.0, 0.5]], [0.1, 0.1])
    assert (found.squared, found.p) == (1.0, 0.5)  # the products of both swappings: 1 and -1
    assert np.isnan(found.smallest)
    assert found.squared_interval.low < 1 < found.squared_interval.high
