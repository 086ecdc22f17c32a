"""What the distance of a typical pair varies by, and so how well so many questions and samples would tell it."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from univar.analysis.distances.estimates import Estimates
from univar.analysis.distances.pairwise import FEWEST_OF_VALUE

POWER = 0.8
"""How likely the smallest distance of a plan is to be seen."""

LEVEL = 0.05
"""Of the test by which it is seen, one-sided as the swap is."""

MOST_QUESTIONS = 10**7


class Noise(NamedTuple):
    """What a typical pair of identities varies by from question to question; medians over pairs."""

    squared: float
    """The squared distance of the pair; 0 where it came out below."""
    alike: float
    """The variance of a product of two differences if the pair did not differ."""
    slope: float
    """By how much the variance of one question grows with the distance."""
    questions: int
    """That the pair shares."""
    values: int
    """Values that are compared one by one; 1 where all questions are taken together."""
    samples: float
    """Answers of an identity to a question."""
    sampling: float
    """Share of the variation that other samples of the same answers would average out; NaN where none are."""

    def expected(self, questions: float, samples: float) -> Estimates:
        """What so many questions and samples would give: for two that do not differ, and for a typical pair."""
        shrink = 1.0
        if not np.isnan(self.sampling):
            shrink = 1 - self.sampling + self.sampling * self.samples / samples
        products = questions * (questions / self.values - 1)
        both = np.ones(2)
        return Estimates(
            squared=np.array([0, self.squared]),
            alike=both * 2 * self.alike * shrink**2 / products,
            slope=both * self.slope * shrink / questions,
            freedom=both * (questions - self.values),
            p=both * np.nan,
        )


def width_of(noise: Noise, questions: float, samples: float, *, alike: bool = False) -> float:
    """The expected width of the 95 % interval of a typical pair, or of two that do not differ."""
    found = noise.expected(questions, samples).interval(0 if alike else 1)
    return found.high - found.low


def smallest(noise: Noise, questions: float, samples: float) -> float:
    """The squared distance that is seen with a probability of `POWER`."""
    one = noise.expected(questions, samples)
    alike, slope = float(one.alike[0]), float(one.slope[0])
    least = float(student.isf(LEVEL, max(one.freedom[0], 1))) * alike**0.5
    z = float(norm.isf(1 - POWER))
    middle = least + z**2 * slope / 2
    return float(middle + np.sqrt(max(middle**2 - least**2 + z**2 * alike, 0)))


def questions_for(noise: Noise, width: float) -> int | None:
    """The fewest questions whose interval is at most so wide; None above ten million."""
    low, high = FEWEST_OF_VALUE * noise.values - 1, MOST_QUESTIONS
    if width_of(noise, high, noise.samples) > width:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if width_of(noise, middle, noise.samples) <= width else (middle, high)
    return high


def noise_of(
    found: Estimates, questions: Sequence[int], products: Sequence[float], values: int, samples: float, sampling: float
) -> Noise:
    """Medians over the pairs that could be compared.

    Args:
        found: Of each pair.
        questions: That each shares.
        products: Over how many products of two differences each is a mean.
        values: Values that are compared one by one, 1 for none.
        samples: Answers of an identity to a question.
        sampling: See `Noise`.
    """
    readable = np.isfinite(found.squared)
    if not readable.any():
        return Noise(math.nan, math.nan, math.nan, 0, values, samples, sampling)

    def median(numbers: object) -> float:
        return float(np.median(np.asarray(numbers, dtype=np.float64)[readable]))

    alike, slope = found.alike * np.asarray(products) / 2, found.slope * np.asarray(questions)
    typical = max(median(found.squared), 0.0)
    return Noise(typical, median(alike), median(slope), round(median(questions)), values, samples, sampling)
