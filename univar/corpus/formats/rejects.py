"""Rows as they are found, which of them could not be used and why, and what was guessed on the way."""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

_SHOWN_VALUES = 2
_SHOWN_CHARACTERS = 30


class CorpusError(ValueError):
    """A file or folder that cannot be read as a corpus; the message says what was found and what to do.

    `flags` are the options of the command line with which it could be read, as far as that can be guessed.
    """

    def __init__(self, message: str, flags: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.flags = tuple(flags)


class NoAnswersError(CorpusError):
    """A file that can be read and holds no answers; among others that do it is passed over.

    `reason` is why, in short.
    """

    def __init__(self, message: str, flags: Sequence[str] = (), reason: str | None = None) -> None:
        super().__init__(message, flags)
        self.reason = reason or message


class NoUsableRowError(CorpusError):
    """A corpus that can be read, of which no row can be used."""


class UnusableRowError(Exception):
    """A row that cannot be used; the message is the reason that is counted, `value` what the row had."""

    def __init__(self, reason: str, value: str | None = None) -> None:
        super().__init__(reason)
        self.value = value


class Row(NamedTuple):
    """A row as it was found: named columns, or whatever stands there and the problem with it.

    Attributes:
        content: A mapping where there is no problem.
        line: Where it begins in its file, from 1; None where there are no lines.
        problem: Why it cannot be used.
    """

    content: Any
    line: int | None = None
    problem: str | None = None


class Rejects:
    """Counts the rows that could not be used and, given a path, writes each with its place and reason as jsonl.

    The file appears with the first reject and replaces an older one. Use as a context manager. `counts` are by reason;
    `examples` are, by reason, the first three different values of the corpus that is being read, `lines` the first
    three lines that hold no row. `notes` are sentences on what was guessed and what was passed over, for whoever tells
    them to take away.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(path) if path is not None else None
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, dict[str, None]] = {}
        self.lines: dict[str, list[int]] = {}
        self.notes: list[str] = []
        self._noted: set[str] = set()
        self._file: Any = None

    def add(
        self,
        origin: str,
        row: int,
        reason: str,
        content: object = None,
        value: str | None = None,
        line: int | None = None,
    ) -> None:
        """Records one reject; `row` and `line` count from 1, long texts of `content` and `value` are shortened."""
        self.counts[reason] += 1
        if value is not None and len(examples := self.examples.setdefault(reason, {})) <= _SHOWN_VALUES:
            examples[value if len(value) <= _SHOWN_CHARACTERS else f"{value[:_SHOWN_CHARACTERS]}…"] = None
        if line is not None and isinstance(content, str | bytes):
            self.lines[reason] = [*self.lines.get(reason, []), line][: _SHOWN_VALUES + 1]
        if self.path is None:
            return
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w", encoding="utf-8")
        place = {"file": origin, "row": row} if line is None else {"file": origin, "row": row, "line": line}
        reject = {**place, "reason": reason, "content": _shortened(content)}
        self._file.write(json.dumps(reject, ensure_ascii=True, default=str) + "\n")

    def note(self, origin: str, sentence: str, key: str | None = None) -> None:
        """Keeps a sentence on a file; what is the same on others, or has the same key, is not said again."""
        if (key or sentence) not in self._noted:
            self._noted.add(key or sentence)
            self.notes.append(f"{origin}: {sentence}")

    def begin(self) -> None:
        """Forgets what was said of the corpus before, and its examples."""
        self.examples.clear()
        self.lines.clear()
        self._noted.clear()

    def summary(self) -> str:
        """For example `2 rows rejected (1 row: no answer; 1 row: not JSON)`; empty if there were none."""
        if not self.counts:
            return ""
        return f"{row_count(self.counts.total())} rejected ({self.reasons(self.counts)}){self.where()}"

    def reasons(self, counts: Counter[str]) -> str:
        """Counts as text, with the first values or lines: `2 rows: unknown language 'xx'; 1 row: not JSON (line 7)`."""
        parts = []
        for reason, count in counts.most_common():
            examples, lines = list(map(repr, self.examples.get(reason, ()))), self.lines.get(reason, [])
            shown = ", ".join([*examples[:_SHOWN_VALUES], *("…" for _ in examples[_SHOWN_VALUES:])])
            if lines:
                several = ", ".join([*map(str, lines[:_SHOWN_VALUES]), *("…" for _ in lines[_SHOWN_VALUES:])])
                shown = f"{shown} ({'line' if len(lines) == 1 else 'lines'} {several})".lstrip()
            parts.append(f"{row_count(count)}: {reason} {shown}".rstrip())
        return "; ".join(parts)

    def where(self) -> str:
        """Where the rejects can be read, to end a sentence with; empty if nowhere."""
        return "" if self.path is None else f"; see {self.path}"

    def close(self) -> None:
        """Ends the file; a later reject would begin it anew."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def row_count(number: int) -> str:
    """For example `1 row`, `2,000 rows`."""
    return f"{number:,} {'row' if number == 1 else 'rows'}"


def _shortened(content: object, limit: int = 500) -> object:
    if isinstance(content, Mapping):
        return {str(key): _shortened(value) for key, value in content.items()}
    text = content if isinstance(content, str) else repr(content) if content is not None else None
    return text if text is None or len(text) <= limit else f"{text[:limit]} … ({len(text):,} characters)"
