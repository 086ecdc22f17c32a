"""Rows of delimited text, read strictly: a damaged row costs its own line, and none is changed in silence."""

import csv
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from univar.corpus.formats.rejects import CorpusError, Row

LONGEST_ROW = 4_000_000
"""Characters of a row over several lines; a quote that is still open then was never closed."""

_DELIMITERS = ",;\t|"

# Writers leave a carriage return within a line without quotes, where the reader of the standard library ends at it.
# Until the row is read this stands for it; no text that was decoded from bytes holds it.
_RETURN, _STAND_IN = re.compile("\r(?!\n|\\Z)"), "\udc0d"


class Header(NamedTuple):
    """The first row of a file, and how its fields are separated.

    Attributes:
        names: Of the columns, as they stand but for spaces around them.
        delimiter: Between the fields.
        spaced: Whether a space follows each delimiter and belongs to no field.
        lines: How many lines the rows follow on.
    """

    names: tuple[str, ...]
    delimiter: str
    spaced: bool
    lines: int


class _TooLongError(Exception):
    """A row that goes on and on."""


class _Lines:
    """The lines of a file, of which those of the row at hand can be read again."""

    def __init__(self, lines: Iterable[str], number: int = 0) -> None:
        self.row: list[str] = []
        self.number = number
        self._lines = iter(lines)
        self._again: deque[str] = deque()
        self._left = LONGEST_ROW

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        if "\r" in line:
            line = _RETURN.sub(_STAND_IN, line)
        self.number += 1
        if self.row:
            self._left -= len(line)
            if self._left < 0:
                self._again.appendleft(line)
                self.number -= 1
                raise _TooLongError
        self.row.append(line)
        return line

    def begin(self) -> None:
        """What comes next is a row."""
        self.row.clear()
        self._left = LONGEST_ROW

    def back(self) -> None:
        """What comes next is the second line of the row at hand."""
        self._again.extendleft(reversed(self.row[1:]))
        self.number -= len(self.row) - 1


def read_header(origin: str, lines: Iterable[str], delimiter: str) -> Header | None:
    """The header of a file, whose fields may be separated by another mark than its suffix says; None if it has none.

    Raises:
        CorpusError: If its quotes do not pair.
    """
    head = _Lines(lines)
    first = next((line for line in head if line.strip()), None)
    if first is not None and first.startswith("sep=") and len(first.strip()) == 5:  # Excel says so
        delimiter, first = first[4], next((line for line in head if line.strip()), None)
    if first is None:
        return None
    before = head.number - 1
    # Only a header over several lines, in quotes, needs more than its first.
    text = [first, *(islice(head, 100) if first.count('"') % 2 else ())]
    found = {mark: _fields(text, mark) for mark in dict.fromkeys(delimiter + _DELIMITERS)}
    if len(found[delimiter][0]) < 2:
        delimiter = max(found, key=lambda mark: len(found[mark][0]))  # the first of those with most
    names, used = found[delimiter]
    if not names:
        raise CorpusError(f"the header of {origin} cannot be read: its quotes do not pair, in {first.strip()!r:.80}")
    spaced = len(names) > 1 and all(name.startswith(" ") for name in names[1:])
    if spaced:
        names, used = _fields(text, delimiter, spaced=True)
    return Header(tuple(name.strip() for name in names), delimiter, spaced, before + used)


def _fields(lines: list[str], delimiter: str, *, spaced: bool = False) -> tuple[list[str], int]:
    """The fields of the first row, and of how many lines it is; no field if its quotes do not pair."""
    source = _Lines(lines)
    try:
        return next(csv.reader(source, delimiter=delimiter, strict=True, skipinitialspace=spaced)), source.number
    except csv.Error:
        return [], 0


def read_rows(lines: Iterable[str], header: Header) -> Iterator[Row]:
    """The rows of a file after its header.

    A row whose quotes do not pair, or whose fields are not as many as the columns, is a problem. The reading goes on
    at the line after its first one, so that a quote which is never closed swallows no other row.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # the default of 131,072 would end the file at one long answer
    names, width = header.names, len(header.names)
    source = _Lines(islice(lines, header.lines, None), header.lines)
    reader = csv.reader(source, delimiter=header.delimiter, strict=True, skipinitialspace=header.spaced)
    while True:
        source.begin()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except (csv.Error, _TooLongError) as error:
            problem: str | None = _unpaired(source.row, error)
        else:
            if not fields:  # an empty line
                continue
            problem = _problem(fields, width, source.row)
        line = source.number - len(source.row) + 1
        if problem is None:
            if _STAND_IN in source.row[0] or len(source.row) > 1:
                fields = [field.replace(_STAND_IN, "\r") for field in fields]
            yield Row(dict(zip(names, fields, strict=True)), line)
        else:
            yield Row(source.row[0].rstrip("\r\n").replace(_STAND_IN, "\r"), line, problem)
            source.back()


def _problem(fields: list[str], width: int, lines: list[str]) -> str | None:
    """What is wrong with a row that has an end."""
    raw = lines[0] if len(lines) == 1 else "".join(lines)
    # In a field without quotes around it one is taken as it is: a measure in inches. At its end it has lost its pair.
    if raw.count('"') % 2 and (len(lines) > 1 or any(field.endswith('"') for field in fields)):
        return _unpaired(lines)
    if len(fields) != width:
        return f"{'more' if len(fields) > width else 'fewer'} fields than columns"
    return None


def _unpaired(lines: list[str], error: Exception | None = None) -> str:
    if '\\"' in lines[0]:
        return 'a quote escaped by a backslash, not doubled as ""'
    if len(lines) > 1 or isinstance(error, _TooLongError) or "end of data" in str(error):
        return "a quote that is not closed"
    return "quotes that do not pair"
