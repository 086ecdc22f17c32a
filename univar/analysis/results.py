"""What every reading answers with: a frozen result that can be printed, tabulated, stored and drawn."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from univar.analysis.statistics import Interval

if TYPE_CHECKING:
    import pandas as pd


@runtime_checkable
class Result(Protocol):
    """A frozen dataclass with these methods, and `.plot()`, a plotly figure, where a picture makes sense."""

    def to_pandas(self) -> "pd.DataFrame":
        """A row a finding, with its n and its interval."""

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON values; shares in 0..1."""

    def to_markdown(self) -> str:
        """A table in GitHub's Markdown, what one must know to read it below."""

    def __str__(self) -> str:
        """What was found, in one sentence with n and interval."""


@runtime_checkable
class Noted(Result, Protocol):
    """A result that tells what one must know to read it."""

    def notes(self) -> list[str]:
        """What one must know to read the table, a paragraph each."""


def markdown_table(header: Iterable[str], rows: Iterable[Iterable[str]], *, text_columns: int = 1) -> str:
    """A table in GitHub's Markdown; all but the first `text_columns` are aligned to the right."""
    names = list(header)
    rule = ["---"] * text_columns + ["---:"] * (len(names) - text_columns)
    return "\n".join(map(_markdown_row, [names, rule, *rows])) + "\n"


def _markdown_row(cells: Iterable[str]) -> str:
    # A name may hold what would end the cell or the row.
    escaped = (" ".join(cell.split()).replace("\\", "\\\\").replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def percent(share: float | None) -> str:
    """A share in 0..1 as percent with one decimal; `-` where there is none."""
    return "-" if share is None else f"{100 * share:.1f}"


def figure(number: float, form: str = ".3g") -> str:
    """A number as text; `-` for what is none."""
    return "-" if math.isnan(number) else f"{number:{form}}"


def span(interval: Interval, form: str = ".3g") -> str:
    """The ends of an interval as text; `-` for what is none."""
    return "-" if math.isnan(interval.low) else f"{interval.low:{form}} to {interval.high:{form}}"


def with_interval(number: float, interval: Interval, form: str = ".3g") -> str:
    """A number and its interval as text; `-` for what is none."""
    alone = figure(number, form)
    return alone if math.isnan(number) or math.isnan(interval.low) else f"{alone} ({span(interval, form)})"


def p_cell(p: float) -> str:
    """A p as the cell of a table; `-` for what is none."""
    if math.isnan(p):
        return "-"
    return "<0.001" if p < 0.001 else f"{p:.2g}"


def p_words(p: float) -> str:
    """A p to stand in a sentence."""
    return "p < 0.001" if p < 0.001 else f"p = {p_cell(p)}"


def plain(content: Any) -> Any:
    """Results as plain JSON values: intervals as `low` and `high`, what is not a finite number as None."""
    if is_dataclass(content):
        return {field.name: plain(getattr(content, field.name)) for field in fields(content)}
    if hasattr(content, "_asdict"):
        return {name: plain(part) for name, part in content._asdict().items()}
    if isinstance(content, Mapping):
        return {str(name): plain(part) for name, part in content.items()}
    if isinstance(content, np.ndarray):
        return plain(content.tolist())
    if isinstance(content, list | tuple):
        return [plain(part) for part in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
