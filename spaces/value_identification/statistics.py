"""Confidence intervals for rows that come in clusters, and Holm's rule for many tests.

Answers to one question are not independent of each other, so a question, not an answer, is what is drawn again. For
any other statistic take `scipy.stats.bootstrap`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_WEIGHTS_PER_BATCH = 2**22


class Interval(NamedTuple):
    """The two ends of a confidence interval, in the unit of what was estimated."""

    low: float
    high: float


def cluster_bootstrap(
    correct: npt.ArrayLike,
    clusters: Sequence[str] | Sequence[int] | npt.NDArray[Any],
    *,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """The percentile interval of the mean of `correct` when whole clusters are drawn with replacement.

    The mean is over rows, not over clusters: a cluster of many rows counts for as much as it has rows. Where all
    clusters have the same mean (all right, all wrong) the interval has no width, however few there are. For two
    representations scored on the same rows, the difference of their `correct` gives the interval of the difference.

    Args:
        correct: `(n,)` booleans or finite numbers, one a row.
        clusters: `(n,)` the cluster of each row, such as its question; at least two different ones.
        resamples: How often the clusters are drawn.
        seed: Of the draws.
        confidence: Share of the resampled means inside the interval, in (0, 1).

    Raises:
        ValueError: If the lengths differ, a number is not finite, there is one cluster or none, or an option is out
            of range.

    Source: Davison & Hinkley, Bootstrap Methods and their Application (1997), section 3.8.
    """
    scores = np.asarray(correct, dtype=np.float64)
    if scores.ndim != 1 or len(scores) != len(clusters):
        raise ValueError(f"correct and clusters must be as long as each other: {scores.shape}, {len(clusters)}")
    if not np.isfinite(scores).all():
        raise ValueError(f"correct has {(~np.isfinite(scores)).sum()} numbers that are not finite, of {len(scores)}")
    # Objects, not fixed-width strings: one question of 60,000 characters would widen every other to its size.
    _, members = np.unique(np.asarray(clusters, dtype=object), return_inverse=True)
    sums = np.stack([np.bincount(members, weights=scores), np.bincount(members).astype(np.float64)], axis=1)
    return bootstrap_of_sums(
        sums, lambda drawn: drawn[:, 0] / drawn[:, 1], resamples=resamples, seed=seed, confidence=confidence
    )


def bootstrap_of_sums(
    sums: npt.NDArray[np.float64],
    statistic: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]],
    *,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """The percentile interval of what can be told from sums over clusters, when whole clusters are drawn again.

    A mean is one column over another; a correlation is made of three. Two representations measured on the same
    clusters, their columns beside each other, give the interval of their difference.

    Args:
        sums: `(c, m)` m sums over the rows of each of c clusters; c is at least two.
        statistic: From `(b, m)` sums over drawn clusters to `(b,)` numbers.
        resamples: How often the clusters are drawn.
        seed: Of the draws; the same for the same number of clusters.
        confidence: Share of the resampled numbers inside the interval, in (0, 1).

    Raises:
        ValueError: If there is one cluster or none, or an option is out of range.
    """
    if resamples < 1 or not 0 < confidence < 1:
        raise ValueError(f"resamples must be at least 1 and confidence in (0, 1), got {resamples} and {confidence}")
    if len(sums) < 2:
        raise ValueError(f"a bootstrap over clusters needs at least 2 clusters, got {len(sums)}; add questions")
    found = np.concatenate([statistic(weights @ sums) for weights in _drawn(len(sums), resamples, seed)])
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def holm(p: Sequence[float] | npt.NDArray[np.float64]) -> list[float]:
    """Each p raised so that, of all where there is nothing, any falls below a level no more often than that level.

    NaN, a test that could not be made, stays so and counts for none.

    Source: Holm, A simple sequentially rejective multiple test procedure (1979).

    Example:
        >>> holm([0.25, 0.0625, 0.5])
        [0.5, 0.1875, 0.5]
    """
    given = np.asarray(p, dtype=np.float64)
    order = np.argsort(given, kind="stable")[: int((~np.isnan(given)).sum())]
    raised = np.full(len(given), np.nan)
    raised[order] = np.minimum(np.maximum.accumulate(given[order] * np.arange(len(order), 0, -1)), 1.0)
    return [float(one) for one in raised]


def _drawn(count: int, resamples: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """`(resamples, count)` how often each cluster is drawn, of as many draws as there are clusters; in batches."""
    generator = np.random.default_rng(seed)
    # That is multinomial; batches bound the memory and leave the stream of draws as it is.
    batch = max(1, _WEIGHTS_PER_BATCH // count)
    for start in range(0, resamples, batch):
        yield generator.multinomial(count, np.full(count, 1 / count), size=min(batch, resamples - start))
