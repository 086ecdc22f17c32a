"""How many questions and samples tell two identities apart: what a distance's interval would be, from data at hand."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from univar.analysis.distances.estimates import Estimates
from univar.analysis.distances.pairwise import FEWEST_OF_VALUE
from univar.analysis.results import markdown_table

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

POWER = 0.8
"""How likely the smallest distance of a plan is to be seen."""

LEVEL = 0.05
"""Of the test by which it is seen, one-sided as the swap is."""

_TIMES = (0.25, 0.5, 1, 2, 4, 8)
_SAMPLES = (1, 2, 4)
_MOST_QUESTIONS = 10**7


class Noise(NamedTuple):
    """What a typical pair of identities varies by from question to question; medians over pairs."""

    squared: float
    """The squared distance of the pair; 0 where it came out below."""
    alike: float
    """The variance of a product of two differences if the pair did not differ."""
    slope: float
    """By how much the variance of one question grows with the distance."""
    questions: int
    """That the pair shares."""
    values: int
    """Values that are compared one by one; 1 where all questions are taken together."""
    samples: float
    """Answers of an identity to a question."""
    sampling: float
    """Share of the variation that other samples of the same answers would average out; NaN where none are."""

    def expected(self, questions: float, samples: float) -> Estimates:
        """What so many questions and samples would give: for two that do not differ, and for a typical pair."""
        shrink = 1.0
        if not np.isnan(self.sampling):
            shrink = 1 - self.sampling + self.sampling * self.samples / samples
        products = questions * (questions / self.values - 1)
        both = np.ones(2)
        return Estimates(
            squared=np.array([0, self.squared]),
            alike=both * 2 * self.alike * shrink**2 / products,
            slope=both * self.slope * shrink / questions,
            freedom=both * (questions - self.values),
            p=both * np.nan,
        )


@dataclass(frozen=True, slots=True)
class Planned:
    """What a pair's distance would be known to with so many questions and samples.

    Attributes:
        questions: That both identities answer.
        samples: Answers to each by each.
        n: Answers of the two together.
        width: Of the 95 % interval of a typical pair.
        width_alike: Of that of two that do not differ.
        smallest: The squared distance that would be seen four times in five (one pair, p at most 0.05).
    """

    questions: int
    samples: int
    n: int
    width: float
    width_alike: float
    smallest: float


@dataclass(frozen=True, slots=True)
class DistancePlan:
    """Expected width of a distance's interval by questions and samples, and what follows from it.

    Attributes:
        rows: By questions, then samples.
        noise: What it was made from.
        pairs: Pairs of identities behind that.
    """

    rows: tuple[Planned, ...]
    noise: Noise
    pairs: int

    def __str__(self) -> str:
        return self.notes()[0]

    def notes(self) -> list[str]:
        """The advice, a sentence each."""
        noise = self.noise
        width = width_of(noise, noise.questions, noise.samples)
        known = (
            f"With the {noise.questions:,} questions at hand the 95 % interval of a typical pair (squared distance "
            f"{noise.squared:.3g}, n = {self.pairs:,} {'pair' if self.pairs == 1 else 'pairs'}) is {width:.2g} wide, "
            f"and a squared distance of {smallest(noise, noise.questions, noise.samples):.2g} would be seen four times "
            "in five."
        )
        if not width:
            return [known, "These answers do not vary, so more of them would change nothing.", *self._always()]
        wanted = questions_for(noise, width / 2)
        half = (
            f"Half as wide takes {wanted:,} questions."
            if wanted
            else f"Half as wide would take more than {_MOST_QUESTIONS:,} questions."
        )
        return [known, half, self._of_samples(), *self._always()]

    def _of_samples(self) -> str:
        noise = self.noise
        if np.isnan(noise.sampling):
            return (
                "What more samples of an answer would bring is not known, since nobody answered a question twice: ask "
                "some questions twice (`univar elicit --samples 2`)."
            )
        twice = width_of(noise, noise.questions, 2 * noise.samples)
        worth = questions_for(noise, twice)
        share = f"{100 * noise.sampling:.0f} % of what varies from question to question is chance of the sample"
        if worth is None or worth <= noise.questions:
            return f"{share}: more samples would bring next to nothing; ask more questions."
        return (
            f"{share}: twice as many samples do what {worth:,} questions would; "
            f"{'sample more' if worth >= 2 * noise.questions else 'more questions bring more for as many answers'}."
        )

    def _always(self) -> list[str]:
        return [
            "This is of one pair; with many, Holm's correction asks for more. Questions like those at hand are assumed."
        ]

    def to_pandas(self) -> "pd.DataFrame":
        """A row for each number of questions and samples; `n` counts the answers of a pair."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values; what is not known is None."""
        noise = {name: None if np.isnan(number) else number for name, number in self.noise._asdict().items()}
        return {"rows": [asdict(row) for row in self.rows], "noise": noise, "pairs": self.pairs, "advice": self.notes()}

    def to_markdown(self) -> str:
        """A row for each number of questions and samples, the advice below."""
        table = markdown_table(HEADER, map(cells, self.rows), text_columns=0)
        return "\n".join([table, *(f"- {note}" for note in self.notes())]) + "\n"

    def plot(self) -> "go.Figure":
        """Expected width over questions, a line for each number of samples."""
        from univar.analysis.pictures.distances_figure import plan_plot

        return plan_plot(self)


HEADER = ("questions", "samples", "answers", "interval width", "if alike", "smallest seen")


def cells(row: Planned) -> tuple[str, ...]:
    """A row as text, in the order of `HEADER`."""
    numbers = (f"{number:.2g}" for number in (row.width, row.width_alike, row.smallest))
    return f"{row.questions:,}", f"{row.samples:,}", f"{row.n:,}", *numbers


def plan(noise: Noise, pairs: int) -> DistancePlan:
    """The plan that noise at hand gives: from a quarter of the questions to eight times as many.

    Raises:
        ValueError: If the noise is not known, as where no pair shares four questions.
    """
    if not np.isfinite([noise.squared, noise.alike, noise.slope]).all() or noise.questions < FEWEST_OF_VALUE:
        raise ValueError(
            f"a plan is made from pairs that share {FEWEST_OF_VALUE} questions or more, and a typical one here shares "
            f"{noise.questions}; ask a few more first"
        )
    least = FEWEST_OF_VALUE * noise.values
    numbers = sorted({max(least, round(noise.questions * times)) for times in _TIMES})
    samples = (round(noise.samples),) if np.isnan(noise.sampling) else _SAMPLES
    return DistancePlan(tuple(_planned(noise, q, s) for q in numbers for s in samples), noise, pairs)


def width_of(noise: Noise, questions: float, samples: float, *, alike: bool = False) -> float:
    """The expected width of the 95 % interval of a typical pair, or of two that do not differ."""
    found = noise.expected(questions, samples).interval(0 if alike else 1)
    return found.high - found.low


def smallest(noise: Noise, questions: float, samples: float) -> float:
    """The squared distance that is seen with a probability of `POWER`."""
    one = noise.expected(questions, samples)
    alike, slope = float(one.alike[0]), float(one.slope[0])
    least = float(student.isf(LEVEL, max(one.freedom[0], 1))) * alike**0.5
    z = float(norm.isf(1 - POWER))
    middle = least + z**2 * slope / 2
    return float(middle + np.sqrt(max(middle**2 - least**2 + z**2 * alike, 0)))


def questions_for(noise: Noise, width: float) -> int | None:
    """The fewest questions whose interval is at most so wide; None above ten million."""
    low, high = FEWEST_OF_VALUE * noise.values - 1, _MOST_QUESTIONS
    if width_of(noise, high, noise.samples) > width:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if width_of(noise, middle, noise.samples) <= width else (middle, high)
    return high


def _planned(noise: Noise, questions: int, samples: int) -> Planned:
    return Planned(
        questions=questions,
        samples=samples,
        n=2 * questions * samples,
        width=width_of(noise, questions, samples),
        width_alike=width_of(noise, questions, samples, alike=True),
        smallest=smallest(noise, questions, samples),
    )


def noise_of(
    found: Estimates, questions: Sequence[int], products: Sequence[float], values: int, samples: float, sampling: float
) -> Noise:
    """Medians over the pairs that could be compared.

    Args:
        found: Of each pair.
        questions: That each shares.
        products: Over how many products of two differences each is a mean.
        values: Values that are compared one by one, 1 for none.
        samples: Answers of an identity to a question.
        sampling: See `Noise`.
    """
    readable = np.isfinite(found.squared)
    if not readable.any():
        return Noise(math.nan, math.nan, math.nan, 0, values, samples, sampling)

    def median(numbers: object) -> float:
        return float(np.median(np.asarray(numbers, dtype=np.float64)[readable]))

    alike, slope = found.alike * np.asarray(products) / 2, found.slope * np.asarray(questions)
    typical = max(median(found.squared), 0.0)
    return Noise(typical, median(alike), median(slope), round(median(questions)), values, samples, sampling)
