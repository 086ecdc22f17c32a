"""How far a whole set of distances would come out the same by other questions."""

import math

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import squareform
from scipy.stats import t as student

from univar.analysis.statistics import Interval

FloatArray = npt.NDArray[np.float64]

FEWEST = 4
"""Things that distances must lie between: three have three distances, and leaving one out leaves one."""

_NEARLY_ONE = 0.999


def split_half(one: FloatArray, other: FloatArray, things: int) -> tuple[float, Interval]:
    """The mean correlation of distances by two halves of the questions, raised to that of all of them.

    Args:
        one: `(s, things (things - 1) / 2)` distances by one half, a row a way of halving; NaN for a pair without one.
        other: Those by the other half.
        things: Between how many they are.

    Returns:
        The reliability, at most 1, and its 95 % interval: by leaving out one thing after the other, on Fisher's scale
        with Student's t, since things are a sample and distances are none. NaN where nothing varies.

    Source: Spearman-Brown; Arvesen, Jackknifing U-statistics (1969).
    """
    places = np.arange(things)
    found = np.array([_agreement(one, other, kept) for kept in (places, *(np.delete(places, k) for k in places))])
    if np.isnan(found).any():
        return float(_raised(found[0])), Interval(math.nan, math.nan)
    whole, *parts = np.arctanh(np.clip(found, -_NEARLY_ONE, _NEARLY_ONE))
    reach = float(student.ppf(0.975, things - 1)) * math.sqrt((things - 1) * np.var(parts))
    return _raised(found[0]), Interval(_raised(math.tanh(whole - reach)), _raised(math.tanh(whole + reach)))


def _agreement(one: FloatArray, other: FloatArray, kept: npt.NDArray[np.intp]) -> float:
    """The mean Pearson correlation over the pairs of some of the things; NaN where there is none."""
    pairs = squareform(np.arange(one.shape[1]), checks=False)[np.ix_(kept, kept)]
    own = squareform(pairs, checks=False).astype(np.intp)
    own = own[np.isfinite(one[:, own]).all(axis=0) & np.isfinite(other[:, own]).all(axis=0)]
    if len(own) < FEWEST - 1:
        return math.nan
    a, b = (side[:, own] - side[:, own].mean(axis=1, keepdims=True) for side in (one, other))
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    if not (scale > 0).all():
        return math.nan
    return float(((a * b).sum(axis=1) / scale).mean())


def _raised(r: float) -> float:
    """Spearman-Brown for twice the questions; a correlation below 0 stays, since more of it is no reliability."""
    return float(2 * r / (1 + r)) if r > 0 else float(r)
