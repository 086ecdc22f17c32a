"""Which column of a file holds which field, by its usual names, and what to say where none does."""

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from univar.corpus.formats.rejects import CorpusError, NoAnswersError
from univar.corpus.formats.spoken import likely
from univar.corpus.languages import language_code, languages
from univar.corpus.records import SCHEMA

REQUIRED = ("question", "answer", "model", "lang")

ALIASES = {
    "question_id": ("question_id", "qid", "id"),
    "question": ("question", "prompt", "instruction", "user_prompt", "query", "input"),
    "answer": (
        "answer", "response", "completion", "output", "generated_text", "generation", "reply", "model_response",
        "model_answer", "model_output", "llm_response", "llm_answer",
    ),
    "model": ("model", "llm", "model_name", "model_id", "llm_name", "generator", "engine"),
    "lang": ("lang", "language", "locale", "lang_code", "language_code"),
    "source": ("source", "dataset"),
    "question_eng": ("question_eng", "question_en"),
    "answer_eng": ("answer_eng", "answer_en"),
}  # fmt: skip
"""Names under which a field is kept elsewhere; the first that a file has is taken, whatever its case and spaces."""

POSITIONS = {
    "question_id": ("question_id",),
    "claim": ("claim", "topic", "statement", "proposition", "motion", "target"),
    "answer": (*ALIASES["answer"], "text", "argument", "comment", "opinion"),
    "stance": ("stance", "label", "position"),
    "model": (*ALIASES["model"], "author", "speaker"),
}
"""More names, for a file without questions: texts that are labelled with their stance on a topic."""

_SHOWN_COLUMNS = 12
_LONGEST_NAME = 40


def aliases(field: str) -> tuple[str, ...]:
    """The names of a field, its own first."""
    return ALIASES.get(field, (field,))


def placed(found: Sequence[str], columns: Mapping[str, str], constants: Mapping[str, str]) -> dict[str, str]:
    """The column of each field that has one; `columns` are those that the user names."""
    places = _placed(found, columns, constants, ALIASES)
    if "question" in places or "question" in constants:
        return places
    positions = _placed(found, columns, constants, {**ALIASES, **POSITIONS})
    return positions if are_positions(positions, constants) else places


def are_positions(places: Mapping[str, str], constants: Mapping[str, str]) -> bool:
    """Whether there are answers with their stances on claims, and no questions."""
    given = {*places, *constants}
    return "question" not in given and {"claim", "answer", "stance"} <= given


def _placed(
    found: Sequence[str],
    columns: Mapping[str, str],
    constants: Mapping[str, str],
    names: Mapping[str, Sequence[str]],
) -> dict[str, str]:
    alike = {_folded(name): name for name in reversed(found)}  # the first of those that are alike
    exact, places = set(found), dict(columns)
    for field in SCHEMA.names:
        if field in places or field in constants:
            continue
        for alias in names.get(field, (field,)):
            column = alias if alias in exact else alike.get(_folded(alias))
            if column is not None and column not in columns.values():
                places[field] = column
                break
    return places


def _folded(name: str) -> str:
    """Without case, spaces, dashes and the like: `Model Name`, `modelName` and `model_name` are one."""
    return "".join(filter(str.isalnum, name.casefold()))


def check_path(
    origin: str, found: Sequence[str], field: str, column: str, samples: Iterable[Mapping[str, Any]]
) -> None:
    """Refuses a column that the user names and that is neither among those found nor a path in a row.

    Raises:
        NoAnswersError: As said.
    """
    rows = list(samples)
    if any(at(row, column) is not None for row in rows):
        return
    reason = f"no column {column!r} for {field}"
    inside = next(filter(None, (_inside(row, column) for row in rows)), None)
    place = f"; in {inside[0]!r} there are {_listed(inside[1])}" if inside else ""
    raise NoAnswersError(f"{origin} has {reason}; its columns are {_listed(found)}{place}", reason=f"it has {reason}")


def check_unique(origin: str, found: Sequence[str], places: Mapping[str, str]) -> None:
    """Refuses a column that a file has twice, if it is needed.

    Raises:
        CorpusError: As said.
    """
    counts = Counter(found)
    for field, column in places.items():
        if counts[column] > 1:
            raise CorpusError(
                f"{origin} has {counts[column]} columns {column!r}, for {field}; rename all but one, or name another "
                f"with --column {field}=COLUMN"
            )


def at(row: Mapping[str, Any], column: str) -> Any:
    """What a row has in a column, or under a path such as `response.body.choices.0.message.content`; None if nothing.

    A column whose name has dots goes before a path.
    """
    if column in row:
        return row[column]
    content: Any = row
    for part in column.split("."):
        content = _step(content, part)
    return content


def _step(content: Any, part: str) -> Any:
    if isinstance(content, Mapping):
        return content.get(part)
    if isinstance(content, list | tuple) and part.isdecimal() and int(part) < len(content):
        return content[int(part)]
    return None


def _inside(row: Mapping[str, Any], path: str) -> tuple[str, list[str]] | None:
    """How far a path leads in a row, and which names there are; None if nowhere."""
    content: Any = row
    for depth, part in enumerate(parts := path.split(".")):
        inner = _step(content, part)
        if inner is None:
            return (".".join(parts[:depth]), list(content)) if depth and isinstance(content, Mapping) else None
        content = inner
    return None


def stored(column: str, names: Iterable[str]) -> str:
    """What has to be read for a column or path: the path, up to the place in a list."""
    return column if column in names else re.split(r"\.\d+(?:\.|$)", column, maxsplit=1)[0]


def guesses(places: Mapping[str, str], columns: Mapping[str, str]) -> str:
    """Which columns were taken by other names than the fields': `Prompt was read as question, LLM as model`."""
    told = (*REQUIRED, "claim", "stance")
    others = [field for field in told if field not in columns and places.get(field, field) != field]
    return ", ".join(f"{places[field]}{'' if place else ' was read'} as {field}" for place, field in enumerate(others))


def missing_columns(
    origin: str,
    found: Sequence[str],
    missing: Sequence[str],
    samples: Sequence[Mapping[str, Any]],
    places: Mapping[str, str],
    about: str = "",
) -> CorpusError:
    """The error of a file that lacks fields, with options that would mend it, as far as its first rows tell.

    Args:
        origin: What the file is called.
        found: Its columns.
        missing: The fields that none of them seems to hold.
        samples: Its first rows.
        places: The columns of the fields that it has.
        about: What kind of file it seems to be, and the way out.
    """
    flags = [] if about else _flags(origin, missing, samples, places)
    has = f"has the columns {_listed(found, quoted=True)}"
    way = (
        about
        or f"Name the column with --column {missing[0]}=COLUMN, or give one value for all rows with "
        f"--set {missing[0]}=VALUE{f'; here perhaps {shlex.join(flags)}' if flags else ''}"
    )
    message = f"{origin} is no corpus: it {has} and needs {', '.join(REQUIRED)}; missing: {', '.join(missing)}. {way}"
    if {"question", "answer"}.isdisjoint(missing):
        return CorpusError(message, flags)
    return NoAnswersError(message, flags, about or has)


def _flags(
    origin: str, missing: Sequence[str], samples: Sequence[Mapping[str, Any]], places: Mapping[str, str]
) -> list[str]:
    """A column for each missing field, by what they hold: the longest texts are answers. Nothing if none fits."""
    texts = _texts(samples)
    free = sorted(set(texts) - set(places.values()), key=lambda name: (-sum(map(len, texts[name])), name))
    found = dict(places)
    for field in ("answer", "question", "lang", "model"):
        if field not in missing:
            continue
        fitting = free
        if field == "lang":
            fitting = [name for name in free if all(map(_is_language, texts[name]))]
        if field == "model":
            short = [name for name in free if max(map(len, texts[name])) <= _LONGEST_NAME]
            fitting = sorted(short, key=lambda name: len(set(texts[name])))
        if fitting:
            found[field] = fitting[0]
            free = [name for name in free if name != fitting[0]]
    if "answer" not in found or "question" not in found:
        return []
    lang = likely("\n".join(texts.get(found["answer"], ()))) or "eng"
    values = {"lang": lang, "model": Path(origin).name.partition(".")[0] or "NAME"}
    flags = [
        ["--column", f"{field}={found[field]}"] if field in found else ["--set", f"{field}={values[field]}"]
        for field in missing
    ]
    return list(chain.from_iterable(flags))


def _texts(samples: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The texts in each column that holds some, and not numbers alone."""
    found: dict[str, list[str]] = {}
    for row in samples:
        for name, content in row.items():
            if isinstance(content, str) and content.strip():
                found.setdefault(name, []).append(content)
    return {name: texts for name, texts in found.items() if not all(map(_is_number, texts))}


def _is_number(content: str) -> bool:
    try:
        float(content)
    except ValueError:
        return False
    return True


def _is_language(content: str) -> bool:
    """Whether a text names a language of the corpus; of all codes of three letters too many are other words."""
    try:
        return language_code(content) in languages()
    except ValueError:
        return False


def _listed(names: Sequence[str], *, quoted: bool = False) -> str:
    shown = [name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…" for name in names[:_SHOWN_COLUMNS]]
    more = [f"and {len(names) - _SHOWN_COLUMNS} more"] if len(names) > _SHOWN_COLUMNS else []
    return ", ".join([*(map(repr, shown) if quoted else shown), *more]) or "(none)"
