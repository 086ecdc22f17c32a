"""The question bank: value-eliciting and control questions, and the checks that they have passed."""

import functools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from univar.corpus.records import normalised_question
from univar.corpus.taxonomy import reference_taxonomy

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

    @property
    def family(self) -> str | None:
        """The first family of its value."""
        return None if self.value is None else reference_taxonomy().value(self.value).families[0]


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


def topics() -> tuple[str, ...]:
    """The topics of value questions, then of control questions, each in alphabetical order."""
    return tuple(name for bank in (question_bank(), control_questions()) for name in sorted({q.topic for q in bank}))


def _english(name: str) -> Iterator[Question]:
    for row in _rows(name):
        paraphrases = tuple(row.get("paraphrases", ()))
        yield Question(
            row["question_id"],
            row["question"],
            row["question"],
            "eng",
            row.get("value"),
            row["form"],
            row["topic"],
            paraphrases,
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
    return [json.loads(line) for line in text.splitlines()]


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
    found = [violation for question in questions for violation in _wording(question)]
    by_words: dict[str, list[str]] = defaultdict(list)
    by_opening: dict[str, list[str]] = defaultdict(list)
    for question in questions:
        by_words[normalised_question(question.question)].append(question.question_id)
        by_opening[" ".join(_words(question.question)[:3])].append(question.question_id)
    for first, *others in by_words.values():
        found += [Violation(other, "same words", f"as {first}") for other in others]
    most = max(1, int(LARGEST_OPENING_SHARE * len(questions)))
    for opening, ids in by_opening.items():
        detail = f"{opening!r} begins {len(ids)} questions; at most {most} may"
        found += [Violation(identifier, "opening", detail) for identifier in ids[most:]]
    return found


def _wording(question: Question) -> Iterator[Violation]:
    count = len(_words(question.question))
    if not FEWEST_WORDS <= count <= MOST_WORDS:
        yield Violation(question.question_id, "length", f"{count} words; {FEWEST_WORDS} to {MOST_WORDS} are allowed")
    if not question.question.endswith("?"):
        yield Violation(question.question_id, "ending", "does not end with a question mark")
    if leading := _LEADING.search(question.question):
        yield Violation(question.question_id, "leading", f"{leading[0]!r} says which answer is wanted")


def nearest_neighbours(questions: Sequence[Question], embed: Embed) -> tuple[npt.NDArray[np.float32], list[Violation]]:
    """How similar each question is to the nearest other one, and the near duplicates.

    Args:
        questions: At least two.
        embed: The base encoder's `encode`.

    Returns:
        `(n,)` float32 cosine in [-1, 1] of each question with its nearest neighbour, and a violation for each question
        that is nearer than `LARGEST_SIMILARITY` to an earlier one.

    Raises:
        ValueError: If there are fewer than two questions.
    """
    if len(questions) < 2:
        raise ValueError(f"neighbours need at least 2 questions, got {len(questions)}")
    vectors = np.asarray(embed([question.question for question in questions]), dtype=np.float32)
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -1)
    earlier = np.tril(similarity, k=-1)
    found = []
    for row in np.flatnonzero(earlier.max(axis=1) > LARGEST_SIMILARITY):
        nearest = int(earlier[row].argmax())
        detail = (
            f"cosine {earlier[row, nearest]:.3f} with {questions[nearest].question_id}; {LARGEST_SIMILARITY} is allowed"
        )
        found.append(Violation(questions[row].question_id, "near duplicate", detail))
    return similarity.max(axis=1), found


def quantiles(numbers: npt.ArrayLike) -> dict[str, float]:
    """The least of some numbers, their quartiles, the 99th percentile and the largest."""
    places = {"min": 0.0, "25 %": 0.25, "50 %": 0.5, "75 %": 0.75, "99 %": 0.99, "max": 1.0}
    return {name: round(float(np.quantile(numbers, place)), 3) for name, place in places.items()}


def distribution(questions: Sequence[Question]) -> dict[str, Counter[str]]:
    """How many questions there are by value, family, form, topic and language."""
    return {
        "value": Counter(question.value or "control" for question in questions),
        "family": Counter(question.family or "control" for question in questions),
        "form": Counter(question.form for question in questions),
        "topic": Counter(question.topic for question in questions),
        "lang": Counter(question.lang for question in questions),
    }


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
