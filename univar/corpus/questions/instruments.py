"""Items of value instruments, read from a user's own copy: none of their text ships with univar."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from univar.corpus.questions.generation import Item


class InstrumentError(ValueError):
    """A file whose items cannot be read; the message names the columns found and those expected."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """What the items of an instrument are, and under which names copies of it have them.

    Attributes:
        kind: An item in words, for the prompt.
        text: Columns that the item may stand in, the first that a file has is taken.
        value: Columns that its value, dimension or scale may stand in.
    """

    kind: str
    text: tuple[str, ...]
    value: tuple[str, ...]


INSTRUMENTS = {
    "pvq-rr": Instrument(
        "a portrait of a person", ("portrait", "item", "text", "statement"), ("value", "scale", "dimension")
    ),
    "valueprism": Instrument("a situation", ("situation", "action"), ("value", "text", "vrd")),
    "wvs": Instrument(
        "a survey question", ("question", "item", "text", "label"), ("value", "topic", "section", "category")
    ),
    "globe": Instrument(
        "a statement of a questionnaire on societies and organizations",
        ("item", "statement", "question", "text"),
        ("dimension", "scale", "value"),
    ),
    "valuebench": Instrument(
        "a statement of a questionnaire", ("item", "statement", "text"), ("value", "dimension", "construct")
    ),
}
"""The instruments that `univar questions import` knows, by name."""

_FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")


def read_items(
    path: str | os.PathLike[str], instrument: Instrument, *, text: str | None = None, value: str | None = None
) -> list[Item]:
    """The items of a file, each text once; rows without text are left out.

    Args:
        path: csv, tsv, jsonl or parquet, with a header.
        instrument: Where to look for the items.
        text: The column of the items, in place of those that the instrument names.
        value: The column of their values, likewise.

    Raises:
        InstrumentError: If the file cannot be read, has no such columns or one of them twice, or has no item.
    """
    table = _table(Path(path))
    text_column = _column(path, table, (text,) if text else instrument.text, "items; name yours with --text COLUMN")
    expected = (value,) if value else [name for name in instrument.value if name != text_column]
    value_column = _column(path, table, expected, "values; name yours with --value COLUMN")
    texts = [" ".join(str(entry or "").split()) for entry in table.column(text_column).to_pylist()]
    found: dict[str, Item] = {}
    for row, (entry, about) in enumerate(zip(texts, table.column(value_column).to_pylist(), strict=True), start=1):
        if entry:
            found.setdefault(entry, Item(f"item-{row:04d}", entry, str(about or "")))
    if not found:
        raise InstrumentError(f"{path}: no row has text in the column {text_column!r}")
    return list(found.values())


def _table(file: Path) -> pa.Table:
    suffix = file.suffix.lower()
    if suffix not in _FORMATS:
        raise InstrumentError(f"items are read from {', '.join(_FORMATS)}, not {file.name!r}")
    try:
        if suffix == ".parquet":
            return pa.parquet.read_table(file)
        if suffix == ".jsonl":
            return pa.json.read_json(file)
        options = pa.csv.ParseOptions(delimiter="\t" if suffix == ".tsv" else ",", newlines_in_values=True)
        return pa.csv.read_csv(file, parse_options=options)
    except (OSError, pa.ArrowInvalid) as error:
        raise InstrumentError(f"{file} cannot be read: {error}") from error


def _column(path: str | os.PathLike[str], table: pa.Table, names: Sequence[str], purpose: str) -> str:
    """The first of `names` that a table has; `purpose` says what it holds and what to do where there is none."""
    for wanted in names:
        found = [name for name in table.column_names if name.strip().lower() == wanted.lower()]
        if len(found) > 1:
            raise InstrumentError(f"{path} has {len(found)} columns {wanted!r}; rename all but one of them")
        if found:
            return str(found[0])
    raise InstrumentError(
        f"{path} has the columns {', '.join(table.column_names)}; expected one of {', '.join(names)} with the {purpose}"
    )
