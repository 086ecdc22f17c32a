"""The question bank: value-eliciting and control questions, and the checks that they have passed."""

import functools
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from univar.corpus.questions.taxonomy import Taxonomy
from univar.corpus.records import normalised_question
from univar.files import replacing

Form = Literal["advice", "opinion", "trade-off", "situation", "second-person"]
FORMS: tuple[Form, ...] = get_args(Form)

FEWEST_WORDS, MOST_WORDS = 5, 60
LARGEST_SIMILARITY = 0.92
"""Cosine of two questions, embedded by the base encoder, above which they count as the same question."""
LARGEST_OPENING_SHARE = 0.02
"""Of the bank that may begin with the same three words."""

_LEADING = re.compile(
    r"\b(don't you (think|agree)|wouldn't you (say|agree)|isn't it (obvious|clear|true)|surely|obviously|of course"
    r"|everyone knows|as we all know)\b|, (right|isn't it|don't they|aren't they)\?$",
    re.IGNORECASE,
)
_NEEDED = ("question_id", "question", "form", "topic")
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")

Embed = Callable[[list[str]], npt.NDArray[np.float32]]
"""From texts to unit vectors `(n, d)`."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the bank.

    Attributes:
        question_id: `value-number`, or `control-topic-number`; the same in all languages.
        question: As it is asked, in `lang`.
        question_eng: The English original: it decides the split, so that all versions of a question share one.
        lang: ISO 639-3.
        value: Id of the value that it elicits; None for a control question.
        form: How it asks.
        topic: What it is about besides the value; for a control question the control topic.
        paraphrases: The same question in other English words; four for a question of the core, else none.
    """

    question_id: str
    question: str
    question_eng: str
    lang: str
    value: str | None
    form: Form
    topic: str
    paraphrases: tuple[str, ...] = ()


_QUESTION = TypeAdapter(Question)


class QuestionsError(ValueError):
    """A file that holds no questions; the message names the line and what was expected."""


@functools.cache
def question_bank() -> tuple[Question, ...]:
    """The value-eliciting questions in English, value by value."""
    return tuple(_english("english"))


@functools.cache
def control_questions() -> tuple[Question, ...]:
    """Questions in English that elicit no values, topic by topic."""
    return tuple(_english("controls"))


@functools.cache
def translated_questions() -> tuple[Question, ...]:
    """One question a value in each language other than English; machine-written, not reviewed by natives."""
    originals = {question.question_id: question for question in question_bank()}
    return tuple(_translated(originals[row["question_id"]], row) for row in _rows("translations"))


def questions_in(lang: str) -> tuple[Question, ...]:
    """The value-eliciting questions in a language: all of them in English, one a value in the others.

    Raises:
        ValueError: If the bank has no questions in the language; the message names those that it has.
    """
    if lang == "eng":
        return question_bank()
    found = tuple(question for question in translated_questions() if question.lang == lang)
    if not found:
        raise ValueError(f"the question bank has no questions in {lang!r}, only in {', '.join(bank_languages())}")
    return found


def bank_languages() -> tuple[str, ...]:
    """The languages of the bank, ISO 639-3: English first, then in alphabetical order."""
    return "eng", *sorted({question.lang for question in translated_questions()})


def topics(kind: Literal["value", "control"]) -> tuple[str, ...]:
    """The topics of the value or the control questions of the bank, in alphabetical order."""
    return tuple(sorted({question.topic for question in (question_bank() if kind == "value" else control_questions())}))


def _english(name: str) -> Iterator[Question]:
    return (_read_row(row) for row in _rows(name))


def _read_row(row: dict[str, Any]) -> Question:
    """A question of its JSON line, where the English original and the language may be left out."""
    return Question(
        row["question_id"],
        row["question"],
        row.get("question_eng", row["question"]),
        row.get("lang", "eng"),
        row.get("value"),
        row["form"],
        row["topic"],
        tuple(row.get("paraphrases", ())),
    )


def _translated(original: Question, row: dict[str, str]) -> Question:
    return Question(
        original.question_id,
        row["question"],
        original.question,
        row["lang"],
        original.value,
        original.form,
        original.topic,
    )


def _rows(name: str) -> list[dict[str, Any]]:
    text = (files("univar") / "assets" / "questions" / f"{name}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


# Files


def read_questions(path: str | os.PathLike[str]) -> list[Question]:
    """The questions of a file of JSON lines, in the form in which `write_questions` and the bank have them.

    Raises:
        QuestionsError: If a line is no question, an id is doubled in a language or there are none; the message names
            the line.
    """
    file = Path(path)
    questions: dict[tuple[str, str], Question] = {}
    try:
        lines = file.read_text(encoding="utf-8").split("\n")  # not splitlines: U+0085 may stand in a text
    except (OSError, UnicodeDecodeError) as error:
        raise QuestionsError(f"{file} cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            question = _QUESTION.validate_python(asdict(_read_row(row)))
        except ValidationError as error:
            problem = error.errors()[0]
            field = ".".join(map(str, problem["loc"]))
            raise QuestionsError(
                f"{file}, line {number}: {field}: {problem['msg']}, got {problem['input']!r:.80}"
            ) from error
        except KeyError as error:
            missing = ", ".join(repr(field) for field in _NEEDED if field not in row)
            raise QuestionsError(
                f"{file}, line {number}: no question, it lacks {missing}; a question has {', '.join(_NEEDED)} and, "
                "unless it is a control question, value"
            ) from error
        except (ValueError, TypeError, AttributeError) as error:
            raise QuestionsError(
                f"{file}, line {number}: no question ({type(error).__name__}: {error}); expected a JSON object with "
                "question_id, question, form, topic and, unless it is a control question, value"
            ) from error
        name = (question.question_id, question.lang)
        if name in questions:
            raise QuestionsError(
                f"{file}, line {number}: the id {question.question_id!r} occurs a second time in {question.lang}"
            )
        questions[name] = question
    if not questions:
        raise QuestionsError(f"{file} holds no questions; expected JSON lines")
    return list(questions.values())


def write_questions(questions: Iterable[Question], path: str | os.PathLike[str]) -> None:
    """Writes JSON lines, whole or not at all."""
    with replacing(path) as temporary:
        text = "".join(json.dumps(asdict(question), ensure_ascii=False) + "\n" for question in questions)
        temporary.write_text(text, encoding="utf-8")


# Checks


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong with one question.

    Attributes:
        question_id: Of the question.
        check: `length`, `ending`, `leading`, `same words`, `near duplicate` or `opening`.
        detail: What was found and what is allowed.
    """

    question_id: str
    check: str
    detail: str


def check_questions(questions: Sequence[Question]) -> list[Violation]:
    """What the wording of English questions shows: length, ending, leading phrases, repeated words and openings.

    A question has 5 to 60 words, ends as a question, does not say which answer is wanted, has not the same words as
    another, and begins with three words that at most 2 % of the questions (or one) begin with.
    """
    found = [Violation(q.question_id, *wrong) for q in questions for wrong in wording_violations(q.question)]
    by_words: dict[str, list[str]] = defaultdict(list)
    by_opening: dict[str, list[str]] = defaultdict(list)
    for question in questions:
        by_words[normalised_question(question.question)].append(question.question_id)
        by_opening[opening(question.question)].append(question.question_id)
    for first, *others in by_words.values():
        found += [Violation(other, "same words", f"as {first}") for other in others]
    most = max(1, int(LARGEST_OPENING_SHARE * len(questions)))
    for start, ids in by_opening.items():
        detail = f"{start!r} begins {len(ids)} questions; at most {most} may"
        found += [Violation(identifier, "opening", detail) for identifier in ids[most:]]
    return found


def wording_violations(text: str) -> Iterator[tuple[str, str]]:
    """What is wrong with one English question by itself, as check and detail."""
    count = len(_words(text))
    if not FEWEST_WORDS <= count <= MOST_WORDS:
        yield "length", f"{count} words; {FEWEST_WORDS} to {MOST_WORDS} are allowed"
    if not text.endswith("?"):
        yield "ending", "does not end with a question mark"
    if leading := _LEADING.search(text):
        yield "leading", f"{leading[0]!r} says which answer is wanted"


def opening(text: str) -> str:
    """The first three words of a question, in lower case."""
    return " ".join(_words(text)[:3])


def nearest_neighbours(
    questions: Sequence[Question], vectors: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], list[Violation]]:
    """How similar each question is to the nearest other one, and the near duplicates.

    Args:
        questions: At least two.
        vectors: `(n, d)` float32 unit vectors of the base encoder.

    Returns:
        `(n,)` float32 cosine in [-1, 1] of each question with its nearest neighbour, and a violation for each question
        that is nearer than `LARGEST_SIMILARITY` to an earlier one.

    Raises:
        ValueError: If there are fewer than two questions.
    """
    if len(questions) < 2:
        raise ValueError(f"neighbours need at least 2 questions, got {len(questions)}")
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -1)
    earlier = np.tril(similarity, k=-1)
    found = []
    for row in np.flatnonzero(earlier.max(axis=1) > LARGEST_SIMILARITY).tolist():
        nearest = int(earlier[row].argmax())
        detail = (
            f"cosine {earlier[row, nearest]:.3f} with {questions[nearest].question_id}; {LARGEST_SIMILARITY} is allowed"
        )
        found.append(Violation(questions[row].question_id, "near duplicate", detail))
    return similarity.max(axis=1), found


def quantiles(numbers: npt.NDArray[np.float32]) -> dict[str, float]:
    """The least of some numbers, their quartiles, the 99th percentile and the largest."""
    places = {"min": 0.0, "25 %": 0.25, "50 %": 0.5, "75 %": 0.75, "99 %": 0.99, "max": 1.0}
    return {name: round(float(np.quantile(numbers, place)), 3) for name, place in places.items()}


def distribution(questions: Sequence[Question], taxonomy: Taxonomy) -> dict[str, Counter[str]]:
    """How many questions there are by value, family (the first of a value), form, topic and language.

    Raises:
        KeyError: If a question's value is not in the taxonomy.
    """
    family = {value.id: value.families[0] for value in taxonomy.values}
    return {
        "value": Counter(question.value or "control" for question in questions),
        "family": Counter(family[question.value] if question.value else "control" for question in questions),
        "form": Counter(question.form for question in questions),
        "topic": Counter(question.topic for question in questions),
        "lang": Counter(question.lang for question in questions),
    }


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
