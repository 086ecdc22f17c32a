"""Reads csv, tsv, jsonl, json, parquet, folders of them, `datasets` objects and data frames into records.

A file is streamed: memory holds one batch of rows and, to find duplicates, one 64-bit number a row (two if it has a
stance). What is wrong is said, and so is what was guessed. How other tools keep answers is in `univar.corpus.formats`.
"""

import itertools
import logging
import math
import os
import re
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any

from univar.corpus.formats.columns import are_positions
from univar.corpus.formats.opening import Reading, opened
from univar.corpus.formats.positions import question_about, stance_of
from univar.corpus.formats.rejects import (
    CorpusError,
    NoAnswersError,
    NoUsableRowError,
    Rejects,
    UnusableRowError,
    row_count,
)
from univar.corpus.formats.tables import SUFFIXES, Table, files_in, open_file, table_of
from univar.corpus.languages import language_code
from univar.corpus.reasoning import Parted, split_reasoning
from univar.corpus.records import SCHEMA, QARecord, question_hash, split_of
from univar.corpus.stances import side_of

__all__ = ["CorpusError", "NoUsableRowError", "Rejects", "Source", "describe_corpus", "read_corpus"]

logger = logging.getLogger(__name__)

MAX_ANSWER = 200_000
"""Characters; a longer answer is a dump, not an answer (the longest essays that LLMs write are about 60,000)."""
MAX_QUESTION = 20_000
MAX_NAME = 200

_SURROGATE = re.compile("[\ud800-\udfff]")  # what stands for bytes that are not UTF-8, or half a character
_UNKNOWN_LANGUAGE = "unknown language"
_PASSED_OVER = 5
_NO_STANCE = "not stated"
_KEPT, _SKIPPED = "kept", "in another language"

Source = str | os.PathLike[str] | Iterable[Mapping[str, Any]]


def read_corpus(
    source: Source,
    *,
    columns: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
    lang: Iterable[str] | None = None,
    rejects: Rejects | None = None,
) -> Iterator[QARecord]:
    """Streams the QAs of a file, a folder, a `datasets` object, a data frame or any iterable of mappings.

    Columns are found by their usual names (`prompt`, `response`, `llm` and the like). Chats (`messages`,
    `conversations`), the output of batches and the logs of evaluations are known, see `univar.corpus.formats`, and so
    are texts of people on topics, labelled with their stance (`topic`, `text`, `label`): each is read as an answer to a
    question about its topic, which is its claim. A language that no column gives is detected. Whatever is guessed is
    said.

    Args:
        source: A csv, tsv, jsonl, json or parquet file (the first four also as `.gz`), a folder of them (read in the
            order of their names; a file without answers is passed over) or one that `save_to_disk` wrote, a
            `datasets.Dataset`, `IterableDataset` or `DatasetDict`, a data frame of pandas or its column of answers,
            a table of arrow, or an iterable of mappings.
        columns: Which column holds which field, for example `{"answer": "response"}`, or under which path it lies in
            nested columns, for example `{"answer": "response.body.choices.0.message.content"}`.
        constants: Values for fields that there is no column for, for example `{"lang": "eng"}`.
        lang: Keep only these languages.
        rejects: Where rows that cannot be used go, and what was guessed. Without it both are logged as warnings.

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
    """The same records, with a warning of what was guessed, and at the end of what was rejected."""
    for record in itertools.chain(records, [None]):
        while rejects.notes:
            logger.warning("%s", rejects.notes.pop(0))
        if record is not None:
            yield record
    if rejects.counts:
        logger.warning("%s", rejects.summary())


def describe_corpus(records: Iterable[QARecord]) -> dict[str, Any]:
    """What a corpus holds: the numbers of QAs, questions and identities, and QAs by model, language, split and stance.

    Questions about one claim are one.
    """
    names = ("models", "languages", "splits", "sources", "stances")
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    questions: set[str] = set()
    identities = set()
    for record in records:
        counts["models"][record.model] += 1
        counts["languages"][record.lang] += 1
        counts["sources"][record.source or "(not stated)"] += 1
        counts["splits"][split_of(record.question_key)] += 1
        questions.add(question_hash(record.question_key))
        identities.add(record.identity)
        counts["stances"][_NO_STANCE if record.stance is None else side_of(record.stance)] += 1
    if counts["stances"].keys() == {_NO_STANCE}:
        counts["stances"].clear()  # of most corpora, of which it need not be told
    totals = {"QAs": counts["models"].total(), "questions": len(questions), "identities": len(identities)}
    return {**totals, **{name: dict(counter.most_common()) for name, counter in counts.items()}}


def _read(
    source: Source, columns: dict[str, str], constants: dict[str, str], wanted: set[str] | None, rejects: Rejects
) -> Iterator[QARecord]:
    before = rejects.counts.copy()
    rejects.begin()
    name, passed, tally, seen = "the rows given", dict[str, NoAnswersError](), Counter[str](), set[int]()
    tables = _tables(source)
    for name, table in tables.items():
        try:
            reading = opened(table(), columns, constants, rejects)
        except NoAnswersError as problem:
            passed[name] = problem
            continue
        except CorpusError as problem:
            raise _of_several(problem) if len(tables) > 1 else problem from None
        yield from _usable(name, reading, wanted, seen, tally, rejects)
        tally += reading.left_out
    kept, skipped = tally.pop(_KEPT, 0), tally.pop(_SKIPPED, 0)
    where = _called(source, name)
    for what, count in tally.items():
        rejects.note(where, f"{row_count(count)} {what}")
    if passed and len(passed) == len(tables):
        raise _without_answers(where, passed)
    if passed:
        rejects.note(where, f"passed over, for they hold no answers: {_named(passed)}")
    if not kept:
        others = [f"{row_count(skipped)}: not in {', '.join(sorted(wanted or ()))}"] if skipped else []
        raise NoUsableRowError(f"no usable row in {where}: {_told(rejects, rejects.counts - before, others)}")


def _usable(
    name: str, reading: Reading, wanted: set[str] | None, seen: set[int], tally: Counter[str], rejects: Rejects
) -> Iterator[QARecord]:
    """The QAs of one table that are in the wanted languages and not `seen` yet."""
    for number, row in enumerate(reading.rows, start=1):
        try:
            if row.problem is not None:
                raise UnusableRowError(row.problem)
            record = _record(row.content, reading.places, reading.constants)
            if wanted is not None and record.lang not in wanted:
                tally[_SKIPPED] += 1
                continue
            # Whatever its id: in many files that is the number of the row.
            key = hash((record.question, record.answer, record.identity, record.sample))
            of_stance = key if record.stance is None else hash((key, record.stance))
            if key in seen:
                raise UnusableRowError("duplicate" if of_stance in seen else "duplicate with another stance")
        except UnusableRowError as problem:
            rejects.add(name, number, str(problem), row.content, problem.value, row.line)
            continue
        seen.update((key, of_stance))
        tally[_KEPT] += 1
        yield record


def _called(source: Source, name: str) -> str:
    return os.fspath(source) if isinstance(source, str | os.PathLike) else name


def _told(rejects: Rejects, found: Counter[str], others: list[str]) -> str:
    """Why no row could be used."""
    reasons = "; ".join([rejects.reasons(found), *others] if found else others) or "it is empty"
    advice = ". Use an ISO 639-3 code such as eng, or --set lang=eng" if _UNKNOWN_LANGUAGE in found else ""
    return f"{reasons}{rejects.where() if found else ''}{advice}"


def _of_several(problem: CorpusError) -> CorpusError:
    """The error of one file among others, of which an option would be true as well."""
    if "--set" not in problem.flags:
        return problem
    reason = str(problem).removesuffix(f"; here perhaps {shlex.join(problem.flags)}")
    return CorpusError(f"{reason}. What --set says is said of every file of a folder: read this one by itself")


def _without_answers(where: str, passed: Mapping[str, NoAnswersError]) -> CorpusError:
    """The error of a source of which no file holds answers."""
    first, *others = passed.values()
    if not others:
        return first
    flags = first.flags if all(other.flags == first.flags for other in others) else ()
    return CorpusError(f"no corpus in {where}: nothing in it has answers: {_named(passed)}", flags)


def _named(passed: Mapping[str, NoAnswersError]) -> str:
    """Files with the reason of each."""
    first = itertools.islice(passed.items(), _PASSED_OVER)
    shown = [f"{Path(name).name} ({problem.reason})" for name, problem in first]
    return ", ".join([*shown, *([f"and {len(passed) - _PASSED_OVER:,} more"] if len(passed) > _PASSED_OVER else [])])


def _tables(source: Source) -> dict[str, Callable[[], Table]]:
    """What opens the tables of a source, in order, by their names."""
    if not isinstance(source, str | os.PathLike):
        splits = source if isinstance(source, Mapping) else {"the rows given": source}  # a DatasetDict: every split
        return {str(name): partial(table_of, str(name), data) for name, data in splits.items()}
    path = Path(source)
    if not path.exists():
        raise CorpusError(f"no such file: {path}")
    files = list(files_in(path)) if path.is_dir() else [path]
    if not files:
        raise CorpusError(f"no corpus in the folder {path}: no file ends in {', '.join(SUFFIXES)}")
    return {str(file): partial(open_file, file) for file in files}


def _record(row: Mapping[str, Any], places: Mapping[str, str], constants: Mapping[str, str]) -> QARecord:
    def text(field: str, limit: int = MAX_NAME) -> str | None:
        content = row.get(places[field]) if field in places else constants.get(field)
        if content is None or (isinstance(content, float) and math.isnan(content)):
            return None
        if isinstance(content, bytes):
            content = _decoded(content, field)
        if not isinstance(content, str | Real | Decimal):
            raise UnusableRowError(f"{field} is not text")
        content = str(content).strip()
        if _SURROGATE.search(content):
            raise UnusableRowError(f"{field} is not UTF-8")
        if len(content) > limit:
            raise UnusableRowError(f"{field} too long")
        return None if not content or content.casefold() == "nan" else content

    def needed(field: str, limit: int = MAX_NAME) -> str:
        content = text(field, limit)
        if content is None:
            raise UnusableRowError(f"no {field}")
        return content

    about = "claim" if are_positions(places, constants) else "question"
    asked = needed(about, MAX_QUESTION)
    model = text("model") or constants.get("model")
    if model is None:
        raise UnusableRowError("no model")
    # Thoughts may be far longer than an answer.
    answer, reasoning = _parted(needed("answer", sys.maxsize), text("reasoning", sys.maxsize))
    try:
        code = language_code(lang := needed("lang"))
    except ValueError:
        raise UnusableRowError(_UNKNOWN_LANGUAGE, lang) from None
    question_eng = text("question_eng", MAX_QUESTION)
    return QARecord(
        question_id=text("question_id") or question_hash(question_eng or asked),
        question=asked if about == "question" else question_about(asked, answer, code),
        answer=answer,
        model=model,
        lang=code,
        value=text("value"),
        source=text("source"),
        sample=_whole_number(text("sample")),
        question_eng=question_eng,
        answer_eng=split_reasoning(text("answer_eng", MAX_ANSWER) or "").answer or None,
        reasoning=reasoning,
        stance=None if (label := text("stance")) is None else stance_of(label),
        claim=text("claim", MAX_QUESTION),
    )


def _parted(said: str, thoughts: str | None) -> Parted:
    """The answer in what is said, and what was thought."""
    parted = split_reasoning(said, thoughts)
    if len(parted.answer) > MAX_ANSWER:
        raise UnusableRowError("answer too long")
    if not parted.answer:
        raise UnusableRowError("only reasoning" if parted.reasoning else "no answer")
    return parted


def _whole_number(content: str | None) -> int:
    try:
        number = float(content or 0)
    except ValueError:
        number = math.nan
    if not number.is_integer() or not 0 <= number < 2**31:
        raise UnusableRowError("sample is not a whole number")
    return int(number)


def _decoded(content: bytes, field: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise UnusableRowError(f"{field} is not UTF-8") from None
