"""How far answers moved that all questions have in common: its size, interval and test, and what would have been seen.

Everything is told from one vector a question: the mean of the answers after less that before. Noise of sampling and
what moves at a single question point anywhere, and what moves at all questions alike adds up.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import norm, t

from univar.analysis.statistics import Interval
from univar.analysis.unbiased import squared_lengths

FloatArray = npt.NDArray[np.float64]

LEVEL = 0.05
"""A shift of which chance makes one as long less often than this is called seen."""
POWER = 0.8
"""How often the smallest shift that is said to be seen would be."""
FEWEST = 6
"""Questions with fewer than which no swapping can be rarer than `LEVEL`: half of the sign patterns are one less."""

_SWAPS = 4999
_EXACT = 12
_NUMBERS_AT_ONCE = 2**22
_UNKNOWN = Interval(float("nan"), float("nan"))


@dataclass(frozen=True, slots=True)
class Movement:
    """How far answers to shared questions moved in common.

    Attributes:
        questions: How many: what is drawn again and swapped.
        squared: Unbiased squared length, of about 0 where nothing moved, and then as often below as above.
        squared_interval: 95 %, bootstrap over questions.
        size: Its root in the unit; NaN where there is no unit.
        interval: 95 %, bootstrap over questions, the uncertainty of the unit in it.
        p: How often swapping before and after within questions gives as long a one.
        smallest: The size of the smallest shift that as many questions show at `LEVEL` with `POWER`; NaN where none.
    """

    questions: int
    squared: float
    squared_interval: Interval
    size: float
    interval: Interval
    p: float
    smallest: float


class Beyond(NamedTuple):
    """How much longer the squared movement on value questions is than that on control questions."""

    squared: float
    interval: Interval
    """95 %, bootstrap over the questions of both."""
    p: float
    """Two-sided, of the two being equal."""

    @property
    def holds(self) -> bool:
        """Whether the one on value questions is longer, tested."""
        return self.squared > 0 and self.p < LEVEL


@dataclass(frozen=True, slots=True)
class Noise:
    """What chance does to the squared length of a movement, and so which lengths would be seen.

    Attributes:
        squares: Of the covariance of one question's difference, the sum of the squares of its eigenvalues.
        total: Their sum: the mean squared distance of a difference from the mean of all.
        reach: How many standard deviations from 0 the squared length lies one time in twenty where nothing moves.
    """

    squares: float
    total: float
    reach: float

    def smallest(self, questions: int, share: float = 1.0) -> float:
        """The squared length that so many questions show at `LEVEL` with `POWER`; NaN below `FEWEST` questions.

        Args:
            questions: How many.
            share: How large the variance of one question's difference is, of what it was.
        """
        if questions < FEWEST:
            return float("nan")
        spread = share * np.sqrt(2 * self.squares / (questions * (questions - 1)))
        # The variance along the movement, where its direction is that of the noise.
        along = share * self.squares / self.total if self.total else 0.0
        reach, z = self.reach * spread, norm.ppf(POWER)
        # The smallest length s has s - z * sqrt(4 s along / q + spread^2) = reach: it is the larger root of that.
        middle = reach + 2 * z**2 * along / questions
        return float(middle + np.sqrt(max(middle**2 - reach**2 + (z * spread) ** 2, 0.0)))


def movement(apart: npt.ArrayLike, units: npt.ArrayLike, *, resamples: int = 1000, seed: int = 0) -> Movement:
    """How far answers moved in common, with a 95 % interval, a test by swapping, and the smallest that would be seen.

    The squared length is that of the mean difference, unbiased (see `univar.analysis.unbiased`). Drawing questions
    anew around a length near 0 spreads it more than chance does, for the mean that was found is itself noise; so the
    interval holds those lengths around which drawing anew gives the one that was found (a bootstrap by inversion of the
    test). It is 5 % of the time beside the truth at any length, 0 among them.

    Args:
        apart: `(q, d)` the mean of the answers after less that before, a row a question.
        units: `(q,)` squared distances of which the mean is the square of the unit; NaN where a question tells none.
        resamples: Draws of questions behind the interval.
        seed: Of all draws.

    Raises:
        ValueError: If there are fewer than two questions, shapes differ, or a difference is not finite.

    Source: Carpenter, Test inversion bootstrap confidence intervals (1999); Nichols & Holmes, Nonparametric
    permutation tests (2002), on swapping within pairs.
    """
    rows, lengths = _checked(apart, units)
    number = len(rows)
    (squared,) = squared_lengths(rows, np.ones((1, number)))
    unit = _mean(lengths)
    drawn = _drawn(rows, lengths, resamples, seed)
    in_units = _interval(squared, drawn, unit)
    smallest = noise_of(rows, seed=seed).smallest(number)
    return Movement(
        questions=number,
        squared=float(squared),
        squared_interval=_interval(squared, drawn._replace(unit=np.zeros(1)), 1.0),
        size=_root(squared, unit),
        interval=Interval(*(_root(end, 1.0) for end in in_units)),
        p=swap_test(rows, seed=seed),
        smallest=_root(smallest, unit),
    )


def beyond(values: Movement, controls: Movement) -> Beyond:
    """Whether answers to value questions moved further than those to control questions.

    Both lengths are unbiased, told from different questions. How far each end of each interval is from what was found
    gives the interval of the difference, and its distance from 0 the p.

    Args:
        values: Of the answers to value questions.
        controls: Of those to control questions.

    Source: Zou, Toward using confidence intervals to compare correlations (2007), on intervals of differences.
    """
    further = values.squared - controls.squared
    low = float(
        np.hypot(values.squared - values.squared_interval.low, controls.squared_interval.high - controls.squared)
    )
    high = float(
        np.hypot(values.squared_interval.high - values.squared, controls.squared - controls.squared_interval.low)
    )
    towards_zero = low if further > 0 else high
    distance = abs(further) / towards_zero if towards_zero else 0.0
    return Beyond(further, Interval(further - low, further + high), float(2 * norm.sf(norm.ppf(0.975) * distance)))


def swap_test(apart: npt.ArrayLike, *, seed: int = 0) -> float:
    """How often swapping before and after within questions gives as long a movement, the one that was found among them.

    Of up to 12 questions all swappings are tried, of more 4,999 and the one that was found.

    Args:
        apart: `(q, d)` the difference at each question.
        seed: Of the swappings.
    """
    rows = np.asarray(apart, dtype=np.float64)
    found = float(_crossed(rows, np.ones((1, len(rows))))[0])
    lengths = _swapped(rows, seed)
    # What is equal but for rounding is as long.
    longer = int(np.sum(lengths >= found - 1e-9 * float(np.sum(rows**2))))
    return longer / len(lengths) if len(rows) <= _EXACT else (1 + longer) / (1 + len(lengths))


def noise_of(apart: npt.ArrayLike, *, seed: int = 0) -> Noise:
    """What chance does, told from how the differences at questions lie around their mean.

    Args:
        apart: `(q, d)` the difference at each question.
        seed: Of the swappings.
    """
    rest = _around_mean(np.asarray(apart, dtype=np.float64))
    number = len(rest)
    lengths = _swapped(rest, seed) / (number * (number - 1))
    spread = float(np.std(lengths))
    reach = float(np.quantile(lengths, 1 - LEVEL)) / spread if spread else 0.0
    return Noise(spread**2 * number * (number - 1) / 2, float(np.sum(rest**2) / number), reach)


class _Draws(NamedTuple):
    """What drawing questions anew does to a squared length, to each of r draws."""

    along: FloatArray
    """Times the root of the length: by the movement's own variance at questions."""
    around: FloatArray
    """Whatever the length."""
    unit: FloatArray
    """To the square of the unit."""

    def around_length(self, squared: float) -> FloatArray:
        """(r,) by how much the squared length that is found differs from a true one."""
        return np.asarray(np.sqrt(max(squared, 0.0)) * self.along + self.around, dtype=np.float64)


def _drawn(rows: FloatArray, lengths: FloatArray, resamples: int, seed: int) -> _Draws:
    number = len(rows)
    mean, rest = rows.mean(axis=0), _around_mean(rows)
    counts = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=resamples)
    more = counts.astype(np.float64) - 1
    length = float(np.linalg.norm(mean))
    direction = mean / length if length else mean
    # Of few questions the variance along one direction is not well known: as in Student's test.
    along = 2 / number * (more @ (rest @ direction)) * (t.ppf(0.975, number - 1) / norm.ppf(0.975))
    around = _crossed(rest, more) / (number * (number - 1))
    known = np.isfinite(lengths)
    unit = more[:, known] @ (lengths[known] - _mean(lengths)) / max(known.sum(), 1)
    return _Draws(along, around - around.mean(), unit)


def _interval(squared: float, drawn: _Draws, unit: float) -> Interval:
    """The squared lengths, in squares of the unit, around which drawing anew gives the one found; NaN without a unit.

    A length below 0 has the spread of one of 0.
    """
    if not unit > 0:
        return _UNKNOWN
    by_unit = max(squared, 0.0) / unit * drawn.unit

    def beside(length: float, share: float) -> float:
        return float(length + np.quantile(drawn.around_length(length) - by_unit, share) - squared)

    ends = []
    for share in (0.975, 0.025):
        far = 2 * (abs(squared) + float(np.abs(drawn.around).max() + np.abs(by_unit).max())) + 1e-300
        # The spread grows with the root of a length, the length itself outgrows it.
        far += 4 * float(np.abs(drawn.along).max()) ** 2
        span = (-far, 0.0) if beside(0.0, share) >= 0 else (0.0, far)
        ends.append(float(brentq(beside, *span, args=(share,))) / unit)
    return Interval(*ends)


def _swapped(rows: FloatArray, seed: int) -> FloatArray:
    """`(s,)` sums over pairs of different questions after swappings: all of them of few questions."""
    return np.concatenate([_crossed(rows, signs) for signs in _signs(len(rows), seed)])


def _signs(number: int, seed: int) -> Iterator[FloatArray]:
    if number <= _EXACT:
        # Turning all signs changes nothing, so the first question is never swapped.
        patterns = (np.arange(2 ** (number - 1))[:, None] >> np.arange(number - 1)) & 1
        yield np.hstack([np.ones((len(patterns), 1)), 1 - 2 * patterns.astype(np.float64)])
        return
    generator = np.random.default_rng(seed)
    batch = max(1, _NUMBERS_AT_ONCE // number)
    for start in range(0, _SWAPS, batch):
        yield 1 - 2 * generator.integers(0, 2, size=(min(batch, _SWAPS - start), number)).astype(np.float64)


def _crossed(rows: FloatArray, weights: FloatArray) -> FloatArray:
    """`(r,)` the sum of products of rows over ordered pairs of different ones, each with its weight `(r, q)`."""
    total = np.sum((weights @ rows) ** 2, axis=1) - weights**2 @ np.sum(rows**2, axis=1)
    return np.asarray(total, dtype=np.float64)


def _around_mean(rows: FloatArray) -> FloatArray:
    """Differences less their mean, as far around it as they are around the true one."""
    return np.asarray((rows - rows.mean(axis=0)) * np.sqrt(len(rows) / (len(rows) - 1)), dtype=np.float64)


def _checked(apart: npt.ArrayLike, units: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    rows, lengths = np.asarray(apart, dtype=np.float64), np.asarray(units, dtype=np.float64)
    if rows.ndim != 2 or len(rows) < 2:
        raise ValueError(
            f"a shift needs differences (q, d) at 2 questions or more, got {rows.shape}; ask more of the same questions"
        )
    if lengths.shape != (len(rows),):
        raise ValueError(f"units must be ({len(rows)},), one a question, got {lengths.shape}")
    if not np.isfinite(rows).all():
        raise ValueError(f"differences hold {(~np.isfinite(rows)).sum()} numbers that are not finite; embed again")
    return rows, lengths


def _mean(lengths: FloatArray) -> float:
    known = lengths[np.isfinite(lengths)]
    return float(known.mean()) if len(known) else float("nan")


def _root(squared: float, unit: float) -> float:
    return float(np.sqrt(max(squared, 0.0) / unit)) if unit > 0 and not np.isnan(squared) else float("nan")
