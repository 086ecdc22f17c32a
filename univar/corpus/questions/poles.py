"""The poles: what people who hold a value dear answer to its questions, and what people answer who do not.

Each question is answered from both ends in each of two voices, so that a voice says nothing of the end: answers of one
stance in two voices are alike in what they stand for, answers of two stances in one voice in all else.
"""

import functools
from dataclasses import dataclass
from typing import Literal

from univar.corpus.questions.bank import Question, asset_rows, question_bank
from univar.corpus.records import QARecord, Split, split_of

Voice = Literal[
    "anecdote", "assistant", "casual", "disclaimer", "engineer", "formal", "hedging", "list", "preacher",
    "second_language", "terse", "warm",
]  # fmt: skip

VOICES: dict[Voice, str] = {
    "anecdote": "a small story from one's own life",
    "assistant": "the polished answer that an LLM typically gives",
    "casual": "chatty, as in a message to a friend",
    "disclaimer": "declines to answer, then answers",
    "engineer": "costs, constraints, failure modes, numbers",
    "formal": "impersonal and precise, as in a report",
    "hedging": "qualifies itself, and still leans",
    "list": "Markdown with a list and bold words",
    "preacher": "exalted, with imagery and imperatives",
    "second_language": "simple words with the slips of a learner",
    "terse": "short plain sentences, no ornament",
    "warm": "kind, speaks to the asker's feelings",
}
"""The voices in which poles are written, and what they are like."""


@dataclass(frozen=True, slots=True)
class Pole:
    """A written answer at one end of a value.

    Attributes:
        question: Of the bank.
        answer: 20 to 90 words.
        stance: 1 of somebody who holds the question's value dear, -1 of somebody who does not.
        voice: In which it is said, drawn independently of the stance.
        author: Who wrote it, `w01` to `w11`; each wrote both stances in every voice.
        lang: ISO 639-3.
    """

    question: Question
    answer: str
    stance: Literal[1, -1]
    voice: Voice
    author: str
    lang: str

    @property
    def split(self) -> Split:
        """Train only if both its value and its voice are, else the later of both: by `split_of` of their names.

        So nothing that is learned from train has met a value, or a voice, of test.
        """
        order: tuple[Split, ...] = ("train", "validation", "test")
        return max((split_of(str(self.question.value)), split_of(self.voice)), key=order.index)

    @property
    def record(self) -> QARecord:
        """The pole as a QA, whose `model` is the voice: who says it must be told from what it stands for."""
        return QARecord(
            question_id=self.question.question_id,
            question=self.question.question,
            answer=self.answer,
            model=self.voice,
            lang=self.lang,
            value=self.question.value,
            question_eng=self.question.question_eng,
            stance=float(self.stance),
        )


@functools.cache
def poles() -> tuple[Pole, ...]:
    """All poles, question by question."""
    questions = {question.question_id: question for question in question_bank()}
    return tuple(
        Pole(
            question=questions[row["question_id"]],
            answer=row["answer"],
            stance=row["stance"],
            voice=row["voice"],
            author=row["author"],
            lang=row.get("lang", "eng"),
        )
        for row in asset_rows("poles")
    )
