"""Rows of JSON lines, of arrays and of objects over many lines; memory holds one row.

Numbers that JSON does not know (`NaN`, `Infinity`) are read, as Python writes them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, Literal, TextIO

from univar.corpus.formats.rejects import CorpusError, Row

Kind = Literal["lines", "array", "object"]

NO_ROW = "not a row of named columns"

_CHUNK = 1 << 16
_LARGEST = 1 << 27
"""Characters of one value: beyond this no more is read in the hope that it ends."""

# Under these names an object keeps a list of rows, and beside it what holds for all of them.
_LISTS = ("samples", "data", "rows", "results", "answers", "outputs", "examples", "instances", "records", "items")

_DECODER = json.JSONDecoder()


def json_kind(content: BinaryIO, suffix: str) -> Kind:
    """What a file holds, by its beginning: a row a line, an array of rows, or objects over many lines each."""
    first = b""
    while not first.strip(b"\xef\xbb\xbf \t\r\n") and (line := content.readline(_LARGEST)):
        first = line.strip(b"\xef\xbb\xbf \t\r\n")
    if first.startswith(b"["):
        return "array" if suffix == ".json" or first in (b"[", b"[{") else "lines"
    if first == b"{":
        return "object"
    if suffix == ".json" and first.startswith(b"{"):
        whole = first.endswith(b"}") and content.read(_CHUNK).strip()
        return "lines" if whole else "object"
    return "lines"


def read_lines(lines: Iterable[bytes]) -> Iterator[Row]:
    """A row a line; empty lines are none."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except UnicodeDecodeError:
            yield Row(line, number, "not UTF-8")
        except (ValueError, RecursionError):
            yield Row(line, number, "not JSON")
        else:
            yield Row(row, number, None if isinstance(row, dict) else NO_ROW)


def read_array(origin: str, stream: TextIO) -> Iterator[Row]:
    """The rows of an array.

    Raises:
        CorpusError: At a row that is not JSON, after those before it.
    """
    text = _Text(f"{origin} is not a JSON array", stream)
    for line, row in _elements(text):
        yield _row(row, line, {})
    if text.peek():
        raise text.error("something follows the array")


def read_objects(origin: str, stream: TextIO) -> Iterator[Row]:
    """The rows of objects one after another: each is one, or holds a list of rows and what is true of all of them.

    Raises:
        CorpusError: At a value that is not JSON, after the rows before it.
    """
    text = _Text(f"{origin} is not a JSON object", stream)
    while text.peek():
        begun, shared, listed = text.line, dict[str, Any](), False
        for name in _names(text):
            if name not in _LISTS or text.peek() != "[":
                shared[name] = text.value()
                continue
            for line, row in _elements(text):
                if isinstance(row, dict):
                    listed = True
                    yield _row(row, line, shared)
        if not listed:
            yield Row(shared, begun)


def _row(content: Any, line: int, shared: Mapping[str, Any]) -> Row:
    return Row({**shared, **content}, line) if isinstance(content, dict) else Row(str(content), line, NO_ROW)


def _names(text: "_Text") -> Iterator[str]:
    """The names in an object; what takes them takes their values too."""
    text.take("{")
    first = True
    while not text.takes("}"):
        if not first:
            text.take(",")
        first = False
        name = text.value()
        text.take(":")
        yield str(name)


def _elements(text: "_Text") -> Iterator[tuple[int, Any]]:
    """The elements of an array, with their lines."""
    text.take("[")
    first = True
    while not text.takes("]"):
        if not first:
            text.take(",")
        first = False
        text.peek()
        line = text.line
        yield line, text.value()


class _Text:
    """JSON text, taken value by value."""

    def __init__(self, blame: str, stream: TextIO) -> None:
        self.line = 1
        self._blame, self._stream = blame, stream
        self._text, self._at = "", 0

    def peek(self) -> str:
        """The next character that is no space; nothing at the end."""
        while True:
            while self._at < len(self._text):
                if (mark := self._text[self._at]) not in " \t\r\n\ufeff":
                    return mark
                self.line += mark == "\n"
                self._at += 1
            if not self._more():
                return ""

    def takes(self, mark: str) -> bool:
        """Whether a mark comes next; if so, it is taken."""
        if self.peek() != mark:
            return False
        self._at += 1
        return True

    def take(self, mark: str) -> None:
        """Takes a mark that must come next."""
        if not self.takes(mark):
            raise self.error(f"{mark!r} expected, not {self.peek()!r}")

    def value(self) -> Any:
        """The next value."""
        self.peek()
        while True:
            try:
                found, end = _DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if len(self._text) - self._at > _LARGEST or not self._more():
                    raise self.error(getattr(error, "msg", "nested too deeply")) from None
                continue
            # A number at the end of what was read may go on.
            if end == len(self._text) and self._more():
                continue
            self.line += self._text.count("\n", self._at, end)
            self._at = end
            return found

    def error(self, problem: str) -> CorpusError:
        """What is wrong at this place."""
        return CorpusError(f"{self._blame} that can be read to its end: line {self.line}: {problem}")

    def _more(self) -> bool:
        """Reads on, twice as much as is waiting: a long value is not begun again and again."""
        rest = self._text[self._at :]
        chunk = self._stream.read(max(_CHUNK, len(rest)))
        self._text, self._at = rest + chunk, 0
        return bool(chunk)
