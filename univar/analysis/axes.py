"""The axis of a value, from its pole against to its pole for, and whether it carries to questions it has not seen."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from univar.analysis.results import markdown_table, percent
from univar.analysis.statistics import Interval, cluster_bootstrap
from univar.corpus.questions.poles import Pole

if TYPE_CHECKING:
    import pandas as pd

CHANCE = 0.5

FloatArray = npt.NDArray[np.float64]


class _Pair(NamedTuple):
    """The two ends of one question, said in one voice."""

    question: str
    voice: str
    apart: FloatArray
    """From the answer against to the answer for."""


@dataclass(frozen=True, slots=True)
class ValueAxis:
    """How far the axis of one value carries.

    Attributes:
        value: Its name.
        accuracy: Share of the pairs of answers, one for and one against in the same voice, of which the one for lies
            further along the axis; the axis is made of other questions in other voices. Chance is one half.
        interval: 95 %, bootstrap over questions.
        pairs: How many pairs.
        questions: To how many questions.
    """

    value: str
    accuracy: float
    interval: Interval
    pairs: int
    questions: int

    @property
    def holds(self) -> bool:
        """Whether chance lies below the interval."""
        return self.interval.low > CHANCE


@dataclass(frozen=True, slots=True)
class ValueAxes:
    """The axes of values, the strongest first.

    Attributes:
        axes: One a value.
        accuracy: Mean over values, each counting the same.
        interval: 95 %, bootstrap over values.
    """

    axes: tuple[ValueAxis, ...]
    accuracy: float
    interval: Interval

    def __str__(self) -> str:
        holding = sum(axis.holds for axis in self.axes)
        pairs = sum(axis.pairs for axis in self.axes)
        return (
            f"The axes of {holding:,} of {len(self.axes):,} values hold on questions and voices they were not made "
            f"of; {percent(self.accuracy)} % of the pairs lie in the right order (95 % interval "
            f"{percent(self.interval.low)} to {percent(self.interval.high)} by bootstrap over values, n = {pairs:,} "
            "pairs, chance 50)."
        )

    def to_pandas(self) -> "pd.DataFrame":
        """A row a value: accuracy, its interval, whether it holds, `n` pairs, questions."""
        import pandas as pd

        return pd.DataFrame([_row(axis) for axis in self.axes])

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {
            "accuracy": self.accuracy,
            **self.interval._asdict(),
            "chance": CHANCE,
            "axes": [_row(axis) for axis in self.axes],
        }

    def to_markdown(self) -> str:
        """A row a value, the strongest first, and the sentence."""
        rows = [
            (
                axis.value,
                percent(axis.accuracy),
                f"{percent(axis.interval.low)} - {percent(axis.interval.high)}",
                "yes" if axis.holds else "no",
                f"{axis.pairs:,}",
            )
            for axis in self.axes
        ]
        return f"{markdown_table(('value', 'right order, %', '95 % interval', 'holds', 'pairs'), rows)}\n- {self}\n"


def _row(axis: ValueAxis) -> dict[str, Any]:
    return {
        "value": axis.value,
        "accuracy": axis.accuracy,
        **axis.interval._asdict(),
        "holds": axis.holds,
        "n": axis.pairs,
        "questions": axis.questions,
    }


def value_axes(vectors: npt.ArrayLike, poles: Sequence[Pole], *, seed: int = 0) -> ValueAxes:
    """Cross-validates the axis of every value over questions and voices.

    For each pair of answers to one question in one voice, the axis is the mean difference of the pairs to the value's
    other questions in other voices: what was said to this question, and how, has no part in it.

    Args:
        vectors: `(n, D)` float, one row a pole.
        poles: The written answers, as `univar.corpus.questions.poles.poles()` gives them.
        seed: Of the bootstrap.

    Raises:
        ValueError: If there are not as many vectors as poles, or no value has two questions in two voices.
    """
    rows = np.asarray(vectors, dtype=np.float64)
    if rows.ndim != 2 or len(rows) != len(poles):
        raise ValueError(f"one vector a pole is needed, (n, D) for {len(poles):,} poles, got an array of {rows.shape}")
    found = {value: _ordered(pairs) for value, pairs in _pairs(rows, poles).items()}
    axes = [_axis(value, right, seed) for value, right in found.items() if len({q for q, _ in right}) > 1]
    if len(axes) < 2:
        raise ValueError(
            f"axes are tested on other questions in other voices, which {len(axes)} of {len(found)} values have; give "
            "poles of two values or more, each with two questions or more in two voices"
        )
    interval = cluster_bootstrap([axis.accuracy for axis in axes], [axis.value for axis in axes], seed=seed)
    strongest_first = sorted(axes, key=lambda axis: (-axis.accuracy, axis.value))
    return ValueAxes(tuple(strongest_first), float(np.mean([axis.accuracy for axis in axes])), interval)


def _pairs(rows: FloatArray, poles: Sequence[Pole]) -> Mapping[str, list[_Pair]]:
    """By value, the pairs of answers to one question in one voice."""
    ends: dict[tuple[str, str, str], dict[int, int]] = defaultdict(dict)
    for row, pole in enumerate(poles):
        ends[str(pole.question.value), pole.question.question_id, pole.voice][pole.stance] = row
    pairs: dict[str, list[_Pair]] = defaultdict(list)
    for (value, question, voice), of in ends.items():
        if len(of) == 2:
            pairs[value].append(_Pair(question, voice, rows[of[1]] - rows[of[-1]]))
    return pairs


def _ordered(pairs: Sequence[_Pair]) -> list[tuple[str, float]]:
    """For each pair that others can judge, its question, and 1 for the right order, 0 for the other, 1/2 for none."""
    right = []
    for pair in pairs:
        others = [o.apart for o in pairs if o.question != pair.question and o.voice != pair.voice]
        if others:
            right.append((pair.question, (1 + float(np.sign(np.mean(others, axis=0) @ pair.apart))) / 2))
    return right


def _axis(value: str, right: Sequence[tuple[str, float]], seed: int) -> ValueAxis:
    questions, correct = [question for question, _ in right], [ordered for _, ordered in right]
    return ValueAxis(
        value=value,
        accuracy=float(np.mean(correct)),
        interval=cluster_bootstrap(correct, questions, seed=seed),
        pairs=len(right),
        questions=len(set(questions)),
    )
