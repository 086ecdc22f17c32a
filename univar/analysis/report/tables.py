"""What a finding says in numbers and answers, as tables of text for a page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from univar.analysis.report.findings import Finding

MOST_ROWS = 1000
"""Of a table on a page; all lie in the files."""

_SURE = 0.05
_NAMED = 5
_TELLING = 2
"""Values on either side of which answers are shown for each identity."""
_PAIRS = 8
_CUT = 600
_NONE = "-"
_LABELS = {
    "adjusted": "p (Holm)",
    "control_squared": "on controls",
    "excess": "more than on controls by",
    "excess_adjusted": "p of that (Holm)",
    "excess_p": "p of that",
    "how": "read by",
    "lang": "language",
    "p_holm": "p (Holm)",
    "squared": "squared distance",
    "why": "why there is none",
}
_LEVELS = {"value": "value by value", "family": "by family", "schwartz": "by Schwartz's ten"}


@dataclass(frozen=True, slots=True)
class ShownTable:
    """A table of text.

    Attributes:
        caption: What it shows.
        header: Of its columns; the first one names the rows.
        rows: Cells as text, a row as long as the header.
        numeric: Whether a column holds numbers.
        left_out: Rows that have no room on a page.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    left_out: int = 0


def tables_of(finding: Finding) -> list[ShownTable]:
    """The numbers of a finding: of the values of several identities one column each, else a row a number."""
    profiles = _profiles(finding)
    if not profiles:
        return [_plain_table(finding.title, finding.table)] if finding.table else []
    shown = [level for level in _LEVELS if any(level in one.get("readings", {}) for one in profiles)]
    if len(profiles) > 1:
        return [_grid(f"Stances {_LEVELS[level]}, with 95 % intervals", profiles, level) for level in shown]
    return [
        _plain_table(
            f"Stances {_LEVELS[level]}",
            [
                {name: cell for name, cell in row.items() if name not in ("model", "lang", "level", "name", "values")}
                for row in _strongest_first([row for row in finding.table if row.get("level") == level])
            ],
        )
        for level in shown
    ]


def profiles_of(finding: Finding) -> ShownTable | None:
    """What each of several identities stands for, in a line each; None for any other finding."""
    profiles = _profiles(finding)
    if len(profiles) < 2:
        return None
    level = str(finding.data.get("by", "value"))
    rows = [(_who(one), *_sides(one, level)) for one in profiles]
    header = ("who", "stands for", "stands against", "readable", "n")
    return ShownTable("The strongest first; differing from no stance by Holm's rule", header, tuple(rows),
                      (False, False, False, True, True))  # fmt: skip


def answers_of(finding: Finding) -> list[ShownTable]:
    """The answers that show a finding: those that say a value most, or those that moved most, side by side."""
    said = [row for profile in _profiles(finding) for row in _telling(profile)]
    header: tuple[str, ...] = ("who", "on", "read at", "question", "answer")
    found = [_words("Answers that say it most", header, said)] if said else []
    for shift in finding.data.get("shifts", ()) if finding.kind == "shift" else ():
        pairs = [(one["question"], one["before"], one["after"]) for one in shift.get("pairs", ())[:_PAIRS]]
        if pairs:
            caption = f"Answers that moved most, to {shift['name']}"
            found.append(_words(caption, ("question", "before", "after"), pairs))
    return found


def text_of(cell: Any) -> str:
    """A cell as text: three digits of a fraction, thousands set apart, a dash for nothing."""
    if cell is None or cell == "" or cell == []:
        return _NONE
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.3g}"
    if isinstance(cell, Mapping):
        return ", ".join(f"{name} {text_of(part)}" for name, part in cell.items())
    return ", ".join(map(text_of, cell)) if isinstance(cell, list) else str(cell)


def _profiles(finding: Finding) -> Sequence[Mapping[str, Any]]:
    """The profiles that a reading of values holds."""
    found = finding.data.get("profiles", ()) if finding.kind == "values" else ()
    return found if isinstance(found, list) else ()


def _plain_table(caption: str, rows: Sequence[Mapping[str, Any]]) -> ShownTable:
    """Rows as they are: columns that hold nothing are left out, ends of an interval stand in one."""
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if _holds(rows, name)]
    ends = {name: f"{name.removesuffix('low')}high" for name in names if name == "low" or name.endswith("_low")}
    columns = [name for name in names if name not in ends.values()]
    shown = rows[:MOST_ROWS]
    return ShownTable(
        caption,
        tuple("95 % interval" if name in ends else _label(name) for name in columns),
        tuple(
            tuple(_interval(row.get(name), row.get(ends[name])) if name in ends else text_of(row.get(name))
                  for name in columns)
            for row in shown
        ),
        tuple(name in ends or any(isinstance(row.get(name), int | float) for row in rows) for name in columns),
        len(rows) - len(shown),
    )  # fmt: skip


def _grid(caption: str, profiles: Sequence[Mapping[str, Any]], level: str) -> ShownTable:
    """A row a reading, a column an identity."""
    read = [{one["title"]: one for one in profile.get("readings", {}).get(level, ())} for profile in profiles]
    titles = list(dict.fromkeys(title for of in read for title in of))
    header = (level if level != "schwartz" else "Schwartz value", *map(_who, profiles))
    rows = tuple((title, *(_stance(of.get(title)) for of in read)) for title in titles)
    return ShownTable(caption, header, rows, (False, *[True] * len(profiles)))


def _sides(profile: Mapping[str, Any], level: str) -> tuple[str, str, str, str]:
    """What is stood for and against, how many readings there are, and of how many answers."""
    readings = profile.get("readings", {}).get(level, ())
    sure = [one for one in readings if one["p_holm"] is not None and one["p_holm"] < _SURE]
    named = []
    for sign in (1, -1):
        side = sorted((one for one in sure if sign * one["stance"] > 0), key=lambda one: -sign * one["stance"])
        more = [f"{len(side) - _NAMED} more"] if len(side) > _NAMED else []
        named.append(", ".join([*(one["title"] for one in side[:_NAMED]), *more]) or _NONE)
    read = sum(one["stance"] is not None for one in readings)
    n = profile.get("read", {}).get(level, {}).get("n")
    return named[0], named[1], f"{read:,} of {len(readings):,}", text_of(n)


def _telling(profile: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Of the strongest stances on either side that differ from none, the answer that says each most."""
    readings = [one for one in profile.get("readings", {}).get("value", ()) if one.get("stance") is not None]
    for sign in (1, -1):
        sure = [one for one in readings if one["low"] is not None and min(sign * one["low"], sign * one["high"]) > 0]
        for one in sorted(sure, key=lambda one: -sign * one["stance"])[:_TELLING]:
            said = max(one.get("telling") or [], key=lambda said: sign * said["stance"], default=None)
            if said is not None:
                yield _who(profile), one["title"], f"{said['stance']:+.2f}", said["question"], said["answer"]


def _words(caption: str, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> ShownTable:
    cells = tuple(tuple(cell if len(cell) <= _CUT else f"{cell[:_CUT].rstrip()} …" for cell in row) for row in rows)
    return ShownTable(caption, header, cells, tuple(name == "read at" for name in header))


def _strongest_first(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """By stance, what has none last."""
    return sorted(rows, key=lambda row: (row.get("stance") is None, -(row.get("stance") or 0.0)))


def _holds(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    return any(row.get(name) not in (None, "", []) for row in rows)


def _label(name: str) -> str:
    return _LABELS.get(name, name.replace("_", " "))


def _who(profile: Mapping[str, Any]) -> str:
    return f"{profile['model']} ({profile['lang']})"


def _stance(one: Mapping[str, Any] | None) -> str:
    if one is None or one["stance"] is None:
        return _NONE
    return f"{one['stance']:+.2f} ({one['low']:+.2f} to {one['high']:+.2f})"


def _interval(low: Any, high: Any) -> str:
    return _NONE if low is None or high is None else f"{text_of(low)} to {text_of(high)}"
