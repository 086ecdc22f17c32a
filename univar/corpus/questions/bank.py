"""The question bank: value-eliciting and control questions, its core, and balanced parts of any set of questions."""

import functools
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal, get_args

Form = Literal["advice", "opinion", "trade-off", "situation", "second-person"]
FORMS: tuple[Form, ...] = get_args(Form)

SETS = ("bank", "core", "controls")
"""Names of the sets of questions that ship."""
CONTROL_ID = "control-"
"""What the id of a control question begins with."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question, of the bank or of one's own.

    Attributes:
        question_id: The same in all languages; in the bank `value-number`, or `control-topic-number`.
        question: As it is asked, in `lang`.
        question_eng: The English original; None where it is not known.
        lang: ISO 639-3.
        value: Id of the value that it elicits; None for a control question, and where it is not stated.
        form: How it asks; None where it is not stated.
        topic: What it is about besides the value; for a control question the control topic; None where it is not
            stated.
        paraphrases: The same question in other English words; four for a question of the core, else none.
    """

    question_id: str
    question: str
    question_eng: str | None
    lang: str
    value: str | None
    form: Form | None
    topic: str | None
    paraphrases: tuple[str, ...] = ()

    @property
    def control(self) -> bool:
        """Whether it is a control question: it has an id that begins with `control-`, and no value.

        A question that does not state its value is none for that alone.
        """
        return self.value is None and self.question_id.startswith(CONTROL_ID)

    @property
    def question_key(self) -> str:
        """The English original where it is known: it decides the split, which all versions of a question share."""
        return self.question_eng or self.question


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
    return tuple(_translated(originals[row["question_id"]], row) for row in asset_rows("translations"))


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


def core_questions(lang: str = "eng") -> tuple[Question, ...]:
    """The core of the bank in a language: two questions a value in English, in the others those of them that are there.

    Raises:
        ValueError: If the bank has no questions in the language; the message names those that it has.
    """
    core = {question.question_id for question in question_bank() if question.paraphrases}
    return tuple(question for question in questions_in(lang) if question.question_id in core)


def question_set(name: str) -> tuple[Question, ...]:
    """All questions of a set that ships, in all its languages.

    Raises:
        ValueError: If `name` is not one of `SETS`.
    """
    if name == "controls":
        return control_questions()
    if name not in SETS:
        raise ValueError(f"no question set {name!r}; there are {', '.join(SETS)}")
    of_language = core_questions if name == "core" else questions_in
    return tuple(question for lang in bank_languages() for question in of_language(lang))


def limited(questions: Sequence[Question], per_value: int, *, seed: int = 0) -> list[Question]:
    """At most so many questions a value, the same in every language; of control questions at most so many a topic.

    Questions that are there in most languages come first, then a hash of their ids decides, so that their order does
    not matter, and that a larger part holds a smaller one. Questions that state no value are taken by topic too; those
    without a topic are one group.

    Args:
        questions: In all languages that are to have the same questions: leave languages out afterwards.
        per_value: At least 1.
        seed: Another one gives another part.

    Returns:
        The part, in the order of `questions`.

    Raises:
        ValueError: If `per_value` is below 1.
    """
    if per_value < 1:
        raise ValueError(f"per_value must be at least 1, got {per_value}")
    languages: dict[str, set[str]] = defaultdict(set)
    groups: dict[str | tuple[bool, str | None], set[str]] = defaultdict(set)
    for question in questions:
        languages[question.question_id].add(question.lang)
        groups[question.value or (question.control, question.topic)].add(question.question_id)

    def place(question_id: str) -> tuple[int, bytes]:
        digest = hashlib.blake2b(f"{seed} {question_id}".encode(), digest_size=8).digest()
        return -len(languages[question_id]), digest

    chosen = {name for group in groups.values() for name in sorted(group, key=place)[:per_value]}
    return [question for question in questions if question.question_id in chosen]


def bank_languages() -> tuple[str, ...]:
    """The languages of the bank, ISO 639-3: English first, then in alphabetical order."""
    return "eng", *sorted({question.lang for question in translated_questions()})


@functools.cache
def bank_ids() -> frozenset[str]:
    """The ids of all questions that ship."""
    return frozenset(question.question_id for question in (*question_bank(), *control_questions()))


def topics(kind: Literal["value", "control"]) -> tuple[str, ...]:
    """The topics of the value or the control questions of the bank, in alphabetical order."""
    asked = question_bank() if kind == "value" else control_questions()
    return tuple(sorted({question.topic for question in asked if question.topic is not None}))


def _english(name: str) -> Iterator[Question]:
    for row in asset_rows(name):
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


def asset_rows(name: str) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines among the questions that ship."""
    text = (files("univar") / "assets" / "questions" / f"{name}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.split("\n") if line]
