"""Which values moved between their written poles, in which direction and how far."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import t

from univar.analysis.axes import value_axes
from univar.analysis.statistics import Interval
from univar.analysis.unbiased import squared_lengths
from univar.corpus.questions.poles import Pole, poles
from univar.model.embedded import EmbeddedCorpus

FloatArray = npt.NDArray[np.float64]

OTHERS = 8
"""Other values, or control questions, that are needed to tell what moved at one value from what moved at all."""


@dataclass(frozen=True, slots=True)
class ValueShift:
    """How the answers about one value moved between its poles.

    Attributes:
        value: Its id.
        change: By how much of a stance further than the answers to other questions did, which is what all have in
            common, as a change of style has. The pole against lies at -1, the pole for at 1.
        interval: 95 %, by the spread of the other questions.
        p: Two-sided, of the value having moved as the others did.
        adjusted: The same after Holm's correction over all values of all shifts that were asked about.
        questions: Of the value.
    """

    value: str
    change: float
    interval: Interval
    p: float
    adjusted: float
    questions: int

    @property
    def direction(self) -> str:
        """Towards which pole, `for` or `against`."""
        return "for" if self.change > 0 else "against"


class Axis(NamedTuple):
    """From the pole against a value to the pole for it."""

    direction: FloatArray
    """(d,) the mean difference of the poles."""
    squared: float
    """Its squared length, unbiased: from one pole to the other are two units of stance."""


def axes_of(embedded: EmbeddedCorpus) -> dict[str, Axis]:
    """The axes of values that hold on questions and voices they were not made of, by the ids of the values.

    Args:
        embedded: Poles that ship, all or those of some values, in any order, with their vectors.

    Raises:
        ValueError: If a QA is no pole that ships, or there are poles of fewer than two values.
    """
    written = {_key_of(pole): pole for pole in poles()}
    try:
        known = [written[record.question_id, record.model, record.stance or 0.0] for record in embedded.records]
    except KeyError as error:
        raise ValueError(
            f"{error.args[0]} is no pole that ships; embed the records of univar.corpus.questions.poles.poles()"
        ) from None
    vectors = embedded.embeddings.astype(np.float64)
    holding = {axis.value for axis in value_axes(vectors, known).axes if axis.holds}
    ends: dict[str, dict[str, dict[int, list[int]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for row, pole in enumerate(known):
        if str(pole.question.value) in holding:
            ends[str(pole.question.value)][pole.question.question_id][pole.stance].append(row)
    found = {value: _axis(vectors, questions) for value, questions in ends.items()}
    return {value: axis for value, axis in found.items() if axis.squared > 0}


def _key_of(pole: Pole) -> tuple[str, str, float]:
    return pole.question.question_id, pole.voice, float(pole.stance)


def _axis(vectors: FloatArray, questions: Mapping[str, Mapping[int, Sequence[int]]]) -> Axis:
    both = [of for of in questions.values() if of[1] and of[-1]]
    apart = np.array([vectors[of[1]].mean(axis=0) - vectors[of[-1]].mean(axis=0) for of in both])
    return Axis(apart.mean(axis=0), float(squared_lengths(apart, np.ones((1, len(apart))))[0]))


def value_shifts(
    apart: FloatArray,
    values: Sequence[str | None],
    axes: Mapping[str, Axis],
    control: FloatArray | None = None,
) -> tuple[list[ValueShift], dict[str, str]]:
    """How far each value moved between its poles, beyond what the answers to other questions moved along its axis.

    The two are compared as in Student's test, for a value has few questions and all others have many: even of one
    question it can be told whether it moved further than chance moves those. A value that has no axis is not read, nor
    one of fewer than `OTHERS` others where there are as few control questions.

    Args:
        apart: `(q, d)` the mean of the answers after less that before, a row a question.
        values: `(q,)` the value of each question; None where there is none.
        axes: Of the values that can be read.
        control: `(r, d)` the same at control questions, which stand in where other values are too few.

    Returns:
        The values that could be read, the surest first, p not yet corrected, and why the others could not.
    """
    found, unread = [], {}
    for value in sorted({value for value in values if value is not None}):
        if value not in axes:
            unread[value] = (
                "no poles are written for it, or they are not told apart on questions and voices that their axis was "
                "not made of"
            )
            continue
        mine = np.array([one == value for one in values])
        background = apart[~mine]
        if len({one for one in values if one not in (value, None)}) < OTHERS:
            background = np.empty((0, apart.shape[1])) if control is None else control
        if len(background) < OTHERS:
            unread[value] = f"it has fewer than {OTHERS} other values beside it, and there are as few control questions"
            continue
        found.append(_compared(value, apart[mine], background, axes[value]))
    return sorted(found, key=lambda one: (one.p, one.value)), unread


def _compared(value: str, mine: FloatArray, others: FloatArray, axis: Axis) -> ValueShift:
    """Student's test of two means, one of which may be of a single question."""
    along, beside = (2 * rows @ axis.direction / axis.squared for rows in (mine, others))
    change = float(along.mean() - beside.mean())
    freedom = len(along) + len(beside) - 2
    squares = float(np.sum((along - along.mean()) ** 2) + np.sum((beside - beside.mean()) ** 2))
    error = float(np.sqrt(squares / freedom * (1 / len(along) + 1 / len(beside))))
    reach = float(t.ppf(0.975, freedom)) * error
    p = float(2 * t.sf(abs(change) / error, freedom)) if error else float(change == 0)
    return ValueShift(value, change, Interval(change - reach, change + reach), p, p, len(along))


def holm(p: Sequence[float]) -> list[float]:
    """Of many tests each p, as large as its place among them asks for that none of them be wrong.

    Source: Holm, A simple sequentially rejective multiple test procedure (1979).

    Example:
        >>> holm([0.25, 0.0625, 0.5])
        [0.5, 0.1875, 0.5]
    """
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(np.asarray(p, dtype=np.float64)[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(raised, 1.0)
    return [float(one) for one in adjusted]
