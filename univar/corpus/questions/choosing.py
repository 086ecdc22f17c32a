"""Which questions an audit asks: few, as many of one value as of another, and the same in every language.

Only questions with written poles are asked, since an answer to them is read between its own question's poles. Of the
questions of a value those come first that no weights were trained on, then those that are there in other languages, so
that an audit of one language can be compared with one of several; then a hash of their ids decides. Values come in the
order of a hash too, each with its first question before any has its second: a larger audit holds a smaller one.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from univar.corpus.questions.bank import (
    Question,
    control_questions,
    question_bank,
    questions_in,
    translated_questions,
)
from univar.corpus.questions.poles import poles
from univar.corpus.records import question_hash


def value_questions(langs: Sequence[str], number: int, *, trained_on: AbstractSet[str] = frozenset()) -> list[Question]:
    """So many value-eliciting questions with poles, each in all the languages; see this module for which.

    Args:
        langs: ISO 639-3.
        number: At least 1; the number of values gives one question a value.
        trained_on: Hashes of questions that weights were trained on, as their training record has them.

    Returns:
        Question by question, each in all languages before the next.

    Raises:
        ValueError: If the bank has no questions in a language, or not so many in all of them.
    """
    asked = {lang: {question.question_id: question for question in questions_in(lang)} for lang in langs}
    with_poles = {pole.question.question_id for pole in poles()}
    everywhere = with_poles.intersection(*asked.values())
    translated = {question.question_id for question in translated_questions()}

    def place(question: Question) -> tuple[bool, bool, bytes]:
        known, name = question_hash(question.question_key) in trained_on, question.question_id
        return known, name not in translated, _digest(name)

    there = [question for question in question_bank() if question.question_id in everywhere]
    _check(number, len(there), f"value questions with poles in {', '.join(langs)}")
    chosen = _in_turn(there, number, lambda one: str(one.value), place)
    return [asked[lang][question.question_id] for question in chosen for lang in asked]


def control_part(number: int) -> list[Question]:
    """So many control questions, in English, from as many topics as there are.

    Raises:
        ValueError: If there are not so many.
    """
    _check(number, len(control_questions()), "control questions", least=0)
    return _in_turn(
        control_questions(),
        number,
        lambda question: str(question.topic),
        lambda question: _digest(question.question_id),
    )


def _in_turn(
    questions: Iterable[Question], number: int, group: Callable[[Question], str], place: Callable[[Question], Any]
) -> list[Question]:
    """The first of every group, then the second of every group, and so on, until there are so many."""
    groups: dict[str, list[Question]] = defaultdict(list)
    for question in sorted(questions, key=place):
        groups[group(question)].append(question)
    names = sorted(groups, key=_digest)
    rounds = range(max(map(len, groups.values()), default=0))
    turns = (groups[name][turn] for turn in rounds for name in names if turn < len(groups[name]))
    return [question for question, _ in zip(turns, range(number), strict=False)]


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=8).digest()


def _check(number: int, most: int, what: str, *, least: int = 1) -> None:
    if not least <= number <= most:
        raise ValueError(f"there are {most:,} {what}; give {least} to {most:,}, got {number:,}")
