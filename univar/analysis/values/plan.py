"""How many questions? The error of a reading of one value against the number of questions and of samples.

What a mean over some of the questions is off by is known without drawing them: over all draws of so many questions,
the mean squared error is the variance between questions over their number. So the error is given in closed form for
any number, also for more questions than there are. It is that of a stance near 0; of a strong one the unit's comes on
top.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from univar.analysis.results import markdown_table, plain, span
from univar.analysis.statistics import Interval, bootstrap_of_sums
from univar.analysis.values.reading import Prepared, ValuesError, prepared
from univar.analysis.values.rulers import Rulers, rulers_by
from univar.analysis.values.scales import FloatArray, Scale
from univar.corpus.questions.poles import poles as written_poles
from univar.model.embedded import Corpus, EmbeddedCorpus
from univar.model.encoding import Provenance
from univar.model.pole_vectors import embedded_poles

if TYPE_CHECKING:
    import pandas as pd
    from sentence_transformers import SentenceTransformer

QUESTIONS = (1, 2, 5, 10, 20, 50)
"""Questions a value, of which the table tells the error."""

SAMPLES = (1, 3, 10)
"""Answers to each question, of which the table tells the error."""

WANTED = (0.5, 0.3, 0.2)
"""Errors that the advice is about."""

_Z = 1.96
_MOST = 500
_FLOOR = "However many questions are asked, ± {floor:.2f} stays: how a voice moves all readings of a value."
_OF_POLES = (
    "Learned from the poles, for want of answers to two questions of one value: an LLM's stance varies besides "
    "from question to question, so answers of its own make a better plan."
)


@dataclass(frozen=True, slots=True)
class PlannedError:
    """What a reading of one value is off by.

    Attributes:
        questions: About the value.
        samples: Answers to each; what more than one adds is not known where nothing was answered twice.
        n: Answers about the value in all.
        error: Half the 95 % interval of the reading, in units of a stance.
        interval: 95 % of the error itself, by bootstrap over values.
    """

    questions: int
    samples: int
    n: int
    error: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class ValuesPlan:
    """The error of a reading against numbers of questions and samples.

    Attributes:
        basis: `answers`, or the `poles` where there are no answers, or not two questions of one value.
        rows: The errors.
        between: Variance of an identity's stance from question to question, in units.
        within: Variance of its answers to one question; None where none was answered twice.
        manner: Variance that a voice adds, which no number of questions takes away.
        n: Answers that this was learned from; of the poles, poles.
        values: That they are about: what is drawn again.
        unread: What is to be said of answers in languages that the model does not read; None if there are none.
    """

    basis: Literal["answers", "poles"]
    rows: tuple[PlannedError, ...]
    between: float
    within: float | None
    manner: float
    n: int
    values: int
    unread: str | None = None

    def needed(self, error: float, samples: int = 1) -> int | None:
        """How many questions a value bring the error down to this; None if no number does."""
        left = (error / _Z) ** 2 - self.manner
        number = math.ceil((self.between + (self.within or 0.0) / samples) / left - 1e-9) if left > 0 else _MOST + 1
        return max(number, 1) if number <= _MOST else None

    def __str__(self) -> str:
        reached = [(wanted, self.needed(wanted)) for wanted in WANTED]
        advice = [f"± {wanted:.1f} takes {number}" for wanted, number in reached if number is not None]
        never = [f"± {wanted:.1f}" for wanted, number in reached if number is None]
        said = f"for a stance on one value, {', '.join(advice)} questions" if advice else "for a stance on one value"
        if never:
            said += f"{', and' if advice else ','} {' or '.join(never)} is out of reach of {_MOST} questions"
        one = self.rows[0]
        about = "poles in unseen voices; an LLM's stance varies besides" if self.basis == "poles" else "answers"
        return (
            f"{said[0].upper()}{said[1:]} (95 % intervals; one question leaves ± {one.error:.2f}, "
            f"{one.interval.low:.2f} to {one.interval.high:.2f} by bootstrap over {self.values:,} values, "
            f"n = {self.n:,} {about})."
        )

    def notes(self) -> list[str]:
        """What one must know to read the table, a sentence each."""
        floor = _Z * math.sqrt(self.manner)
        return [
            *([self.unread] if self.unread else []),
            *([_FLOOR.format(floor=floor)] if floor >= 0.005 else []),
            self._samples(),
            *([_OF_POLES] if self.basis == "poles" else []),
            "For many values together Holm's rule asks for more; families and Schwartz's ten are means of several "
            "values and need fewer questions of each.",
        ]

    def _samples(self) -> str:
        if self.within is None:
            return "What samples add is not known: no question was answered twice by one identity."
        share = self.within / total if (total := self.between + self.within) else 0.0
        use = "ask other questions, not the same again" if share < 0.5 else "asking the same again helps"
        return (
            f"Of the variance of an answer {100 * share:.0f} % is from sample to sample of one question, the rest from "
            f"question to question: {use}."
        )

    def to_pandas(self) -> "pd.DataFrame":
        """A row for each number of questions and samples: `n` answers, the error, its 95 % interval."""
        import pandas as pd

        return pd.DataFrame([_row(row) for row in self.rows])

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        needed = {f"{wanted:g}": self.needed(wanted) for wanted in WANTED}
        rows = [plain(_row(row)) for row in self.rows]
        return {"sentence": str(self), **plain(self), "rows": rows, "needed": needed, "notes": self.notes()}

    def to_markdown(self) -> str:
        """The table of errors; the advice and notes below."""
        rows = [cells(row) for row in self.rows]
        notes = "\n".join(f"- {note}" for note in [str(self), *self.notes()])
        return f"{markdown_table(HEADER, rows, text_columns=0)}\n{notes}\n"


HEADER = ("questions", "samples", "answers", "error, ±", "95 % interval")


def cells(row: PlannedError) -> tuple[str, ...]:
    """A row as text, in the order of `HEADER`."""
    return f"{row.questions:,}", f"{row.samples:,}", f"{row.n:,}", f"{row.error:.2f}", span(row.interval, ".2f")


def _row(row: PlannedError) -> dict[str, Any]:
    counts = {"questions": row.questions, "samples": row.samples, "n": row.n}
    return counts | {"error": row.error, **row.interval._asdict()}


def plan_values(
    corpus: Corpus | None = None,
    *,
    model: "str | SentenceTransformer | None" = None,
    poles: EmbeddedCorpus | None = None,
    seed: int = 0,
    untranslated: bool = False,
    advance: Callable[[float], None] | None = None,
    **options: Any,
) -> ValuesPlan:
    """How many questions and samples a reading of a value takes, from what answers there are or from the poles.

    Args:
        corpus: Answers, of a trial run say; None for the poles alone, before anything is asked.
        model: As for `univar.values`.
        poles: As for `univar.values`.
        seed: Of the bootstrap.
        untranslated: Encode answers in languages that the model does not read as they are; see `univar.embed`.
        advance: Is told how many more poles are encoded.
        options: For `univar.read_corpus`.

    Raises:
        CorpusError, UntranslatedError, EmbeddedCorpusError or ValuesError: As for `univar.values`; ValuesError too if
            the model tells the poles of no value apart.
    """
    if corpus is None:
        rulers = _rulers(model, poles, seed, advance)
        _check_readable(rulers)
        return _plan(_of_poles(rulers), "poles", rulers.by_question.manner, len(written_poles()), seed)
    found = prepared(corpus, model, poles=poles, seed=seed, untranslated=untranslated, advance=advance, **options)
    _check_readable(found.rulers)
    rows = _of_answers(found)
    if len(rows) < 2:
        planned = _plan(_of_poles(found.rulers), "poles", found.rulers.by_question.manner, len(written_poles()), seed)
    else:
        planned = _plan(rows, "answers", _manner(found), int((found.placed.kind >= 0).sum()), seed)
    return replace(planned, unread=found.corpus.unread)


def _rulers(
    model: "str | SentenceTransformer | None",
    poles: EmbeddedCorpus | None,
    seed: int,
    advance: Callable[[float], None] | None,
) -> Rulers:
    if poles is None:
        from univar.model.modeling import load_model  # here, not above: torch takes seconds

        name = model if isinstance(model, str) else None
        loaded = load_model(name or "univar") if model is None or isinstance(model, str) else model
        poles = embedded_poles(Provenance.of(loaded, name or "univar", ()), loaded, advance=advance)
    return rulers_by(poles, seed=seed)


def _of_poles(rulers: Rulers) -> FloatArray:
    """`(values, 5)` as `_of_answers`, of the poles of each value; what samples add is not known."""
    scale = rulers.by_question
    spreads = scale.spreads[np.isfinite(scale.halves)]
    own = np.maximum(spreads - scale.manner, 0)
    return np.stack([own, *(np.full(len(own), number) for number in (1.0, 1.0, 0.0, 0.0))], axis=1)


def _check_readable(rulers: Rulers) -> None:
    if not rulers.carry([list(rulers.values)])[0].any():
        raise ValuesError(
            "this model does not tell the poles of values apart in unseen voices, all values together, so nothing can "
            "be read nor planned with it; give another as model=, in the terminal --model"
        )


def _of_answers(found: Prepared) -> FloatArray:
    """`(values, 5)` sums over the identities that answered two questions or more of a value.

    The variance between the means of questions, the mean of 1 / samples, how many identities; the variance between
    samples of one question, how many questions have two or more.
    """
    cells: dict[tuple[int, int, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record, value, kind, stance in zip(found.corpus.records, *found.placed, strict=True):
        if kind >= 0:
            cells[value, kind, str(record.identity)][record.question_key].append(stance)
    sums: dict[int, FloatArray] = defaultdict(lambda: np.zeros(5))
    for (value, _, _), asked in cells.items():
        if len(asked) > 1:
            between = float(np.var([np.mean(of) for of in asked.values()], ddof=1))
            sums[value][:3] += between, float(np.mean([1 / len(of) for of in asked.values()])), 1
        for of in asked.values():
            if len(of) > 1:
                sums[value][3:] += float(np.var(of, ddof=1)), 1
    kept = [of for of in sums.values() if of[2]]
    return np.array(kept).reshape(-1, 5)


def _manner(found: Prepared) -> float:
    """The mean over answers of what a voice adds to the readings of their kind."""
    scales: Sequence[Scale] = (found.rulers.by_question, found.rulers.by_axis)
    return float(np.mean([scales[kind].manner for kind in found.placed.kind if kind >= 0]))


def _plan(sums: FloatArray, basis: Literal["answers", "poles"], manner: float, n: int, seed: int) -> ValuesPlan:
    between, within = (float(part[0]) for part in _components(sums.sum(axis=0)[None]))
    sampled = bool(sums[:, 4].any())

    def errors(drawn: FloatArray, questions: int, samples: int) -> FloatArray:
        of_questions, of_samples = _components(drawn)
        return _Z * np.sqrt((of_questions + of_samples / samples) / questions + manner)

    rows = []
    for samples in SAMPLES if sampled else SAMPLES[:1]:
        for questions in QUESTIONS:

            def statistic(drawn: FloatArray, q: int = questions, s: int = samples) -> FloatArray:
                return errors(drawn, q, s)

            error = float(statistic(sums.sum(axis=0)[None])[0])
            interval = bootstrap_of_sums(sums, statistic, seed=seed)
            rows.append(PlannedError(questions, samples, questions * samples, error, interval))
    return ValuesPlan(basis, tuple(rows), between, within if sampled else None, manner, n, len(sums))


def _components(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The variances between questions and between samples, `(b,)` each, of `(b, 5)` sums."""
    within = np.divide(sums[:, 3], sums[:, 4], out=np.zeros(len(sums)), where=sums[:, 4] > 0)
    return np.maximum((sums[:, 0] - within * sums[:, 1]) / sums[:, 2], 0), within
