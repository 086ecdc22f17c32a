"""How many questions show which shift: before anything is spent, from one set of answers, and after, from two."""

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from univar.analysis.results import markdown_table, plain
from univar.analysis.shift.paired import FEWEST, LEVEL, Noise, noise_of
from univar.analysis.shift.pairs import ShiftError, check_one_llm, paired, parted, rows_by_question
from univar.analysis.shift.reading import embedded_by_one
from univar.analysis.shift.results import UNITS
from univar.analysis.statistics import Interval
from univar.model.embedded import Corpus, EmbeddedCorpus, unread_of

if TYPE_CHECKING:
    import pandas as pd
    from sentence_transformers import SentenceTransformer

FloatArray = npt.NDArray[np.float64]
Told = Literal["samples", "questions", "topics"]

_QUESTIONS = (10, 30, 87, 174, 435, 870)
_SAMPLES = (1, 2, 4)
_AIMS = (0.2, 0.1)
_MOST_QUESTIONS = 100_000
_RESAMPLES = 200
_FOR_INTERVAL = 1_000  # questions; more would take long and change nothing

_ASSUMED = {
    "samples": "Two answers to one question tell what chance does to an answer; what an LLM moves by at single "
    "questions comes on top.",
    "questions": "Each question was answered once before and once after: what the differences differ by is taken for "
    "chance, and nothing can be said of more answers a question.",
    "topics": "Each question was answered once, so how far two answers to one question lie apart is not known. Answers "
    "to different questions stand in for them: that is the worst case, in sizes of that distance. Ask a few questions "
    "twice (`univar elicit --samples 2 --limit 1`) and plan from those.",
}


@dataclass(frozen=True, slots=True)
class Planned:
    """What so many answers show.

    Attributes:
        questions: That are asked before and after.
        samples: Answers to each, before and after.
        n: QAs in all.
        smallest: The smallest shift that they show at 5 % four times in five, in the unit; NaN where they show none.
        interval: 95 % of that, bootstrap over the questions at hand.
    """

    questions: int
    samples: int
    n: int
    smallest: float
    interval: Interval


@dataclass(frozen=True, eq=False, slots=True)
class ShiftPlan:
    """The smallest shift that is seen, by the number of questions and of answers to each.

    Attributes:
        rows: By questions, then by samples.
        questions: Of the answers at hand, on which all is based.
        samples: Answers to each of them.
        told: What the noise is told from: `samples` of one question, the differences at `questions`, or, as the worst
            case, answers on different `topics`.
        needed: How many questions, asked as often as those at hand, show a shift of a size, by the size.
        unread: What is to be said of answers in languages that the model does not read; None if there are none.
    """

    rows: tuple[Planned, ...]
    questions: int
    samples: int
    told: Told
    needed: tuple[tuple[float, int], ...]
    unread: str | None = None

    @property
    def at_hand(self) -> Planned:
        """What as many answers show as there are."""
        return next(row for row in self.rows if (row.questions, row.samples) == (self.questions, self.samples))

    def __str__(self) -> str:
        found = self.at_hand
        each = "once" if self.samples == 1 else f"{self.samples} times"
        unit = UNITS["samples" if self.told == "samples" else "questions"]
        worst = ", at the worst" if self.told == "topics" else ""
        shows = (
            f"show a shift of {found.smallest:.2g}{worst} (95 % interval {found.interval.low:.2g} to "
            f"{found.interval.high:.2g}) of {unit}, four times in five at p < {LEVEL}"
            if found.smallest > 0
            else "show no shift: ask 6 questions or more"
        )
        wanted = " and ".join(f"{number:,} questions for one of {size:g}" for size, number in self.needed)
        asked = f"; ask {wanted}" if wanted else ""
        return f"{self.questions:,} questions asked {each} before and after {shows}{asked}{self._of_samples()}."

    def notes(self) -> list[str]:
        """What the figures assume, a paragraph each."""
        return [*([self.unread] if self.unread else []), _ASSUMED[self.told]]

    def to_pandas(self) -> "pd.DataFrame":
        """A row for each number of questions and samples: `n` QAs, the smallest shift and its 95 % interval."""
        import pandas as pd

        return pd.DataFrame([_row(row) for row in self.rows])

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values; what is not a number is None."""
        needed = [{"size": size, "questions": number} for size, number in self.needed]
        rows = [plain(_row(row)) for row in self.rows]
        return {"sentence": str(self), **plain(self), "rows": rows, "needed": needed, "notes": self.notes()}

    def to_markdown(self) -> str:
        """A row for each number of questions and samples, and the advice."""
        table = markdown_table(HEADER, [cells(row) for row in self.rows], text_columns=0)
        return "\n".join([table, *(f"- {note}" for note in (str(self), *self.notes()))]) + "\n"

    def _of_samples(self) -> str:
        """What a second answer to each question is worth, where that is known."""
        of = {(row.questions, row.samples): row.smallest for row in self.rows}
        twice = of.get((self.questions, 2 * self.samples))
        if twice is None or np.isnan(twice):
            return ""
        return (
            f"; twice as many answers to each would show {twice:.2g}, and as many answers to twice the questions do at "
            "least as well"
        )


def plan_shift(
    before: Corpus,
    after: Corpus | None = None,
    *,
    model: "str | SentenceTransformer | None" = None,
    seed: int = 0,
    untranslated: bool = False,
    **options: Any,
) -> ShiftPlan:
    """How many questions, asked how often, show which shift: told before it is spent, and after.

    Args:
        before: Answers of one LLM, best a few questions answered twice; or an embedded corpus.
        after: Its answers after a change, if there are some; then what it moved by at single questions counts too.
        model: What embeds the answers; by default `univar`.
        seed: Of all draws.
        untranslated: Encode answers in languages that the model does not read as they are; see `univar.embed`.
        options: For `univar.read_corpus`.

    Raises:
        ShiftError: As `univar.shift` does.
        EmbeddedCorpusError: If the vectors are of different models.
        UntranslatedError: If some are in languages that the model does not read, and `untranslated` is not said.
        CorpusError: If answers cannot be read.
    """
    given = [before] if after is None else [before, after]
    corpora = embedded_by_one(given, model, options | {"untranslated": untranslated})
    first, *others = (parted(corpus)[0] for corpus in corpora)
    if first is None or None in others:
        raise ShiftError("the answers are to control questions alone, which elicit no values; plan from others")
    found = _of_two(first, others[0]) if others else _of_one(first)
    unit, number = float(np.nanmean(found.units)), len(found.apart)
    if not unit > 0:
        raise ShiftError("all answers are the same, so chance cannot be told; ask with a temperature above 0")
    noise = noise_of(found.apart, seed=seed)
    draws = _draws(found, noise, seed)
    rows = []
    for questions in sorted({*_QUESTIONS, number}):
        for samples in sorted({*_SAMPLES, found.samples, 2 * found.samples}) if found.sampled else [found.samples]:
            share = 1 - found.sampled + found.sampled * found.samples / samples
            ends = np.quantile([_size(*drawn, questions, share) for drawn in draws], [0.025, 0.975])
            smallest = _size(noise, unit, questions, share)
            rows.append(Planned(questions, samples, 2 * questions * samples, smallest, Interval(*map(float, ends))))
    needed = [(aim, _needed(noise, unit, aim)) for aim in _AIMS]
    return ShiftPlan(
        rows=tuple(rows),
        questions=number,
        samples=found.samples,
        told=found.told,
        needed=tuple((aim, count) for aim, count in needed if count is not None),
        unread=unread_of(*corpora),
    )


HEADER = ("questions", "samples", "answers", "smallest shift", "95 % interval")


def cells(row: Planned) -> tuple[str, ...]:
    """A row as text, in the order of `HEADER`."""
    smallest = "none" if np.isnan(row.smallest) else f"{row.smallest:.2g}"
    ends = "-" if np.isnan(row.interval.low) else f"{row.interval.low:.2g} to {row.interval.high:.2g}"
    return f"{row.questions:,}", f"{row.samples:,}", f"{row.n:,}", smallest, ends


class _AtHand(NamedTuple):
    """What the answers at hand tell of noise; q questions."""

    apart: FloatArray
    """(q, d) a difference at each."""
    units: FloatArray
    """(q,) squared distances of which the mean is the square of the unit; NaN where a question tells none."""
    told: Told
    samples: int
    sampled: float
    """Of the variance of a difference, the share that more answers to each question make smaller."""


def _of_one(corpus: EmbeddedCorpus) -> _AtHand:
    """Of one set of answers: two samples of each question, else answers to different questions."""
    check_one_llm("before", corpus)
    vectors = corpus.embeddings.astype(np.float64)
    rows = list(rows_by_question(corpus).values())
    twice = [of for of in rows if len(of) > 1]
    apart = np.array([vectors[of[1]] - vectors[of[0]] for of in twice])
    if len(twice) > 1 and np.any(apart):
        return _AtHand(apart, np.sum(apart**2, axis=1), "samples", 1, 1.0)
    if len(rows) < 2:
        raise ShiftError("the answers are to one question alone; a plan is told from 2 or more")
    means = np.array([vectors[of].mean(axis=0) for of in rows])
    apart = np.sqrt(2) * (means - means.mean(axis=0))
    return _AtHand(apart, np.sum(apart**2, axis=1) * len(rows) / (len(rows) - 1), "topics", 1, 0.0)


def _of_two(before: EmbeddedCorpus, after: EmbeddedCorpus) -> _AtHand:
    """Of answers before and after: what the differences at questions differ by."""
    pairs = paired(before, after)
    total = float(np.sum(np.var(pairs.apart, axis=0, ddof=1)))
    sampled = min(pairs.sampling / total, 1.0) if pairs.unit_of == "samples" and total else 0.0
    return _AtHand(pairs.apart, pairs.units, pairs.unit_of, pairs.samples, sampled)


def _draws(found: _AtHand, noise: Noise, seed: int) -> list[tuple[Noise, float]]:
    """The noise and the square of the unit that questions drawn anew would tell."""
    generator = np.random.default_rng(seed)
    chosen = generator.permutation(len(found.apart))[:_FOR_INTERVAL]
    rest, units = found.apart[chosen] - found.apart.mean(axis=0), found.units[chosen]
    crossed = (rest @ rest.T) ** 2
    np.fill_diagonal(crossed, 0)
    lengths, known = np.sum(rest**2, axis=1), np.isfinite(units)
    number = len(chosen)
    weights = generator.multinomial(number, np.full(number, 1 / number), size=_RESAMPLES).astype(np.float64)
    weights = weights[(weights > 0).sum(axis=1) > 1]
    weights = weights[weights[:, known].sum(axis=1) > 0]
    ordered = weights.sum(axis=1) ** 2 - np.sum(weights**2, axis=1)
    # Relative to the questions as they are, of which the noise is known better.
    squares = np.sum((weights @ crossed) * weights, axis=1) / ordered * number * (number - 1) / (crossed.sum() or 1.0)
    totals = weights @ lengths / number / (lengths.mean() or 1.0)
    of_unit = weights[:, known] @ units[known] / weights[:, known].sum(axis=1)
    return [
        (replace(noise, squares=noise.squares * square, total=noise.total * total), float(unit))
        for square, total, unit in zip(squares, totals, of_unit, strict=True)
    ]


def _size(noise: Noise, unit: float, questions: int, share: float = 1.0) -> float:
    """The smallest shift that is seen, in the unit."""
    return float(np.sqrt(noise.smallest(questions, share) / unit)) if unit > 0 else float("nan")


def _needed(noise: Noise, unit: float, size: float) -> int | None:
    """How many questions show a shift of a size; None if more than anybody asks."""
    numbers = range(FEWEST, _MOST_QUESTIONS)
    # The more questions, the smaller: the first that is small enough.
    place = bisect_left(numbers, True, key=lambda number: _size(noise, unit, number) <= size)
    return numbers[place] if place < len(numbers) else None


def _row(row: Planned) -> dict[str, Any]:
    counts = {"questions": row.questions, "samples": row.samples, "n": row.n}
    return counts | {"smallest": row.smallest, **row.interval._asdict()}
