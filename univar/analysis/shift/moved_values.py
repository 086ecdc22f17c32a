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
from univar.analysis.values.rulers import Rulers
from univar.analysis.values.scales import Scale
from univar.analysis.values.spread import common_spread, estimate

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

OTHERS = 8
"""Other values, or control questions, that are needed to tell what moved at one value from what moved at all."""

_FEWEST_DIRECTIONS = 2.0
"""In which differences vary, fewer than which do not tell how much one of them varies by its length."""

_LEAST = 1e-12
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


class _Noise(NamedTuple):
    """How much the differences at questions vary, each in comparison with all.

    Answers to one question are all but the same again, to another anything may be said. Taken for equal, the few that
    vary most would be found to have moved: of pure changes of style one in six would then be called one of some value
    (`benchmarks/calibration_shift.py`). How long a difference is tells how much it varies along any ruler.
    """

    lengths: FloatArray
    """(n,) squared lengths around the mean of all."""
    common: float
    """The squared length that all have in common."""
    known: float
    """How many directions that is worth to each of them."""
    directions: float
    """In how many directions a difference varies, as if in all of them alike."""

    def variances(self, rows: IntArray, taken_out: FloatArray | float = 0.0) -> FloatArray:
        """`(k,)` the variance of some, of which a part of the squared length may be taken out, in those of all."""
        if not math.isfinite(self.known):
            return np.ones(len(rows))
        own = np.maximum(self.lengths[rows] - taken_out, 0.0)
        return np.asarray((self.known * self.common + self.directions * own) / self.freedom / self.common)

    @property
    def freedom(self) -> float:
        """Degrees of freedom of such a variance."""
        return self.known + self.directions


class Along(NamedTuple):
    """Differences along the rulers of the k questions of one value, of one kind of ruler, in units of its scale."""

    own: FloatArray
    """(k,) those at the questions themselves."""
    own_noise: FloatArray
    """(k,) how much each varies, in comparison with all."""
    others: FloatArray
    """(r, k) those at r other questions, along the ruler of each."""
    others_noise: FloatArray
    """(r,) how much each of these varies."""
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
    rows = apart if control is None else np.concatenate([apart, control])
    controls = np.arange(len(apart), len(rows))
    centred = np.concatenate([part - part.mean(axis=0) for part in np.split(rows, [len(apart)]) if len(part)])
    noise = _noise(centred)
    found, unread = [], {}
    for value in sorted({value for value in values if value is not None}):
        mine = np.array([one == value for one in values])
        own = [row for row, (of, one) in enumerate(zip(mine, asked, strict=True)) if of and one.value == value]
        if not own:
            unread[value] = _STRANGE
            continue
        background = np.flatnonzero(~mine)
        if len({one for one in values if one not in (value, None)}) < OTHERS:
            background = controls
        if len(background) < OTHERS:
            unread[value] = _FEW
            continue
        parts = []
        for kind in _kinds(own, asked, rulers, carrying.get(value, (False, False))):
            along = np.einsum("kd,kd->k", centred[kind.rows], kind.directions)
            length = np.einsum("kd,kd->k", kind.directions, kind.directions)
            # What the value moved by is no noise.
            own_noise = noise.variances(kind.rows, along**2 / np.maximum(length, _LEAST))
            parts.append(_read(rows, kind, background, own_noise, noise.variances(background)))
        shifted = _compared(value, parts, noise.freedom) if parts else None
        if shifted is None:
            unread[value] = NO_RULER if any(asked[row].question in rulers.questions for row in own) else NO_AXIS
        else:
            found.append(shifted)
    return sorted(found, key=lambda one: (one.p, one.value)), unread


class _Kind(NamedTuple):
    """Questions of one value that are read by one kind of ruler."""

    rows: IntArray
    """(k,)"""
    directions: FloatArray
    """(k, d) of their rulers."""
    scale: Scale
    value: int
    """Its number."""


def _kinds(rows: Sequence[int], asked: Sequence[Asked], rulers: Rulers, carries: tuple[bool, bool]) -> Iterator[_Kind]:
    """The questions with rulers, and those along the axis of the value, where these are readable."""
    value = rulers.values.index(str(asked[rows[0]].value))
    with_ruler = [row for row in rows if asked[row].question in rulers.questions]
    without = [row for row in rows if asked[row].question not in rulers.questions]
    if with_ruler and carries[0]:
        numbers = [rulers.questions[str(asked[row].question)] for row in with_ruler]
        yield _Kind(np.array(with_ruler), rulers.directions[numbers], rulers.by_question, value)
    if without and carries[1]:
        axis = np.broadcast_to(rulers.axes[value], (len(without), rulers.axes.shape[1]))
        yield _Kind(np.array(without), axis, rulers.by_axis, value)


def _read(
    apart: FloatArray, kind: _Kind, background: IntArray, own_noise: FloatArray, others_noise: FloatArray
) -> Along:
    scale = kind.scale
    return Along(
        own=np.einsum("kd,kd->k", apart[kind.rows], kind.directions) / scale.unit,
        own_noise=own_noise,
        others=apart[background] @ kind.directions.T / scale.unit,
        others_noise=others_noise,
        half=float(scale.halves[kind.value]),
        half_error=(float(scale.variances[kind.value]), float(scale.freedom[kind.value])),
    )


def _noise(centred: FloatArray) -> _Noise:
    """How much each of n differences `(n, d)` varies, with what the others know of it."""
    lengths = np.einsum("nd,nd->n", centred, centred)
    number, products = len(lengths), (centred @ centred.T) ** 2
    crossed = (float(products.sum()) - float(lengths @ lengths)) / max(number * (number - 1), 1)
    directions = float(lengths.mean()) ** 2 / crossed if crossed > 0 else math.inf
    if not _FEWEST_DIRECTIONS <= directions < math.inf:
        return _Noise(lengths, 1.0, math.inf, directions)
    common, known = common_spread(lengths, np.full(number, directions))
    return _Noise(lengths, common, known if common > 0 else math.inf, directions)


def _compared(value: str, parts: Sequence[Along], freedom: float) -> ValueShift | None:
    """Student's test of two means, one of which may be of a single question; None where the unit is not known.

    The spread of a difference is that of other questions along the same ruler, as much larger or smaller as the
    difference varies, and that of the value's own questions around their mean. Rulers and axis count by how sure they
    are.

    Args:
        value: Which.
        parts: Along what it is read.
        freedom: Degrees of freedom of how much a difference varies.
    """
    spreads = [_spread(part) for part in parts]
    sure = np.array([len(spread) ** 2 / max(float(spread.sum()), _LEAST) for spread in spreads])
    shares = sure / sure.sum()
    half = float(sum(share * part.half for share, part in zip(shares, parts, strict=True)))
    variance = sum(share**2 * part.half_error[0] for share, part in zip(shares, parts, strict=True))
    half_freedom = min(part.half_error[1] for part in parts)
    reach = math.sqrt(variance) * float(student.ppf(0.975, half_freedom)) / half if half > 0 else math.inf
    if not reach < 1:
        return None
    weights = np.concatenate(
        [np.full(len(part.own), share / len(part.own)) for share, part in zip(shares, parts, strict=True)]
    )
    own = np.concatenate([part.own for part in parts])
    others = np.concatenate([part.others for part in parts], axis=1)
    spread = np.concatenate(spreads)
    beside = others @ weights
    around = np.divide(own - others.mean(axis=0), np.sqrt(spread), out=np.zeros(len(own)), where=spread > 0)
    known = len(others) + len(own) - 2
    wider = (len(others) - 1 + float(np.sum((around - around.mean()) ** 2))) / known
    each = wider * weights**2 * spread / half**2
    total = float(each.sum())
    # Of the sum of own variances, each as well known as a length tells it (Satterthwaite), and of the common spread.
    pulled = float(np.sum(each**2)) / freedom / total**2 if total else 0.0
    of_own = (total, 1 / (1 / known + pulled))
    of_others = wider * float(np.var(beside, ddof=1)) / len(others) / half**2
    change, common = float(weights @ own) / half, float(beside.mean()) / half
    moved = estimate(change, [of_own], scale_error=reach)
    further = estimate(change - common, [(total + of_others, of_own[1])], scale_error=reach)
    return ValueShift(value, change, moved.interval, change - common, further.interval, further.p, further.p, len(own))


def _spread(part: Along) -> FloatArray:
    """`(k,)` the variance of the value's own differences, by how far those of others spread along the same rulers."""
    off = (part.others - part.others.mean(axis=0)) ** 2 / part.others_noise[:, None]
    return np.asarray(part.own_noise * off.sum(axis=0) / (len(part.others) - 1))
