"""How many questions and samples tell two identities apart: what a distance's interval would be, from data at hand."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from univar.analysis.distances.noise import MOST_QUESTIONS, Noise, questions_for, smallest, width_of
from univar.analysis.distances.pairwise import FEWEST_OF_VALUE
from univar.analysis.distances.reading import distances
from univar.analysis.distances.results import Between
from univar.analysis.results import markdown_table, plain
from univar.model.embedded import Corpus

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go
    from sentence_transformers import SentenceTransformer

_TIMES = (0.25, 0.5, 1, 2, 4, 8)
_SAMPLES = (1, 2, 4)


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
class DistancesPlan:
    """Expected width of a distance's interval by questions and samples, and what follows from it.

    Attributes:
        rows: By questions, then samples.
        noise: What it was made from.
        pairs: Pairs of identities behind that.
        unread: What is to be said of answers in languages that the model does not read; None if there are none.
    """

    rows: tuple[Planned, ...]
    noise: Noise
    pairs: int
    unread: str | None = None

    def __str__(self) -> str:
        noise = self.noise
        width = width_of(noise, noise.questions, noise.samples)
        return (
            f"With the {noise.questions:,} questions at hand the 95 % interval of a typical pair (squared distance "
            f"{noise.squared:.3g}, n = {self.pairs:,} {'pair' if self.pairs == 1 else 'pairs'}) is {width:.2g} wide, "
            f"and a squared distance of {smallest(noise, noise.questions, noise.samples):.2g} would be seen four times "
            "in five."
        )

    def notes(self) -> list[str]:
        """The advice, a sentence each."""
        noise = self.noise
        unread = [self.unread] if self.unread else []
        width = width_of(noise, noise.questions, noise.samples)
        if not width:
            return [*unread, "These answers do not vary, so more of them would change nothing.", *self._always()]
        wanted = questions_for(noise, width / 2)
        half = (
            f"Half as wide takes {wanted:,} questions."
            if wanted
            else f"Half as wide would take more than {MOST_QUESTIONS:,} questions."
        )
        return [*unread, half, self._of_samples(), *self._always()]

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
        return {"sentence": str(self), **plain(self), "notes": self.notes()}

    def to_markdown(self) -> str:
        """A row for each number of questions and samples, the advice below."""
        table = markdown_table(HEADER, map(cells, self.rows), text_columns=0)
        return "\n".join([table, *(f"- {note}" for note in (str(self), *self.notes()))]) + "\n"

    def plot(self) -> "go.Figure":
        """Expected width over questions, a line for each number of samples."""
        from univar.analysis.pictures.distances_figure import plan_plot
        from univar.analysis.pictures.notes import with_notes

        return with_notes(plan_plot(self), [self.unread])


HEADER = ("questions", "samples", "answers", "interval width", "if alike", "smallest seen")


def cells(row: Planned) -> tuple[str, ...]:
    """A row as text, in the order of `HEADER`."""
    numbers = (f"{number:.2g}" for number in (row.width, row.width_alike, row.smallest))
    return f"{row.questions:,}", f"{row.samples:,}", f"{row.n:,}", *numbers


def plan_distances(
    corpus: Corpus,
    *,
    between: Between = "identities",
    model: "str | SentenceTransformer | None" = None,
    seed: int = 0,
    untranslated: bool = False,
    **options: Any,
) -> DistancesPlan:
    """How many questions and samples tell two apart, from answers at hand, as of a trial run.

    Args:
        corpus: As for `univar.distances`.
        between: As for `univar.distances`.
        model: As for `univar.distances`.
        seed: As for `univar.distances`.
        untranslated: Encode answers in languages that the model does not read as they are; see `univar.embed`.
        options: For `univar.read_corpus`.

    Raises:
        CorpusError, UntranslatedError, EmbeddedCorpusError or ValueError: As for `univar.distances`; ValueError too if
            a typical pair shares too few questions to tell.
    """
    found = distances(corpus, between=between, model=model, seed=seed, untranslated=untranslated, **options)
    return planned(found.noise, int(np.isfinite([row.squared for row in found.rows]).sum()), found.unread)


def planned(noise: Noise, pairs: int, unread: str | None = None) -> DistancesPlan:
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
    return DistancesPlan(tuple(_planned(noise, q, s) for q in numbers for s in samples), noise, pairs, unread)


def _planned(noise: Noise, questions: int, samples: int) -> Planned:
    return Planned(
        questions=questions,
        samples=samples,
        n=2 * questions * samples,
        width=width_of(noise, questions, samples),
        width_alike=width_of(noise, questions, samples, alike=True),
        smallest=smallest(noise, questions, samples),
    )
