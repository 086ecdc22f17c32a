"""From answers and rulers to what one identity stands for: readings of values, of families, of Schwartz's ten."""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import t as student

from univar.analysis.names import shortened
from univar.analysis.statistics import Interval, holm
from univar.analysis.values.questions import Asked
from univar.analysis.values.rulers import Rulers
from univar.analysis.values.scales import FloatArray, IntArray, Scale
from univar.analysis.values.spread import estimate, steadied
from univar.corpus.questions.taxonomy import reference_taxonomy
from univar.corpus.records import Identity, QARecord

Level = Literal["value", "family", "schwartz"]

LEVELS: tuple[Level, ...] = ("value", "family", "schwartz")

SURE = 0.05
"""A reading differs from none if its p, raised by Holm's rule over the readings of its level, is below this."""

MOST_TELLING = 3
"""Answers kept on either side of a reading."""

NO_RULER = "its poles are not told apart in voices that no ruler was made of"
NO_AXIS = "none of its questions has poles, and its axis does not carry to others"
"""Why a value is not read."""

_LONGEST_ANSWER, _LONGEST_QUESTION = 400, 200
_ALONE = "one question, and nothing to say how far another would lie from it"

_BY_QUESTION, _BY_AXIS = 0, 1
_LEAST = 1e-12
_HOW = ("poles", "axis")
_TEN = "schwartz: "


@dataclass(frozen=True, slots=True)
class Telling:
    """An answer that speaks for or against a value.

    Attributes:
        question: As it was asked; a long one is cut.
        answer: As it was given; a long one is cut.
        stance: Where between its poles it was read.
    """

    question: str
    answer: str
    stance: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What one identity stands for.

    Attributes:
        name: Id of the value or family, or the name of one of Schwartz's ten.
        title: As people would say it.
        stance: 1 is where people are read who hold it dear, -1 people who do not; None if it is not readable. Of a
            family each value counts by how far its poles lie apart.
        interval: 95 %.
        p: How likely a stance as far from 0 is where there is none.
        p_holm: The same, raised for how many readings there are at this level.
        n: Answers that were read, or of what is not readable those that there are.
        questions: That were read.
        values: That they are about: 1 of a value, and of a family how many of its own.
        how: `poles`, `axis`, `poles and axis`; empty if it is not readable.
        why: Why it is not readable; empty if it is.
        telling: The answers that speak most for it, the strongest first, then those that speak most against it.
    """

    name: str
    title: str
    stance: float | None
    interval: Interval | None
    p: float | None
    p_holm: float | None
    n: int
    questions: int
    values: int
    how: str
    why: str
    telling: tuple[Telling, ...]

    @property
    def differs(self) -> bool:
        """Whether it differs from no stance, by Holm's rule."""
        return self.p_holm is not None and self.p_holm < SURE


@dataclass(frozen=True, slots=True)
class Profile:
    """All readings of one identity.

    Attributes:
        identity: Who answered.
        readings: By level, in the order of the taxonomy; those without any answer are left out.
        read: By level, how many answers were read, and to how many questions.
    """

    identity: Identity
    readings: Mapping[Level, tuple[Reading, ...]]
    read: Mapping[Level, tuple[int, int]]

    def readable(self, level: Level = "value") -> list[Reading]:
        """Those with a stance, the strongest for first."""
        found = [one for one in self.readings[level] if one.stance is not None]
        return sorted(found, key=lambda one: (-(one.stance or 0.0), one.name))


class Placed(NamedTuple):
    """Answers as numbers; n of them."""

    value: IntArray
    """(n,) the number of its value; -1 where it is none of the rulers'."""
    kind: IntArray
    """(n,) by the ruler of its question (0), or by the axis of its value (1); -1 where there is neither."""
    stance: FloatArray
    """(n,) where between poles it lies, in units of half the way between them on average; NaN where there are none."""

    def take(self, rows: Sequence[int] | IntArray) -> "Placed":
        """Some of the answers."""
        return Placed(self.value[rows], self.kind[rows], self.stance[rows])


class _Part(NamedTuple):
    """What the answers of one identity to some questions of one value say; all in units."""

    number: float
    """The mean of the questions."""
    half: float
    """What it is to be divided by: that of a pole for."""
    half_error: tuple[float, float]
    """The variance by which that may be off, and its degrees of freedom."""
    errors: tuple[tuple[float, float], ...]
    """Of each source of error of the number its variance and its degrees of freedom."""
    manner: tuple[float, float]
    """Standard deviation that a voice adds, and what of it all values share."""
    kinds: frozenset[int]


class _Asked(NamedTuple):
    """What one identity was asked about one value."""

    rows: Mapping[int, list[int]]
    """Its answers by kind."""
    parts: Mapping[int, _Part]
    """What they say, by kind, where another question's distance can be told."""


def placed(vectors: FloatArray, asked: Sequence[Asked], rulers: Rulers) -> Placed:
    """Where answers `(n, D)` lie between their poles, or along the axes of their values."""
    numbers = {name: number for number, name in enumerate(rulers.values)}
    value = np.array([numbers.get(one.value or "", -1) for one in asked], dtype=np.intp)
    question = np.array([rulers.questions.get(one.question or "", -1) for one in asked], dtype=np.intp)
    kind = np.where(value < 0, -1, np.where(question >= 0, _BY_QUESTION, _BY_AXIS))
    stance = np.full(len(value), np.nan)
    own, along = kind == _BY_QUESTION, kind == _BY_AXIS
    stance[own] = rulers.read_by_question(vectors[own], question[own])
    stance[along] = rulers.read_by_axis(vectors[along], value[along])
    return Placed(value, kind, stance)


def profile_of(
    identity: Identity,
    records: Sequence[QARecord],
    found: Placed,
    rulers: Rulers,
    only: Collection[str] | None = None,
) -> Profile:
    """The readings of one identity: of the values that it was asked about, and of what they belong to.

    Args:
        identity: Whose answers these are.
        records: n answers.
        found: Where they lie.
        rulers: By which they were read.
        only: Ids of the values that are told and tested, by default all; all tell how far answers lie apart.
    """
    every = _asked(records, found, rulers)
    asked = {value: one for value, one in every.items() if only is None or value in only}
    readings: dict[Level, tuple[Reading, ...]] = {}
    read: dict[Level, tuple[int, int]] = {}
    for level in LEVELS:
        groups = members(level)
        carrying = zip(*rulers.carry([values for _, _, values in groups]), strict=True)
        told, used = [], set[int]()
        for (name, title, values), carries in zip(groups, carrying, strict=True):
            if within := {value: asked[value] for value in values if value in asked}:
                kinds = [kind for kind in (_BY_QUESTION, _BY_AXIS) if carries[kind]]
                one, rows = _reading(name, title, within, kinds, records, found, rulers.by_question.voices)
                told.append(one)
                used.update(rows)
        readings[level] = _corrected(told)
        read[level] = len(used), len({records[row].question_key for row in used})
    return Profile(identity, readings, read)


def members(level: Level) -> list[tuple[str, str, list[str]]]:
    """The name, the title and the values of each family, or of each of Schwartz's ten."""
    taxonomy = reference_taxonomy()
    if level == "value":
        return [(value.id, value.name, [value.id]) for value in taxonomy.values]
    if level == "family":
        return [
            (family.id, family.name, [value.id for value in taxonomy.values if family.id in value.families])
            for family in taxonomy.families
        ]
    ten: dict[str, list[str]] = defaultdict(list)
    for value in taxonomy.values:
        for source in value.sources:
            if source.startswith(_TEN):
                ten[source.removeprefix(_TEN)].append(value.id)
    return [(name, name, values) for name, values in ten.items()]


def _asked(records: Sequence[QARecord], found: Placed, rulers: Rulers) -> dict[str, _Asked]:
    """What one identity was asked about each value, in the order of the taxonomy."""
    rows: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, (number, kind) in enumerate(zip(found.value, found.kind, strict=True)):
        if number >= 0:
            rows[rulers.values[number]][int(kind)].append(row)
    parts: dict[str, dict[int, _Part]] = defaultdict(dict)
    for kind, scale in ((_BY_QUESTION, rulers.by_question), (_BY_AXIS, rulers.by_axis)):
        # Answers to one question are one: what is drawn anew is the question.
        of = {value: _by_question(own[kind], records, found.stance) for value, own in rows.items() if kind in own}
        spread = steadied(list(of.values()))
        for (value, numbers), variance, freedom in zip(of.items(), *spread, strict=True):
            part = _part(numbers, (float(variance), float(freedom)), scale, rulers.values.index(value), kind)
            if math.isfinite(part.half) and math.isfinite(variance):
                parts[value][kind] = part
    return {value: _Asked(rows[value], parts[value]) for value, _, _ in members("value") if value in rows}


def _by_question(rows: Sequence[int], records: Sequence[QARecord], stances: FloatArray) -> FloatArray:
    """The mean stance of the answers to each question."""
    of: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        of[records[row].question_key].append(stances[row])
    return np.array([np.mean(numbers) for numbers in of.values()])


def _part(numbers: FloatArray, spread: tuple[float, float], scale: Scale, value: int, kind: int) -> _Part:
    freedom = float(scale.freedom[value])
    errors = ((spread[0] / len(numbers), spread[1]), (float(scale.zeros[value]), freedom))
    return _Part(
        number=float(numbers.mean()),
        half=float(scale.halves[value]),
        half_error=(float(scale.variances[value]), freedom),
        errors=tuple(error for error in errors if error[0]),
        manner=(math.sqrt(scale.manner), math.sqrt(scale.manner_shared)),
        kinds=frozenset([kind]),
    )


def _together(parts: Sequence[_Part]) -> _Part:
    """What the rulers of questions and the axis of one value say, each counting by how sure it is."""
    if len(parts) == 1:
        return parts[0]
    sure = [1 / max(sum(variance for variance, _ in part.errors), _LEAST) for part in parts]
    pairs = [(weight / sum(sure), part) for weight, part in zip(sure, parts, strict=True)]
    return _Part(
        number=sum(share * part.number for share, part in pairs),
        half=sum(share * part.half for share, part in pairs),
        half_error=_sum([(share**2 * part.half_error[0], part.half_error[1]) for share, part in pairs]),
        errors=tuple((share**2 * variance, freedom) for share, part in pairs for variance, freedom in part.errors),
        # A voice that moves one of them may well move the other alike.
        manner=(
            sum(share * part.manner[0] for share, part in pairs),
            sum(share * part.manner[1] for share, part in pairs),
        ),
        kinds=frozenset(kind for part in parts for kind in part.kinds),
    )


def _reading(
    name: str,
    title: str,
    within: Mapping[str, _Asked],
    kinds: Sequence[int],
    records: Sequence[QARecord],
    found: Placed,
    voices: int,
) -> tuple[Reading, list[int]]:
    """The reading of one value or of several together, and the answers that it is of.

    It is a quotient of two sums over values: of where the answers lie, and of where the poles for do. So a value counts
    by how far its poles lie apart.
    """
    parts = {
        value: _together(of)
        for value, one in within.items()
        if (of := [one.parts[kind] for kind in kinds if kind in one.parts])
    }
    half = sum(part.half for part in parts.values())
    variance, freedom = _sum([part.half_error for part in parts.values()])
    reach = math.sqrt(variance) * float(student.ppf(0.975, freedom)) / half if half > 0 else math.inf
    if not reach < 1:
        return _unreadable(name, title, within, _why(within, kinds, parts)), []
    errors = [(variance / half**2, of) for part in parts.values() for variance, of in part.errors]
    own, shared = (np.array([part.manner[place] for part in parts.values()]) for place in (0, 1))
    errors.append((float(shared.sum() ** 2 + (own**2 - shared**2).sum()) / half**2, voices - 1.0))
    one = estimate(sum(part.number for part in parts.values()) / half, errors, scale_error=reach)
    rows = [row for value, part in parts.items() for kind in sorted(part.kinds) for row in within[value].rows[kind]]
    reading = Reading(
        name=name,
        title=title,
        stance=one.number,
        interval=one.interval,
        p=one.p,
        p_holm=None,
        n=len(rows),
        questions=len({records[row].question_key for row in rows}),
        values=len(parts),
        how=" and ".join(_HOW[kind] for kind in sorted({kind for part in parts.values() for kind in part.kinds})),
        why="",
        telling=_telling(rows, records, found, len(parts) / half),
    )
    return reading, rows


def _sum(errors: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The variance of a sum of independent numbers and its degrees of freedom, as Satterthwaite has them."""
    variance = sum(one for one, _ in errors)
    pulled = sum(one**2 / freedom for one, freedom in errors if one)
    return variance, variance**2 / pulled if pulled else math.inf


def _why(within: Mapping[str, _Asked], kinds: Sequence[int], parts: Mapping[str, _Part]) -> str:
    if kinds and not parts:
        return _ALONE
    return NO_RULER if any(_BY_QUESTION in one.rows for one in within.values()) else NO_AXIS


def _unreadable(name: str, title: str, within: Mapping[str, _Asked], why: str) -> Reading:
    n = sum(len(rows) for one in within.values() for rows in one.rows.values())
    return Reading(name, title, None, None, None, None, n, 0, len(within), "", f"not readable: {why}", ())


def _corrected(readings: Sequence[Reading]) -> tuple[Reading, ...]:
    """The readings of one level with Holm's p."""
    raised = iter(holm([one.p for one in readings if one.p is not None]))
    return tuple(one if one.p is None else replace(one, p_holm=next(raised)) for one in readings)


def _telling(rows: Sequence[int], records: Sequence[QARecord], found: Placed, scale: float) -> tuple[Telling, ...]:
    """The three answers that speak most for, the strongest first, then the three that speak most against."""
    ordered = sorted(rows, key=lambda row: -found.stance[row])
    towards = [row for row in ordered[:MOST_TELLING] if found.stance[row] > 0]
    against = [row for row in reversed(ordered[-MOST_TELLING:]) if found.stance[row] < 0]
    return tuple(
        Telling(
            shortened(" ".join(records[row].question.split()), _LONGEST_QUESTION),
            shortened(" ".join(records[row].answer.split()), _LONGEST_ANSWER),
            float(found.stance[row]) * scale,
        )
        for row in (*towards, *against)
    )
