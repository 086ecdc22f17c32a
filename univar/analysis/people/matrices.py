"""Whether two sets of distances between the same things follow each other: Mantel, partial Mantel, Procrustes.

Distances that share an end are not independent of each other, so no ordinary test of a correlation holds. Here things
are what is permuted and what is left out: a distance matrix keeps its shape, and only its names change places.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy.spatial import procrustes
from scipy.spatial.distance import squareform
from scipy.stats import rankdata
from scipy.stats import t as student

from univar.analysis.statistics import Interval

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
Coefficient = Literal["spearman", "pearson"]

FEWEST = 4
"""Things that a relation between distances needs: three have six orders, and none of them is rare."""

ARRANGEMENTS = 9_999
"""Random orders beside the one that is there; of seven things or fewer all orders are taken."""

_NEARLY_ONE = 0.999  # where all orders of three things agree, a correlation is 1 and its transform infinite
_NOTHING = 1e-9
_NUMBERS_PER_BATCH = 2**22


@dataclass(frozen=True, slots=True)
class Mantel:
    """How far one set of distances follows another, others held fixed or not.

    Attributes:
        r: The correlation over all pairs of things, in [-1, 1], with what is held fixed taken out of both sides. NaN
            where one side is constant, or nothing of it is left.
        interval: Its 95 % interval over things, by leaving out one and two of them; NaN where that leaves too little.
        p: Share of the orders of the things, the one that is there among them, in which the correlation is as high.
        threshold: The correlation had to be higher than this to have a p of at most the level that was asked for; NaN
            where there are too few orders for that.
        things: How many there are.
        orders: How many orders were tried.
        exact: Whether these are all.
    """

    r: float
    interval: Interval
    p: float
    threshold: float
    things: int
    orders: int
    exact: bool


@dataclass(frozen=True, eq=False, slots=True)
class Fit:
    """Two configurations of the same things, the second turned, mirrored and scaled onto the first.

    Attributes:
        r: Correlation of the two after Procrustes, in [0, 1]: the root of what is left of 1 when their disparity is
            taken away. It is never 0, not even where nothing is related: p says what it is worth.
        p: Share of the orders of the things in which they fit as well.
        first: `(n, k)` centred and of unit size.
        second: `(n, k)` after the fit.
        orders: How many orders were tried.
        exact: Whether these are all.
    """

    r: float
    p: float
    first: FloatArray
    second: FloatArray
    orders: int
    exact: bool


def mantel(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    held: Sequence[npt.ArrayLike] = (),
    *,
    coefficient: Coefficient = "spearman",
    level: float = 0.05,
    orders: int = ARRANGEMENTS,
    seed: int = 0,
) -> Mantel:
    """The Mantel correlation of two sets of distances, or the partial one, with its one-sided permutation test.

    What is held fixed is taken out of both by least squares, of ranks with `spearman`. The things of the second are
    then permuted, and what is held fixed is taken out of it again (double semi-partialling), which keeps its level
    where both sides follow what is held; without anything held that is Mantel's own test.

    Args:
        first: `(n (n - 1) / 2,)` distances as `scipy.spatial.distance` orders them; any dissimilarity, negative too.
        second: Those of the same things on the other side.
        held: Distances to hold fixed.
        coefficient: `spearman` compares ranks, `pearson` the distances themselves.
        level: Of the test that `threshold` is for.
        orders: Random orders to try; where there are no more than so many at all, all of them.
        seed: Of the orders.

    Raises:
        ValueError: If the lengths differ or are no number of pairs, a number is not finite, there are fewer than four
            things, or an option is out of range.

    Source: Mantel, The detection of disease clustering and a generalized regression approach (1967); Smouse, Long &
    Sokal, Multiple regression and correlation extensions of the Mantel test (1986); Dekker, Krackhardt & Snijders,
    Sensitivity of MRQAP tests to collinearity and autocorrelation conditions (2007).
    """
    sides = _checked([first, second, *held])
    if coefficient not in get_args(Coefficient):
        raise ValueError(f"unknown coefficient {coefficient!r}; allowed: {', '.join(get_args(Coefficient))}")
    if not 0 < level < 1 or orders < 1:
        raise ValueError(f"level must be in (0, 1) and orders at least 1, got {level} and {orders}")
    things = things_of(sides[0])
    one, other, basis = _apart([side[None] for side in sides], coefficient)
    r = float(_cosines(one, other)[0])
    if math.isnan(r):
        nothing = Interval(math.nan, math.nan)
        return Mantel(math.nan, nothing, math.nan, math.nan, things, 0, False)

    def among(kept: IntArray) -> FloatArray:
        pairs = _pairs_among(kept, things)
        return _cosines(*_apart([side[pairs] for side in sides], coefficient)[:2])

    tried, exact = _orders(things, orders, seed)
    batches = _batches(tried, one.size)
    found = np.concatenate([_permuted(one[0], other[0], [column[0] for column in basis], batch) for batch in batches])
    allowed = int(level * len(found) + _NOTHING)
    return Mantel(
        r=r,
        interval=jackknifed(among, things),
        p=float(np.mean(found >= found[0] - _NOTHING)),
        threshold=float(np.sort(found)[-1 - allowed]) if allowed else math.nan,
        things=things,
        orders=len(found),
        exact=exact,
    )


def procrustes_test(
    first: npt.ArrayLike, second: npt.ArrayLike, *, orders: int = ARRANGEMENTS, seed: int = 0
) -> Fit | None:
    """How well one configuration fits onto another, and in how many orders of the things as well; None if it has none.

    Args:
        first: `(n, k)` places of n things.
        second: `(n, k)` their places on the other side.
        orders: As for `mantel`.
        seed: Of the orders.

    Raises:
        ValueError: If the shapes differ, a number is not finite, or there are fewer than four things.

    Source: Jackson, PROTEST: a PROcrustean randomization TEST of community environment concordance (1995).
    """
    a, b = (np.asarray(side, dtype=np.float64) for side in (first, second))
    if a.ndim != 2 or a.shape != b.shape or len(a) < FEWEST or not np.isfinite([a, b]).all():
        raise ValueError(
            f"two configurations are (n, k) each, finite, with n of at least {FEWEST}, got {a.shape} and {b.shape}"
        )
    if min(np.ptp(a, axis=0).max(), np.ptp(b, axis=0).max()) < _NOTHING:
        return None
    placed, fitted, disparity = procrustes(a, b)
    # The second is turned onto the first already, which changes no fit of what is permuted.
    units = fitted / np.linalg.norm(fitted)
    tried, exact = _orders(len(a), orders, seed)
    found = np.concatenate(
        [
            np.linalg.svd(np.einsum("nk,bnl->bkl", placed, units[batch]), compute_uv=False).sum(axis=1)
            for batch in _batches(tried, units.size)
        ]
    )
    r = math.sqrt(max(1 - float(disparity), 0))
    return Fit(r, float(np.mean(found >= found[0] - _NOTHING)), placed, fitted, len(found), exact)


def coordinates(squared: npt.ArrayLike, dimensions: int = 2) -> FloatArray:
    """Places of things by classical scaling of their squared distances, the longest axis first.

    Unbiased squared distances may be negative and fit no space; an axis along which they would be is left at 0.

    Args:
        squared: `(n (n - 1) / 2,)` squared distances.
        dimensions: How many axes.

    Returns:
        `(n, dimensions)` places, centred.

    Source: Torgerson, Multidimensional scaling: I. Theory and method (1952).
    """
    square = squareform(np.asarray(squared, dtype=np.float64), checks=False)
    centred = square - square.mean(axis=0) - square.mean(axis=1)[:, None] + square.mean()
    strengths, axes = np.linalg.eigh(-centred / 2)
    first = np.argsort(-strengths)[:dimensions]
    places = np.zeros((len(square), dimensions))
    places[:, : len(first)] = axes[:, first] * np.sqrt(np.clip(strengths[first], 0, None))
    return places


def ceiling(one: FloatArray, other: FloatArray, coefficient: Coefficient = "spearman") -> tuple[float, Interval]:
    """The highest correlation that distances so noisy can have with anything, and its 95 % interval over things.

    The mean correlation r of the distances by one half of the data and by the other gives the reliability of those by
    all of it; no correlation with something else exceeds its root (Spearman, The proof and measurement of association
    between two things, 1904). Twice the data take half of the noise's variance from a mean, but up to three quarters of
    it from an unbiased squared length: so that the ceiling is not too low, the reliability is 4 r / (1 + 3 r) and not
    Spearman and Brown's 2 r / (1 + r). 0 where the halves do not agree.

    Args:
        one: `(s, n (n - 1) / 2)` distances by one half of the data, a row a way of halving it.
        other: Those by the other half.
        coefficient: As for `mantel`.
    """
    things = things_of(one[0])

    def agreement(kept: IntArray) -> FloatArray:
        pairs = _pairs_among(kept, things)
        halvings = [_cosines(*_apart([a[pairs], b[pairs]], coefficient)[:2]) for a, b in zip(one, other, strict=True)]
        return np.asarray(np.mean(np.nan_to_num(halvings), axis=0))

    whole, interval = float(agreement(np.arange(things)[None])[0]), jackknifed(agreement, things)
    return _highest(whole), Interval(*map(_highest, interval))


def jackknifed(statistic: Callable[[IntArray], FloatArray], things: int) -> Interval:
    """The 95 % interval of a correlation over things, by leaving out one and two of them.

    On Fisher's scale, with Student's t: distances are no sample, things are one. Leaving out one counts twice what two
    things make together, as the noise of their distance; leaving out two tells how much that is, and half of all at
    most is taken away for it.

    Args:
        statistic: From `(m, k)` numbers of the things that are kept, a row a time, to the `(m,)` correlations.
        things: How many there are.

    Source: Arvesen, Jackknifing U-statistics (1969); Efron & Stein, The jackknife estimate of variance (1981).
    """

    def without(left_out: int) -> FloatArray:
        kept = [[k for k in range(things) if k not in out] for out in combinations(range(things), left_out)]
        return np.arctanh(np.clip(statistic(np.array(kept)), -_NEARLY_ONE, _NEARLY_ONE))

    whole, ones = without(0)[0], without(1)
    if not np.isfinite([whole, *ones]).all():
        return Interval(math.nan, math.nan)
    variance = (things - 1) * float(np.var(ones))
    i, j = np.triu_indices(things, k=1)
    together = things * whole - (things - 1) * (ones[i] + ones[j])
    together += (things - 2) * without(2)
    if np.isfinite(together).all():
        variance = max(variance - float(np.var(together)) / 2, variance / 2)
    reach = float(student.ppf(0.975, things - 1)) * math.sqrt(variance)
    found = float(statistic(np.arange(things)[None])[0])  # which may be 1, where its transform is cut off
    return Interval(min(math.tanh(whole - reach), found), max(math.tanh(whole + reach), found))


def subset(condensed: FloatArray, kept: npt.ArrayLike) -> FloatArray:
    """The distances between some of the things, by their numbers."""
    chosen = np.asarray(kept)
    return np.asarray(squareform(squareform(condensed, checks=False)[np.ix_(chosen, chosen)], checks=False))


def things_of(condensed: FloatArray) -> int:
    """Between how many things distances are."""
    return (1 + math.isqrt(1 + 8 * len(condensed))) // 2


def _checked(given: Sequence[npt.ArrayLike]) -> list[FloatArray]:
    sides = [np.asarray(side, dtype=np.float64) for side in given]
    pairs = len(sides[0]) if sides[0].ndim == 1 else -1
    things = things_of(sides[0]) if pairs > 0 else 0
    if pairs != things * (things - 1) // 2 or any(side.shape != (pairs,) for side in sides):
        raise ValueError(
            f"distances are (n (n - 1) / 2,), the same n for all, got {', '.join(str(side.shape) for side in sides)}"
        )
    if things < FEWEST:
        raise ValueError(f"a relation between distances needs at least {FEWEST} things, got {things}")
    if wrong := sum(int((~np.isfinite(side)).sum()) for side in sides):
        raise ValueError(f"{wrong} distances are not finite")
    return sides


def _pairs_among(kept: IntArray, things: int) -> IntArray:
    """`(m, pairs)` where the distances between the things kept `(m, k)` stand among those between all."""
    number = squareform(np.arange(things * (things - 1) // 2), checks=False)
    rows, columns = np.triu_indices(kept.shape[1], k=1)
    return np.asarray(number[kept[:, rows], kept[:, columns]])


def _apart(sides: Sequence[FloatArray], coefficient: Coefficient) -> tuple[FloatArray, FloatArray, list[FloatArray]]:
    """The first two sides `(m, pairs)` without what a constant and the others explain, and what that is."""
    scored = [rankdata(side, axis=1) if coefficient == "spearman" else side for side in sides]
    basis: list[FloatArray] = []
    for side in scored[2:]:
        basis.append(_rest(side, basis))
    return _rest(scored[0], basis), _rest(scored[1], basis), basis


def _rest(side: FloatArray, basis: Sequence[FloatArray]) -> FloatArray:
    """What is left of each row without its mean and its part along the basis, at length 1; zeros for mere rounding."""
    left = side - side.mean(axis=1, keepdims=True)
    for column in basis:
        left = left - (left * column).sum(axis=1, keepdims=True) * column
    lengths = np.linalg.norm(left, axis=1, keepdims=True)
    there = lengths > _NOTHING * np.linalg.norm(side, axis=1, keepdims=True)
    return np.asarray(np.divide(left, lengths, out=np.zeros_like(left), where=there))


def _cosines(one: FloatArray, other: FloatArray) -> FloatArray:
    """`(m,)` the correlations of what is left of two sides; NaN where that is nothing."""
    there = one.any(axis=1) & other.any(axis=1)
    return np.where(there, np.clip((one * other).sum(axis=1), -1, 1), np.nan)


def _orders(things: int, most: int, seed: int) -> tuple[IntArray, bool]:
    """`(m, things)` orders, first the one that is there, and whether they are all."""
    if things <= 10 and math.factorial(things) <= most:
        return np.array(list(permutations(range(things)))), True
    there = np.arange(things)
    random = np.random.default_rng(seed).permuted(np.tile(there, (most, 1)), axis=1)
    return np.vstack([there, random]), False


def _batches(tried: IntArray, width: int) -> Iterator[IntArray]:
    size = max(1, _NUMBERS_PER_BATCH // width)
    for start in range(0, len(tried), size):
        yield tried[start : start + size]


def _permuted(one: FloatArray, other: FloatArray, basis: Sequence[FloatArray], tried: IntArray) -> FloatArray:
    """The correlation in each of the orders `(m, things)` of the second side, the basis taken out of it again."""
    rows, columns = np.triu_indices(tried.shape[1], k=1)
    moved = squareform(other, checks=False)[tried[:, rows], tried[:, columns]]
    left = 1 - sum((moved @ column) ** 2 for column in basis)
    return np.asarray((moved @ one) / np.sqrt(np.maximum(left, _NOTHING)))


def _highest(agreement: float) -> float:
    if math.isnan(agreement):
        return math.nan
    return math.sqrt(4 * agreement / (1 + 3 * agreement)) if agreement > 0 else 0.0
