"""Means of few answers each, many at once: how far each may be off, and which of them differ from nothing.

A bootstrap of two questions has three outcomes, and one of ten still covers too little (`benchmarks/README.md`). Where
many means are estimated at once, as of 87 values, what each of them lacks the others know: about how far one answer
lies from the mean of its kind. So each spread is drawn towards what is common to all, the more so the fewer answers it
has.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import digamma, polygamma
from scipy.stats import t as student

from univar.analysis.statistics import Interval

FloatArray = npt.NDArray[np.float64]

_LEAST_SHARE = 1e-5
"""Of the median spread: what a spread of exactly 0, as of equal answers, counts as."""


class Steadied(NamedTuple):
    """The variance of one answer about the mean of its group, of every group."""

    variances: FloatArray
    """(g,) each drawn towards what is common to all; NaN where nothing is known."""
    freedom: FloatArray
    """(g,) degrees of freedom of each; infinite where all groups are of one spread."""


def steadied(groups: Sequence[Sequence[float] | FloatArray]) -> Steadied:
    """The variance within each group of a few numbers, with what the other groups know of it.

    Where no group has two numbers, the spread of all numbers about their mean stands in: it holds what the groups
    differ by as well, and is too wide rather than too narrow.

    Args:
        groups: Of each group its numbers, one or more.

    Source: Smyth, Linear models and empirical Bayes methods for assessing differential expression (2004), section 6.2.
    """
    numbers = [np.asarray(group, dtype=np.float64) for group in groups]
    sizes = np.array([len(group) for group in numbers])
    own = np.array([np.var(group, ddof=1) if len(group) > 1 else np.nan for group in numbers])
    freedom = np.maximum(sizes - 1, 0).astype(np.float64)
    several = freedom > 0
    if not several.any():
        flat = np.concatenate(numbers) if numbers else np.empty(0)
        spread = float(np.var(flat, ddof=1)) if len(flat) > 1 else float("nan")
        return Steadied(np.full(len(sizes), spread), np.full(len(sizes), float(len(flat) - 1)))
    common, known = common_spread(own[several], freedom[several])
    variances, total = np.full(len(sizes), common), freedom + known
    if math.isfinite(known):
        ownness = np.where(several, own, 0.0) * freedom
        variances = np.divide(known * common + ownness, total, out=np.full(len(sizes), np.nan), where=total > 0)
    return Steadied(variances, total)


def common_spread(variances: FloatArray, freedom: FloatArray) -> tuple[float, float]:
    """The variance that is common to groups, and how many degrees of freedom it is worth to each of them.

    Args:
        variances: `(g,)` the own one of each group.
        freedom: `(g,)` how many degrees of freedom each rests on, above 0.
    """
    if len(variances) < 2:
        return float(variances[0]), 0.0
    floored = np.maximum(variances, _LEAST_SHARE * (np.median(variances) or variances.max()))
    if not floored.any():  # every group is of equal numbers
        return 0.0, math.inf
    logs = np.log(np.maximum(floored, np.finfo(np.float64).tiny)) - digamma(freedom / 2) + np.log(freedom / 2)
    # What the logarithms differ by beyond what they would if all groups were of one spread.
    beyond = float(np.var(logs, ddof=1) - np.mean(polygamma(1, freedom / 2)))
    if beyond <= 0:
        return float(np.average(variances, weights=freedom)), math.inf
    half = brentq(lambda d: float(polygamma(1, d)) - beyond, 1e-8, 1e8) if beyond > 1e-8 else 1e8
    return float(np.exp(logs.mean() + digamma(half) - np.log(half))), 2 * half


class Estimate(NamedTuple):
    """A number, its 95 % interval, and how likely one as far from 0 is where there is nothing."""

    number: float
    interval: Interval
    p: float


def estimate(number: float, parts: Sequence[tuple[float, float]], *, scale_error: float = 0.0) -> Estimate:
    """The 95 % interval and the p of a mean whose error is the sum of independent parts.

    Args:
        number: The mean, divided by the scale.
        parts: Of each source of error its variance and its degrees of freedom (those of the sum as Satterthwaite has
            them).
        scale_error: Half the 95 % interval of the scale, as a share of it, below 1. The interval of a quotient is
            Fieller's, which lies unevenly about the number; p does not depend on the scale.
    """
    variance = sum(part for part, _ in parts)
    if not math.isfinite(variance):
        return Estimate(number, Interval(float("nan"), float("nan")), float("nan"))
    pulled = sum(part**2 / freedom for part, freedom in parts if part)
    freedom = variance**2 / pulled if pulled else math.inf
    error = math.sqrt(variance)
    reach = error * float(student.ppf(0.975, freedom))
    p = 2 * float(student.sf(abs(number) / error, freedom)) if error else float(number == 0)
    b = scale_error**2
    half = math.sqrt(max(number**2 * b + reach**2 * (1 - b), 0.0))
    return Estimate(number, Interval((number - half) / (1 - b), (number + half) / (1 - b)), p)
