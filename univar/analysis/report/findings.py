"""What was found, kept in a folder: all that a report needs to be drawn again without the model.

A finding is what a reading said, as plain JSON: its sentence, notes, numbers, table and figure. A folder of findings
holds for each a NAME.json and its table as NAME.parquet, and about.json, which says how they were made.
"""

import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from univar.analysis.results import Result
from univar.files import replacing

TITLES: Mapping[str, str] = {
    "values": "What each LLM stands for",
    "map": "Where the LLMs lie",
    "distances": "How far apart they lie",
    "place": "Which known LLMs are near",
    "people": "Languages against societies",
    "shift": "How the answers moved",
    "style": "Style or values",
    "identification": "How well LLMs are told apart",
    "evidence": "How well this reads",
}
"""What a finding of each kind is headed by, in the order of a report."""

_FORMAT = 1
_ABOUT = "about"
_SAFE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SOFTWARE = ("univar-values", "sentence-transformers", "transformers", "torch", "numpy")


class FindingsError(ValueError):
    """A folder that holds no findings, or whose findings cannot be read; the message says which file and why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a reading said, as plain JSON values.

    Attributes:
        kind: What was read: a name of `TITLES`, or any other.
        title: What it is headed by.
        sentence: The finding in words, with n and interval.
        notes: What one must know to read it, a sentence each.
        data: All of it, as the result's `to_dict` gave it.
        table: A row a number, as the result's `to_pandas` gave it.
        figure: As JSON of plotly; None where there is no picture.
    """

    kind: str
    title: str
    sentence: str
    notes: tuple[str, ...]
    data: Mapping[str, Any]
    table: Sequence[Mapping[str, Any]]
    figure: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class About:
    """How findings were made.

    Attributes:
        command: The command line, as it was typed.
        versions: Of the software, by its name.
        models: Fingerprints of what embedded the answers, by its name.
        counts: What there was, as `{"answers": 870, "identities": 10}`.
        seed: Of all that is random.
        date: When, as ISO 8601 in UTC.
    """

    command: str
    versions: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0
    date: str = ""

    @classmethod
    def now(cls, command: str, *, models: Mapping[str, str], counts: Mapping[str, int], seed: int) -> Self:
        """With the date and the versions of what is installed here."""
        versions = {name: version(name) for name in _SOFTWARE}
        return cls(_plain(command), versions, models, counts, seed, datetime.now(UTC).isoformat(timespec="seconds"))


def finding_of(result: Result, kind: str, title: str | None = None) -> Finding:
    """What a reading said, ready to be kept and shown.

    Args:
        result: Any result of the protocol; its `notes()` and `plot()` are used where it has them.
        kind: What was read: a name of `TITLES`, or any other.
        title: What it is headed by; by default that of its kind.
    """
    plot = getattr(result, "plot", None)
    return Finding(
        kind=kind,
        title=_plain(title or TITLES.get(kind, kind)),
        sentence=_plain(str(result)),
        notes=tuple(map(_plain, _notes(result))),
        data=_plain(result.to_dict()),
        table=_plain(result.to_pandas().to_dict("records")),
        figure=None if plot is None else _plain(json.loads(plot().to_json())),
    )


def save_findings(folder: str | os.PathLike[str], findings: Sequence[Finding], about: About) -> list[Path]:
    """Keeps findings in a folder, each file whole or not at all; those of an earlier time are replaced.

    Returns:
        The files: about.json, and NAME.json and NAME.parquet for each finding.
    """
    place = Path(folder)
    names = _names([one.kind for one in findings])
    written = []
    for name, one in zip(names, findings, strict=True):
        kept = {name: content for name, content in asdict(one).items() if name != "table"}
        written += [_write_json(place, name, kept), place / f"{name}.parquet"]
        with replacing(written[-1]) as temporary:
            pq.write_table(_table(one.table), temporary)
    earlier = _earlier(place)
    written.insert(0, _write_json(place, _ABOUT, {**asdict(about), "findings": names}))
    for name in set(earlier) - set(names):
        for suffix in ("json", "parquet"):
            (place / f"{name}.{suffix}").unlink(missing_ok=True)
    return written


def load_findings(folder: str | os.PathLike[str]) -> tuple[list[Finding], About]:
    """The findings that `save_findings` kept in a folder, in their order, and how they were made.

    Raises:
        FindingsError: If there are none, a file is damaged, or a newer univar wrote them.
    """
    place = Path(folder)
    if not (place / f"{_ABOUT}.json").is_file():
        raise FindingsError(f"no findings in {place} (no about.json there); `univar audit` writes a folder of them")
    described = _read_json(place, _ABOUT)
    with _reading(place / f"{_ABOUT}.json"):
        names = described.pop("findings")
        about = About(**described)
        if not all(isinstance(name, str) and _SAFE.fullmatch(name) for name in names):
            raise ValueError("names of findings are lower case letters, digits and -")
    return [_load(place, name) for name in names], about


def _load(place: Path, name: str) -> Finding:
    described = _read_json(place, name)
    with _reading(place / f"{name}.parquet"):
        table = pq.read_table(place / f"{name}.parquet").to_pylist()
    with _reading(place / f"{name}.json"):
        described["notes"] = tuple(described["notes"])
        found = Finding(**described, table=table)
        wrong = [one.name for one in fields(Finding) if not _fits(one.name, getattr(found, one.name))]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} is not what it should be")
    return found


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Names the file that cannot be read."""
    try:
        yield
    except FindingsError:
        raise
    except FileNotFoundError:
        raise FindingsError(f"{file} is missing, which about.json beside it names; write the findings again") from None
    except (KeyError, TypeError, AttributeError, ValueError, pa.ArrowException) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise FindingsError(f"{file} is damaged ({reason}); write the findings again") from error


def _fits(name: str, content: Any) -> bool:
    """Whether a part of a finding is of its type."""
    if name in ("kind", "title", "sentence"):
        return isinstance(content, str)
    if name == "notes":
        return all(isinstance(note, str) for note in content)
    if name == "table":
        return isinstance(content, list)
    return isinstance(content, dict) or (name == "figure" and content is None)


def _notes(result: Result) -> Iterator[str]:
    """What one must know to read a result, and what else it has to say in words."""
    # Here, not above: findings that are read from files need none of it.
    from univar.analysis.distances.results import Distances
    from univar.analysis.values.results import ValueProfiles

    if isinstance(result, Distances):
        yield from (f"{line}." for line in result.nearest_lines())
    if hasattr(result, "notes"):
        yield from result.notes()
    if isinstance(result, ValueProfiles):
        for profile in result.profiles:
            yield from result.not_readable(profile)


def _plain(content: Any) -> Any:
    """Plain JSON values: what is not a finite number is None, numbers of numpy are numbers, texts are Unicode."""
    if isinstance(content, str):
        # A lone surrogate, as a broken answer may hold, is no text and cannot be written.
        return content.encode("utf-8", "replace").decode("utf-8")
    if isinstance(content, Mapping):
        return {_plain(str(key)): _plain(part) for key, part in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(part) for part in content]
    if hasattr(content, "tolist"):
        return _plain(content.tolist())
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _names(kinds: Sequence[str]) -> list[str]:
    """A name of files for each finding: its kind, as letters that all systems allow, and a number where it has one."""
    names: list[str] = []
    for kind in kinds:
        bare = "-".join(re.findall("[a-z0-9]+", kind.lower()))[:40].strip("-") or "finding"
        taken = {*names, _ABOUT}
        numbered = (bare if number == 1 else f"{bare}-{number}" for number in range(1, len(kinds) + 3))
        names.append(next(name for name in numbered if name not in taken))
    return names


def _earlier(place: Path) -> list[str]:
    """Names of the findings that a folder holds; none where that cannot be read."""
    try:
        names = json.loads((place / f"{_ABOUT}.json").read_text(encoding="utf-8"))["findings"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [name for name in names if isinstance(name, str) and _SAFE.fullmatch(name) and name != _ABOUT]


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as a table; a column whose values are of several types holds them as text."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {}
    for name in names:
        cells = [row.get(name) for row in rows]
        try:
            columns[name] = pa.array(cells)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            columns[name] = pa.array([None if cell is None else str(cell) for cell in cells])
    return pa.table(columns)


def _write_json(place: Path, name: str, content: Mapping[str, Any]) -> Path:
    file = place / f"{name}.json"
    text = json.dumps({"format": _FORMAT, **content}, ensure_ascii=False, allow_nan=False, indent=1)
    with replacing(file) as temporary:
        temporary.write_text(f"{text}\n", encoding="utf-8", newline="\n")
    return file


def _read_json(place: Path, name: str) -> dict[str, Any]:
    """What `_write_json` wrote, without its format."""
    file = place / f"{name}.json"
    with _reading(file):
        content = json.loads(file.read_text(encoding="utf-8"))
        written = content.pop("format")
        if isinstance(written, int) and written > _FORMAT:
            raise FindingsError(
                f"{file} was written by a newer univar (format {written}; this one reads {_FORMAT}): update univar"
            )
        if written != _FORMAT:
            raise ValueError(f"format {written!r}")
    return dict(content)
