"""How sure unbiased squared distances are: intervals, swaps, and the difference of two of them.

Plain percentiles of a bootstrap do not serve here. Near 0 a squared distance varies by the products of noise with
noise, which a bootstrap counts three times over, and its intervals of 95 % hold the truth in 99 to 100 %
(`benchmarks/calibration_distances.py`). So the variance has two parts. One is there where nothing differs: what
swapping the two authors' answers shows. The other grows with the distance: what a bootstrap over questions with
endlessly many draws would give for the linear part of the distance. The interval holds every distance from which that
found is not too far for the variance that it would have then (a score interval, as Wilson's of a share), so it excludes
0 about where the swap does.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, pearson3
from scipy.stats import t as student

from univar.analysis.distances.pairwise import FEWEST_QUESTIONS, Group, Pairs, quotient
from univar.analysis.statistics import Interval

FloatArray = npt.NDArray[np.float64]

SWAPS = 1999
"""Random swaps behind a p, beside the answers as they are; all there are where these are no more."""

_ALL_SWAPS = 12
"""Questions from which on all swaps are too many to try each."""
_FEW_SWAPS = 10
"""As far out as only so many different swaps are, p is read off a curve that is fitted to all of them."""
_FEWEST_FOR_CURVE = 8
"""Questions from which on there are enough swaps for it."""
_SAME = 1e-5
"""Of their spread: what single precision leaves of two equal sums of products."""
_FEWEST = 4
"""Questions from which on an interval is given: fewer do not tell what varies from what differs."""
_STEPS = 50
_FARTHEST = 8.0  # standard deviations of a normal; a p of 1e-15


class Estimates(NamedTuple):
    """c squared distances, each the mean of those of some pairs, and what their intervals are made of."""

    squared: FloatArray
    """(c,) NaN where there is none."""
    alike: FloatArray
    """(c,) the variance that it would have if nothing differed."""
    slope: FloatArray
    """(c,) by how much the variance grows with the distance."""
    freedom: FloatArray
    """(c,) degrees of freedom: questions less values that are compared one by one."""
    p: FloatArray
    """(c,) share of the swaps, the answers as they are among them, that leave it as large."""

    def interval(self, column: int) -> Interval:
        """The 95 % interval of one of them."""
        low, high = limits(self, _REACH)
        return Interval(float(low[column]), float(high[column]))


class _Part(NamedTuple):
    """What one group of questions adds to each of c distances."""

    squared: FloatArray
    raw: FloatArray
    linear: FloatArray
    swapped: FloatArray
    """(r, c)"""
    questions: FloatArray
    counts: npt.NDArray[np.bool_]


_REACH = float(norm.isf(0.025))


def signs(questions: int, seed: int) -> FloatArray:
    """`(r, q)` 1 and -1, a swap a row, the first of them none; all swaps that differ where these are few."""
    if questions < _ALL_SWAPS:
        patterns = np.arange(2 ** max(questions - 1, 0))[:, None] >> np.arange(questions) & 1
        return np.asarray(1.0 - 2.0 * patterns)
    drawn = np.random.default_rng(seed).integers(0, 2, size=(SWAPS, questions), dtype=np.int8)
    return np.vstack([np.ones(questions), 1.0 - 2.0 * drawn])


def estimates(
    groups: Sequence[Group], found: Sequence[Pairs], columns: FloatArray, *, by_group: FloatArray, seed: int = 0
) -> tuple[Estimates, list[Estimates]]:
    """Means of the squared distances of pairs over all questions, and one more mean for each group by itself.

    Args:
        groups: Of the questions, with the p pairs.
        found: The estimates of each group.
        columns: `(p, c)` which pairs each distance is the mean of; those that cannot be compared do not count.
        by_group: `(p,)` the pairs whose mean is wanted for each group.
        seed: Of the swaps.
    """
    if not groups:
        return Estimates(*np.full((5, columns.shape[1]), np.nan)), []
    swaps = signs(sum(group.shared.shape[1] for group in groups), seed)
    readable = np.array([one.shared >= FEWEST_QUESTIONS for one in found])
    values = readable.sum(axis=0)
    chosen = columns * (values > 0)[:, None]
    shares = _shares(chosen) / np.maximum(values, 1)[:, None]
    parts, alone, start = [], [], 0
    for group, pairs, known in zip(groups, found, readable, strict=True):
        end = start + group.shared.shape[1]
        products = np.maximum(pairs.shared * (pairs.shared - 1), 1)
        swapped = group.crossed(swaps[:, start:end]) / products
        start = end
        parts.append(_part(pairs, swapped, shares * known[:, None]))
        alone.append(_combined([_part(pairs, swapped, _shares((by_group * known)[:, None]))]))
    return _combined(parts), alone


def limits(found: Estimates, reach: float | FloatArray) -> tuple[FloatArray, FloatArray]:
    """The lower and upper ends of intervals that reach so many standard deviations of a normal to either side."""
    c = student.isf(norm.sf(reach), np.maximum(found.freedom, 1))
    none = c * np.sqrt(found.alike)
    middle = found.squared + c**2 * found.slope / 2
    half = np.sqrt(np.maximum(middle**2 - found.squared**2 + none**2, 0))
    # Below 0, where no true distance lies, the variance grows no more.
    low = np.where(middle - half >= 0, middle - half, np.minimum(found.squared - none, 0))
    high = np.where(middle + half >= 0, middle + half, found.squared + none)
    return low, high


def excess(values: Estimates, control: Estimates) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """By how much distances on value questions exceed those on control questions, with 95 % interval and p.

    The interval is made of those of the two (Newcombe's, of a difference of two that have intervals of their own); p,
    two-sided, says how wide it may be before it holds 0.

    Returns:
        `(c,)` differences, lower ends, upper ends, p.

    Source: Zou & Donner, Construction of confidence limits about effect measures: a general approach (2008).
    """
    more = values.squared - control.squared
    low, high = _difference_limits(values, control, _REACH)
    # The widest interval without 0, by halving: it widens with its reach.
    near, far = np.zeros(len(more)), np.full(len(more), _FARTHEST)
    for _ in range(_STEPS):
        middle = (near + far) / 2
        lower, upper = _difference_limits(values, control, middle)
        holds = (lower <= 0) & (upper >= 0)
        near, far = np.where(holds, near, middle), np.where(holds, middle, far)
    # A side without an interval leaves all of this unknown.
    p = np.where(np.isnan(low) | np.isnan(high), np.nan, np.minimum(2 * norm.sf(near), 1))
    return more, low, high, p


def _shares(chosen: FloatArray) -> FloatArray:
    return quotient(chosen, np.broadcast_to(chosen.sum(axis=0), chosen.shape), 0)


def _part(pairs: Pairs, swapped: FloatArray, shares: FloatArray) -> _Part:
    """One group's part of means of pairs, which count as in `(p, c)` shares."""
    number = len(pairs.influence)
    # A question that a pair does not share moves nothing; those that it shares move it the more.
    influence = (pairs.influence * number / np.maximum(pairs.shared, 1)) @ shares
    weight = shares.sum(axis=0)
    questions = quotient(pairs.shared @ shares, weight, 0)
    return _Part(
        squared=np.nan_to_num(pairs.squared) @ shares,
        raw=np.nan_to_num(pairs.raw) @ shares,
        linear=4 * (influence**2).sum(axis=0) / number**2 * questions / np.maximum(questions - 1, 1),
        swapped=swapped @ shares,
        questions=questions,
        counts=weight > 0,
    )


def _combined(parts: Sequence[_Part]) -> Estimates:
    """The sum of independent parts, each of its own questions."""
    squared, raw, linear = (sum(getattr(part, name) for part in parts) for name in ("squared", "raw", "linear"))
    some = np.any([part.counts for part in parts], axis=0)
    questions = np.sum([part.questions for part in parts], axis=0)
    freedom = questions - np.sum([part.counts for part in parts], axis=0)
    alike = np.where(questions < _FEWEST, np.nan, np.maximum(sum(_alike(part) for part in parts), 0))
    swapped = sum(part.swapped for part in parts)
    slope = _slope(np.asarray(squared), np.asarray(raw), np.asarray(linear), alike)
    p = _share_as_large(np.asarray(swapped), questions)
    nothing = np.full(len(some), np.nan)
    return Estimates(*(np.where(some, one, nothing) for one in (squared, alike, slope, freedom, p)))


def _alike(part: _Part) -> FloatArray:
    """The variance where nothing differs: that of the swaps, less what the distance itself adds to it.

    Of n differences with mean m and covariance S, swaps have 2 (tr S² + 2 m'Sm + |m|⁴) / n(n - 1), of which tr S² is
    wanted; the linear part, 4 m'Sm / n + 4 tr S² / n², is known.
    """
    n, spread = part.questions, (_random(part.swapped) ** 2).mean(axis=0)
    many = n > 3
    n = np.where(many, n, 4)
    less = 2 * part.squared**2 / (n * (n - 1)) + part.linear / (n - 1)
    return np.asarray(np.where(many, (spread - less) * (n - 1) / (n - 3), spread))


def _random(swapped: FloatArray) -> FloatArray:
    """The swaps that were drawn; where they are all that there are, the answers as they are count as one."""
    return swapped[1:] if len(swapped) > SWAPS else swapped


def _slope(squared: FloatArray, raw: FloatArray, linear: FloatArray, alike: FloatArray) -> FloatArray:
    """How the variance grows with the distance.

    Far from 0 the whole variance is to be that of the linear part, which the jackknife gives too and which is too large
    rather than too small. Near 0, linear part and distance are lost in noise, and that of the one over the other, noise
    and all, says how much varies along the difference that is seen.
    """
    above = np.maximum(squared, 0)
    near = quotient(4 * alike, 4 * alike + above**2, 1)
    rise = np.maximum(linear - alike * (1 - near), 0)
    run = above + (raw - above) * near
    return quotient(rise, run, 0)


def _share_as_large(swapped: FloatArray, questions: FloatArray) -> FloatArray:
    """`(c,)` the share of `(r, c)` swaps that are as large as the first, which is none.

    Where hardly any are, random ones say little, and a Pearson curve of type III with the moments of all says more.

    Source: Mielke & Berry, Permutation Methods (2007), on that curve; Knijnenburg et al., Fewer permutations, more
    accurate P-values (2009), on curves where permutations are few.
    """
    scale = np.sqrt((swapped**2).mean(axis=0))
    larger = (swapped >= swapped[0] - _SAME * scale).sum(axis=0)
    p = larger / len(swapped)
    # Of few questions the same swap is drawn again and again.
    different = larger / np.maximum(len(swapped) / 2.0 ** np.minimum(questions - 1, 60), 1)
    far = (different <= _FEW_SWAPS) & (questions >= _FEWEST_FOR_CURVE)
    if far.any():
        random = _random(swapped[:, far]) / scale[far]
        spread = random.std(axis=0)
        skew = (random**3).mean(axis=0) / np.maximum(spread, _SAME) ** 3
        curve = pearson3.sf(swapped[0, far] / scale[far], skew, loc=0, scale=np.maximum(spread, _SAME))
        p[far] = np.minimum(p[far], np.maximum(curve, np.finfo(np.float64).tiny))
    return np.asarray(p, dtype=np.float64)


def _difference_limits(one: Estimates, other: Estimates, reach: float | FloatArray) -> tuple[FloatArray, FloatArray]:
    (low, high), (other_low, other_high) = limits(one, reach), limits(other, reach)
    more = one.squared - other.squared
    below = np.hypot(one.squared - low, other_high - other.squared)
    above = np.hypot(high - one.squared, other.squared - other_low)
    return more - below, more + above
