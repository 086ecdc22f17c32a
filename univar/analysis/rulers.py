"""Rulers: from the pole against to the pole for, along which an answer is read, and how well that reads what is new.

Every question with poles has a ruler of its own, and every value one axis for its other questions. Both are tested by
leaving a voice out: a pole is read by rulers that no pole in its voice has a part in, and, along the axis, none to its
question. What an unseen pole for lies above the middle on average is the unit of the readings: it is read as 1, one
against as -1, in expectation over voices that no ruler has met.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from univar.analysis.axes import ValueAxes, value_axes
from univar.corpus.questions.poles import Pole

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False, slots=True)
class Scale:
    """What readings of one kind are divided by and how sure they are, value by value; v values.

    Attributes:
        halves: `(v,)` half the way from a pole against to a pole for in an unseen voice: the unit.
        errors: `(v,)` standard error of `halves` over questions, as a share of it; infinite where it is not positive
            or there is one question.
        freedom: `(v,)` degrees of freedom of that.
        zeros: `(v,)` variance, in units, by which the middle of the value may be off that all its readings share.
        spreads: `(v,)` variance, in units, of the reading of one unseen pole about where it should be.
        manner: Variance, in units, by which a voice moves all readings of a value, whatever it says.
        manner_shared: As much of it as moves those of all values alike.
        voices: In how many voices that was seen.
    """

    halves: FloatArray
    errors: FloatArray
    freedom: FloatArray
    zeros: FloatArray
    spreads: FloatArray
    manner: float
    manner_shared: float
    voices: int

    @property
    def reaches(self) -> FloatArray:
        """`(v,)` half the 95 % interval of `halves`, as a share of it: below 1 the interval lies above 0."""
        return np.asarray(self.errors * student.ppf(0.975, np.maximum(self.freedom, 1)))


@dataclass(frozen=True, eq=False, slots=True)
class Rulers:
    """The rulers of questions and values; q questions with poles, v values, D dimensions.

    Attributes:
        values: Their ids.
        questions: The row of each question with poles, by its id.
        value_of: `(q,)` the value of each, by its number.
        directions: `(q, D)` of the rulers of questions.
        middles: `(q,)` where on them the middle is.
        axes: `(v, D)`.
        axis_middles: `(v,)`.
        by_question: Of readings by the ruler of a question.
        by_axis: Of readings along the axis.
        own_share: Of a ruler, in 0..1: how much of it is its question's own, and not of the others.
        tested: Whether each axis carries to questions that it is not made of.
    """

    values: tuple[str, ...]
    questions: Mapping[str, int]
    value_of: IntArray
    directions: FloatArray
    middles: FloatArray
    axes: FloatArray
    axis_middles: FloatArray
    by_question: Scale
    by_axis: Scale
    own_share: float
    tested: ValueAxes

    def readable_by_question(self) -> npt.NDArray[np.bool_]:
        """`(v,)` whether unseen voices at the two poles of a value's questions are told apart, with 95 % confidence."""
        return self.by_question.reaches < 1

    def readable_by_axis(self) -> npt.NDArray[np.bool_]:
        """`(v,)` whether the axis carries to other questions: by its own test, and its unit has an interval above 0."""
        holding = {axis.value for axis in self.tested.axes if axis.holds}
        return np.array([value in holding for value in self.values], dtype=bool) & (self.by_axis.reaches < 1)

    def read_by_question(self, vectors: FloatArray, questions: IntArray) -> FloatArray:
        """`(n,)` readings of n answers `(n, D)` by the rulers of their questions, given by row."""
        along = np.einsum("nd,nd->n", vectors, self.directions[questions]) - self.middles[questions]
        return np.asarray(along / self.by_question.halves[self.value_of[questions]])

    def read_by_axis(self, vectors: FloatArray, values: IntArray) -> FloatArray:
        """`(n,)` readings of n answers `(n, D)` along the axes of values, given by number."""
        along = np.einsum("nd,nd->n", vectors, self.axes[values]) - self.axis_middles[values]
        return np.asarray(along / self.by_axis.halves[values])


class _Pairs(NamedTuple):
    """Two answers to one question in one voice, one for and one against; a row each."""

    question: IntArray
    value: IntArray
    voice: IntArray
    apart: FloatArray
    """(p, D) from the answer against to the answer for."""
    middle: FloatArray
    """(p, D) half-way between them."""


class _Others(NamedTuple):
    """For each pair, the mean difference and the mean middle of others in other voices."""

    apart: FloatArray
    middle: FloatArray


def rulers_of(vectors: npt.ArrayLike, poles: Sequence[Pole], *, seed: int = 0) -> Rulers:
    """The rulers of all questions and values of some poles.

    Args:
        vectors: `(n, D)` float, one row a pole.
        poles: As `univar.corpus.questions.poles.poles()` gives them.
        seed: Of the test of the axes.

    Raises:
        ValueError: If there are not as many vectors as poles, a number is not finite, or no question has poles in two
            voices.
    """
    rows = np.asarray(vectors, dtype=np.float64)
    if not np.isfinite(rows).all():
        raise ValueError(f"vectors of poles hold {(~np.isfinite(rows)).sum():,} numbers that are not finite")
    tested = value_axes(rows, poles, seed=seed)
    questions = {name: row for row, name in enumerate(dict.fromkeys(pole.question.question_id for pole in poles))}
    values = {name: row for row, name in enumerate(dict.fromkeys(str(pole.question.value) for pole in poles))}
    value_of = np.zeros(len(questions), dtype=np.intp)
    for pole in poles:
        value_of[questions[pole.question.question_id]] = values[str(pole.question.value)]
    pairs = _pairs(rows, poles, questions, value_of)
    own, along, judged = _left_out(pairs)
    if not judged.any():
        raise ValueError("no question has poles in two voices, by which its ruler could be tested; give all poles")
    seen = _Pairs(*(column[judged] for column in pairs))
    share = _own_share(seen, own.apart, along.apart)
    mixed = share * own.apart + (1 - share) * along.apart
    directions, middles = _mean(pairs.apart, pairs.question), _mean(pairs.middle, pairs.question)
    axes, axis_middles = _mean(directions, value_of), _mean(middles, value_of)
    directions = share * directions + (1 - share) * _mean_of_others(directions, value_of)
    return Rulers(
        values=tuple(values),
        questions=questions,
        value_of=value_of,
        directions=directions,
        middles=np.einsum("qd,qd->q", middles, directions),
        axes=axes,
        axis_middles=np.einsum("vd,vd->v", axis_middles, axes),
        by_question=_scale(seen, mixed, own.middle, own.middle, len(values), np.zeros(len(questions))),
        by_axis=_scale(
            seen,
            along.apart,
            along.middle,
            own.middle,
            len(values),
            np.einsum("qd,qd->q", middles, axes[value_of]),
        ),
        own_share=share,
        tested=tested,
    )


def _pairs(rows: FloatArray, poles: Sequence[Pole], questions: Mapping[str, int], value_of: IntArray) -> _Pairs:
    ends: dict[tuple[int, str], dict[int, int]] = {}
    for row, pole in enumerate(poles):
        ends.setdefault((questions[pole.question.question_id], pole.voice), {})[pole.stance] = row
    whole = {key: of for key, of in ends.items() if len(of) == 2}
    voices = {name: number for number, name in enumerate(sorted({voice for _, voice in whole}))}
    question = np.array([question for question, _ in whole], dtype=np.intp)
    towards, away = (rows[[of[stance] for of in whole.values()]] for stance in (1, -1))
    voice = np.array([voices[voice] for _, voice in whole], dtype=np.intp)
    return _Pairs(question, value_of[question], voice, towards - away, (towards + away) / 2)


def _left_out(pairs: _Pairs) -> tuple[_Others, _Others, npt.NDArray[np.bool_]]:
    """For each pair, others in other voices: those to its own question, and those to the value's other questions.

    Returns:
        Both, with a row for each pair that has both, and `(p,)` which these are.
    """
    voices = int(pairs.voice.max()) + 1
    said = pairs.value * voices + pairs.voice
    ones = np.ones((len(said), 1))
    # A voice answers a question once, so what is in its voice is the pair itself or to other questions.
    counts_own = _total(ones, pairs.question)[pairs.question] - 1
    counts = (_total(ones, pairs.value)[pairs.value] - _total(ones, said)[said]) - counts_own
    judged = (counts_own > 0).ravel() & (counts > 0).ravel()

    def others(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        own = _total(rows, pairs.question)[pairs.question] - rows
        rest = _total(rows, pairs.value)[pairs.value] - _total(rows, said)[said] - own
        return own[judged] / counts_own[judged], rest[judged] / counts[judged]

    (apart, apart_rest), (middle, middle_rest) = others(pairs.apart), others(pairs.middle)
    return _Others(apart, middle), _Others(apart_rest, middle_rest), judged


def _own_share(pairs: _Pairs, own: FloatArray, along: FloatArray) -> float:
    """How much of the ruler of a question should be its own, in 0..1.

    The difference between the two ends of a question is that of its value, plus what is the question's own, plus what
    is the voices'. Products of differences in other voices hold no part of the voices (and those of other questions
    none of the question), so the size of all three is known, and the best guess of the first two draws the
    question's mean towards that of the value's others by the share of the voices in it.

    Source: Efron & Morris, Stein's estimation rule and its competitors (1973).
    """
    same, across = (float(np.mean(np.einsum("pd,pd->p", pairs.apart, other))) for other in (own, along))
    whole = float(np.mean(np.einsum("pd,pd->p", pairs.apart, pairs.apart)))
    said = float(np.mean(np.bincount(pairs.question)[pairs.question]))
    of_question, of_voices = max(same - max(across, 0.0), 0.0), max(whole - same, 0.0) / said
    return of_question / (of_question + of_voices) if of_question else 0.0


def _scale(
    pairs: _Pairs, directions: FloatArray, zeros: FloatArray, own: FloatArray, values: int, places: FloatArray
) -> Scale:
    """The scale of readings of each pair along the direction and from the middle that others give it.

    Args:
        pairs: What is read; p of them.
        directions: `(p, D)` along which.
        zeros: `(p, D)` from where.
        own: `(p, D)` the middle of the same question in other voices.
        values: How many.
        places: `(q,)` where the middle of each question lies on an axis that all questions of a value are read along;
            zeros where each has its own.
    """
    halves = np.einsum("pd,pd->p", pairs.apart, directions) / 2
    centres, moved = (np.einsum("pd,pd->p", pairs.middle - middle, directions) for middle in (zeros, own))
    names, first, place = np.unique(pairs.question, return_index=True, return_inverse=True)
    of_value = pairs.value[first]
    unit, variance, asked = _moments(_mean(halves, place), of_value, values)
    shared = _moments(places[names], of_value, values)[1]
    positive = np.where(unit > 0, unit, np.nan)
    errors = np.nan_to_num(np.sqrt(variance) / positive, nan=np.inf)
    # In units; where there is none, nothing is read and nothing is to be learned.
    known = (errors * student.ppf(0.975, np.maximum(asked - 1, 1)) < 1)[pairs.value]
    centred, apart = centres[known] / positive[pairs.value[known]], halves[known] / positive[pairs.value[known]]
    voices, of = pairs.voice[known], pairs.value[known]
    off = np.bincount(of, weights=centred**2 + (apart - 1) ** 2, minlength=values)
    moved = moved[known] / positive[of]
    manner = _between(moved, voices, of)
    return Scale(
        halves=unit,
        errors=errors,
        freedom=np.maximum(asked - 1, 0),
        zeros=shared / positive**2,
        spreads=np.divide(
            off, counts := np.bincount(of, minlength=values), out=np.full(values, np.nan), where=counts > 0
        ),
        manner=manner,
        manner_shared=min(_between(moved, voices, np.zeros_like(of)), manner),
        voices=len(np.unique(pairs.voice)),
    )


def _moments(numbers: FloatArray, groups: IntArray, count: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """`(count,)` the mean of the numbers of each group, its variance, and how many there are; NaN where too few."""
    sizes = np.bincount(groups, minlength=count).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = np.bincount(groups, weights=numbers, minlength=count) / sizes
        squares = np.bincount(groups, weights=(numbers - means[groups]) ** 2, minlength=count)
        return means, squares / (sizes - 1) / sizes, sizes


def _between(moved: FloatArray, voices: IntArray, groups: IntArray) -> float:
    """The variance of what a voice does to all numbers of a group, beyond what chance does; at least 0.

    What a voice moves is measured against the other voice of the same question, so it is 0 on average, whatever the
    question; and the other voices, which change from question to question, are a part of the chance.
    """
    beyond = 0.0
    for group in np.unique(groups):
        own = moved[groups == group]
        _, place, sizes = np.unique(voices[groups == group], return_inverse=True, return_counts=True)
        if len(own) == len(sizes):
            continue
        means = np.bincount(place, weights=own) / sizes
        within = float(((own - means[place]) ** 2).sum()) / (len(own) - len(sizes))
        beyond += float((sizes * means**2).sum()) - len(sizes) * within
    return max(beyond / len(moved), 0.0) if len(moved) else 0.0


def _total(rows: FloatArray, places: IntArray) -> FloatArray:
    """The sums of rows by place."""
    sums = np.zeros((int(places.max()) + 1, *rows.shape[1:]))
    np.add.at(sums, places, rows)
    return sums


def _mean(rows: FloatArray, places: IntArray) -> FloatArray:
    """The means of rows by place; zeros where there is none."""
    counts = np.maximum(np.bincount(places), 1)
    return np.asarray(_total(rows, places) / counts.reshape(-1, *[1] * (rows.ndim - 1)))


def _mean_of_others(rows: FloatArray, places: IntArray) -> FloatArray:
    """For each row the mean of the others at its place; itself where it is alone."""
    counts = np.bincount(places)[places][:, None] - 1
    return np.where(counts > 0, (_total(rows, places)[places] - rows) / np.maximum(counts, 1), rows)
