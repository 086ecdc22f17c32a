"""What was found as one HTML page: opens offline, folds all numbers under their figures, runs nothing but its scripts.

Answers of LLMs are untrusted, and so is a folder of findings that somebody sent. Three things keep them inert: what
they hold is escaped, in figures all tags but those that plotly's texts need; data stand on the page as JSON without a
"<"; the page's security policy allows two scripts, by their hash, and no connection to anywhere.
"""

import base64
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from univar.analysis.names import printable
from univar.analysis.report.findings import TITLES, About, Finding, finding_of
from univar.analysis.report.tables import ShownTable, answers_of, profiles_of, tables_of
from univar.analysis.results import Result
from univar.files import replacing

_MOST_FIGURES = 1_500_000
"""Characters of all figures of a page together; plotly.js has 4.8 million."""

_TAGS = re.compile(r"<(?!/?(b|i|br|sub|sup)\s*/?>)", re.IGNORECASE)
"""What begins a tag in a text of a figure, but for those of plotly that only change how it looks."""

_IN_JSON = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


@dataclass(frozen=True, slots=True)
class _Part:
    """A finding as the template shows it."""

    number: int
    title: str
    sentence: str
    notes: tuple[str, ...]
    profiles: ShownTable | None
    answers: list[ShownTable]
    tables: list[ShownTable]
    figure: Markup | None
    width: int
    too_large: bool


def write_report(findings: Sequence[Finding], about: About, file: str | os.PathLike[str]) -> None:
    """Writes findings as one page that needs no network, in the order of `TITLES`; whole or not at all.

    Raises:
        ValueError: If there are no findings, or the suffix is not .html.
    """
    if not findings:
        raise ValueError("a report needs a finding at least; make one with univar.analysis.report.findings.finding_of")
    order = list(TITLES)
    ordered = sorted(findings, key=lambda one: order.index(one.kind) if one.kind in order else len(order) - 1)
    _write(ordered, about, file)


def write_page(result: Result, kind: str, file: str | os.PathLike[str]) -> None:
    """Writes one reading as such a page; `kind` is that of `finding_of`.

    Raises:
        ValueError: If the suffix is not .html.
    """
    _write([finding_of(result, kind)], None, file)


def _write(findings: Sequence[Finding], about: About | None, file: str | os.PathLike[str]) -> None:
    if Path(file).suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"cannot write a page as {Path(file).name!r}; use a name that ends in .html")
    figures = _within(_MOST_FIGURES, [None if one.figure is None else _inert(one.figure) for one in findings])
    parts = [_part(number, *both) for number, both in enumerate(zip(findings, figures, strict=True), start=1)]
    plotly, script = get_plotlyjs() if any(part.figure for part in parts) else "", _asset("page.js")
    page = _template().render(
        title="What the answers say" if about else findings[0].title,
        made=about and _made(about),
        about=about and _described(about),
        parts=parts,
        css=Markup(_asset("page.css")),
        plotly=Markup(plotly),
        js=Markup(script),
        hashes=Markup(f"{_hash(plotly)} {_hash(script)}"),
    )
    with replacing(Path(file)) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="replace", newline="\n")


def _part(number: int, finding: Finding, figure: Mapping[str, Any] | None) -> _Part:
    return _Part(
        number=number,
        title=finding.title,
        sentence=finding.sentence,
        notes=finding.notes,
        profiles=profiles_of(finding),
        answers=answers_of(finding),
        tables=tables_of(finding),
        figure=None if figure is None else Markup(_json(figure).translate(_IN_JSON)),
        width=0 if figure is None else _width(figure),
        too_large=figure is None and finding.figure is not None,
    )


def _made(about: About) -> str:
    """A line on what the report is of."""
    counted = ", ".join(f"{number:,} {name}" for name, number in about.counts.items())
    return " · ".join(part for part in (counted, about.date.partition("T")[0]) if part)


def _described(about: About) -> list[tuple[str, str]]:
    """How it was made, by what it is called."""
    counts = ", ".join(f"{number:,} {name}" for name, number in about.counts.items())
    models = ", ".join(f"{name} (fingerprint {fingerprint})" for name, fingerprint in about.models.items())
    versions = ", ".join(f"{name} {number}" for name, number in about.versions.items())
    rows = [("command", about.command), ("answers", counts), ("embedded by", models), ("seed", str(about.seed)),
            ("date", about.date), ("software", versions)]  # fmt: skip
    return [(name, content) for name, content in rows if content]


def _inert(content: Any) -> Any:
    """A part of a figure in whose texts no tag can act or lead anywhere."""
    if isinstance(content, str):
        return _TAGS.sub("&lt;", content)
    if isinstance(content, Mapping):
        return {name: _inert(part) for name, part in content.items()}
    return [_inert(part) for part in content] if isinstance(content, list) else content


def _within(most: int, figures: Sequence[Mapping[str, Any] | None]) -> list[Mapping[str, Any] | None]:
    """Figures that together have at most so many characters: the largest lose what hovers over marks, then go."""
    kept = list(figures)
    sizes = [0 if one is None else len(_json(one)) for one in kept]
    for lighter in (_without_hovers, lambda _: None):
        for place in sorted(range(len(kept)), key=lambda place: -sizes[place]):
            one = kept[place]
            if sum(sizes) > most and one is not None:
                kept[place] = lighter(one)
                sizes[place] = 0 if kept[place] is None else len(_json(kept[place]))
    return kept


def _without_hovers(figure: Mapping[str, Any]) -> Mapping[str, Any]:
    """A figure whose marks have no texts under the pointer."""
    traces = [
        {name: content for name, content in trace.items() if name != "hovertext"} | {"hoverinfo": "skip"}
        if isinstance(trace.get("hovertext"), list)
        else trace
        for trace in figure.get("data", ())
    ]
    return {**figure, "data": traces}


def _width(figure: Mapping[str, Any]) -> int:
    """Pixels below which it cannot be read and is scrolled instead: pictures side by side, many columns of cells."""
    layout = figure.get("layout", {})
    axes = {name: axis for name, axis in layout.items() if re.fullmatch(r"xaxis\d*", name) and isinstance(axis, dict)}
    beside = {tuple(axis.get("domain") or (0, 1)) for axis in axes.values()}
    columns = max([0, *(len(trace["z"][0]) for trace in figure.get("data", ()) if _has_cells(trace))])
    return max(300, 350 * len(beside), 200 + 26 * columns)


def _has_cells(trace: Mapping[str, Any]) -> bool:
    cells = trace.get("z")
    return isinstance(cells, list) and bool(cells) and isinstance(cells[0], list)


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _asset(name: str) -> str:
    return (files("univar") / "assets" / "report" / name).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # All but what is marked as safe goes onto the page without control characters, too.
        finalize=lambda shown: shown if isinstance(shown, Markup) or not isinstance(shown, str) else printable(shown),
    )
    return environment.from_string(_asset("page.html.j2"))


def _hash(script: str) -> str:
    """What a security policy calls a script by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
