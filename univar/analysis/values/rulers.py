"""Rulers: from the pole against to the pole for, along which an answer is read, and how well that reads what is new.

Every question with poles has a ruler of its own, and every value one axis for its other questions. Both are tested by
leaving a voice out: a pole is read by rulers that no pole in its voice has a part in, and, along the axis, none to its
question. What an unseen pole for lies above the middle on average is what readings are divided by: it is read as 1, one
against as -1, in expectation over voices that no ruler has met. Poles that the model itself was trained on are parts of
rulers, but never read to test them: they lie further apart than any answer will.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import false_discovery_control
from scipy.stats import t as student

from univar.analysis.axes import ValueAxes, value_axes
from univar.analysis.values.spread import steadied
from univar.corpus.questions.poles import Pole
from univar.corpus.questions.poles import poles as written_poles
from univar.corpus.records import question_hash
from univar.model.embedded import EmbeddedCorpus, EmbeddedCorpusError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_FALSE_FINDS = 0.05
"""Of the values that are called readable, the share that is not, in expectation."""

_LEAST_ERROR = 1e-9


@dataclass(frozen=True, eq=False, slots=True)
class Scale:
    """What readings of one kind are divided by and how sure they are, value by value; v values.

    Attributes:
        unit: Mean over values of half the way from a pole against to a pole for, in unseen voices; all else is in
            units of it. NaN where it is not above 0.
        halves: `(v,)` that of each value; 1 on average. NaN where a value has no pole to judge by.
        variances: `(v,)` by which each may be off: other questions would have told another.
        freedom: `(v,)` degrees of freedom of that.
        zeros: `(v,)` variance by which the middle of the value may be off that all its readings share.
        spreads: `(v,)` variance of the reading of one unseen pole about where it should be.
        manner: Variance by which a voice moves all readings of a value, whatever it says.
        manner_shared: As much of it as moves those of all values alike.
        voices: In how many voices that was seen.
    """

    unit: float
    halves: FloatArray
    variances: FloatArray
    freedom: FloatArray
    zeros: FloatArray
    spreads: FloatArray
    manner: float
    manner_shared: float
    voices: int

    def carries(self, groups: Sequence[Sequence[int]]) -> npt.NDArray[np.bool_]:
        """Which groups of values are readable: poles for and against are told apart, all their values together.

        The 95 % interval of the way between them lies above 0, and it is no find of those that chance makes among so
        many groups (Benjamini and Hochberg's rule, 5 %).

        Args:
            groups: The numbers of the values of each.
        """
        tried = [self.error_of(group) for group in groups]
        t = np.array([1 / max(error, _LEAST_ERROR) for error, _ in tried])
        freedom = np.array([freedom for _, freedom in tried])
        if not len(t):
            return np.zeros(0, dtype=bool)
        false = false_discovery_control(student.sf(t, freedom), method="bh")
        return np.asarray((false <= _FALSE_FINDS) & (t > student.ppf(0.975, freedom)))

    def error_of(self, group: Sequence[int]) -> tuple[float, float]:
        """The standard error of the sum of some halves, as a share of it, and its degrees of freedom.

        The error is infinite where the sum is not above 0.
        """
        known = [value for value in group if np.isfinite(self.halves[value]) and np.isfinite(self.variances[value])]
        total, variance = float(self.halves[known].sum()), float(self.variances[known].sum())
        if not known or not total > 0:
            return float("inf"), 1.0
        pulled = float((self.variances[known] ** 2 / self.freedom[known]).sum())
        return float(np.sqrt(variance)) / total, variance**2 / pulled if pulled else float("inf")


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

    def carry(self, groups: Sequence[Sequence[str]]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Which groups of values are readable, by the rulers of questions and along axes.

        Along the axis of a value alone, it must pass its own test too.

        Args:
            groups: The ids of the values of each.
        """
        numbers = {value: number for number, value in enumerate(self.values)}
        of = [[numbers[value] for value in group if value in numbers] for group in groups]
        holding = {axis.value for axis in self.tested.axes if axis.holds}
        held = np.array([len(group) != 1 or group[0] in holding for group in groups], dtype=bool)
        return self.by_question.carries(of), self.by_axis.carries(of) & held

    def read_by_question(self, vectors: FloatArray, questions: IntArray) -> FloatArray:
        """`(n,)` readings, in units, of n answers `(n, D)` by the rulers of their questions, given by row."""
        along = np.einsum("nd,nd->n", vectors, self.directions[questions]) - self.middles[questions]
        return np.asarray(along / self.by_question.unit)

    def read_by_axis(self, vectors: FloatArray, values: IntArray) -> FloatArray:
        """`(n,)` readings, in units, of n answers `(n, D)` along the axes of values, given by number."""
        along = np.einsum("nd,nd->n", vectors, self.axes[values]) - self.axis_middles[values]
        return np.asarray(along / self.by_axis.unit)


class _Pairs(NamedTuple):
    """Two answers to one question in one voice, one for and one against; a row each."""

    question: IntArray
    value: IntArray
    voice: IntArray
    apart: FloatArray
    """(p, D) from the answer against to the answer for."""
    middle: FloatArray
    """(p, D) half-way between them."""
    unseen: npt.NDArray[np.bool_]
    """(p,) whether the model was trained on neither."""

    def take(self, kept: npt.NDArray[np.bool_]) -> "_Pairs":
        """Some of the pairs."""
        return _Pairs(
            self.question[kept],
            self.value[kept],
            self.voice[kept],
            self.apart[kept],
            self.middle[kept],
            self.unseen[kept],
        )


class _Others(NamedTuple):
    """For each pair, the mean difference and the mean middle of others in other voices."""

    apart: FloatArray
    middle: FloatArray


def rulers_by(poles: EmbeddedCorpus, *, seed: int = 0) -> Rulers:
    """The rulers that the poles that ship make, with their vectors by one model.

    Raises:
        EmbeddedCorpusError: If they are not those that ship, all of them and in their order.
    """
    written = written_poles()
    if poles.records != tuple(pole.record for pole in written):
        raise EmbeddedCorpusError(
            f"{len(poles):,} QAs are not the {len(written):,} poles that ship, in their order; leave poles out, or "
            "take those that univar.model.pole_vectors.embedded_poles gives"
        )
    return rulers_of(poles.embeddings, written, trained_on=poles.provenance.trained_on, seed=seed)


def rulers_of(
    vectors: npt.ArrayLike, poles: Sequence[Pole], *, trained_on: AbstractSet[str] = frozenset(), seed: int = 0
) -> Rulers:
    """The rulers of all questions and values of some poles.

    Args:
        vectors: `(n, D)` float, one row a pole.
        poles: As `univar.corpus.questions.poles.poles()` gives them.
        trained_on: `question_hash` of the questions that the model was trained on: of these, the poles of the train
            part test nothing.
        seed: Of the test of the axes.

    Raises:
        ValueError: If there are not as many vectors as poles, a number is not finite, or no question has poles in two
            voices of which the model was not trained on one.
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
    met = [pole.split == "train" and question_hash(pole.record.question_key) in trained_on for pole in poles]
    pairs = _pairs(rows, poles, questions, value_of, np.array(met))
    own, along, judged = _left_out(pairs)
    if not judged.any():
        raise ValueError(
            "no question has poles in two voices, one of them new to the model, by which its ruler could be tested; "
            "give all poles"
        )
    seen = pairs.take(judged)
    directions, middles = _mean(pairs.apart, pairs.question), _mean(pairs.middle, pairs.question)
    axes, axis_middles = _mean(directions, value_of), _mean(middles, value_of)
    others = _mean_of_others(directions, value_of)
    share = _own_share((directions, others), seen.apart, (own.apart, along.apart))
    mixed = share * own.apart + (1 - share) * along.apart
    directions = share * directions + (1 - share) * others
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


def _pairs(
    rows: FloatArray,
    poles: Sequence[Pole],
    questions: Mapping[str, int],
    value_of: IntArray,
    met: npt.NDArray[np.bool_],
) -> _Pairs:
    ends: dict[tuple[int, str], dict[int, int]] = {}
    for row, pole in enumerate(poles):
        ends.setdefault((questions[pole.question.question_id], pole.voice), {})[pole.stance] = row
    whole = {key: of for key, of in ends.items() if len(of) == 2}
    voices = {name: number for number, name in enumerate(sorted({voice for _, voice in whole}))}
    question = np.array([question for question, _ in whole], dtype=np.intp)
    ends_of = [np.array([of[stance] for of in whole.values()], dtype=np.intp) for stance in (1, -1)]
    towards, away = (rows[end] for end in ends_of)
    voice = np.array([voices[voice] for _, voice in whole], dtype=np.intp)
    unseen = ~(met[ends_of[0]] | met[ends_of[1]])
    return _Pairs(question, value_of[question], voice, towards - away, (towards + away) / 2, unseen)


def _left_out(pairs: _Pairs) -> tuple[_Others, _Others, npt.NDArray[np.bool_]]:
    """For each pair, others in other voices: those to its own question, and those to the value's other questions.

    Returns:
        Both, with a row for each pair that has both and was not trained on, and `(p,)` which these are.
    """
    voices = int(pairs.voice.max()) + 1
    said = pairs.value * voices + pairs.voice
    ones = np.ones((len(said), 1))
    # A voice answers a question once, so what is in its voice is the pair itself or to other questions.
    counts_own = _total(ones, pairs.question)[pairs.question] - 1
    counts = (_total(ones, pairs.value)[pairs.value] - _total(ones, said)[said]) - counts_own
    judged = (counts_own > 0).ravel() & (counts > 0).ravel() & pairs.unseen

    def others(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        own = _total(rows, pairs.question)[pairs.question] - rows
        rest = _total(rows, pairs.value)[pairs.value] - _total(rows, said)[said] - own
        return own[judged] / counts_own[judged], rest[judged] / counts[judged]

    (apart, apart_rest), (middle, middle_rest) = others(pairs.apart), others(pairs.middle)
    return _Others(apart, middle), _Others(apart_rest, middle_rest), judged


def _own_share(
    rulers: tuple[FloatArray, FloatArray], apart: FloatArray, others: tuple[FloatArray, FloatArray]
) -> float:
    """How much of the ruler of a question should be its own, in 0..1; the rest is of the value's other questions.

    The best guess of what an unseen voice lies apart, by least squares over all questions: what it has in common with
    the question's own difference, and with that of the others, against how long these are themselves. Two voices make
    a difference long by what is only theirs, which draws the guess to the others.

    Seen by leaving each voice out of the poles, with the weights that ship (1,740 pairs): own rulers put 53.9 % of the
    pairs in the right order, those of the others 53.0 %, mixed at shares of 0.5 to 0.2 55.2 to 55.5 %, with mean over
    spread 0.041, 0.064, and 0.051 to 0.070. Least squares gives 0.30. (With the static weights 51.1 and 54.0 %, mixed
    53.0 to 54.1 %; 0.28.) No one share is best for all encoders, so each gets its own.

    Args:
        rulers: `(q, D)` each, of all voices: the differences of questions, and the means of the value's others.
        apart: `(p, D)` the differences in voices that are left out.
        others: `(p, D)` each, what is known without their voice: of the question, and of the others.
    """
    products = [[float(np.mean(np.einsum("qd,qd->q", one, two))) for two in rulers] for one in rulers]
    common = [float(np.mean(np.einsum("pd,pd->p", apart, other))) for other in others]
    own, along = np.maximum(np.linalg.lstsq(np.array(products), np.array(common), rcond=None)[0], 0)
    return float(own / (own + along)) if own > 0 else 0.0


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
    of_value, by_question = pairs.value[first], _mean(halves, place)
    asked = np.bincount(of_value, minlength=values)
    raw = np.divide(np.bincount(of_value, by_question, values), asked, out=np.full(values, np.nan), where=asked > 0)
    unit = float(np.nanmean(raw)) if np.nanmean(raw) > 0 else float("nan")
    variances, freedom = _steadied(by_question, of_value, values)
    off = (centres**2 + (halves - raw[pairs.value]) ** 2) / unit**2
    manner = _between(moved / unit, pairs.voice, pairs.value)
    return Scale(
        unit=unit,
        halves=raw / unit,
        variances=variances / np.maximum(asked, 1) / unit**2,
        freedom=freedom,
        zeros=_steadied(places[names], of_value, values)[0] / np.maximum(asked, 1) / unit**2,
        spreads=np.bincount(pairs.value, off, values) / np.maximum(np.bincount(pairs.value, minlength=values), 1),
        manner=manner,
        manner_shared=min(_between(moved / unit, pairs.voice, np.zeros_like(pairs.value)), manner),
        voices=len(np.unique(pairs.voice)),
    )


def _steadied(numbers: FloatArray, groups: IntArray, count: int) -> tuple[FloatArray, FloatArray]:
    """`(count,)` the variance of one number of each group and its degrees of freedom; NaN where the group is empty."""
    there = np.unique(groups)
    found = steadied([numbers[groups == group] for group in there])
    variances, freedom = np.full(count, np.nan), np.full(count, np.nan)
    variances[there], freedom[there] = found.variances, found.freedom
    return variances, freedom


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
