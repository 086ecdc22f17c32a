"""What must be said beside a figure that has no caption."""

import html
import textwrap
from collections.abc import Iterable

import plotly.graph_objects as go

from univar.analysis.names import printable

_CHARACTERS, _LINE = 90, 16


def with_notes(figure: go.Figure, notes: Iterable[str | None]) -> go.Figure:
    """The same figure with sentences above it; without any it stays as it is. What names are in them is escaped."""
    lines = [line for note in notes if note for line in textwrap.wrap(printable(note), _CHARACTERS)]
    if lines:
        text = "<br>".join(html.escape(line, quote=False) for line in lines)
        room = _LINE * (len(lines) + 1)
        figure.update_layout(
            title={"text": text, "font": {"size": 12}, "x": 0.01, "y": 0.99, "yref": "container", "yanchor": "top"},
            margin={"t": (figure.layout.margin.t or 0) + room},
            height=(figure.layout.height or 450) + room,
        )
    return figure
