"""The folder of elicited answers: each is kept the moment it comes, and no crash loses or doubles one."""

import itertools
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from univar.corpus.filters import is_cut_off
from univar.corpus.records import SCHEMA
from univar.files import locked, replacing, to_disk

ROWS_PER_SHARD = 20_000
_ROWS_AT_ONCE = 2_000
_MOST_RECENT = 100_000

FAILURES = ".failures.jsonl"
"""Requests that were refused for good, out of sight of readers of the corpus; without it they are asked again."""

TRANSLATION = pa.schema(
    [
        pa.field("translator", pa.string()),
        pa.field("translation_defects", pa.list_(pa.string())),
        pa.field("round_trip", pa.float32()),
    ]
)
"""How the English version of an answer came about: by what, what speaks against it, chrF of the round trip."""

ANSWERS = pa.schema(
    [
        *SCHEMA,
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("served_model", pa.string(), nullable=False),
        pa.field("finish_reason", pa.string(), nullable=False),
        pa.field("prompt_tokens", pa.int32()),
        pa.field("completion_tokens", pa.int32()),
        pa.field("seconds", pa.float32(), nullable=False),
        pa.field("answered_at", pa.string(), nullable=False),
        pa.field("seed", pa.int64()),
        pa.field("max_tokens", pa.int32()),
        pa.field("temperature", pa.float32()),
        pa.field("top_p", pa.float32()),
        pa.field("top_k", pa.int32()),
        pa.field("request", pa.string()),
        pa.field("system", pa.string()),
        pa.field("prompt_version", pa.string(), nullable=False),
        *TRANSLATION,
    ]
)
"""The columns of elicited answers: those of a corpus, how each answer came about, and later its translation.

What was not sent is null. `request` holds the fields that the models file changed or added, as JSON.
"""


def shards(folder: Path) -> list[Path]:
    """The parquet files of answers in a folder and in those of the tasks that filled it, in order."""
    return sorted([*folder.glob("part-*.parquet"), *folder.glob("[0-9][0-9][0-9][0-9][0-9]/part-*.parquet")])


def served_models(folder: Path) -> dict[str, list[str]]:
    """The names of the LLMs that each model answered for, as servers call it, in the shards of a folder."""
    found: dict[str, set[str]] = {}
    for shard in shards(folder):
        pairs = pq.read_table(shard, columns=["served_model", "model"])
        for row in pairs.group_by(pairs.column_names).aggregate([]).to_pylist():
            found.setdefault(row["served_model"], set()).add(row["model"])
    return {served: sorted(names) for served, names in sorted(found.items())}


class CutOff(NamedTuple):
    """How many answers of an LLM were ended by a limit of their tokens, of how many."""

    cut_off: int
    answers: int


def cut_off_answers(source: Path) -> dict[str, CutOff]:
    """How many answers of each LLM are cut off, by what servers said of them.

    Args:
        source: A parquet file of answers, or a folder, of which all that readers see is counted. Files that do not
            keep what servers said are passed over.
    """
    files = sorted(source.rglob("*.parquet")) if source.is_dir() else [source]
    found: dict[str, CutOff] = {}
    for file in files:
        hidden = any(part.startswith((".", "_")) for part in file.relative_to(source).parts)
        if hidden or not _says_why_answers_ended(file):
            continue
        pairs = pq.read_table(file, columns=["model", "finish_reason"])
        for row in pairs.group_by(pairs.column_names).aggregate([([], "count_all")]).to_pylist():
            cut_off, answers = found.get(row["model"], CutOff(0, 0))
            number = row["count_all"]
            cut = number if is_cut_off(row["finish_reason"]) else 0
            found[row["model"]] = CutOff(cut_off + cut, answers + number)
    return dict(sorted(found.items()))


def _says_why_answers_ended(file: Path) -> bool:
    try:
        return file.suffix.lower() == ".parquet" and {"model", "finish_reason"} <= {*pq.read_schema(file).names}
    except (pa.ArrowInvalid, OSError):
        return False  # what is wrong with it is told by whoever reads it as a corpus


class ElicitationError(ValueError):
    """Models or an output folder that cannot be used; the message names the entry and what was expected."""


class Answered:
    """Ids of requests, as numbers of 8 bytes in order, and the last ones in a set until they are put in order too.

    Ten million take 170 MB of memory at the most, while they are put in order, and 3 microseconds to look for one.
    """

    def __init__(self) -> None:
        """Of nothing."""
        self._ids = np.empty(0, dtype=np.uint64)
        self._recent: set[int] = set()

    def __contains__(self, request_id: str) -> bool:
        number = int(request_id, 16)
        if number in self._recent:
            return True
        place = self._ids.searchsorted(np.uint64(number))
        return bool(place < len(self._ids) and self._ids[place] == number)

    def __len__(self) -> int:
        return len(self._ids) + len(self._recent)

    def add(self, request_ids: Iterable[str]) -> None:
        """These have been answered; none of them is here already."""
        self._recent.update(int(name, 16) for name in request_ids)
        if len(self._recent) >= _MOST_RECENT:
            recent = np.fromiter(self._recent, np.uint64, len(self._recent))
            self._ids = np.concatenate([self._ids, recent])
            self._ids.sort(kind="stable")  # which makes use of what is in order already
            self._recent.clear()


class AnswerFolder:
    """A folder of parquet shards, and the answers that are not in one yet in a file of JSON lines.

    Shard and lines of one number never count both: the shard appears whole under its name and replaces the lines. A
    process that dies at any moment loses nothing that was appended but what is left of a last line, which is cut off. A
    power cut loses what was appended since the last `sync`.
    """

    def __init__(self, path: Path, *, rows_per_shard: int = ROWS_PER_SHARD) -> None:
        """To be entered; `path` need not exist."""
        self.path = path
        self.answered = Answered()
        self.failed = Answered()
        self._rows_per_shard = rows_per_shard
        self._rows = 0

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = ExitStack()
        try:
            self._lock.enter_context(locked(self.path / ".lock"))
        except BlockingIOError:
            raise ElicitationError(
                f"{self.path} is being written by another process; wait for it, or name another folder"
            ) from None
        self._number = 0
        for shard in sorted(self.path.glob("part-*.parquet")):
            _complete(shard)
            self.answered.add(pq.read_table(shard, columns=["request_id"]).column(0).to_pylist())
            self._number = int(shard.stem.partition("-")[2]) + 1
            self._lines_of(self._number - 1).unlink(missing_ok=True)
        self._open()
        if (self.path / FAILURES).exists():
            self.failed.add(row["request_id"] for row in _whole_lines(self.path / FAILURES))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None or not issubclass(kind, OSError):  # of a disk that has no room for a shard either
                self.finish_shard()  # of which every reader knows
            with self._file:  # closing it writes what is left of a line, which a full disk refuses
                self.sync()
            if not self._rows:
                self._lines_of(self._number).unlink()
        finally:
            self._lock.close()

    def lacks(self, request_id: str) -> bool:
        """Whether a request is to be asked: it was neither answered nor refused for good."""
        return request_id not in self.answered and request_id not in self.failed

    def append(self, row: dict[str, Any]) -> None:
        """Keeps an answer, with the columns of `ANSWERS`; `sync` keeps it for good."""
        self._file.write(json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n")
        self._file.flush()
        self._synced = False
        self._rows += 1
        self.answered.add([row["request_id"]])
        if self._rows >= self._rows_per_shard:
            self.finish_shard()

    def sync(self) -> None:
        """Returns when all that was appended would outlive a power cut."""
        if not self._synced:
            os.fsync(self._file.fileno())
            self._synced = True

    def append_failure(self, row: dict[str, Any]) -> None:
        """Keeps a request that cannot be answered, which is not asked again; after a power cut it may be, once."""
        with (self.path / FAILURES).open("ab") as failures:
            failures.write(json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n")
        self.failed.add([row["request_id"]])

    def finish_shard(self) -> None:
        """Writes the pending answers as a shard."""
        if not self._rows:
            return
        lines = _whole_lines(self._lines_of(self._number))
        with (
            replacing(self.path / f"part-{self._number:05d}.parquet") as temporary,
            pq.ParquetWriter(temporary, ANSWERS) as shard,
        ):
            while some := list(itertools.islice(lines, _ROWS_AT_ONCE)):
                shard.write_table(pa.Table.from_pylist(some, schema=ANSWERS))
        self._file.close()
        self._lines_of(self._number).unlink()
        self._number += 1
        self._open()

    def _open(self) -> None:
        lines = self._lines_of(self._number)
        kept = [row["request_id"] for row in _whole_lines(lines)] if lines.exists() else []
        self._rows = len(kept)
        self.answered.add(kept)
        self._file = lines.open("ab")
        self._synced = not kept
        to_disk(self.path)  # the name of the new file

    def _lines_of(self, number: int) -> Path:
        return self.path / f".part-{number:05d}.jsonl"


def _complete(shard: Path) -> None:
    """Gives a shard of an earlier version the columns that came since: many readers want all shards to be alike."""
    names = pq.read_schema(shard).names
    absent = [column for column in ANSWERS if column.name not in names]
    if not absent or not all(column.nullable for column in absent):
        return
    table = pq.read_table(shard)
    for column in absent:
        table = table.append_column(column, pa.nulls(len(table), column.type))
    others = [column for column in table.schema if column.name not in ANSWERS.names]
    schema = pa.schema([*ANSWERS, *others])
    with replacing(shard) as temporary:
        pq.write_table(table.select(schema.names).cast(schema), temporary)


def _whole_lines(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file of JSON lines, after half a line that a crash left at its end is cut off.

    What is no JSON was not on the disk yet when the power was cut: it is passed over, and asked again.
    """
    with file.open("r+b") as lines:
        end = 0
        for line in lines:
            if not line.endswith(b"\n"):
                break
            end += len(line)
            try:
                row = json.loads(line)
            except ValueError:
                continue
            yield row
        lines.truncate(end)
