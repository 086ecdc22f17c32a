"""How far vectors move with one factor of the answers and with another: as with an LLM's values and with its style.

Both factors are set by whoever asks, each level of the one with each level of the other: as by system prompts that hold
one of four sets of values and one of three styles.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from univar.analysis.identification import Matrix, Strings
from univar.analysis.results import markdown_table
from univar.analysis.statistics import Interval
from univar.analysis.unbiased import question_means, squared_lengths

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shift:
    """How far vectors move with one factor.

    Attributes:
        factor: Its name.
        levels: How many levels it has.
        squared: Unbiased squared distance between two levels, the other factor held fixed: about 0 where the factor
            moves nothing, and then as often below as above.
        interval: Its 95 % bootstrap interval over questions.
    """

    factor: str
    levels: int
    squared: float
    interval: Interval

    def __str__(self) -> str:
        return f"{_figure(self.squared)} ({_span(self.interval)}) between {self.levels:,} levels of {self.factor}"


@dataclass(frozen=True, slots=True)
class ShiftRatio:
    """The squared shift by one factor over that by another.

    Attributes:
        first: The factor in the numerator.
        second: The factor in the denominator.
        ratio: The squared shift by the first over that by the second. NaN where the interval of the second reaches 0.
        interval: Its 95 % bootstrap interval over questions.
        n: How many vectors there were.
        questions: How many questions: what is drawn again.
    """

    first: Shift
    second: Shift
    ratio: float
    interval: Interval
    n: int
    questions: int

    def __str__(self) -> str:
        counts = f"by bootstrap over {self.questions:,} questions, n = {self.n:,}"
        shifts = f"{self.first} and {self.second}"
        if np.isnan(self.ratio):
            return (
                f"The shift by {self.second.factor} cannot be told from 0, so there is no ratio: squared shifts are "
                f"{shifts} (95 % intervals {counts})."
            )
        return (
            f"The squared shift by {self.first.factor} is {self.ratio:.2f} times that by {self.second.factor} (95 % "
            f"interval {self.interval.low:.2f} to {self.interval.high:.2f} {counts}): {shifts}."
        )

    def to_pandas(self) -> "pd.DataFrame":
        """Three rows, the two factors and `ratio`: estimate, 95 % interval, `n`, questions."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "finding": name,
                    "estimate": _number(found),
                    "low": _number(interval.low),
                    "high": _number(interval.high),
                    "n": self.n,
                    "questions": self.questions,
                }
                for name, found, interval in self._findings()
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values, intervals as `low` and `high`; what is not a number is None."""
        described = asdict(self) | {"ratio": _number(self.ratio), "interval": _ends(self.interval)}
        for name, shift in (("first", self.first), ("second", self.second)):
            described[name] |= {"interval": _ends(shift.interval)}
        return described

    def to_markdown(self) -> str:
        """Three rows, the two factors and their ratio."""
        rows = [(name, *map(_cell, (found, *interval))) for name, found, interval in self._findings()]
        return f"{markdown_table(('squared shift', 'estimate', 'low', 'high'), rows)}\n- {self}\n"

    def _findings(self) -> list[tuple[str, float, Interval]]:
        shifts = [(shift.factor, shift.squared, shift.interval) for shift in (self.first, self.second)]
        return [*shifts, ("ratio", self.ratio, self.interval)]


def shift_ratio(
    vectors: Matrix,
    questions: Strings,
    first: Strings,
    second: Strings,
    *,
    factors: tuple[str, str] = ("values", "style"),
    resamples: int = 1000,
    seed: int = 0,
) -> ShiftRatio:
    """The unbiased squared shift of vectors by one of two crossed factors over that by the other.

    The shift by a factor is the mean, over the pairs of its levels and over the levels of the other factor, of the
    squared distance between the two means of a pair over the questions that both answered. A squared distance of means
    is too large by the noise in them; here the difference of one half of the questions is multiplied with that of
    the other half, whose noise is another, and the mean is taken over all halvings (a cross-validated distance). It may
    come out negative and is never clipped. Neither rotating the vectors nor shifting those of a question changes it.

    The interval draws questions with replacement; a question drawn twice is never multiplied with itself.

    Args:
        vectors: `(n, d)`, dense or sparse.
        questions: `(n,)` the question that each row answers. Several rows of one question and one cell are averaged.
        first: `(n,)` the level of the first factor, such as the values that a system prompt held.
        second: `(n,)` the level of the second, such as its style.
        factors: What the two are called.
        resamples: Bootstrap resamples.
        seed: Of the resamples.

    Raises:
        ValueError: If lengths differ, a number is not finite, a factor has fewer than two levels, or two cells that are
            compared share fewer than two questions.

    Source: Walther et al., Reliability of dissimilarity measures for multi-voxel pattern analysis (2016), on
    cross-validated distances.
    """
    rows = _checked(vectors, questions, first, second)
    levels = tuple(sorted({str(level) for level in side}) for side in (first, second))
    for factor, found in zip(factors, levels, strict=True):
        if len(found) < 2:
            raise ValueError(f"a shift by {factor} needs at least 2 levels, got {', '.join(found) or 'none'}")
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples}")
    names, places = np.unique(np.asarray(questions, dtype=object), return_inverse=True)
    cells: dict[tuple[str, str], tuple[Matrix, npt.NDArray[np.bool_]]] = {}
    owners = np.array([f"{a}\0{b}" for a, b in zip(first, second, strict=True)], dtype=object)
    for a in levels[0]:
        for b in levels[1]:
            mine = np.flatnonzero(owners == f"{a}\0{b}")
            cells[a, b] = question_means(rows[mine], places[mine], len(names))
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    weights = np.vstack([np.ones((1, len(names))), draws])
    a_pairs = [((a, b), (c, b)) for a, c in combinations(levels[0], 2) for b in levels[1]]
    b_pairs = [((a, b), (a, c)) for b, c in combinations(levels[1], 2) for a in levels[0]]
    by_first, by_second = (_squared_shifts(cells, pairs, weights) for pairs in (a_pairs, b_pairs))
    shifts = [
        Shift(factor, len(found), float(by[0]), _interval(by[1:]))
        for factor, found, by in zip(factors, levels, (by_first, by_second), strict=True)
    ]
    ratio, interval = float("nan"), Interval(float("nan"), float("nan"))
    if shifts[1].interval.low > 0:
        ratio, interval = float(by_first[0] / by_second[0]), _interval(by_first[1:] / by_second[1:])
    return ShiftRatio(shifts[0], shifts[1], ratio, interval, len(owners), len(names))


def _checked(vectors: Matrix, *columns: Strings) -> Any:
    """The vectors as float64, dense or in rows; the columns are as long."""
    rows = sparse.csr_array(vectors, dtype=np.float64) if sparse.issparse(vectors) else np.asarray(vectors, np.float64)
    lengths = [len(column) for column in columns]
    if rows.ndim != 2 or set(lengths) != {rows.shape[0]}:
        raise ValueError(f"vectors must be (n, d), and questions and levels (n,), got {rows.shape} and {lengths}")
    numbers = rows.data if sparse.issparse(rows) else rows
    if not np.isfinite(numbers).all():
        raise ValueError(f"vectors hold {(~np.isfinite(numbers)).sum()} numbers that are not finite")
    return rows


def _squared_shifts(
    cells: dict[tuple[str, str], tuple[Matrix, npt.NDArray[np.bool_]]],
    pairs: Sequence[tuple[tuple[str, str], tuple[str, str]]],
    weights: FloatArray,
) -> FloatArray:
    """`(r,)` the mean unbiased squared distance of pairs of cells, under each of `(r, q)` weights of the questions."""
    found = []
    for one, other in pairs:
        shared = cells[one][1] & cells[other][1]
        if shared.sum() < 2:
            raise ValueError(
                f"{' with '.join(one)} and {' with '.join(other)} have {shared.sum()} questions in common and need at "
                "least 2; every level of one factor is to be there with every level of the other"
            )
        found.append(squared_lengths((cells[one][0] - cells[other][0])[shared], weights[:, shared]))
    return np.asarray(np.mean(found, axis=0))


def _interval(resampled: FloatArray) -> Interval:
    if np.isnan(resampled).all():
        return Interval(float("nan"), float("nan"))
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    return Interval(float(low), float(high))


def _number(found: float) -> float | None:
    return None if np.isnan(found) else found


def _ends(interval: Interval) -> dict[str, float | None]:
    return {end: _number(found) for end, found in interval._asdict().items()}


def _cell(found: float) -> str:
    return "-" if np.isnan(found) else _figure(found)


def _figure(found: float) -> str:
    return f"{found:.3g}"


def _span(interval: Interval) -> str:
    return f"{_figure(interval.low)} to {_figure(interval.high)}"
