"""Which values moved, in which direction and how far: on the scale of `univar.values`.

The change of a value is what `univar.values` reads after less what it reads before, of the questions that both sets
share: by the same rulers, in the same units, and of the same values only that are readable. A change of style moves
readings as well, as a rule those of all values; so a value is said to have moved only where its answers moved further
along its rulers than the answers to all other questions did. What a style does to the answers about one value and to
no others cannot be told from what the LLM stands for.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from univar.analysis.statistics import Interval
from univar.analysis.values.profile import NO_AXIS, NO_RULER, SURE
from univar.analysis.values.questions import Asked
from univar.analysis.values.rulers import Rulers, Scale
from univar.analysis.values.spread import estimate

FloatArray = npt.NDArray[np.float64]

OTHERS = 8
"""Other values, or control questions, that are needed to tell what moved at one value from what moved at all."""

_FEW = f"it has fewer than {OTHERS} other values beside it, and there are as few control questions"
_STRANGE = "they are none of the reference values"


@dataclass(frozen=True, slots=True)
class ValueShift:
    """How the stance on one value changed.

    Attributes:
        value: Its id.
        change: What `univar.values` reads after less what it reads before: 2 is the way from the pole against to the
            pole for.
        interval: 95 %, by how far answers to other questions move along the same rulers, and of the unit.
        beyond: By how much that is more than the answers to other questions moved along its rulers, which is what all
            have in common, as a change of style has.
        beyond_interval: 95 % of that.
        p: Two-sided, of the value having moved as the others did.
        adjusted: The same after Holm's correction over all values of all shifts that were asked about.
        questions: Of the value.
    """

    value: str
    change: float
    interval: Interval
    beyond: float
    beyond_interval: Interval
    p: float
    adjusted: float
    questions: int

    @property
    def direction(self) -> str:
        """Towards which pole, `for` or `against`."""
        return "for" if self.change > 0 else "against"

    @property
    def moved(self) -> bool:
        """Whether it moved, and further than the others did, by Holm's rule."""
        return self.adjusted < SURE and self.change * self.beyond > 0


class Along(NamedTuple):
    """Differences along the rulers of the k questions of one value, of one kind of ruler, in units of its scale."""

    own: FloatArray
    """(k,) those at the questions themselves."""
    others: FloatArray
    """(r, k) those at r other questions, along the ruler of each."""
    half: float
    """That of the value: what a reading is divided by."""
    half_error: tuple[float, float]
    """The variance by which that may be off, and its degrees of freedom."""


def value_shifts(
    apart: FloatArray,
    values: Sequence[str | None],
    asked: Sequence[Asked],
    rulers: Rulers,
    control: FloatArray | None = None,
) -> tuple[list[ValueShift], dict[str, str]]:
    """How each value moved, and whether beyond what the answers to other questions moved along its rulers.

    The two are compared as in Student's test, for a value has few questions and all others have many: even of one
    question it can be told whether it moved further than chance moves those. Values are read that `univar.values`
    reads; one of fewer than `OTHERS` others is not where there are as few control questions.

    Args:
        apart: `(q, d)` the mean of the answers after less that before, a row a question.
        values: `(q,)` the value of each question, by its id or as its record names it; None where there is none.
        asked: `(q,)` what each question is.
        rulers: Of the model that embedded the answers.
        control: `(r, d)` differences at control questions, which stand in where other values are too few.

    Returns:
        The values that could be read, the surest first, p not yet corrected, and why the others could not.
    """
    carrying = dict(
        zip(rulers.values, zip(*rulers.carry([[value] for value in rulers.values]), strict=True), strict=True)
    )
    found, unread = [], {}
    for value in sorted({value for value in values if value is not None}):
        mine = np.array([one == value for one in values])
        rows = [row for row in np.flatnonzero(mine) if asked[row].value == value]
        if not rows:
            unread[value] = _STRANGE
            continue
        background = apart[~mine]
        if len({one for one in values if one not in (value, None)}) < OTHERS:
            background = np.empty((0, apart.shape[1])) if control is None else control
        if len(background) < OTHERS:
            unread[value] = _FEW
            continue
        parts = list(_along(apart, rows, background, asked, rulers, carrying.get(value, (False, False))))
        shifted = _compared(value, parts) if parts else None
        if shifted is None:
            unread[value] = NO_RULER if any(asked[row].question in rulers.questions for row in rows) else NO_AXIS
        else:
            found.append(shifted)
    return sorted(found, key=lambda one: (one.p, one.value)), unread


def _along(
    apart: FloatArray,
    rows: Sequence[int],
    background: FloatArray,
    asked: Sequence[Asked],
    rulers: Rulers,
    carries: tuple[bool, bool],
) -> Iterator[Along]:
    """The differences along rulers of questions, and along the axis of the value, where these are readable."""
    value = rulers.values.index(str(asked[rows[0]].value))
    with_ruler = [row for row in rows if asked[row].question in rulers.questions]
    without = [row for row in rows if asked[row].question not in rulers.questions]
    if with_ruler and carries[0]:
        numbers = [rulers.questions[str(asked[row].question)] for row in with_ruler]
        yield _read(apart[with_ruler], background, rulers.directions[numbers], rulers.by_question, value)
    if without and carries[1]:
        axis = np.broadcast_to(rulers.axes[value], (len(without), rulers.axes.shape[1]))
        yield _read(apart[without], background, axis, rulers.by_axis, value)


def _read(own: FloatArray, others: FloatArray, directions: FloatArray, scale: Scale, value: int) -> Along:
    return Along(
        own=np.einsum("kd,kd->k", own, directions) / scale.unit,
        others=others @ directions.T / scale.unit,
        half=float(scale.halves[value]),
        half_error=(float(scale.variances[value]), float(scale.freedom[value])),
    )


def _compared(value: str, parts: Sequence[Along]) -> ValueShift | None:
    """Student's test of two means, one of which may be of a single question; None where the unit is not known.

    The spread of a difference is that of other questions along the same ruler, and of the value's own questions around
    their mean. Rulers and axis count by how sure they are.
    """
    spreads = [np.var(part.others, axis=0, ddof=1) for part in parts]
    sure = np.array([len(spread) ** 2 / max(float(spread.sum()), 1e-12) for spread in spreads])
    shares = sure / sure.sum()
    half = float(sum(share * part.half for share, part in zip(shares, parts, strict=True)))
    variance = sum(share**2 * part.half_error[0] for share, part in zip(shares, parts, strict=True))
    freedom = min(part.half_error[1] for part in parts)
    reach = math.sqrt(variance) * float(student.ppf(0.975, freedom)) / half if half > 0 else math.inf
    if not reach < 1:
        return None
    weights = np.concatenate(
        [np.full(len(part.own), share / len(part.own)) for share, part in zip(shares, parts, strict=True)]
    )
    own, others, spread = (
        np.concatenate([part.own for part in parts]),
        np.concatenate([part.others for part in parts], axis=1),
        np.concatenate(spreads),
    )
    beside = others @ weights
    around = np.divide(own - others.mean(axis=0), np.sqrt(spread), out=np.zeros(len(own)), where=spread > 0)
    known = len(others) + len(own) - 2
    wider = (len(others) - 1 + float(np.sum((around - around.mean()) ** 2))) / known
    of_own, of_others = (
        wider * float(one) / half**2 for one in (weights**2 @ spread, np.var(beside, ddof=1) / len(others))
    )
    change, common = float(weights @ own) / half, float(beside.mean()) / half
    moved = estimate(change, [(of_own, known)], scale_error=reach)
    further = estimate(change - common, [(of_own + of_others, known)], scale_error=reach)
    return ValueShift(value, change, moved.interval, change - common, further.interval, further.p, further.p, len(own))
