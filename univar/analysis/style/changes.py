"""The same answers in other looks: restyled, cut to one length, without refusals and without what breaks off."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median

from univar.corpus.filters import FEWEST_LETTERS, refuses
from univar.corpus.plain_text import plain
from univar.corpus.records import PASSAGE, Identity, QARecord

LIMIT = PASSAGE
"""Characters that answers are cut to at most: what one passage holds."""

_ENDS = ".!?…:;。\N{FULLWIDTH EXCLAMATION MARK}\N{FULLWIDTH QUESTION MARK}।॥\N{ARABIC FULL STOP}؟"
_CLOSERS = "*_~`\"')]}>»”\N{RIGHT SINGLE QUOTATION MARK}」』"  # may stand behind the end of a sentence
_DASHES = "\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}\N{EN DASH}\N{EM DASH}\N{HORIZONTAL BAR}"
_QUOTES = "\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}\N{SINGLE LOW-9 QUOTATION MARK}"
_STRAIGHT = str.maketrans(
    {
        **dict.fromkeys("“”„‟«»", '"'),
        **dict.fromkeys(_QUOTES, "'"),
        **dict.fromkeys(_DASHES, "-"),
        "…": ".",
        "!": ".",
        "\N{FULLWIDTH EXCLAMATION MARK}": "。",
    }
)
_BEFORE_MARKS = re.compile(r" (?=[.,;:?](?: |$))")
_RUNS = re.compile(r"([.,;:?\-])(?:\s*\1)+")


def said(record: QARecord) -> str:
    """The answer as it is encoded: in English where there is such a version."""
    return record.answer_eng or "" if _in_english(record) else record.answer


def saying(record: QARecord, answer: str) -> QARecord:
    """The record with another answer where `said` finds it."""
    return replace(record, answer_eng=answer) if _in_english(record) else replace(record, answer=answer)


def restyled(answer: str) -> str:
    r"""An answer in one plain style, whatever it was written in; the words and their order stay.

    Headings, items and cells become sentences of one paragraph; Markdown, code, emoji and exclamation marks go;
    quotation marks, dashes, dots and spaces become the plainest of their kind. Of mere code nothing is left out.

    Example:
        >>> restyled("## Thrift\n\n- **Save** first!\n- *Then* spend…")
        'Thrift. Save first. Then spend.'
    """
    parts = [_plain_signs(part).rstrip(" ,;") for part in plain(answer) or [answer]]
    sentences = [part if part.rstrip(_CLOSERS)[-1:] in _ENDS else f"{part}." for part in parts if part]
    return " ".join(sentences) or answer


def _plain_signs(text: str) -> str:
    """A text with plain signs and spaces, each once, and without symbols such as emoji and what joins them."""
    text = text.translate(_STRAIGHT).replace("\N{VARIATION SELECTOR-16}", "")
    text = "".join(" " if unicodedata.category(c) in ("So", "Sk", "Cf") else c for c in text)
    return _RUNS.sub(r"\1", _BEFORE_MARKS.sub("", " ".join(text.split())))


def cut(answer: str, characters: int) -> str:
    """The beginning of an answer, of so many characters at most; it ends between words where there are spaces."""
    if len(answer) <= characters:
        return answer
    beginning, _, _ = answer[: characters + 1].rpartition(" ")
    return beginning.rstrip() if len(beginning) > characters // 2 else answer[:characters]


def equal_length(records: Sequence[QARecord]) -> int:
    """Characters that answers are cut to: `LIMIT`, or the median of the identity whose answers are shortest."""
    lengths: dict[Identity, list[int]] = {}
    for record in records:
        lengths.setdefault(record.identity, []).append(len(said(record)))
    return max(1, min([LIMIT, *(int(median(own)) for own in lengths.values())]))


def is_whole(record: QARecord) -> bool:
    """Whether an answer is one: neither a refusal nor broken off."""
    answer = said(record)
    return not refuses(answer, record.text_lang) and not breaks_off(answer)


def breaks_off(answer: str) -> bool:
    """Whether a text ends in the midst of a sentence, by its last sign; one too short to tell does not.

    Example:
        >>> breaks_off("Thrift is a virtue, since whoever wastes harms all others and")
        True
    """
    end = answer.rstrip().rstrip(_CLOSERS).rstrip()
    return (
        sum(map(str.isalpha, answer)) >= FEWEST_LETTERS
        and bool(end)
        and (end[-1].isalnum() or end[-1] in f",-{_DASHES}")
    )


def changed(records: Sequence[QARecord], change: Callable[[str], str]) -> list[QARecord]:
    """The records with their answers changed; one that a change leaves nothing of stays."""
    return [saying(record, change(said(record)) or said(record)) for record in records]


def _in_english(record: QARecord) -> bool:
    return record.lang != "eng" and bool(record.question_eng and record.answer_eng)
