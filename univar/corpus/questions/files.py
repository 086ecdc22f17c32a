"""Files of questions: read in many formats, with what is wrong and where, and written as JSON lines."""

import ast
import functools
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from univar.corpus.formats.columns import aliases
from univar.corpus.formats.tables import label_names, open_file
from univar.corpus.languages import language_code
from univar.corpus.questions.bank import FORMS, Form, Question, control_questions, question_set
from univar.corpus.questions.taxonomy import reference_taxonomy
from univar.corpus.readers import MAX_NAME, MAX_QUESTION, CorpusError
from univar.corpus.records import question_hash
from univar.files import replacing

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt")
"""Of files of questions."""

_SAVED = ("state.json", "dataset_dict.json")  # one of them lies in a folder of `save_to_disk`
_WHOLE = re.compile(r"\d+(\.0+)?")
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)


class QuestionsError(ValueError):
    """A file that holds no questions; the message names the line, the field, what it had and what was expected."""


class _WrongError(Exception):
    """What is wrong with a row."""


def holds_questions(path: Path) -> bool:
    """Whether there is a file, or a folder that `save_to_disk` of a data set wrote."""
    return path.is_file() or any((path / name).is_file() for name in _SAVED)


def read_questions(path: str | os.PathLike[str]) -> list[Question]:
    """The questions of a file: those of the bank, of `write_questions`, or of one's own.

    Only the question is needed. The simplest file is a .txt with one on each line; with more to say, a row has fields:

    * `question`: as it is asked. `prompt` and `instruction` are other names of it.
    * `question_id` (or `id`): the same in all languages; by default a hash of `question_eng`, or of the question. The
      id of a control question, which elicits no value, begins with `control-`.
    * `lang` (or `language`): its language by any code; English by default.
    * `value`: id of the value that it elicits, of the bank or of a taxonomy of one's own. Without it, it is not known
      which value the question elicits.
    * `form`: one of `FORMS`.
    * `topic`: what it is about besides the value; of a control question the control topic.
    * `question_eng`: the English original of a question in another language.
    * `paraphrases`: a list of the same question in other English words.

    Other fields are passed over, and empty ones are as if they were not there. `load_dataset("univar-qa")` is read as
    `to_json`, `to_csv`, `to_parquet` and `save_to_disk` write it: where those have numbers for the names of values,
    forms and topics, the names are those of the data set, or of the bank's question with the same id or, where no id is
    given, the same words.

    Args:
        path: JSON lines (.jsonl, or without a suffix) or a JSON list (.json), each entry an object or the question
            alone; .csv or .tsv with a header; .parquet; .txt; or a folder that `save_to_disk` wrote.

    Example:
        A line of a .jsonl file, of which all but the question could be left out:

            {"question": "May one lie to spare a friend?", "question_id": "lies-01", "lang": "eng", "value": "honesty"}

    Raises:
        QuestionsError: If the file cannot be read, a row is no question, an id is doubled in a language or there are
            no questions.
    """
    source = Path(path)
    questions: dict[tuple[str, str], Question] = {}
    places: dict[tuple[str, str], str] = {}
    for place, row in _rows(source):
        try:
            question = _question(row)
            key = (question.question_id, question.lang)
            if key in questions:
                raise _WrongError(_doubled(questions[key], question, places[key]))
        except _WrongError as error:
            raise QuestionsError(f"{source}, {place}: {error}") from error
        questions[key], places[key] = question, place
    if not questions:
        raise QuestionsError(f"{source} holds no questions; expected at least one, in a field question or on a line")
    return list(questions.values())


def write_questions(questions: Iterable[Question], path: str | os.PathLike[str]) -> None:
    """Writes JSON lines, whole or not at all."""
    with replacing(path) as temporary:
        text = "".join(json.dumps(asdict(question), ensure_ascii=False) + "\n" for question in questions)
        temporary.write_text(text, encoding="utf-8")


def _doubled(first: Question, second: Question, place: str) -> str:
    """What is wrong with a second question of the same id, where the first is in `place`."""
    if first.question_id == question_hash(second.question_key):
        return f"the same question as in {place}; leave one of them out, or give both a question_id"
    return (
        f"the id {second.question_id!r} occurs a second time in {second.lang}, after {place}; give every question an "
        "id of its own"
    )


# Rows of files


def _rows(source: Path) -> Iterator[tuple[str, Any]]:
    """What a file or folder has, row by row, each with its place."""
    try:
        if source.is_dir():
            yield from _numbered("row", _saved(source))
        elif (suffix := source.suffix.lower()) == ".parquet":
            yield from _numbered("row", _named(pq.read_table(source)))
        elif suffix in (".csv", ".tsv"):
            yield from _delimited(source)
        elif suffix in ("", *SUFFIXES):
            yield from _texts(source)
        else:
            raise QuestionsError(f"{source} is no format that questions are read from; give {', '.join(SUFFIXES)}")
    except UnicodeDecodeError as error:
        raise QuestionsError(f"{source} cannot be read: {error}; save it as UTF-8") from error
    except (OSError, CorpusError, pa.ArrowInvalid) as error:
        raise QuestionsError(f"{source} cannot be read: {error}") from error


def _numbered(word: str, rows: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    return ((f"{word} {number}", row) for number, row in enumerate(rows, start=1))


def _delimited(source: Path) -> Iterator[tuple[str, Any]]:
    """The rows of a file of csv or tsv, without the spaces around their texts."""
    for row in open_file(source).rows(None) if source.stat().st_size else ():
        if row.problem:
            hint = "; put texts that hold commas in quotation marks" if "more fields" in row.problem else ""
            raise QuestionsError(f"{source}, line {row.line}: {row.problem}, {str(row.content)!r:.80}{hint}")
        yield f"line {row.line}", {name: got.strip() for name, got in row.content.items()}


def _texts(source: Path) -> Iterator[tuple[str, Any]]:
    """The entries of a JSON list, or the lines of a text that are not blank."""
    text, suffix = source.read_text(encoding="utf-8-sig"), source.suffix.lower()
    if suffix == ".json" and text.lstrip().startswith("["):
        yield from _numbered("entry", _json(text, str(source)))
        return
    for place, line in _numbered("line", text.split("\n")):  # not splitlines: U+0085 may stand in a text
        if line.strip():
            yield place, line.strip() if suffix == ".txt" else _json(line, f"{source}, {place}")


def _json(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise QuestionsError(f"{place}: no JSON ({error}); plain questions, one a line, go into a .txt") from error


def _saved(folder: Path) -> Iterator[Mapping[str, Any]]:
    """The rows of a data set, split by split."""
    from datasets import load_from_disk

    if not holds_questions(folder):
        raise QuestionsError(f"{folder} is no data set that save_to_disk wrote; name a file of questions")
    loaded = load_from_disk(str(folder))
    for split in loaded.values() if isinstance(loaded, Mapping) else (loaded,):
        yield from _named(split.with_format("arrow")[:])


def _named(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of a table, with names in place of the numbers of a `ClassLabel`."""
    names = label_names(table.schema)
    rows: list[dict[str, Any]] = table.to_pylist()
    return [{**row, **{column: known.get(row[column], row[column]) for column, known in names.items()}} for row in rows]


# Fields of a row


def _question(row: Any) -> Question:
    if isinstance(row, str):
        row = {"question": row}
    if not isinstance(row, Mapping):
        raise _WrongError(f"no question, got {row!r:.80}; expected an object with the field question, or a text")
    fields = {str(name).strip().lower(): got for name, got in row.items()}
    text = _text(fields, "question", MAX_QUESTION)
    if text is None:
        raise _WrongError(_missing(fields))
    lang = _lang(fields)
    question_eng = _text(fields, "question_eng", MAX_QUESTION) or (text if lang == "eng" else None)
    question_id = _text(fields, "question_id") or question_hash(question_eng or text)
    return Question(
        question_id,
        text,
        question_eng,
        lang,
        _name(fields, "value", question_id),
        _form(fields, question_id),
        _name(fields, "topic", question_id),
        _paraphrases(fields),
    )


def _missing(fields: Mapping[str, Any]) -> str:
    """What is wrong with a row without a question."""
    found = list(fields)
    if "question" in fields:
        return f"question: got {fields['question']!r:.80}; expected a text"
    return (
        f"no question: it has the fields {', '.join(map(repr, found)) or '(none)'}; expected {aliases('question')[0]} "
        f"(or {' or '.join(aliases('question')[1:])}), which is the only one that is needed"
    )


def _got(fields: Mapping[str, Any], field: str) -> Any:
    """What a row has in a field, by any of its names; None where that is nothing."""
    found = next((fields[name] for name in aliases(field) if name in fields), None)
    nothing = found != found or (isinstance(found, str) and not found.strip())  # NaN, of an empty cell
    return None if nothing else found


def _text(fields: Mapping[str, Any], field: str, most: int = MAX_NAME) -> str | None:
    got = _got(fields, field)
    if got is None:
        return None
    if field == "question_id" and isinstance(got, int):
        got = str(got)
    if not isinstance(got, str):
        raise _WrongError(f"{field}: got {got!r:.80}; expected a text")
    if len(got) > most:
        raise _WrongError(f"{field}: got {len(got):,} characters; at most {most:,} are allowed")
    if any("\ud800" <= character <= "\udfff" for character in got):
        raise _WrongError(f"{field}: got {got!r:.80}, which is not UTF-8; save the file as UTF-8")
    return got


def _lang(fields: Mapping[str, Any]) -> str:
    try:
        return language_code(_text(fields, "lang") or "eng")
    except ValueError as error:
        raise _WrongError(f"lang: {error}") from error


def _name(fields: Mapping[str, Any], field: str, question_id: str) -> str | None:
    """The name in a field; a number, as data sets have it, is taken for that of the bank's question with the id."""
    got = _got(fields, field)
    if isinstance(got, bool) or not _WHOLE.fullmatch(str(got)):
        return _text(fields, field)
    if question_id in _bank():
        name: str | None = getattr(_bank()[question_id], field)
        return name
    values, hint = reference_taxonomy().values, ""
    if field == "value" and float(got) < len(values):
        hint = f"; if it counts the values of univar-qa from 0, it is {values[int(float(got))].id!r}"
    raise _WrongError(
        f"{field}: got {got!r}, a number; expected a name. Numbers are known only of the bank's own questions, by "
        f"question_id, and {question_id!r} is none of them{hint}"
    )


def _form(fields: Mapping[str, Any], question_id: str) -> Form | None:
    got = _name(fields, "form", question_id)
    for form in FORMS:
        if got == form:
            return form
    if got is not None:
        raise _WrongError(f"form: got {got!r:.80}; expected one of {', '.join(FORMS)}, or nothing")
    return None


@functools.cache
def _bank() -> dict[str, Question]:
    """The questions that ship by their ids, and by those that they would have without."""
    every = (*question_set("bank"), *control_questions())
    return {question_hash(q.question): q for q in every} | {q.question_id: q for q in every}


def _paraphrases(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """A list of texts; in a cell as JSON, or as `to_csv` of `datasets` and pandas write it."""
    got = _got(fields, "paraphrases")
    found: Any = () if got is None else got
    if isinstance(got, str):
        try:
            found = json.loads(got)
        except ValueError:
            texts = _QUOTED.findall(got)
            nothing_else = not _QUOTED.sub("", got).strip("[], \n")
            found = [ast.literal_eval(text) for text in texts] if nothing_else else got
    if not isinstance(found, list | tuple) or not all(isinstance(text, str) for text in found):
        raise _WrongError(f"paraphrases: got {got!r:.80}; expected a list of texts")
    return tuple(found)
