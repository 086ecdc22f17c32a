"""Rulers: from the pole against to the pole for, along which an answer is read, and how well that reads what is new.

Every question with poles has a ruler of its own, and every value one axis for its other questions. Both are tested by
leaving a voice out: a pole is read by rulers that no pole in its voice has a part in, and, along the axis, none to its
question. What an unseen pole for lies above the middle on average is what readings are divided by: it is read as 1, one
against as -1, in expectation over voices that no ruler has met. Poles that the model itself was trained on are parts of
rulers, but never read to test them: they lie further apart than any answer will (`scales` says what stands in).
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from univar.analysis.axes import ValueAxes, value_axes
from univar.analysis.values.scales import (
    FloatArray,
    IntArray,
    Judged,
    KnownScales,
    Scale,
    known_scales,
    mean,
    scale_of,
    total,
)
from univar.corpus.questions.poles import Pole
from univar.corpus.questions.poles import poles as written_poles
from univar.corpus.records import question_hash
from univar.model.embedded import EmbeddedCorpus, EmbeddedCorpusError


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


class Pairs(NamedTuple):
    """Two answers to one question in one voice, one for and one against; p pairs, q questions, v values."""

    questions: Mapping[str, int]
    """The row of each question, by its id."""
    values: tuple[str, ...]
    value_of: IntArray
    """(q,)"""
    question: IntArray
    """(p,)"""
    voice: IntArray
    """(p,)"""
    apart: FloatArray
    """(p, D) from the answer against to the answer for."""
    middle: FloatArray
    """(p, D) half-way between them."""
    met: npt.NDArray[np.bool_]
    """(p,) whether the model was trained on one of them."""

    @property
    def value(self) -> IntArray:
        """`(p,)`."""
        return np.asarray(self.value_of[self.question])


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
    known = known_scales(poles.provenance.fingerprint)
    return rulers_of(poles.embeddings, written, trained_on=poles.provenance.trained_on, known=known, seed=seed)


def rulers_of(
    vectors: npt.ArrayLike,
    poles: Sequence[Pole],
    *,
    trained_on: AbstractSet[str] = frozenset(),
    known: KnownScales | None = None,
    seed: int = 0,
) -> Rulers:
    """The rulers of all questions and values of some poles.

    Args:
        vectors: `(n, D)` float, one row a pole.
        poles: As `univar.corpus.questions.poles.poles()` gives them.
        trained_on: `question_hash` of the questions that the model was trained on: of these, the poles of the train
            part test nothing.
        known: What models like this one saw of poles that they had not met; it takes the place of the test.
        seed: Of the test of the axes.

    Raises:
        ValueError: If there are not as many vectors as poles, a number is not finite, or no question has poles in two
            voices of which the model was not trained on one.
    """
    rows = np.asarray(vectors, dtype=np.float64)
    if not np.isfinite(rows).all():
        raise ValueError(f"vectors of poles hold {(~np.isfinite(rows)).sum():,} numbers that are not finite")
    tested = value_axes(rows, poles, seed=seed)
    met = [pole.split == "train" and question_hash(pole.record.question_key) in trained_on for pole in poles]
    pairs = pairs_of(rows, poles, met)
    judged = judge(pairs, ~pairs.met) if known is None else judge(pairs, pairs.met, known.own_share)
    scales = [scale_of(one, len(pairs.values)) for one in (judged.by_question, judged.by_axis)]
    if known is not None:
        scales = [
            replace(judged_by_others, unit=judged_by_others.unit * own.unit)
            for judged_by_others, own in zip((known.by_question, known.by_axis), scales, strict=True)
        ]
    own, middles = mean(pairs.apart, pairs.question), mean(pairs.middle, pairs.question)
    axes, axis_middles = mean(own, pairs.value_of), mean(middles, pairs.value_of)
    directions = judged.own_share * own + (1 - judged.own_share) * _mean_of_others(own, pairs.value_of)
    return Rulers(
        values=pairs.values,
        questions=pairs.questions,
        value_of=pairs.value_of,
        directions=directions,
        middles=np.einsum("qd,qd->q", middles, directions),
        axes=axes,
        axis_middles=np.einsum("vd,vd->v", axis_middles, axes),
        by_question=scales[0],
        by_axis=scales[1],
        own_share=judged.own_share,
        tested=tested,
    )


def pairs_of(rows: FloatArray, poles: Sequence[Pole], met: Sequence[bool]) -> Pairs:
    """The pairs of some poles.

    Args:
        rows: `(n, D)`, one a pole.
        poles: n of them.
        met: Whether the model was trained on each.
    """
    questions = {name: row for row, name in enumerate(dict.fromkeys(pole.question.question_id for pole in poles))}
    values = {name: row for row, name in enumerate(dict.fromkeys(str(pole.question.value) for pole in poles))}
    value_of = np.zeros(len(questions), dtype=np.intp)
    ends: dict[tuple[int, str], dict[int, int]] = {}
    for row, pole in enumerate(poles):
        question = questions[pole.question.question_id]
        value_of[question] = values[str(pole.question.value)]
        ends.setdefault((question, pole.voice), {})[pole.stance] = row
    whole = {key: of for key, of in ends.items() if len(of) == 2}
    voices = {name: number for number, name in enumerate(sorted({voice for _, voice in whole}))}
    towards, away = (np.array([of[stance] for of in whole.values()], dtype=np.intp) for stance in (1, -1))
    known = np.array(met, dtype=bool)
    return Pairs(
        questions=questions,
        values=tuple(values),
        value_of=value_of,
        question=np.array([question for question, _ in whole], dtype=np.intp),
        voice=np.array([voices[voice] for _, voice in whole], dtype=np.intp),
        apart=rows[towards] - rows[away],
        middle=(rows[towards] + rows[away]) / 2,
        met=known[towards] | known[away],
    )


class Judgement(NamedTuple):
    """Pairs read by rulers that they have no part in."""

    own_share: float
    by_question: Judged
    by_axis: Judged


def judge(pairs: Pairs, wanted: npt.NDArray[np.bool_], own_share: float | None = None) -> Judgement:
    """Reads some pairs by rulers that no pole in their voice has a part in.

    Args:
        pairs: p of them.
        wanted: `(p,)` which are read.
        own_share: Of a ruler, how much is its question's own; by default what reads these best.

    Raises:
        ValueError: If none of them can be read.
    """
    own, along, judged = _left_out(pairs, wanted)
    if not judged.any():
        raise ValueError(
            "no question has poles in two voices, one of them new to the model, by which its ruler could be tested; "
            "give all poles"
        )
    apart, middle = pairs.apart[judged], pairs.middle[judged]
    directions, middles = mean(pairs.apart, pairs.question), mean(pairs.middle, pairs.question)
    if own_share is None:
        others = _mean_of_others(directions, pairs.value_of)
        own_share = _own_share((directions, others), apart, (own.apart, along.apart))
    axes = mean(directions, pairs.value_of)[pairs.value_of]

    def read(rulers: FloatArray, zeros: FloatArray, places: FloatArray) -> Judged:
        halves, centres, moved = (
            np.einsum("pd,pd->p", rows, rulers) for rows in (apart / 2, middle - zeros, middle - own.middle)
        )
        columns = pairs.question[judged], pairs.value[judged], pairs.voice[judged], halves, centres, moved
        return Judged(*columns, places)

    return Judgement(
        own_share,
        read(own_share * own.apart + (1 - own_share) * along.apart, own.middle, np.zeros(len(pairs.value_of))),
        read(along.apart, along.middle, np.einsum("qd,qd->q", middles, axes)),
    )


def _left_out(pairs: Pairs, wanted: npt.NDArray[np.bool_]) -> tuple[_Others, _Others, npt.NDArray[np.bool_]]:
    """For each pair, others in other voices: those to its own question, and those to the value's other questions.

    Returns:
        Both, with a row for each wanted pair that has both, and `(p,)` which these are.
    """
    voices = int(pairs.voice.max()) + 1
    said = pairs.value * voices + pairs.voice
    ones = np.ones((len(said), 1))
    # A voice answers a question once, so what is in its voice is the pair itself or to other questions.
    counts_own = total(ones, pairs.question)[pairs.question] - 1
    counts = (total(ones, pairs.value)[pairs.value] - total(ones, said)[said]) - counts_own
    judged = (counts_own > 0).ravel() & (counts > 0).ravel() & wanted

    def others(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        own = total(rows, pairs.question)[pairs.question] - rows
        rest = total(rows, pairs.value)[pairs.value] - total(rows, said)[said] - own
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


def _mean_of_others(rows: FloatArray, places: IntArray) -> FloatArray:
    """For each row the mean of the others at its place; itself where it is alone."""
    counts = np.bincount(places)[places][:, None] - 1
    return np.where(counts > 0, (total(rows, places)[places] - rows) / np.maximum(counts, 1), rows)
