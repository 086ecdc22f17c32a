"""How much of what answers stand for every representation holds."""

import html

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from univar.analysis.names import printable, shortened
from univar.analysis.stance_comparison import BASELINES, StanceComparison, StanceRow

_COLOUR, _BASELINE = "#0072b2", "#999999"
"""Told apart by people with any colour vision (Okabe & Ito 2008)."""
_TITLES = {
    "retrieval": "nearest answer:<br>same side, %",
    "pairs": "own side nearer<br>than the other, %",
    "triplets": "own side nearer than<br>own author, %",
    "correlation": "stance read by a<br>linear probe, r",
}


def stance_plot(comparison: StanceComparison) -> go.Figure:
    """Scores by representation with 95 % intervals, a panel a measure; dotted lines are chance, baselines are grey."""
    measures = comparison.measures
    names = list(dict.fromkeys(row.representation for row in comparison.rows))
    figure = make_subplots(1, len(measures), shared_yaxes=True, horizontal_spacing=0.04)
    for column, measure in enumerate(measures, start=1):
        rows = comparison.of(measure)
        unit = 1 if measure == "correlation" else 100
        for row in rows:
            figure.add_trace(_marked(row, unit), row=1, col=column)
        figure.add_vline(x=unit * rows[0].chance, line={"color": "#555555", "dash": "dot", "width": 1.5}, col=column)
        title = f"{_TITLES[measure]}<br><sub>n = {rows[0].n:,}, groups {rows[0].groups:,}</sub>"
        figure.update_xaxes(title={"text": title, "font": {"size": 12}}, nticks=5, automargin=True, col=column)
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_layout(
        template="simple_white",
        height=180 + 46 * len(names),
        showlegend=False,
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
    )
    return figure


def _marked(row: StanceRow, unit: int) -> go.Scatter:
    """One score with its interval."""
    colour = _BASELINE if row.representation in BASELINES else _COLOUR
    name = html.escape(shortened(printable(row.representation), 26), quote=False)
    return go.Scatter(
        x=[unit * row.score],
        y=[name],
        mode="markers",
        marker={"color": colour, "size": 11},
        error_x={
            "array": [unit * (row.interval.high - row.score)],
            "arrayminus": [unit * (row.score - row.interval.low)],
            "color": colour,
        },
        hovertext=[f"{name}, {row.measure}: {row.with_interval()}"],
        hoverinfo="text",
    )
