"""What readings along rulers are divided by and how sure they are, judged by poles that neither ruler nor model met.

A model that was trained on poles puts them further apart than any answer will. So the weights that ship carry scales of
their own: three short trainings, each without a third of the questions, judged the poles of the questions that they
had not met (`recipes/rulers.py`), and what they saw, as a share of how far they put the poles that they had met, is
what the rulers of the weights that ship are divided by.
"""

import functools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import false_discovery_control
from scipy.stats import t as student

from univar.analysis.values.spread import steadied

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


class Judged(NamedTuple):
    """Pairs of poles, one for and one against, read by rulers that they have no part in; p pairs, q questions."""

    question: IntArray
    """(p,)"""
    value: IntArray
    """(p,)"""
    voice: IntArray
    """(p,)"""
    halves: FloatArray
    """(p,) half the way from the pole against to the pole for."""
    centres: FloatArray
    """(p,) how far their middle lies from where the ruler has it."""
    moved: FloatArray
    """(p,) how far it lies from the middle of the same question in other voices."""
    places: FloatArray
    """(q,) where the middle of each question lies on an axis that all questions of a value are read along; zeros where
    each has its own."""

    @property
    def unit(self) -> float:
        """The mean of the halves of the values; NaN if it is not above 0."""
        of_questions = mean(self.halves, self.question)[np.unique(self.question)]
        of_values = mean(of_questions, self.values_of_questions)[np.unique(self.values_of_questions)]
        return float(of_values.mean()) if of_values.mean() > 0 else float("nan")

    @property
    def values_of_questions(self) -> IntArray:
        """Of each question that was judged, in ascending order."""
        _, first = np.unique(self.question, return_index=True)
        return np.asarray(self.value[first])

    def over(self, unit: float) -> "Judged":
        """The same in another unit."""
        scaled = {name: getattr(self, name) / unit for name in ("halves", "centres", "moved", "places")}
        return self._replace(**scaled)


class KnownScales(NamedTuple):
    """The scales of a model that was trained on poles, as others like it judged them.

    Their units are shares of how far the model puts apart the poles that it was trained on.
    """

    by_question: Scale
    by_axis: Scale
    own_share: float
    """Of a ruler, how much is its question's own."""
    values: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; what is not a number is None."""
        kinds = {name: asdict(scale) for name, scale in (("by_question", self.by_question), ("by_axis", self.by_axis))}
        listed = {kind: {name: _listed(content) for name, content in scale.items()} for kind, scale in kinds.items()}
        return {"values": list(self.values), "own_share": self.own_share, **listed}

    @classmethod
    def from_dict(cls, known: dict[str, Any]) -> "KnownScales":
        """What `to_dict` gave."""
        by_question, by_axis = (
            Scale(**{field.name: _numbers(known[kind][field.name]) for field in fields(Scale)})
            for kind in ("by_question", "by_axis")
        )
        return cls(by_question, by_axis, known["own_share"], tuple(known["values"]))


@functools.cache
def known_scales(fingerprint: str) -> KnownScales | None:
    """Those of the weights that ship; None of any other model."""
    file = files("univar") / "assets" / "model" / "rulers.json"
    known = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return KnownScales.from_dict(known) if known.get("fingerprint") == fingerprint else None


def _listed(content: Any) -> Any:
    if isinstance(content, np.ndarray):
        return [None if np.isnan(number) else float(f"{number:.6g}") for number in content]
    return content


def _numbers(content: Any) -> Any:
    if isinstance(content, list):
        return np.array([np.nan if number is None else number for number in content], dtype=np.float64)
    return content


def scale_of(judged: Judged, values: int) -> Scale:
    """The scale of readings like these.

    Args:
        judged: What was judged.
        values: How many there are.
    """
    names, place = np.unique(judged.question, return_inverse=True)
    of_value, by_question = judged.values_of_questions, mean(judged.halves, place)
    asked = np.bincount(of_value, minlength=values)
    raw = np.divide(np.bincount(of_value, by_question, values), asked, out=np.full(values, np.nan), where=asked > 0)
    unit = judged.unit
    variances, freedom = _steadied(by_question, of_value, values)
    off = (judged.centres**2 + (judged.halves - raw[judged.value]) ** 2) / unit**2
    manner = _between(judged.moved / unit, judged.voice, judged.value)
    return Scale(
        unit=unit,
        halves=raw / unit,
        variances=variances / np.maximum(asked, 1) / unit**2,
        freedom=freedom,
        zeros=_steadied(judged.places[names], of_value, values)[0] / np.maximum(asked, 1) / unit**2,
        spreads=np.bincount(judged.value, off, values) / np.maximum(np.bincount(judged.value, minlength=values), 1),
        manner=manner,
        manner_shared=min(_between(judged.moved / unit, judged.voice, np.zeros_like(judged.value)), manner),
        voices=len(np.unique(judged.voice)),
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


def total(rows: FloatArray, places: IntArray) -> FloatArray:
    """The sums of rows by place."""
    sums = np.zeros((int(places.max()) + 1, *rows.shape[1:]))
    np.add.at(sums, places, rows)
    return sums


def mean(rows: FloatArray, places: IntArray) -> FloatArray:
    """The means of rows by place; zeros where there is none."""
    counts = np.maximum(np.bincount(places), 1)
    return np.asarray(total(rows, places) / counts.reshape(-1, *[1] * (rows.ndim - 1)))
