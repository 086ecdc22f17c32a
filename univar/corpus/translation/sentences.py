"""Texts to sentences and back: NLLB was trained on sentences, and of a paragraph it leaves some out."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

# What a line of a list, a quotation or a heading begins with.
_MARKER = re.compile(r"\s*(?:(?:[-*•‣·>#]+|\(?\d{1,3}[.)])\s+)*")
_NO_SPACE_BETWEEN = frozenset({"zho", "jpn"})
# Where a sentence that is too long is best cut: at the end of a clause, failing that between words.
_CUTS = (re.compile(r"(?<=[;:,\u2014\u060c\uff0c\uff1b\uff1a\u3001])\s*"), re.compile(r"\s+"))

Size = Callable[[str], int]
"""Of a text, in tokens."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a text: what it begins with, its sentences, and what ends it."""

    marker: str
    sentences: tuple[str, ...]
    end: str


def lines_of(text: str, lang: str, size: Size, most: int) -> list[Line]:
    """A text as lines of sentences.

    Args:
        text: Of any length.
        lang: ISO 639-3; decides how sentences end.
        size: Of a sentence.
        most: Of any sentence; one that is larger is cut into several.
    """
    return [_line(line, lang, size, most) for line in text.splitlines(keepends=True)]


def _line(line: str, lang: str, size: Size, most: int) -> Line:
    from sentencex import segment

    marker = _MARKER.match(line)
    start = marker.end() if marker else 0
    content = line[start:].rstrip()
    sentences = (sentence.strip() for sentence in segment(lang, content))
    cut = tuple(part for sentence in sentences for part in halved(sentence, size, most))
    return Line(line[:start], cut, line[start + len(content) :])


def worded(lines: Sequence[Line]) -> Iterator[str]:
    """The sentences that hold a letter; there is nothing to translate in the others."""
    return (sentence for line in lines for sentence in line.sentences if any(map(str.isalpha, sentence)))


def joined(lines: Sequence[Line], translations: Mapping[str, str], lang: str) -> str:
    """A text in a language, with the sentences that have a translation replaced by it."""
    space = "" if lang in _NO_SPACE_BETWEEN else " "
    return "".join(
        line.marker + space.join(translations.get(sentence, sentence) for sentence in line.sentences) + line.end
        for line in lines
    )


def halved(sentence: str, size: Size, most: int) -> list[str]:
    """A sentence in parts of which none is larger than `most` tokens, cut where it hurts least."""
    if len(sentence) <= most or size(sentence) <= most:  # a token has a character at least
        return [sentence]
    place = _place_to_cut(sentence)
    return [part for half in (sentence[:place], sentence[place:]) for part in halved(half.strip(), size, most)]


def _place_to_cut(sentence: str) -> int:
    """The end of a clause or word that is nearest to the middle, in the middle half; failing that the middle."""
    length = len(sentence)
    for pattern in _CUTS:
        places = [found.end() for found in pattern.finditer(sentence) if length < 4 * found.end() < 3 * length]
        if places:
            return min(places, key=lambda place: abs(2 * place - length))
    return length // 2
