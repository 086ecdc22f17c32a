"""What every reading answers with: a frozen result that can be printed, tabulated, stored and drawn."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

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
