"""Reads csv, tsv, jsonl, json, parquet, folders of them and `datasets` objects into records, and says what is wrong.

A file is streamed: memory holds one batch of rows and one 64-bit number a row (to find duplicates).
"""

import codecs
import csv
import itertools
import json
import logging
import math
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ijson
import pyarrow as pa
import pyarrow.parquet as pq

from univar.corpus.languages import language_code
from univar.corpus.reasoning import split_reasoning
from univar.corpus.records import SCHEMA, QARecord, question_hash, split_of

logger = logging.getLogger(__name__)

MAX_ANSWER = 200_000
"""Characters; a longer answer is a dump, not an answer (the longest essays that LLMs write are about 60,000)."""
MAX_QUESTION = 20_000
MAX_NAME = 200

_REQUIRED = ("question", "answer", "model", "lang")
# Names under which other projects keep the same columns; the first that a file has is taken.
ALIASES = {
    "question_id": ("question_id", "qid", "id"),
    "question": ("question", "prompt", "instruction"),
    "answer": ("answer", "response", "completion", "output"),
    "model": ("model", "llm", "model_name", "generator"),
    "lang": ("lang", "language"),
    "question_eng": ("question_eng", "question_en"),
    "answer_eng": ("answer_eng", "answer_en"),
}
_SURROGATE = re.compile("[\ud800-\udfff]")  # what stands for bytes that are not UTF-8, or half a character
_PREVIEWED_ROWS = 100
_UNKNOWN_LANGUAGE = "unknown language"
_SHOWN_VALUES = 2
_SHOWN_CHARACTERS = 30

# Each reader yields one mapping a row, or the reason why there is none.
_Rows = Iterator[Mapping[str, Any] | str]

Source = str | os.PathLike[str] | Iterable[Mapping[str, Any]]


class CorpusError(ValueError):
    """A file or folder that cannot be read as a corpus; the message says what was found and what to do."""


class NoUsableRowError(CorpusError):
    """A corpus that can be read, of which no row can be used."""


class _UnusableRowError(Exception):
    """A row that cannot be used; the message is the reason that is counted, `value` what the row had."""

    def __init__(self, reason: str, value: str | None = None) -> None:
        super().__init__(reason)
        self.value = value


class Rejects:
    """Counts the rows that could not be used and, given a path, writes each with its place and reason as jsonl.

    The file appears with the first reject and replaces an older one. Use as a context manager. `counts` are by reason;
    `examples` are, by reason, the first three different values of the corpus that is being read.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(path) if path is not None else None
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, dict[str, None]] = {}
        self._file: Any = None

    def add(self, origin: str, row: int, reason: str, content: object = None, value: str | None = None) -> None:
        """Records one reject; `row` counts from 1, long texts of `content` and a long `value` are shortened."""
        self.counts[reason] += 1
        if value is not None and len(examples := self.examples.setdefault(reason, {})) <= _SHOWN_VALUES:
            examples[value if len(value) <= _SHOWN_CHARACTERS else f"{value[:_SHOWN_CHARACTERS]}…"] = None
        if self.path is None:
            return
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w", encoding="utf-8")
        line = {"file": origin, "row": row, "reason": reason, "content": _shortened(content)}
        self._file.write(json.dumps(line, ensure_ascii=True, default=str) + "\n")

    def summary(self) -> str:
        """For example `2 rows rejected (1 row: no answer; 1 row: not JSON)`; empty if there were none."""
        if not self.counts:
            return ""
        return f"{_row_count(self.counts.total())} rejected ({self.reasons(self.counts)}){self.where()}"

    def reasons(self, counts: Counter[str]) -> str:
        """Counts as text, with the first values: `2 rows: unknown language 'English'; 1 row: no answer`."""
        parts = []
        for reason, count in counts.most_common():
            examples = list(map(repr, self.examples.get(reason, ())))
            shown = ", ".join([*examples[:_SHOWN_VALUES], *("…" for _ in examples[_SHOWN_VALUES:])])
            parts.append(f"{_row_count(count)}: {reason} {shown}".rstrip())
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


def read_corpus(
    source: Source,
    *,
    columns: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
    lang: Iterable[str] | None = None,
    rejects: Rejects | None = None,
) -> Iterator[QARecord]:
    """Streams the QAs of a file, a folder, a `datasets` object or any iterable of mappings.

    Args:
        source: A csv, tsv, jsonl, json or parquet file, a folder of them (read in the order of their names), a
            `datasets.Dataset` or `IterableDataset`, or an iterable of mappings.
        columns: Which column of the file holds which field, for example `{"answer": "response"}`.
        constants: Values for fields that the file has no column for, for example `{"lang": "eng"}`.
        lang: Keep only these languages.
        rejects: Where rows that cannot be used go. Without it they are logged as a warning at the end.

    Raises:
        CorpusError: If this is no corpus: no such file, another format, needed columns missing, and
            `NoUsableRowError`, one of its kinds: no usable row.
    """
    known = {field.name for field in SCHEMA}
    for name in [*(columns or {}), *(constants or {})]:
        if name not in known:
            raise CorpusError(f"no field {name!r} in a corpus; the fields are {', '.join(SCHEMA.names)}")
    wanted = {language_code(code) for code in lang} if lang is not None else None
    if rejects is not None:
        return _read(source, dict(columns or {}), dict(constants or {}), wanted, rejects)
    return _warned(_read(source, dict(columns or {}), dict(constants or {}), wanted, unseen := Rejects()), unseen)


def _warned(records: Iterator[QARecord], rejects: Rejects) -> Iterator[QARecord]:
    """The same records, and at the end a warning of what was rejected."""
    yield from records
    if rejects.counts:
        logger.warning("%s", rejects.summary())


def describe_corpus(records: Iterable[QARecord]) -> dict[str, Any]:
    """What a corpus holds: the numbers of QAs, questions and identities, and QAs by model, language and split."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("models", "languages", "splits", "sources")}
    questions: set[str] = set()
    identities = set()
    for record in records:
        counts["models"][record.model] += 1
        counts["languages"][record.lang] += 1
        counts["sources"][record.source or "(not stated)"] += 1
        counts["splits"][split_of(record.question_key)] += 1
        questions.add(question_hash(record.question_key))
        identities.add(record.identity)
    totals = {"QAs": counts["models"].total(), "questions": len(questions), "identities": len(identities)}
    return {**totals, **{name: dict(counter.most_common()) for name, counter in counts.items()}}


def _read(
    source: Source, columns: dict[str, str], constants: dict[str, str], wanted: set[str] | None, rejects: Rejects
) -> Iterator[QARecord]:
    seen: set[int] = set()
    before, kept, skipped = rejects.counts.copy(), 0, 0
    rejects.examples.clear()
    name = "the rows given"
    for name, rows in _sources(source):
        for number, (row, places) in enumerate(_placed(name, rows, columns, constants), start=1):
            try:
                if not isinstance(row, Mapping) or places is None:
                    raise _UnusableRowError(row if isinstance(row, str) else "not a row of named columns")
                record = _record(row, places, constants)
                if wanted is not None and record.lang not in wanted:
                    skipped += 1
                    continue
                key = hash((record.question_id, record.question, record.answer, record.identity, record.sample))
                if key in seen:
                    raise _UnusableRowError("duplicate")
            except _UnusableRowError as problem:
                rejects.add(name, number, str(problem), row, problem.value)
                continue
            seen.add(key)
            kept += 1
            yield record
    if not kept:
        where = os.fspath(source) if isinstance(source, str | os.PathLike) else name
        others = [f"{_row_count(skipped)}: not in {', '.join(sorted(wanted or ()))}"] if skipped else []
        raise NoUsableRowError(f"no usable row in {where}: {_told(rejects, rejects.counts - before, others)}")


def _told(rejects: Rejects, found: Counter[str], others: list[str]) -> str:
    """Why no row could be used."""
    reasons = "; ".join([rejects.reasons(found), *others] if found else others) or "it is empty"
    advice = ". Use an ISO 639-3 code such as eng, or --set lang=eng" if _UNKNOWN_LANGUAGE in found else ""
    return f"{reasons}{rejects.where() if found else ''}{advice}"


def _placed(
    origin: str, rows: _Rows, columns: dict[str, str], constants: dict[str, str]
) -> Iterator[tuple[Mapping[str, Any] | str, dict[str, str] | None]]:
    """Every row with the columns of its fields, or None where no row of the preview has any columns.

    A row of JSON may bring a column that none before it had: what has a place by then keeps it.
    """
    preview = list(itertools.islice(rows, _PREVIEWED_ROWS))
    found = dict.fromkeys(str(key) for row in preview if isinstance(row, Mapping) for key in row)
    places = None
    if preview and (found or all(isinstance(row, Mapping) for row in preview)):
        places = _places(origin, list(found), columns, constants)
    awaited = {name for field in SCHEMA.names for name in ALIASES.get(field, (field,))} - found.keys()
    for row in itertools.chain(preview, rows):
        if places is not None and isinstance(row, Mapping) and not awaited.isdisjoint(row):
            found |= dict.fromkeys(name for name in row if name in awaited)
            awaited -= found.keys()
            places = {**_places(origin, list(found), columns, constants), **places}
        yield row, places


def _places(origin: str, found: list[str], columns: dict[str, str], constants: dict[str, str]) -> dict[str, str]:
    """Which column of a file holds which field."""
    for field, column in columns.items():
        if column not in found:
            raise CorpusError(f"{origin} has no column {column!r} for {field}; its columns are {', '.join(found)}")
    places = dict(columns)
    for field in SCHEMA.names:
        if field in places or field in constants:
            continue
        for alias in ALIASES.get(field, (field,)):
            if alias in found and alias not in columns.values():
                places[field] = alias
                break
    missing = [field for field in _REQUIRED if field not in places and field not in constants]
    if missing:
        if other := separator(found):
            raise CorpusError(
                f"{origin} is no corpus: its header is one column, {found[0]!r:.80}. Save it with commas between the "
                f"columns as .csv, or with tabs as .tsv, instead of {other!r}"
            )
        raise CorpusError(
            f"{origin} is no corpus: it has the columns {', '.join(map(repr, found)) or '(none)'} and needs "
            f"{', '.join(_REQUIRED)}; missing: {', '.join(missing)}. Name the column with --column "
            f"{missing[0]}=COLUMN, or give one value for all rows with --set {missing[0]}=VALUE"
        )
    return places


def separator(found: list[str]) -> str | None:
    """What seems to separate the columns of a file that was read with another separator; None if nothing does."""
    return next((mark for mark in ";\t|," if mark in found[0]), None) if len(found) == 1 else None


def _record(row: Mapping[str, Any], places: dict[str, str], constants: dict[str, str]) -> QARecord:
    def text(field: str, limit: int = MAX_NAME) -> str | None:
        content = row.get(places[field]) if field in places else constants.get(field)
        if content is None or (isinstance(content, float) and math.isnan(content)):
            return None
        if isinstance(content, bytes):
            content = _decoded(content, field)
        if not isinstance(content, str | int | float):
            raise _UnusableRowError(f"{field} is not text")
        content = str(content).strip()
        if _SURROGATE.search(content):
            raise _UnusableRowError(f"{field} is not UTF-8")
        if len(content) > limit:
            raise _UnusableRowError(f"{field} too long")
        return None if not content or content.casefold() == "nan" else content

    def needed(field: str, limit: int = MAX_NAME) -> str:
        content = text(field, limit)
        if content is None:
            raise _UnusableRowError(f"no {field}")
        return content

    if None in row:  # what csv.DictReader calls the fields beyond the header
        raise _UnusableRowError("more fields than columns")
    question, model = needed("question", MAX_QUESTION), needed("model")
    # Thoughts may be far longer than an answer.
    answer, reasoning = split_reasoning(needed("answer", sys.maxsize), text("reasoning", sys.maxsize))
    if len(answer) > MAX_ANSWER:
        raise _UnusableRowError("answer too long")
    if not answer:
        raise _UnusableRowError("only reasoning" if reasoning else "no answer")
    try:
        code = language_code(lang := needed("lang"))
    except ValueError:
        raise _UnusableRowError(_UNKNOWN_LANGUAGE, lang) from None
    question_eng = text("question_eng", MAX_QUESTION)
    return QARecord(
        question_id=text("question_id") or question_hash(question_eng or question),
        question=question,
        answer=answer,
        model=model,
        lang=code,
        value=text("value"),
        source=text("source"),
        sample=_whole_number(text("sample")),
        question_eng=question_eng,
        answer_eng=split_reasoning(text("answer_eng", MAX_ANSWER) or "").answer or None,
        reasoning=reasoning,
    )


def _row_count(number: int) -> str:
    return f"{number:,} {'row' if number == 1 else 'rows'}"


def _whole_number(content: str | None) -> int:
    try:
        number = float(content or 0)
    except ValueError:
        number = math.nan
    if not number.is_integer() or not 0 <= number < 2**31:
        raise _UnusableRowError("sample is not a whole number")
    return int(number)


def _decoded(content: bytes, field: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise _UnusableRowError(f"{field} is not UTF-8") from None


def _shortened(content: object, limit: int = 500) -> object:
    if isinstance(content, Mapping):
        return {str(key): _shortened(value) for key, value in content.items()}
    text = content if isinstance(content, str) else repr(content) if content is not None else None
    return text if text is None or len(text) <= limit else f"{text[:limit]} … ({len(text):,} characters)"


def _sources(source: Source) -> Iterator[tuple[str, _Rows]]:
    if not isinstance(source, str | os.PathLike):
        if isinstance(source, Mapping):  # a DatasetDict: every split
            for name, split in source.items():
                yield str(name), iter(split)
        else:
            yield "the rows given", iter(source)
        return
    path = Path(source)
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in _READERS and _is_data(p.relative_to(path)))
        if not files:
            raise CorpusError(f"no corpus in the folder {path}: no file ends in {', '.join(_READERS)}")
    elif path.exists():
        files = [path]
    else:
        raise CorpusError(f"no such file: {path}")
    for file in files:
        yield str(file), rows_of(file)


def _is_data(path: Path) -> bool:
    return not any(part.startswith((".", "_")) for part in path.parts) and not path.stem.endswith(".rejects")


def rows_of(file: Path) -> _Rows:
    """The rows of a file as they are, or for one that has none the reason why; see `_READERS` for the formats."""
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise CorpusError(f"{file} is not a format we read; give one of {', '.join(_READERS)}")
    if file.stat().st_size == 0:
        raise CorpusError(f"{file} is empty; a corpus has at least the columns {', '.join(_REQUIRED)}")
    with file.open("rb") as start:
        if start.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            raise CorpusError(f"{file} is UTF-16; save it as UTF-8")
    return reader(file)


def _delimited(file: Path, delimiter: str) -> _Rows:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # the default of 131,072 would end the file at one long answer
    # Bytes that are not UTF-8 become lone surrogates, so that they cost their row and not the file.
    with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        try:
            yield from csv.DictReader(lines, delimiter=delimiter)
        except csv.Error as error:
            raise CorpusError(f"{file} cannot be read as delimited text: {error}") from error


def _json_lines(file: Path) -> _Rows:
    with file.open("rb") as lines:
        for line in lines:
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except UnicodeDecodeError:
                yield "not UTF-8"
            except (ValueError, RecursionError):
                yield "not JSON"
            else:
                yield row if isinstance(row, dict) else "not a row of named columns"


def _json_array(file: Path) -> _Rows:
    with file.open("rb") as content:
        start = content.read(64)
        if start.lstrip(codecs.BOM_UTF8 + b" \t\r\n")[:1] != b"[":
            yield from _json_lines(file)  # many tools write JSON lines under this suffix
            return
        content.seek(len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0)  # the parser refuses the mark
        try:
            for row in ijson.items(content, "item", use_float=True):
                yield row if isinstance(row, dict) else "not a row of named columns"
        except (ijson.JSONError, UnicodeDecodeError) as error:
            raise CorpusError(f"{file} is not a JSON array that can be read to its end: {error}") from error


def _parquet(file: Path) -> _Rows:
    try:
        with pq.ParquetFile(file) as content:
            for batch in content.iter_batches(batch_size=1_000):
                columns = {}
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    if pa.types.is_dictionary(column.type):
                        column = column.dictionary_decode()
                    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                        column = column.cast(pa.large_binary())  # decoded row by row: one bad value costs its row only
                    columns[name] = column.to_pylist()
                for values in zip(*columns.values(), strict=True):
                    yield dict(zip(columns, values, strict=True))
    except (pa.ArrowInvalid, OSError) as error:
        raise CorpusError(f"{file} is not a parquet file that can be read: {error}") from error


_READERS: dict[str, Callable[[Path], _Rows]] = {
    ".csv": lambda file: _delimited(file, ","),
    ".tsv": lambda file: _delimited(file, "\t"),
    ".jsonl": _json_lines,
    ".json": _json_array,
    ".parquet": _parquet,
}
