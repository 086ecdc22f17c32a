"""How well LLMs are told apart, by every representation."""

import html

import plotly.graph_objects as go

from univar.analysis.comparison import Comparison
from univar.analysis.names import printable, shortened

_COLOURS = {"values": "#0072b2", "control": "#999999"}
"""Told apart by people with any colour vision (Okabe & Ito 2008)."""


def identification_plot(comparison: Comparison) -> go.Figure:
    """Accuracy of the k nearest neighbours by representation with 95 % intervals; dotted lines are chance."""
    names = list(dict.fromkeys(row.representation for row in comparison.rows))
    labels = [html.escape(shortened(printable(name), 26), quote=False) for name in names]
    figure = go.Figure()
    for selection in comparison.selections:
        colour = _COLOURS[selection.corpus]
        found = {row.representation: row.knn for row in comparison.rows if row.corpus == selection.corpus}
        knn = [found[name] for name in names]
        figure.add_scatter(
            x=[100 * one.accuracy for one in knn],
            y=labels,
            mode="markers",
            name=f"{selection.corpus}, n = {knn[0].n:,}",
            marker={"color": colour, "size": 11},
            error_x={
                "array": [100 * (one.interval.high - one.accuracy) for one in knn],
                "arrayminus": [100 * (one.accuracy - one.interval.low) for one in knn],
                "color": colour,
            },
            hovertext=list(map(str, knn)),
            hoverinfo="text",
        )
        figure.add_vline(x=100 * knn[0].chance, line={"color": colour, "dash": "dot", "width": 1})
    figure.update_layout(
        template="simple_white",
        height=140 + 46 * len(names),
        xaxis={"title": "answers whose author is named right, %", "rangemode": "tozero", "automargin": True},
        yaxis={"autorange": "reversed", "automargin": True},
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"},
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
    )
    return figure
