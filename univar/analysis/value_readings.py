"""From answers and rulers to what one identity stands for: readings of values, of families, of Schwartz's ten."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import t as student

from univar.analysis.names import shortened
from univar.analysis.rulers import FloatArray, IntArray, Rulers, Scale
from univar.analysis.spread import Estimate, estimate, holm, steadied
from univar.analysis.statistics import Interval
from univar.analysis.value_questions import Asked
from univar.corpus.questions.taxonomy import reference_taxonomy
from univar.corpus.records import Identity, QARecord

Level = Literal["value", "family", "schwartz"]

LEVELS: tuple[Level, ...] = ("value", "family", "schwartz")

SURE = 0.05
"""A reading differs from none if its p, raised by Holm's rule over the readings of its level, is below this."""

MOST_TELLING = 3
"""Answers kept on either side of a reading."""

_LONGEST_ANSWER, _LONGEST_QUESTION = 400, 200
_NEITHER = "not readable: neither its poles nor other questions are told apart in voices that they are not made of"
_ALONE = "not readable: one question, and nothing to say how far another would lie from it"
_NONE_OF_THEM = "not readable: none of its values is"

_BY_QUESTION, _BY_AXIS = 0, 1
_HOW = ("poles", "axis")
_TEN = "schwartz: "


@dataclass(frozen=True, slots=True)
class Telling:
    """An answer that speaks for or against a value.

    Attributes:
        value: Which.
        question: As it was asked; a long one is cut.
        answer: As it was given; a long one is cut.
        stance: Where between its poles it was read.
    """

    value: str
    question: str
    answer: str
    stance: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What one identity stands for.

    Attributes:
        name: Id of the value or family, or the name of one of Schwartz's ten.
        title: As people would say it.
        stance: 1 is where people are read who hold it dear, -1 people who do not; None if it is not readable.
        interval: 95 %.
        p: How likely a stance as far from 0 is where there is none.
        p_holm: The same, raised for how many readings there are at this level.
        n: Answers that were read.
        questions: That they answer.
        values: That were read: 1 of a value, and of a family how many of its own.
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
        n: Answers that were read.
        questions: That they answer.
        readings: By level, in the order of the taxonomy; those without any answer are left out.
    """

    identity: Identity
    n: int
    questions: int
    readings: Mapping[Level, tuple[Reading, ...]]

    def readable(self, level: Level = "value") -> list[Reading]:
        """Those with a stance, the strongest for first."""
        found = [one for one in self.readings[level] if one.stance is not None]
        return sorted(found, key=lambda one: (-(one.stance or 0.0), one.name))


class Placed(NamedTuple):
    """Answers as numbers; n of them."""

    value: IntArray
    """(n,) the number of its value; -1 where it is none of the rulers'."""
    kind: IntArray
    """(n,) by the ruler of its question, or by the axis of its value; -1 where neither reads."""
    stance: FloatArray
    """(n,) where between the poles it lies; NaN where nothing reads it."""


class _Mean(NamedTuple):
    """The stance of one identity on one value, and what it may be off by."""

    stance: float
    parts: tuple[tuple[float, float], ...]
    """Of each source of error its variance and its degrees of freedom."""
    unit: tuple[float, float, float]
    """Standard error of the unit, as a share of it, its degrees of freedom, and half its 95 % interval."""
    manner: tuple[float, float, float]
    """Variance that a voice adds, what of it all values share, and degrees of freedom."""
    how: str


class _Answered(NamedTuple):
    """Which answers are about which value, and how many there are."""

    rows: Mapping[str, list[int]]
    """By value, in the order of the taxonomy."""
    counts: Mapping[str, tuple[int, int]]
    """By value, of those that were read: answers, and questions that they answer."""


def placed(vectors: FloatArray, asked: Sequence[Asked], rulers: Rulers) -> Placed:
    """Where answers `(n, D)` lie between their poles, or along the axes of their values."""
    numbers = {name: number for number, name in enumerate(rulers.values)}
    value = np.array([numbers.get(one.value or "", -1) for one in asked], dtype=np.intp)
    question = np.array([rulers.questions.get(one.question or "", -1) for one in asked], dtype=np.intp)
    kind = np.full(len(value), -1, dtype=np.intp)
    known = value >= 0
    kind[known & rulers.readable_by_axis()[value]] = _BY_AXIS
    kind[known & (question >= 0) & rulers.readable_by_question()[value]] = _BY_QUESTION
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
    answered = _answered(records, found, rulers)
    wanted = [value for value in answered.rows if only is None or value in only]
    every = _means(answered.rows, records, found, rulers)
    means = {value: every[value] for value in wanted if value in every}
    single = [_of_value(value, means.get(value), answered, records, found) for value in wanted]
    readings: dict[Level, tuple[Reading, ...]] = {"value": _corrected(single)}
    for level in LEVELS[1:]:
        groups = [_of_group(name, title, values, means, single) for name, title, values in members(level)]
        readings[level] = _corrected([group for group in groups if group is not None])
    counts = [answered.counts[value] for value in means]
    return Profile(identity, sum(n for n, _ in counts), sum(questions for _, questions in counts), readings)


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


def _answered(records: Sequence[QARecord], found: Placed, rulers: Rulers) -> _Answered:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, number in enumerate(found.value):
        if number >= 0:
            rows[rulers.values[number]].append(row)
    ordered = {value: rows[value] for value, _, _ in members("value") if value in rows}
    read = {value: [row for row in of if found.kind[row] >= 0] for value, of in ordered.items()}
    counts = {value: (len(of), len({records[row].question_key for row in of})) for value, of in read.items()}
    return _Answered(ordered, counts)


def _means(
    rows: Mapping[str, list[int]], records: Sequence[QARecord], found: Placed, rulers: Rulers
) -> dict[str, _Mean]:
    """The stance on each value of which there is one with an interval."""
    by_kind: dict[str, list[_Mean]] = defaultdict(list)
    for kind in (_BY_QUESTION, _BY_AXIS):
        # Answers to one question are one: what is drawn anew is the question.
        of = {
            value: _by_question([row for row in own if found.kind[row] == kind], records, found.stance)
            for value, own in rows.items()
        }
        of = {value: numbers for value, numbers in of.items() if len(numbers)}
        spread = steadied(list(of.values()))
        scale = (rulers.by_question, rulers.by_axis)[kind]
        for (value, numbers), variance, freedom in zip(of.items(), *spread, strict=True):
            if math.isfinite(variance):
                by_kind[value].append(_mean(numbers, variance, freedom, scale, rulers.values.index(value), kind))
    return {value: _together(by_kind[value]) for value in rows if value in by_kind}


def _by_question(rows: Sequence[int], records: Sequence[QARecord], stances: FloatArray) -> FloatArray:
    """The mean stance of the answers to each question."""
    of: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        of[records[row].question_key].append(stances[row])
    return np.array([np.mean(numbers) for numbers in of.values()])


def _mean(numbers: FloatArray, variance: float, freedom: float, scale: Scale, value: int, kind: int) -> _Mean:
    sampled = (variance / len(numbers), freedom)
    error, freedom_of_unit = float(scale.errors[value]), float(scale.freedom[value])
    middle = (float(scale.zeros[value]), freedom_of_unit)
    return _Mean(
        stance=float(numbers.mean()),
        parts=(sampled, middle) if middle[0] else (sampled,),
        unit=(error, freedom_of_unit, error * float(student.ppf(0.975, freedom_of_unit))),
        manner=(scale.manner, scale.manner_shared, float(scale.voices - 1)),
        how=_HOW[kind],
    )


def _together(means: Sequence[_Mean]) -> _Mean:
    """What the rulers of questions and the axis of the value say, each counting by how sure it is."""
    if len(means) == 1:
        return means[0]
    sure = np.array([1 / max(sum(variance for variance, _ in mean.parts), 1e-12) for mean in means])
    shares = sure / sure.sum()
    pairs = list(zip(shares, means, strict=True))
    return _Mean(
        stance=float(sum(share * mean.stance for share, mean in pairs)),
        parts=tuple((share**2 * variance, freedom) for share, mean in pairs for variance, freedom in mean.parts),
        unit=(
            math.hypot(*(share * mean.unit[0] for share, mean in pairs)),
            min(mean.unit[1] for mean in means),
            math.hypot(*(share * mean.unit[2] for share, mean in pairs)),
        ),
        # A voice that moves one of them may well move the other alike.
        manner=(
            sum(share * math.sqrt(mean.manner[0]) for share, mean in pairs) ** 2,
            sum(share * math.sqrt(mean.manner[1]) for share, mean in pairs) ** 2,
            means[0].manner[2],
        ),
        how=" and ".join(mean.how for mean in means),
    )


def _of_value(
    value: str, mean: _Mean | None, answered: _Answered, records: Sequence[QARecord], found: Placed
) -> Reading:
    n, questions = answered.counts[value]
    title = reference_taxonomy().value(value).name
    if mean is None:
        return _unreadable(value, title, n, questions, _ALONE if n else _NEITHER)
    manner, _, freedom = mean.manner
    one = estimate(mean.stance, [*mean.parts, (manner, freedom)], scale_error=mean.unit[2])
    telling = _telling(value, answered.rows[value], records, found.stance)
    return _readable(value, title, one, (n, questions, 1), mean.how, telling)


def _of_group(
    name: str, title: str, values: Sequence[str], means: Mapping[str, _Mean], single: Sequence[Reading]
) -> Reading | None:
    """The mean of its values that can be read, each counting the same; None if none was asked about."""
    asked = [one for one in single if one.name in values]
    within = [one for one in asked if one.name in means]
    if not within:
        return _unreadable(name, title, 0, 0, _NONE_OF_THEM) if asked else None
    k, of = len(within), [means[one.name] for one in within]
    parts = [(variance / k**2, freedom) for mean in of for variance, freedom in mean.parts]
    parts += [((mean.stance * mean.unit[0] / k) ** 2, mean.unit[1]) for mean in of]
    manner, shared = (float(np.mean([mean.manner[part] for mean in of])) for part in (0, 1))
    parts.append((shared + (manner - shared) / k, of[0].manner[2]))
    one = estimate(float(np.mean([mean.stance for mean in of])), parts)
    counts = sum(reading.n for reading in within), sum(reading.questions for reading in within), k
    how = " and ".join(kind for kind in _HOW if any(kind in mean.how for mean in of))
    return _readable(name, title, one, counts, how, _most(t for reading in within for t in reading.telling))


def _readable(
    name: str, title: str, one: Estimate, counts: tuple[int, int, int], how: str, telling: tuple[Telling, ...]
) -> Reading:
    return Reading(name, title, one.number, one.interval, one.p, None, *counts, how, "", telling)


def _unreadable(name: str, title: str, n: int, questions: int, why: str) -> Reading:
    return Reading(name, title, None, None, None, None, n, questions, 0, "", why, ())


def _corrected(readings: Sequence[Reading]) -> tuple[Reading, ...]:
    """The readings of one level with Holm's p."""
    raised = iter(holm([one.p for one in readings if one.p is not None]))
    return tuple(one if one.p is None else replace(one, p_holm=next(raised)) for one in readings)


def _telling(value: str, rows: Sequence[int], records: Sequence[QARecord], stances: FloatArray) -> tuple[Telling, ...]:
    read = [row for row in rows if not math.isnan(stances[row])]
    ordered = sorted(read, key=lambda row: -stances[row])
    ends = dict.fromkeys([*ordered[:MOST_TELLING], *ordered[-MOST_TELLING:]])
    return _most(
        Telling(
            value,
            shortened(" ".join(records[row].question.split()), _LONGEST_QUESTION),
            shortened(" ".join(records[row].answer.split()), _LONGEST_ANSWER),
            float(stances[row]),
        )
        for row in ends
    )


def _most(telling: Iterable[Telling]) -> tuple[Telling, ...]:
    """The three that speak most for, the strongest first, then the three that speak most against."""
    ordered = sorted(telling, key=lambda one: -one.stance)
    towards = [one for one in ordered if one.stance > 0][:MOST_TELLING]
    against = [one for one in reversed(ordered) if one.stance < 0][:MOST_TELLING]
    return (*towards, *against)
