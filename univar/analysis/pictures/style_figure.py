"""How much of a distance is left without style, and how well identities are named by each version of the answers."""

import math

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from univar.analysis.style.results import StyleVerdict, percent_left

_COLOURS = {"knn": "#0072b2", "linear": "#d55e00"}
"""Told apart by people with any colour vision (Okabe & Ito 2008)."""

_NAMES = {"knn": "nearest neighbours", "linear": "linear probe"}
_ROW = 38


def style_plot(found: StyleVerdict) -> go.Figure:
    """Bars of what is left of the distance as written; beside them the share of answers that are named right."""
    drawn = make_subplots(
        1,
        2,
        shared_yaxes=True,
        horizontal_spacing=0.04,
        subplot_titles=("squared distance, % of that as written", "answers whose identity is named right, %"),
    )
    _add_left(drawn, found)
    _add_named(drawn, found)
    kinds = [row.kind for row in found.rows]
    drawn.update_yaxes(categoryorder="array", categoryarray=kinds, autorange="reversed", automargin=True)
    drawn.update_xaxes(rangemode="tozero")
    drawn.update_layout(
        template="simple_white",
        height=150 + _ROW * len(found.rows),
        margin={"l": 10, "r": 10, "t": 60, "b": 10},
        legend={"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"},
        dragmode=False,
    )
    drawn.update_annotations(font_size=13)
    return drawn


def _add_left(drawn: go.Figure, found: StyleVerdict) -> None:
    rows = [row for row in found.rows if not math.isnan(row.left)]
    ends = [(row.left, row.left) if math.isnan(row.left_interval.low) else row.left_interval for row in rows]
    drawn.add_bar(
        x=[100 * row.left for row in rows],
        y=[row.kind for row in rows],
        orientation="h",
        marker={"color": "#999999"},
        error_x={
            "array": [100 * (high - row.left) for row, (_, high) in zip(rows, ends, strict=True)],
            "arrayminus": [100 * (row.left - low) for row, (low, _) in zip(rows, ends, strict=True)],
        },
        hovertext=[
            f"{row.kind}: {percent_left(row.left, row.left_interval)} %, n = {row.n:,}, {row.questions:,} questions"
            for row in rows
        ],
        hoverinfo="text",
        showlegend=False,
        row=1,
        col=1,
    )


def _add_named(drawn: go.Figure, found: StyleVerdict) -> None:
    for method, name in _NAMES.items():
        rows = [(row.kind, one) for row in found.rows if (one := getattr(row, method)) is not None]
        drawn.add_scatter(
            x=[100 * one.accuracy for _, one in rows],
            y=[kind for kind, _ in rows],
            mode="markers",
            name=name,
            marker={"color": _COLOURS[method], "size": 9},
            error_x={
                "array": [100 * (one.interval.high - one.accuracy) for _, one in rows],
                "arrayminus": [100 * (one.accuracy - one.interval.low) for _, one in rows],
                "color": _COLOURS[method],
            },
            hovertext=[f"{kind}: {one}" for kind, one in rows],
            hoverinfo="text",
            row=1,
            col=2,
        )
    chances = [(row.kind, one.chance) for row in found.rows if (one := row.linear or row.knn) is not None]
    drawn.add_scatter(
        x=[100 * chance for _, chance in chances],
        y=[kind for kind, _ in chances],
        mode="markers",
        name="chance",
        marker={"color": "#555555", "symbol": "line-ns-open", "size": 14},
        hoverinfo="x",
        row=1,
        col=2,
    )
