"""Answers before and after, question by question."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from univar.analysis.names import printable, shortened
from univar.analysis.values.questions import Asked, asked
from univar.corpus.questions.bank import CONTROL_ID
from univar.corpus.records import QARecord, normalised_question
from univar.model.embedded import EmbeddedCorpus, EmbeddedCorpusError

FloatArray = npt.NDArray[np.float64]
UnitOf = Literal["samples", "questions"]
Key = tuple[str, str]

_ROUNDING = 1e-9
"""Of squared differences: what single precision leaves between differences that are the same."""


class ShiftError(ValueError):
    """Answers whose shift cannot be measured; the message says why and what to give."""


@dataclass(frozen=True, slots=True)
class AnswerPair:
    """One question, answered before and after.

    Attributes:
        question: As it was asked before.
        lang: Of the answer after, ISO 639-3.
        value: That the question is about, if it is known.
        before: An answer.
        after: An answer.
        moved: How far along the shift at other questions, in the unit of the shift; NaN where there is none.
    """

    question: str
    lang: str
    value: str | None
    before: str
    after: str
    moved: float


class Paired(NamedTuple):
    """Answers to q shared questions, d dimensions."""

    apart: FloatArray
    """(q, d) the mean of the answers after less that before; of several languages the mean over them."""
    units: FloatArray
    """(q,) squared distances of two answers to one question, of which the mean is the square of the unit."""
    unit_of: UnitOf
    """Whether those are of samples of one LLM, or of what the questions' differences differ by."""
    sampling: float
    """Of the mean squared length of a difference, how much is due to the sampling of answers; NaN if not known."""
    asked: list[Asked]
    """(q,) what each question is."""
    values: list[str | None]
    """(q,) the value of each question: of the 87 by its id, else as a record names it."""
    rows: list[list[tuple[list[int], list[int]]]]
    """Of each question, of each language, the rows of the answers before and after."""

    @property
    def n(self) -> int:
        """How many QAs."""
        return sum(len(before) + len(after) for pairs in self.rows for before, after in pairs)

    @property
    def samples(self) -> int:
        """How many answers a question had in one language, at the most."""
        return max(len(side) for pairs in self.rows for pair in pairs for side in pair)


def paired(before: EmbeddedCorpus, after: EmbeddedCorpus) -> Paired:
    """The shared questions of two sets of answers, and how far the answers to each of them lie apart.

    A question is shared where it is asked in the same language. Two sets without a common language are paired by the
    English version of questions, else by their ids: then it is the shift between languages.

    The unit is the distance between two samples of the same LLM: two answers to one question, where `sample` gives
    several, by the LLM as it was before (else after). Where each question was answered once, it is the distance
    between the differences at one half of the questions and at the other, over all halvings and for a single question:
    the same if the shift is the same at every question, and else too large by what it differs by, so that a shift
    looks smaller than it is, never larger.

    Raises:
        EmbeddedCorpusError: If the vectors are of different models.
        ShiftError: If one side holds the answers of several LLMs, or fewer than two questions are shared.
    """
    check_one_model(before, after)
    for name, side in (("before", before), ("after", after)):
        check_one_llm(name, side)
    mine, theirs = _keyed(before, after)
    shared = [key for key in mine if key in theirs]
    questions: dict[str, list[tuple[list[int], list[int]]]] = defaultdict(list)
    for key in shared:
        questions[key[0]].append((mine[key], theirs[key]))
    if len(questions) < 2:
        raise ShiftError(_too_few(before, after, len(questions)))
    rows = list(questions.values())
    vectors = before.embeddings.astype(np.float64), after.embeddings.astype(np.float64)
    differences = [np.array([vectors[1][b].mean(0) - vectors[0][a].mean(0) for a, b in pairs]) for pairs in rows]
    apart = np.array([of.mean(axis=0) for of in differences])
    units, sampling = _by_samples(vectors, rows)
    unit_of: UnitOf = "samples"
    if not np.nanmax(units, initial=0.0) > 0:
        number, mean = len(apart), apart.mean(axis=0)
        unit_of, sampling = "questions", float("nan")
        units = np.array([np.mean(np.sum((of - mean) ** 2, axis=1)) for of in differences]) * number / (number - 1)
        if units.mean() <= _ROUNDING * np.mean(np.sum(apart**2, axis=1)):
            units[:] = 0.0
    about = _about(before, after, rows)
    values = [one.value or _named(before, after, pairs) for one, pairs in zip(about, rows, strict=True)]
    return Paired(apart, units, unit_of, sampling, about, values, rows)


def parted(corpus: EmbeddedCorpus) -> tuple[EmbeddedCorpus | None, EmbeddedCorpus | None]:
    """Answers to value questions, and those to control questions of the bank, which may lie in one corpus."""
    control = np.array(
        [record.value is None and record.question_id.startswith(CONTROL_ID) for record in corpus.records]
    )
    return _taken(corpus, ~control), _taken(corpus, control)


def rows_by_question(corpus: EmbeddedCorpus) -> dict[Key, list[int]]:
    """The rows of the answers to each question in each language."""
    return _rows(corpus, lambda one: (normalised_question(one.question_key), one.lang))


def joined(parts: Sequence[EmbeddedCorpus | None]) -> EmbeddedCorpus | None:
    """All answers of some corpora of one model; None where there is none."""
    found = [part for part in parts if part is not None]
    if len(found) < 2:
        return found[0] if found else None
    check_one_model(*found)
    records = tuple(record for part in found for record in part.records)
    return EmbeddedCorpus(records, np.concatenate([part.embeddings for part in found]), found[0].provenance)


def moved_most(before: EmbeddedCorpus, after: EmbeddedCorpus, found: Paired, number: int = 5) -> list[AnswerPair]:
    """The pairs of answers that lie furthest apart along the shift at the other questions, a question once."""
    total, unit = found.apart.sum(axis=0), float(np.nanmean(found.units))
    most = []
    for row, pairs in enumerate(found.rows):
        others = total - found.apart[row]
        length = float(np.linalg.norm(others))
        direction = others / length if length else others
        a, b = max(
            ((a, b) for first, second in pairs for a in first for b in second),
            key=lambda pair: float((after.embeddings[pair[1]] - before.embeddings[pair[0]]) @ direction),
        )
        along = float((after.embeddings[b].astype(np.float64) - before.embeddings[a]) @ direction)
        moved = along / np.sqrt(unit) if unit > 0 else float("nan")
        asked, answered = before.records[a], after.records[b]
        most.append(
            AnswerPair(asked.question, answered.lang, found.values[row], asked.answer, answered.answer, float(moved))
        )
    ordered = sorted(most, key=lambda pair: -pair.moved)
    return [pair for pair in ordered if pair.before != pair.after][:number]


def _taken(corpus: EmbeddedCorpus, which: npt.NDArray[np.bool_]) -> EmbeddedCorpus | None:
    if which.all():
        return corpus
    rows = np.flatnonzero(which)
    if not len(rows):
        return None
    return EmbeddedCorpus(tuple(corpus.records[row] for row in rows), corpus.embeddings[rows], corpus.provenance)


def _keyed(before: EmbeddedCorpus, after: EmbeddedCorpus) -> tuple[dict[Key, list[int]], dict[Key, list[int]]]:
    """The rows of each question and language; of two sets without a common language, of each question."""
    sides = (before, after)
    if {record.lang for record in before.records} & {record.lang for record in after.records}:
        return rows_by_question(before), rows_by_question(after)
    mine, theirs = (_rows(side, lambda one: (normalised_question(one.question_key), "")) for side in sides)
    if not mine.keys() & theirs.keys():
        mine, theirs = (_rows(side, lambda one: (one.question_id, "")) for side in sides)
    return mine, theirs


def _rows(corpus: EmbeddedCorpus, key: Callable[[QARecord], Key]) -> dict[Key, list[int]]:
    found: dict[Key, list[int]] = defaultdict(list)
    for row, record in enumerate(corpus.records):
        found[key(record)].append(row)
    return dict(found)


def _by_samples(
    vectors: tuple[FloatArray, FloatArray], rows: Sequence[Sequence[tuple[list[int], list[int]]]]
) -> tuple[FloatArray, float]:
    """`(q,)` twice the variance of the answers to one question, and what of the differences is due to it."""
    side = 0 if any(len(pair[0]) > 1 for pairs in rows for pair in pairs) else 1
    units = np.full(len(rows), np.nan)
    for place, pairs in enumerate(rows):
        several = [vectors[side][pair[side]] for pair in pairs if len(pair[side]) > 1]
        if several:
            units[place] = np.mean([2 * np.var(answers, axis=0, ddof=1).sum() for answers in several])
    if np.isnan(units).all():
        return units, float("nan")
    noise = [np.sum([(1 / len(a) + 1 / len(b)) / 2 for a, b in pairs]) / len(pairs) ** 2 for pairs in rows]
    return units, float(np.nanmean(units) * np.mean(noise))


def _about(
    before: EmbeddedCorpus, after: EmbeddedCorpus, rows: Sequence[Sequence[tuple[list[int], list[int]]]]
) -> list[Asked]:
    """What each question is, by the first of its answers that tells of a value."""
    mine, theirs = asked(before.records), asked(after.records)
    told = [
        [of[row] for pair in pairs for of, side in zip((mine, theirs), pair, strict=True) for row in side]
        for pairs in rows
    ]
    return [next((one for one in of if one.value), of[0]) for of in told]


def _named(before: EmbeddedCorpus, after: EmbeddedCorpus, pairs: Sequence[tuple[list[int], list[int]]]) -> str | None:
    named = [before.records[row].value for first, _ in pairs for row in first]
    named += [after.records[row].value for _, second in pairs for row in second]
    return next((value for value in named if value is not None), None)


def check_one_model(*corpora: EmbeddedCorpus) -> None:
    """Refuses vectors of different models.

    Raises:
        EmbeddedCorpusError: If there are some; the message names two.
    """
    first = corpora[0].provenance
    for other in (corpus.provenance for corpus in corpora[1:]):
        if (first.fingerprint, first.passage) != (other.fingerprint, other.passage):
            raise EmbeddedCorpusError(
                f"answers embedded by {first.model} ({first.fingerprint[:12]}…) and by {other.model} "
                f"({other.fingerprint[:12]}…) cannot be compared: embed all of them with one model, as with "
                "`univar encode ANSWERS --model NAME --out FILE.parquet`"
            )


def check_one_llm(name: str, corpus: EmbeddedCorpus) -> None:
    """Refuses the answers of several LLMs.

    Raises:
        ShiftError: If there are some; the message names them.
    """
    llms = sorted({record.model for record in corpus.records})
    if len(llms) > 1:
        named = ", ".join(shortened(printable(llm)) for llm in llms[:5])
        raise ShiftError(
            f"the answers {name} are by {len(llms)} LLMs ({named}{', …' if len(llms) > 5 else ''}); a shift is that of "
            "one LLM: give a file for each, and for how LLMs lie apart use `univar map` or `univar place`"
        )


def _too_few(before: EmbeddedCorpus, after: EmbeddedCorpus, shared: int) -> str:
    asked = [shortened(printable(side.records[0].question), 60) for side in (before, after)]
    langs = [", ".join(sorted({record.lang for record in side.records})) for side in (before, after)]
    if langs[0] != langs[1] and not shared:
        return (
            f"the answers before (in {langs[0]}) and after (in {langs[1]}) share no question: {asked[0]!r} and "
            f"{asked[1]!r} stand first; give both the same question_id, or the English question as question_eng"
        )
    number = "no question" if not shared else "one question"
    return (
        f"the answers before and after share {number}, and a shift is told from 2 or more: {asked[0]!r} and "
        f"{asked[1]!r} stand first; ask the same questions before and after, as with `univar elicit --questions FILE`"
    )
