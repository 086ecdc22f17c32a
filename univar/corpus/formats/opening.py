"""From a table to rows whose fields have their places: by layout, by the names of columns, by the language."""

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, starmap
from pathlib import Path
from typing import Any, NamedTuple

from univar.corpus.formats import columns as naming
from univar.corpus.formats.layouts import Layout, known_without_answers, layout_of
from univar.corpus.formats.positions import PEOPLE, check_stances
from univar.corpus.formats.rejects import CorpusError, NoAnswersError, Rejects, Row, UnusableRowError
from univar.corpus.formats.spoken import SAMPLE, can_be_told, likely, one_language, spoken
from univar.corpus.formats.tables import Table, open_file, suffix_of
from univar.corpus.records import SCHEMA

_PREVIEWED_ROWS = 100
_LABELLED_ROWS = 10_000  # that are looked at for what their labels mean
_LOOKED_AT = 2_000  # characters of an answer, for its language
_BESIDE = (".json", ".jsonl", ".json.gz", ".jsonl.gz")


@dataclass(frozen=True, slots=True)
class Reading:
    """The rows of a table, and where their fields are.

    Attributes:
        rows: In order, each with the columns that `places` names.
        places: The column of each field that has one. A later row may bring another.
        constants: The values of fields that have none, and of the model where its column is empty.
        left_out: What the layout leaves out of how many rows; counted while they are read.
    """

    rows: Iterator[Row]
    places: dict[str, str]
    constants: Mapping[str, str]
    left_out: Counter[str]


def opened(table: Table, columns: Mapping[str, str], constants: Mapping[str, str], rejects: Rejects) -> Reading:
    """The rows of a table with the places of their fields; what had to be guessed is noted in `rejects`.

    Args:
        table: What is read.
        columns: The columns, or paths in them, that the user names for fields.
        constants: The values that the user gives for fields.
        rejects: Where notes go.

    Raises:
        NoAnswersError: If the columns are not those of answers.
        CorpusError: If there are answers, and their LLM or language is not known.
    """
    plan = _planned(table, columns, constants)
    positions = naming.are_positions(plan.places, constants)
    made = {"question", "model"} if positions else set()
    missing = [field for field in naming.REQUIRED if field not in {*plan.places, *constants, *made}]
    if missing and missing != ["lang"]:
        raise _refusal(plan, missing)
    _check_stances(plan, columns, positions)
    left_out: Counter[str] = Counter()
    rows, places = plan.rows(left_out), dict(plan.places)
    notes = [table.note, plan.layout.about if plan.layout else "", plan.guesses]
    notes += _made_up(plan, constants) if positions else []
    key = notes
    if missing:
        looked_at = _texts(plan.rows(Counter(), None if plan.table.again else _PREVIEWED_ROWS), places, constants)
        language = _language_of(table, looked_at)
        rows = _with_language(rows, language, plan.places, constants)
        places["lang"] = "lang"
        key, notes = [*notes, language.key], [*notes, language.about]
    if any(notes):
        rejects.note(table.origin, "; ".join(filter(None, notes)), "; ".join(key))
    if table.names is None:
        rows = _with_later_columns(rows, plan.names, columns, constants, places)
    return Reading(rows, places, {"model": PEOPLE, **constants} if positions else constants, left_out)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a table is read.

    Attributes:
        table: Whose rows can be begun more than once, at least as far as they were looked at.
        names: Its columns.
        layout: That of a tool, if it is one.
        places: The column of each field that has one, those that the layout gives among them.
        needed: The columns, or paths in them, that are read.
        paths: Those that the user names.
        guesses: Which columns are taken by other names than the fields', to be told.
    """

    table: Table
    names: list[str]
    layout: Layout | None
    places: Mapping[str, str]
    needed: Sequence[str]
    paths: Sequence[str]
    guesses: str

    def rows(self, left_out: Counter[str], stop: int | None = None) -> Iterator[Row]:
        """The rows, or the first of them, with all columns that have a place."""
        rows = _laid_out(islice(self.table.rows(self.needed), stop), self.layout, left_out)
        return _with_paths(rows, self.paths) if self.paths else rows

    def first(self) -> list[Mapping[str, Any]]:
        """Some of the rows that can be used."""
        return [row.content for row in self.rows(Counter(), _PREVIEWED_ROWS) if row.problem is None]


def _planned(table: Table, columns: Mapping[str, str], constants: Mapping[str, str]) -> _Plan:
    table, names = _named(table)
    layout = _layout(table, names, columns)
    given = {field: field for field in layout.gives if field not in {**columns, **constants}} if layout else {}
    found = naming.placed(names, columns, constants)
    needed = [naming.stored(name, names) for name in found.values()]
    needed += [name for name in layout.needs if name in names] if layout else []
    naming.check_unique(table.origin, names, found)
    _check_columns(table, names, columns)
    paths = [name for name in columns.values() if name not in names]
    guesses = naming.guesses(found, {**columns, **given})
    return _Plan(table, names, layout, found | given, list(dict.fromkeys(needed)), paths, guesses)


def _named(table: Table) -> tuple[Table, list[str]]:
    """A table and its columns, which its first rows tell where nothing else does."""
    if table.names is not None:
        return table, list(table.names)
    stream = table.rows(None)
    preview = list(islice(stream, _PREVIEWED_ROWS))
    names = dict.fromkeys(str(name) for row in preview if row.problem is None for name in row.content)
    if not names:
        problems = Counter(row.problem or "no columns" for row in preview)
        why = "; ".join(f"{count} of the first {len(preview)} rows: {what}" for what, count in problems.most_common())
        raise NoAnswersError(f"no usable row in {table.origin}: {why or 'it is empty'}", reason=why or "it is empty")
    if not table.again:  # its first rows can be read again, as they are kept
        table = replace(table, rows=lambda _: chain(preview, stream))
    return table, list(names)


def _layout(table: Table, names: Sequence[str], columns: Mapping[str, str]) -> Layout | None:
    """The layout of a table, unless its questions and answers have columns that are called so."""
    if {"question", "answer"} <= {*names, *columns}:
        return None
    places = naming.placed(names, columns, {})
    plain = {"question", "answer"} <= places.keys() or naming.are_positions(places, {})
    return layout_of(names, lambda above=False: _rows_beside(table.file, above), chats=not plain)


def _rows_beside(file: Path | None, above: bool) -> Iterator[Iterator[Any]]:
    """What the JSON files beside a file hold, row by row, and those in the folder above it."""
    if file is None:
        return
    folder = file.resolve().parent
    for other in chain(sorted(folder.iterdir()), sorted(folder.parent.iterdir()) if above else ()):
        if other.name != file.name and suffix_of(other) in _BESIDE and other.is_file():
            yield _contents(other)


def _contents(file: Path) -> Iterator[Any]:
    try:
        for row in open_file(file).rows(None):
            yield row.content
    except (CorpusError, OSError):  # what is wrong with it is told where it is read itself
        return


def _check_columns(table: Table, names: Sequence[str], columns: Mapping[str, str]) -> None:
    """Refuses columns that the user names and the table does not have, neither as such nor as a path."""
    for field, column in columns.items():
        if column in names:
            continue
        place = naming.stored(column, names)
        first: list[Row] = []
        if column.partition(".")[0] in names:
            first = list(islice(table.rows([place]), _PREVIEWED_ROWS))
        naming.check_path(table.origin, names, field, column, [row.content for row in first if row.problem is None])


def _check_stances(plan: _Plan, columns: Mapping[str, str], positions: bool) -> None:
    """Refuses a column of stances that are none; of a table that was only taken for one, as holding no answers."""
    column = plan.places.get("stance")
    if column is None:
        return
    few = _LABELLED_ROWS if plan.table.again else _PREVIEWED_ROWS
    alone = replace(plan, layout=None, needed=[naming.stored(column, plan.names)])
    labels = (row.content.get(column) for row in alone.rows(Counter(), few) if row.problem is None)
    guessed = column != columns.get("stance") and column.casefold() != "stance"
    try:
        check_stances(plan.table.origin, column, labels, guessed=guessed)
    except CorpusError as error:
        if not positions or not guessed:
            raise
        raise NoAnswersError(str(error), reason=f"its column {column!r} holds no stances") from None


def _made_up(plan: _Plan, constants: Mapping[str, str]) -> list[str]:
    """What the answers of people do not say and is made of their claims, to be told."""
    notes = ["no column for question, asked about each claim without taking a side"]
    if "model" not in constants:
        place = plan.places.get("model")
        where = f"where {place} names none" if place else "of all"
        notes.append(f"{PEOPLE!r} is the model {where} (--set model=NAME says otherwise)")
    return notes


def _laid_out(rows: Iterable[Row], layout: Layout | None, left_out: Counter[str]) -> Iterator[Row]:
    """Rows with the fields that their layout finds in them."""
    if layout is None:
        yield from rows
        return
    for row in rows:
        if row.problem is not None:
            yield row
            continue
        problem: str | None = "no answer"
        try:
            for fields in layout.fields(row.content, left_out):
                problem = None
                yield Row({**row.content, **fields}, row.line)
        except UnusableRowError as error:
            problem = str(error)
        if problem is not None:
            yield row._replace(problem=problem)


def _with_paths(rows: Iterable[Row], paths: Sequence[str]) -> Iterator[Row]:
    """Rows with what lies under the paths as columns."""
    for row in rows:
        found = {path: naming.at(row.content, path) for path in paths} if row.problem is None else {}
        yield row._replace(content={**row.content, **found}) if found else row


def _with_later_columns(
    rows: Iterable[Row],
    names: list[str],
    columns: Mapping[str, str],
    constants: Mapping[str, str],
    places: dict[str, str],
) -> Iterator[Row]:
    """The same rows. One of JSON may bring a column that none before it had; what has a place by then keeps it."""
    awaited = {name for field in SCHEMA.names for name in naming.aliases(field)} - set(names)
    for row in rows:
        if row.problem is None and not awaited.isdisjoint(row.content):
            names.extend(name for name in row.content if name in awaited)
            awaited.difference_update(names)
            later = naming.placed(names, columns, constants)
            if naming.are_positions(places, constants):
                later.pop("question", None)  # it is made of the claim
            places.update({**later, **places})
        yield row


def _refusal(plan: _Plan, missing: Sequence[str]) -> CorpusError:
    """The error of a table that lacks fields."""
    origin, names = plan.table.origin, plan.names
    if plan.layout is not None:
        about = f"{plan.layout.about[0].upper()}{plan.layout.about[1:]}" if "question" in missing else ""
        error = naming.missing_columns(origin, names, missing, plan.first(), plan.places, about)
        return CorpusError(str(error), error.flags)  # it has answers, and is not to be passed over
    # The columns that are not needed may hold what is missing; of a stream they are not decoded for that.
    whole = replace(plan, needed=names) if plan.table.again else plan
    return naming.missing_columns(origin, names, missing, whole.first(), plan.places, known_without_answers(names))


# The language


def _texts(rows: Iterable[Row], places: Mapping[str, str], constants: Mapping[str, str]) -> list[tuple[str, str]]:
    """Answers and their questions, of at most twice as many rows as are looked at, spread over all."""
    kept: list[tuple[str, str]] = []
    stride = 1
    usable = (row.content for row in rows if row.problem is None)
    for place, row in enumerate(usable):
        if place % stride:
            continue
        kept.append(_said(row, places, constants))
        if len(kept) == 2 * SAMPLE:
            kept, stride = kept[::2], 2 * stride
    return [said for said in kept if said[0]]


def _said(row: Mapping[str, Any], places: Mapping[str, str], constants: Mapping[str, str]) -> tuple[str, str]:
    asked = "claim" if naming.are_positions(places, constants) else "question"
    answer, question = (
        str(row.get(places[field]) or "") if field in places else constants[field] for field in ("answer", asked)
    )
    return answer[:_LOOKED_AT], question[:_LOOKED_AT]


class _Languages(NamedTuple):
    """What the language of rows that name none is.

    Attributes:
        one: That of all of them; None if each has its own.
        likely: That of those which do not tell; None if that is not known.
        about: To be told.
        key: The same without counts.
    """

    one: str | None
    likely: str | None
    about: str
    key: str


def _language_of(table: Table, looked_at: Sequence[tuple[str, str]]) -> _Languages:
    """One language for all rows where nearly all that were looked at are in it, else each its own.

    Raises:
        CorpusError: If most answers are too short, or not clear.
    """
    found = Counter(starmap(_language, looked_at))
    if looked_at and not can_be_told(found):
        together = "\n".join(chain.from_iterable(looked_at))
        flags = ["--set", f"lang={likely(together) or 'eng'}"]
        raise CorpusError(
            f"{table.origin} has no column for lang, and of {found[None]} of {len(looked_at)} answers the language "
            "cannot be told. Say it with --set lang=CODE, an ISO 639-3 code such as eng; here perhaps "
            f"{shlex.join(flags)}",
            flags,
        )
    lang = one_language(found)
    if lang is not None and table.again:
        about = f"detected {lang} in {found[lang]} of {len(looked_at)} rows"
        return _Languages(lang, lang, f"no column for lang, {about} (--set lang=CODE says otherwise)", lang)
    told = ", ".join(f"{code} {count}" for code, count in found.most_common() if code is not None)
    about = f"no column for lang, detected in each row (of {len(looked_at)}: {told}; --set lang=CODE says otherwise)"
    return _Languages(None, lang, about, "each row")


def _with_language(
    rows: Iterable[Row], language: _Languages, places: Mapping[str, str], constants: Mapping[str, str]
) -> Iterator[Row]:
    """Rows with a column `lang`; where a later row of JSON brings one, that is taken."""
    for row in rows:
        if row.problem is not None:
            yield row
            continue
        code = next((row.content[name] for name in naming.aliases("lang") if row.content.get(name)), None)
        code = code or language.one or _language(*_said(row.content, places, constants)) or language.likely
        problem = None if code else "no lang, and none that the answer tells"
        yield Row({**row.content, "lang": code}, row.line, problem)


def _language(answer: str, question: str) -> str | None:
    """The language of an answer; if it is short, with its question."""
    return spoken(answer) or spoken(f"{question}\n{answer}")
