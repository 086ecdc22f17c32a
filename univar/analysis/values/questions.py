"""Which value an answer is about, and whether its question has written poles."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from univar.corpus.questions.bank import Question, control_questions, question_bank, translated_questions
from univar.corpus.questions.poles import poles
from univar.corpus.questions.taxonomy import reference_taxonomy
from univar.corpus.records import QARecord, normalised_question


@dataclass(frozen=True, slots=True)
class Asked:
    """What one answer was asked about.

    Attributes:
        value: Id of one of the reference values; None if none is known.
        question: Id of the question if it is of the bank; None for any other.
        poles: Whether that question has poles.
        control: Whether it is a control question of the bank.
    """

    value: str | None = None
    question: str | None = None
    poles: bool = False
    control: bool = False


def asked(records: Sequence[QARecord]) -> list[Asked]:
    """What each answer was asked about.

    A question is of the bank if its text is, in English or another language of the bank, or a paraphrase; where its
    English text is not known, its id says so too. An id alone does not where the text is another: ids such as
    `thrift-01` are not the bank's own. An answer to any other question is of the value that its record names, by id or
    name.
    """
    known: dict[tuple[str | None, ...], Asked] = {}
    found = []
    for record in records:
        key = (record.question_id, record.question, record.question_eng, record.lang, record.value)
        if key not in known:
            known[key] = _asked(record)
        found.append(known[key])
    return found


def _asked(record: QARecord) -> Asked:
    by_text, by_id = _bank()
    texts = [normalised_question(text) for text in (record.question_eng, record.question) if text]
    question = next((by_text[text] for text in texts if text in by_text), None)
    if question is None and record.lang != "eng" and record.question_eng is None:
        question = by_id.get(record.question_id)
    if question is None:
        return Asked(value=_values().get(normalised_question(record.value.replace("_", " "))) if record.value else None)
    return Asked(question.value, question.question_id, question.question_id in _with_poles(), question.control)


@functools.cache
def _bank() -> tuple[dict[str, Question], dict[str, Question]]:
    """The questions of the bank by their normalised texts, and by their ids."""
    original = (*question_bank(), *control_questions())
    by_text = {normalised_question(text): one for one in original for text in one.paraphrases}
    by_text |= {normalised_question(one.question): one for one in (*translated_questions(), *original)}
    return by_text, {one.question_id: one for one in original}


@functools.cache
def _with_poles() -> frozenset[str]:
    return frozenset(pole.question.question_id for pole in poles())


@functools.cache
def _values() -> dict[str, str]:
    """The ids of the reference values by what they may be called."""
    values = reference_taxonomy().values
    return {normalised_question(name.replace("_", " ")): one.id for one in values for name in (one.name, one.id)}
