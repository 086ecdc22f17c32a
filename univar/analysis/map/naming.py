"""What the axes of a map follow: the values, by their written poles, and the answers that lie at both ends.

An axis follows a value if places along it go with how far answers lie along the axis of the value. Of 87 values the
nearest always goes with it somewhat, and so a name must beat chance over all of them: the poles for and against change
sides, question by question, at random, and the strongest of all values is taken, many times. What the axes of all
values have in common, such as saying yes, is left out first: it would name any of them. And a value whose own axis does
not carry to new questions names nothing.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from univar.analysis.map.axes import Projection
from univar.analysis.question_share import FloatArray, sums_of
from univar.analysis.values.rulers import Rulers, rulers_of
from univar.corpus.questions.poles import Pole

_FLIPS = 400
"""How often the poles change sides."""
_LEVEL = 0.95
_OUTERMOST = 0.05
"""Share of the QAs among which the typical ones of an end are chosen."""
_TYPICAL = 3


@dataclass(frozen=True, slots=True)
class Followed:
    """The value that an axis follows.

    Attributes:
        value: Its id.
        correlation: Of the places along the map's axis with how far the answers lie along the value's, in [-1, 1];
            above 0 the value is held dear towards the higher end.
        chance: What the strongest of all values reaches by chance in 95 of 100 cases.
        n: How many QAs.
        values: Over how many values chance was taken.
    """

    value: str
    correlation: float
    chance: float
    n: int
    values: int


class ValuePoles(NamedTuple):
    """The axes of values, and what they are made of."""

    rulers: Rulers
    apart: FloatArray
    """(q, d) the mean difference of the poles of each question, from against to for."""
    carrying: tuple[str, ...]
    """Ids of the values whose axes carry to questions that they are not made of."""


def value_poles(
    vectors: npt.ArrayLike, poles: Sequence[Pole], *, trained_on: AbstractSet[str] = frozenset(), seed: int = 0
) -> ValuePoles:
    """The axes of values from the vectors (n, d) of their poles; arguments and errors as for `rulers_of`."""
    rows = np.asarray(vectors, dtype=np.float64)
    rulers = rulers_of(rows, poles, trained_on=trained_on, seed=seed)
    sides = np.array([pole.stance for pole in poles])
    places = np.array([rulers.questions[pole.question.question_id] for pole in poles])
    apart = np.zeros((len(rulers.questions), rows.shape[1]))
    for side in (1, -1):
        own = sides == side
        answered = np.maximum(np.bincount(places[own], minlength=len(apart)), 1)
        apart += side * sums_of(rows[own], places[own], len(apart)) / answered[:, None]
    carry = rulers.carry([[value] for value in rulers.values])[1]
    return ValuePoles(rulers, apart, tuple(v for v, held in zip(rulers.values, carry, strict=True) if held))


def followed(projection: Projection, poles: ValuePoles, seed: int) -> list[Followed | None]:
    """The value that each of the two axes follows, None where none beats chance over all values."""
    rows = projection.corpus.embeddings.astype(np.float64)
    rows = rows - rows.mean(axis=0)
    spread = rows.T @ rows / len(rows)
    places = projection.places - projection.places.mean(axis=0)
    shared = rows.T @ places / len(rows) / np.maximum(places.std(axis=0), 1e-12)
    values = len(poles.rulers.values)

    def correlations(apart: FloatArray) -> FloatArray:
        axes = sums_of(apart, poles.rulers.value_of, values)
        axes /= np.maximum(np.linalg.norm(axes, axis=1, keepdims=True), 1e-12)
        common = axes.mean(axis=0)
        axes -= np.outer(axes @ common, common) / max(float(common @ common), 1e-12)
        spreads = np.sqrt(np.maximum(np.einsum("vd,vd->v", axes @ spread, axes), 1e-24))
        return np.asarray(axes @ shared / spreads[:, None])

    rng = np.random.default_rng(seed)
    sides = rng.choice([-1.0, 1.0], size=(_FLIPS, len(poles.apart)))
    by_chance = np.array([np.abs(correlations(poles.apart * side[:, None])).max(axis=0) for side in sides])
    limits = np.quantile(by_chance, _LEVEL, axis=0)
    found = correlations(poles.apart)
    names: list[Followed | None] = []
    for axis in range(2):
        strongest = int(np.abs(found[:, axis]).argmax())
        value, reached = poles.rulers.values[strongest], float(found[strongest, axis])
        named = value in poles.carrying and abs(reached) > limits[axis]
        names.append(Followed(value, reached, float(limits[axis]), len(rows), values) if named else None)
    return names


def typical(projection: Projection, axis: int, towards: int) -> list[int]:
    """The rows that are typical of one end of an axis, at most three, each to another question.

    Among the outermost twentieth, those that differ from the rest along this axis more than in all else.

    Args:
        projection: Rows and places.
        axis: 0 or 1.
        towards: 1 for the higher end, -1 for the lower.
    """
    reach = towards * projection.places[:, axis]
    rows = projection.corpus.embeddings
    lengths = np.linalg.norm(rows - rows.mean(axis=0), axis=1)
    outer = np.flatnonzero((reach >= np.quantile(reach, 1 - _OUTERMOST)) & (reach > 0))
    chosen: dict[int, int] = {}
    for row in outer[np.argsort(-reach[outer] / np.maximum(lengths[outer], 1e-12), kind="stable")]:
        chosen.setdefault(int(projection.corpus.questions[row]), int(row))
        if len(chosen) == _TYPICAL:
            break
    return list(chosen.values())


def correlation(projection: Projection, directions: FloatArray) -> float:
    """How far readings of the rows along two directions (2, d) go together, in [-1, 1]; NaN where nothing varies."""
    readings = projection.corpus.embeddings @ directions.T
    return float(np.asarray(np.corrcoef(readings.T))[0, 1]) if (readings.std(axis=0) > 0).all() else float("nan")
