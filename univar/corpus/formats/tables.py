"""Files, folders, data sets and data frames as tables; rows are streamed, and only what is needed of them is read."""

import gzip
import json
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from univar.corpus.formats import delimited, json_text
from univar.corpus.formats.columns import REQUIRED
from univar.corpus.formats.rejects import CorpusError, NoAnswersError, Row

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".eval", ".csv.gz", ".tsv.gz", ".jsonl.gz", ".json.gz")
"""Of the files that are read."""

_BATCH = 1_000
_START = 1 << 20  # bytes by which it is told how lines end


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of named columns.

    Attributes:
        origin: What they are called.
        rows: Reads them; of a sequence of columns and paths only these, as far as what is not needed can be left.
        names: The columns, where they are known before the rows are.
        file: Where they lie; questions may lie beside it.
        again: Whether they can be read more than once.
        note: What should be said of them.
    """

    origin: str
    rows: Callable[[Sequence[str] | None], Iterator[Row]]
    names: tuple[str, ...] | None = None
    file: Path | None = None
    again: bool = True
    note: str = ""


def suffix_of(path: Path) -> str:
    """The suffix by which a file is read, `.csv.gz` included."""
    return "".join(path.suffixes[-2:] if path.suffix.lower() == ".gz" else path.suffixes[-1:]).lower()


def files_in(folder: Path) -> Iterator[Path]:
    """What is read of a folder, in the order of names: files and whole folders that `save_to_disk` wrote.

    What is hidden, begins with an underscore or holds rejects is not.
    """
    if is_saved(folder):
        yield folder
        return
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_dir():
            if not entry.is_symlink():
                yield from files_in(entry)
        elif suffix_of(entry) in SUFFIXES and not entry.stem.endswith(".rejects") and entry.name != "dataset_dict.json":
            yield entry


def is_saved(folder: Path) -> bool:
    """Whether `datasets.Dataset.save_to_disk` wrote a folder."""
    return (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()


def open_file(file: Path) -> Table:
    """The table in a file, or in a folder that `save_to_disk` wrote.

    Raises:
        CorpusError: If it is none.
    """
    if file.is_dir():
        import datasets

        return table_of(str(file), datasets.load_from_disk(str(file)))
    suffix = suffix_of(file)
    if suffix not in SUFFIXES:
        raise CorpusError(f"{file} is not a format we read; give one of {', '.join(SUFFIXES)}")
    if file.stat().st_size == 0:
        raise NoAnswersError(f"{file} is empty; a corpus has at least the columns {', '.join(REQUIRED)}")
    if suffix == ".parquet":
        return _parquet(file)
    if suffix == ".eval":
        return Table(str(file), lambda _: _archive(file), file=file)
    with _opened(file) as content:
        start = content.read(64)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or _is_wide(start):
        raise CorpusError(f"{file} is UTF-16; save it as UTF-8")
    if suffix.startswith((".csv", ".tsv")):
        return _delimited(file, "," if suffix.startswith(".csv") else "\t")
    return Table(str(file), lambda _: _json(file), file=file)


def _is_wide(start: bytes) -> bool:
    """Whether every second byte is nil, as in UTF-16 without a mark."""
    return len(start) > 7 and any(start) and not (any(start[0:8:2]) and any(start[1:8:2]))


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """A file, decompressed."""
    try:
        with gzip.open(file) if file.suffix.lower() == ".gz" else file.open("rb") as content:
            yield content  # type: ignore[misc]
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CorpusError(f"{file} cannot be decompressed to its end: {error}") from error


@contextmanager
def _text(file: Path, newline: str = "\n") -> Iterator[TextIOWrapper]:
    """The text of a file. Bytes that are not UTF-8 become lone surrogates, so that they cost their row alone."""
    with (
        _opened(file) as content,
        TextIOWrapper(content, encoding="utf-8-sig", errors="surrogateescape", newline=newline) as text,
    ):
        yield text


def _delimited(file: Path, delimiter: str) -> Table:
    with _opened(file) as content:
        newline = "\n" if b"\n" in content.read(_START) else "\r"
    with _text(file, newline) as text:
        header = delimited.read_header(str(file), text, delimiter)
    if header is None:
        raise NoAnswersError(f"{file} is empty; a corpus has at least the columns {', '.join(REQUIRED)}")

    def rows(_: Sequence[str] | None) -> Iterator[Row]:
        with _text(file, newline) as text:
            yield from delimited.read_rows(text, header)

    note = "" if header.delimiter == delimiter else f"its columns are separated by {header.delimiter!r}"
    return Table(str(file), rows, header.names, file, note=note)


def _json(file: Path) -> Iterator[Row]:
    with _opened(file) as content:
        kind = json_text.json_kind(content, suffix_of(file).removesuffix(".gz"))
    if kind == "lines":
        with _opened(file) as content:
            yield from json_text.read_lines(content)
        return
    with _text(file) as text:
        yield from (json_text.read_array if kind == "array" else json_text.read_objects)(str(file), text)


def _archive(file: Path) -> Iterator[Row]:
    """The samples of a log of inspect_ai in its archive format."""
    try:
        with zipfile.ZipFile(file) as archive:
            shared = json.loads(archive.read("header.json"))
            for name in sorted(archive.namelist()):
                if name.startswith("samples/") and name.endswith(".json"):
                    yield Row({**shared, **json.loads(archive.read(name))})
    except (zipfile.BadZipFile, zlib.error, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CorpusError(
            f"{file} is not a log of inspect_ai that can be read ({error}); convert it with "
            "`inspect log convert --to json`"
        ) from error


def _parquet(file: Path) -> Table:
    try:
        with pq.ParquetFile(file) as content:
            names = tuple(content.schema_arrow.names)
    except (pa.ArrowInvalid, OSError) as error:
        raise CorpusError(f"{file} is not a parquet file that can be read: {error}") from error

    def rows(needed: Sequence[str] | None) -> Iterator[Row]:
        try:
            with pq.ParquetFile(file) as content:
                columns = None if needed is None else list(needed)
                for batch in content.iter_batches(batch_size=_BATCH, columns=columns):
                    yield from _batch_rows(batch)
        except (pa.ArrowInvalid, OSError) as error:
            raise CorpusError(f"{file} is not a parquet file that can be read: {error}") from error

    return Table(str(file), rows, names, file)


class _Unreadable(Exception):  # noqa: N818  it stands in the place of a value
    """A value that Python cannot hold: text that is not UTF-8, a time beyond its years."""


def label_names(schema: pa.Schema) -> dict[str, dict[Any, str | None]]:
    """By column, what the numbers of a `ClassLabel` of `datasets` stand for; -1 is no label."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"].items()
    except (ValueError, KeyError, TypeError, AttributeError):  # what others write under that name
        return {}
    return {name: _named(feature["names"]) for name, feature in features if _is_class_label(feature)}


def _is_class_label(feature: object) -> bool:
    return isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list)


def _named(names: Iterable[str]) -> dict[Any, str | None]:
    return {**dict(enumerate(names)), -1: None}


def _batch_rows(batch: pa.RecordBatch) -> Iterator[Row]:
    names, labels = batch.schema.names, label_names(batch.schema)
    columns = [_values(column) for column in batch.columns]
    columns = [
        [known.get(value, value) for value in values] if (known := labels.get(name)) else values
        for name, values in zip(names, columns, strict=True)
    ]
    damaged = any(isinstance(value, _Unreadable) for column in columns for value in column)
    for values in zip(*columns, strict=True) if columns else [()] * batch.num_rows:
        row = dict(zip(names, values, strict=True))
        bad = next((f"{name} {value}" for name, value in row.items() if isinstance(value, _Unreadable)), None)
        yield Row(row, problem=bad if damaged else None)


def _values(column: pa.Array) -> list[Any]:
    """The values of a column; one that cannot be read costs its row alone."""
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError):  # text that is not UTF-8 is among the former
        return [_value(scalar) for scalar in column]


def _value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return _Unreadable("is not UTF-8")
    except (ValueError, OverflowError) as error:
        return _Unreadable(f"cannot be read: {type(error).__name__}")


def table_of(origin: str, data: Any) -> Table:
    """The table in an object: a data set of `datasets`, a data frame or series of pandas, an arrow table, rows.

    Raises:
        CorpusError: If it is none.
    """
    if hasattr(data, "select_columns") and hasattr(data, "column_names"):
        return _data_set(origin, data)
    if isinstance(data, pa.Table):
        return _arrow_table(origin, data)
    pandas = sys.modules.get("pandas")  # if it is not loaded, this is not one of its frames
    if pandas is not None and isinstance(data, pandas.Series):
        data = data.to_frame("answer")
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return _frame(origin, data)
    if isinstance(data, Mapping):
        raise CorpusError(f"{origin}: a mapping of columns was given; give rows, as in [{{'question': ..., ...}}]")
    if not isinstance(data, Iterable):
        raise CorpusError(f"{origin}: {type(data).__name__} was given; give a file, a data set, a data frame or rows")
    stream = data

    def rows(_: Sequence[str] | None) -> Iterator[Row]:
        for row in stream:
            yield Row(row, problem=None if isinstance(row, Mapping) else json_text.NO_ROW)

    return Table(origin, rows, again=isinstance(data, Sequence))


def _data_set(origin: str, data: Any) -> Table:
    if data.column_names is None or not hasattr(data, "__len__"):  # a streamed one, whose columns may be unknown
        return _stream(origin, data)
    raw = data.with_format("arrow")  # nothing is decoded

    def rows(needed: Sequence[str] | None) -> Iterator[Row]:
        selected = raw if needed is None else raw.select_columns(_roots(needed, data.column_names))
        for start in range(0, len(data), _BATCH):
            for batch in selected[start : start + _BATCH].to_batches():
                yield from _batch_rows(batch)

    return Table(origin, rows, tuple(data.column_names))


def _stream(origin: str, data: Any) -> Table:
    names = data.column_names
    features = (data.features or {}).items()
    labels = {name: _named(feature.names) for name, feature in features if type(feature).__name__ == "ClassLabel"}

    def rows(needed: Sequence[str] | None) -> Iterator[Row]:
        for row in data if needed is None else data.select_columns(_roots(needed, names)):
            told = {name: known.get(row.get(name), row.get(name)) for name, known in labels.items() if name in row}
            yield Row({**row, **told})

    return Table(origin, rows, None if names is None else tuple(names), again=False)


def _arrow_table(origin: str, data: pa.Table) -> Table:
    def rows(needed: Sequence[str] | None) -> Iterator[Row]:
        selected = data if needed is None else data.select(_roots(needed, data.column_names))
        for batch in selected.to_batches(max_chunksize=_BATCH):
            yield from _batch_rows(batch)

    return Table(origin, rows, tuple(data.column_names))


def _frame(origin: str, data: Any) -> Table:
    names = tuple(map(str, data.columns))

    def rows(needed: Sequence[str] | None) -> Iterator[Row]:
        places = [names.index(root) for root in (names if needed is None else _roots(needed, names))]
        for start in range(0, len(data), _BATCH):
            part = data.iloc[start : start + _BATCH, places].astype(object)
            part.columns = [names[place] for place in places]
            yield from map(Row, part.where(part.notna(), None).to_dict("records"))

    return Table(origin, rows, names)


def _roots(needed: Sequence[str], names: Sequence[str]) -> list[str]:
    """The columns in which what is needed lies."""
    return list(dict.fromkeys(name if name in names else name.partition(".")[0] for name in needed))
