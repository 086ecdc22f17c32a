"""The QA: one record type for the whole project, its schema, the text that is encoded, and its place in a split."""

import functools
import hashlib
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import Any, Literal, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from univar.files import replacing

Item = TypeVar("Item")

Split = Literal["train", "validation", "test"]

QUESTION_BUDGET = 200
"""Characters of a question that reach the encoder. A longer one would push the answer out of a short window."""

PASSAGE = 480
"""Characters of an answer that one passage holds: with its question, about what a window of 128 tokens reads."""

PASSAGE_TOKENS = 128
"""That the longest passage has, about, with its question."""

_ROWS_PER_GROUP = 10_000

_LATER = ("reasoning", "stance", "claim")  # fields that came after the first version
_TEXT_FIELDS = ("question", "answer", "lang", "question_eng", "answer_eng")

SCHEMA = pa.schema(
    [
        pa.field("question_id", pa.string(), nullable=False),
        pa.field("question", pa.string(), nullable=False),
        pa.field("answer", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("lang", pa.string(), nullable=False),
        pa.field("value", pa.string()),
        pa.field("source", pa.string()),
        pa.field("sample", pa.int32(), nullable=False),
        pa.field("question_eng", pa.string()),
        pa.field("answer_eng", pa.string()),
        pa.field("reasoning", pa.string()),
        pa.field("stance", pa.float64()),
        pa.field("claim", pa.string()),
    ]
)
"""The columns of every corpus file, in order."""


class Identity(NamedTuple):
    """One LLM answering in one language: what identification names (the paper's "value ID")."""

    model: str
    lang: str

    def __str__(self) -> str:
        return f"{self.model} ({self.lang})"


@dataclass(frozen=True, slots=True)
class QARecord:
    """One question and what one LLM answered to it in one language.

    `lang` is an ISO 639-3 code; `sample` numbers repeated answers; the `_eng` fields hold the English version of a
    QA in another language, and `reasoning` what the LLM thought, which is never part of its answer. `stance` is how far
    the answer stands for what its question or value proposes, from -1 (against) to 1 (for), or for `claim`, a sentence
    in the language of the question, where that is what it is about. A record is taken as it is:
    `univar.corpus.readers.read_corpus` is where rows are checked.
    """

    question_id: str
    question: str
    answer: str
    model: str
    lang: str
    value: str | None = None
    source: str | None = None
    sample: int = 0
    question_eng: str | None = None
    answer_eng: str | None = None
    reasoning: str | None = None
    stance: float | None = None
    claim: str | None = None

    @property
    def identity(self) -> Identity:
        """Who answered."""
        return Identity(self.model, self.lang)

    @property
    def text(self) -> str:
        """What is encoded: the English version where the answer has one, else the QA as it was written.

        A question and its answer are never taken from two languages.
        """
        if self.lang != "eng" and self.question_eng and self.answer_eng:
            return qa_text(self.question_eng, self.answer_eng)
        return qa_text(self.question, self.answer)

    @property
    def text_lang(self) -> str:
        """The language of `text`: English where the English version is what is encoded."""
        return "eng" if self.question_eng and self.answer_eng else self.lang

    @property
    def question_key(self) -> str:
        """The claim where there is one, else the English question where one is known, else the question.

        All versions of a question, and all questions about a claim, fall on one side of a split.
        """
        return self.claim or self.question_eng or self.question


def qa_text(question: str, answer: str, *, question_budget: int = QUESTION_BUDGET) -> str:
    """The text of one QA, `Q: {question} A: {answer}` (paper, section 3.2), with the question cut to a budget.

    An encoder cuts a text at the end of its window, so a long question would leave no token for the answer. A
    question longer than `question_budget` characters loses its middle: what is asked stands at its start or its end.

    Example:
        >>> qa_text("Is thrift a virtue?", "Yes.")
        'Q: Is thrift a virtue? A: Yes.'
        >>> qa_text("abcdefghij", "Yes.", question_budget=5)
        'Q: ab … ij A: Yes.'

    Raises:
        TypeError: If the question or the answer is no text.
        ValueError: If the budget is below 5 characters.
    """
    if not isinstance(question, str) or not isinstance(answer, str):
        raise TypeError(f"a question and its answer are texts, got {question!r:.80} and {answer!r:.80}")
    if question_budget < 5:
        raise ValueError(f"question_budget must be at least 5 characters, got {question_budget}")
    question, answer = question.strip(), answer.strip()
    if len(question) > question_budget:
        head, tail = -(-(question_budget - 1) // 2), (question_budget - 1) // 2
        question = f"{question[:head].rstrip()} … {question[-tail:].lstrip()}"
    return f"Q: {question} A: {answer}"


def text_of(qa: object) -> str:
    """The text of one QA, however it is given.

    Args:
        qa: A text, which is taken as it is; a record; or what has the keys `question` and `answer`: a mapping, as a
            row of a data set, or a row of a data frame. Of one in another language the English version is taken, if
            there is one, as of a record.

    Example:
        >>> text_of({"question": "Is thrift a virtue?", "answer": "Yes.", "model": "aya"})
        'Q: Is thrift a virtue? A: Yes.'

    Raises:
        TypeError: If it is none of these; the message says what to give.
    """
    if isinstance(qa, str):
        return str(qa)
    if isinstance(qa, QARecord):
        return qa.text
    keys = list(qa.keys()) if hasattr(qa, "keys") else []
    if "question" not in keys or "answer" not in keys:
        kind = f"keys: {', '.join(map(str, keys))}" if keys else type(qa).__name__
        raise TypeError(
            f"{qa!r:.80} ({kind}) is no QA; give a text as univar.qa_text(question, answer) makes it, "
            "a mapping with the keys question and answer, or a QARecord"
        )
    row = {name: qa[name] for name in _TEXT_FIELDS if name in keys}  # type: ignore[index]
    if isinstance(row["question"], Iterable) and not isinstance(row["question"], str):
        raise TypeError(
            f"a QA has one question, got {row['question']!r:.80}; many QAs are a list of QAs, "
            'which of a data frame is frame.to_dict("records")'
        )
    # In a data frame what is missing is a number, which counts as true.
    english = [text if isinstance(text := row.get(name), str) else None for name in ("question_eng", "answer_eng")]
    record = QARecord("", row["question"], row["answer"], "", row.get("lang", ""))
    return replace(record, question_eng=english[0], answer_eng=english[1]).text


def check_record(record: object) -> None:
    """Raises TypeError unless this is a record; the message says how to make one."""
    if not isinstance(record, QARecord):
        raise TypeError(
            f"{record!r:.80} ({type(record).__name__}) is no QARecord; make one with univar.QARecord(question_id=, "
            "question=, answer=, model=, lang=), or read rows of a file with univar.read_corpus"
        )


def are_many(qas: object) -> bool:
    """Whether something holds QAs one after the other, as a list, a column or a data set does.

    A text does not, nor a set, which has no order, nor what has keys: a QA as a mapping, or a data frame.
    """
    if isinstance(qas, str | bytes | Set) or not isinstance(qas, Iterable) or getattr(qas, "ndim", 1) == 0:
        return False
    keys = qas.keys() if hasattr(qas, "keys") else None
    # The keys of a column, which has `tolist`, are row numbers; a row of a data frame is a column of its fields.
    return keys is None or (hasattr(qas, "tolist") and "question" not in keys)


def passage_characters(window: int | None) -> int:
    """Characters of an answer that a passage holds for an encoder with a window of so many tokens; None means 128.

    Example:
        >>> passage_characters(256)
        960
    """
    return PASSAGE * (window or PASSAGE_TOKENS) // PASSAGE_TOKENS


def passages(text: str, *, characters: int = PASSAGE) -> list[str]:
    """The text of one QA as one or more: the answer in parts of about equal length, each under the question.

    What is beyond the window of an encoder is not read. The passages of a long answer are a view of it, of which no
    part is lost; an answer that is short enough is its only passage.

    Args:
        text: As `qa_text` gives it; the question ends where ` A: ` first stands. Without that, all is answer.
        characters: Of the answer, a passage at most. It ends between words where a space is near enough.

    Example:
        >>> passages("Q: Why? A: Since it is so.", characters=9)
        ['Q: Why? A: Since it', 'Q: Why? A: is so.']

    Raises:
        ValueError: If `characters` is below 1.
    """
    if characters < 1:
        raise ValueError(f"a passage must have at least 1 character, got {characters}")
    question, mark, answer = text.partition(" A: ")
    if not mark:
        question, answer = "", text
    parts = []
    while len(answer) > characters:
        equal = -(-len(answer) // -(-len(answer) // characters))
        places = answer.find(" ", equal, characters + 1), answer.rfind(" ", equal // 2, equal), equal
        end = next(place for place in places if place > 0)
        parts.append(answer[:end].strip())
        answer = answer[end:].strip()
    return [f"{question}{mark}{part}" for part in (*parts, answer) if part] or [text]


def normalised_question(question: str) -> str:
    """A question's text with case, punctuation and spacing taken out, so that trivial variants share one split."""
    folded = unicodedata.normalize("NFKC", question).casefold()
    return " ".join("".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in folded).split())


@functools.lru_cache(maxsize=10_000)  # every LLM answers the same questions
def question_hash(question: str) -> str:
    """Sixteen hex digits that stand for a question where its text must not be kept."""
    return hashlib.blake2b(normalised_question(question).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def question_fraction(question: str) -> float:
    """A fixed pseudo-random number in [0, 1) for a question, the same everywhere and for ever.

    Raises:
        TypeError: If the question is no text.
    """
    if not isinstance(question, str):
        raise TypeError(f"a question is a text, got {question!r:.80}; of many, ask for one at a time")
    # 52 of the 64 bits: the largest quotient that is still exact below 1 in double precision.
    return (int(question_hash(question), 16) >> 12) / 2**52


def split_of(question: str) -> Split:
    """The split a question belongs to: 80 % train, 10 % validation, 10 % test, by a hash of its normalised text."""
    fraction = question_fraction(question)
    return "train" if fraction < 0.8 else "validation" if fraction < 0.9 else "test"


def question_halves(records: Iterable[QARecord]) -> tuple[list[QARecord], list[QARecord]]:
    """Records whose question has a low `question_fraction`, and the others: about half of the questions each.

    Of a single question all records are in the second half.
    """
    places = [(question_fraction(record.question_key), record) for record in records]
    fractions = sorted({fraction for fraction, _ in places})
    middle = fractions[len(fractions) // 2] if fractions else 0.0
    return [r for fraction, r in places if fraction < middle], [r for fraction, r in places if fraction >= middle]


def identity_labels(records: Iterable[QARecord]) -> tuple[list[Identity], list[int]]:
    """The identities of records in sorted order, and for each record the index of its own."""
    owners = [record.identity for record in records]
    identities = sorted(set(owners))
    index = {identity: position for position, identity in enumerate(identities)}
    return identities, [index[owner] for owner in owners]


def to_row(record: QARecord) -> dict[str, Any]:
    """A record as a mapping with the columns of `SCHEMA`."""
    check_record(record)
    return {field.name: getattr(record, field.name) for field in fields(record)}


def from_row(row: Mapping[str, Any]) -> QARecord:
    """The record of a mapping with the columns of `SCHEMA`; other keys are ignored.

    Those that an earlier version did not write may be absent: `reasoning`, `stance` and `claim`.
    """
    names = [field.name for field in fields(QARecord) if field.name not in _LATER or field.name in row]
    return QARecord(**{name: row[name] for name in names})


def write_corpus(records: Iterable[QARecord], path: str | os.PathLike[str]) -> int:
    """Writes records as one parquet file, streaming, and returns how many there were.

    Nothing is left at `path` if the records raise or the disk fills.

    Raises:
        TypeError: If there are no records one after the other, or one of them is none.
    """
    if not are_many(records):
        raise TypeError(f"a corpus is written of a list or stream of QARecords, got {records!r:.80}")
    written = 0
    with replacing(path) as temporary, pq.ParquetWriter(temporary, SCHEMA) as writer:
        for chunk in chunked(records, _ROWS_PER_GROUP):
            writer.write_table(pa.Table.from_pylist([to_row(record) for record in chunk], schema=SCHEMA))
            written += len(chunk)
    return written


def chunked(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Items in lists of `size`, the last one shorter."""
    stream = iter(items)
    while chunk := list(islice(stream, size)):
        yield chunk
