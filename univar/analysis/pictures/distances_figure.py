"""How far identities, languages or models lie apart: a heat map under a dendrogram, or two with their intervals."""

import html
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from scipy.cluster.hierarchy import dendrogram, linkage
from scipy.spatial.distance import squareform

from univar.analysis.distances.plan import DistancePlan
from univar.analysis.distances.results import Distance, Distances, figure, share, span, with_interval
from univar.analysis.names import printable, shortened
from univar.analysis.statistics import Interval

_COLOURS = ("#0072b2", "#e69f00", "#009e73")
"""Told apart by people with any colour vision (Okabe & Ito 2008)."""

_WRITTEN_CELLS = 10
"""Things at most whose distances are written into the cells."""


def distances_plot(found: Distances) -> go.Figure:
    """A heat map of squared distances under a dendrogram of them; of two a mark with its interval."""
    return _matrix(found) if len(found.names) > 2 else _two(found)


def plan_plot(plan: DistancePlan) -> go.Figure:
    """Expected width of a pair's 95 % interval over questions, a line for each number of samples."""
    drawn = go.Figure()
    for place, samples in enumerate(sorted({row.samples for row in plan.rows})):
        rows = [row for row in plan.rows if row.samples == samples]
        drawn.add_scatter(
            x=[row.questions for row in rows],
            y=[row.width for row in rows],
            mode="lines+markers",
            name=f"{samples:,} {'sample' if samples == 1 else 'samples'}",
            line={"color": _COLOURS[place % len(_COLOURS)]},
            hovertext=[f"{row.n:,} answers: {row.width:.2g} wide, {row.smallest:.2g} seen" for row in rows],
            hoverinfo="text",
        )
    drawn.update_xaxes(type="log", title="questions")
    drawn.update_yaxes(type="log", title="width of the 95 % interval of a squared distance")
    drawn.update_layout(template="simple_white", height=420, margin={"l": 10, "r": 10, "t": 30, "b": 10})
    return drawn


def _matrix(found: Distances) -> go.Figure:
    squared = squareform([row.squared for row in found.rows], checks=False)
    hover = np.full(squared.shape, "", dtype=object)
    for (one, other), row in zip(zip(*np.triu_indices(len(found.names), k=1), strict=True), found.rows, strict=True):
        hover[one, other] = hover[other, one] = _hover(row)
    kept = _complete(squared)
    order, segments = _tree(squared, kept)
    labels = [_escaped(shortened(found.short[place], 26)) for place in order]
    shown = squared[np.ix_(order, order)]
    np.fill_diagonal(shown, np.nan)
    drawn = make_subplots(2, 1, shared_xaxes=True, row_heights=[0.22, 0.78], vertical_spacing=0.02)
    for across, up in segments:
        drawn.add_scatter(
            x=across, y=up, mode="lines", line={"color": "#555555", "width": 1.3}, hoverinfo="skip", row=1, col=1
        )
    written = len(order) <= _WRITTEN_CELLS
    drawn.add_heatmap(
        z=[[None if math.isnan(cell) else cell for cell in line] for line in shown],
        text=[["" if math.isnan(cell) else f"{cell:.2g}" for cell in line] for line in shown],
        texttemplate="%{text}" if written else None,
        hovertext=hover[np.ix_(order, order)].tolist(),
        hoverinfo="text",
        colorscale="Blues",
        zmin=0,
        colorbar={"title": "squared<br>distance", "len": 0.78, "y": 0, "yanchor": "bottom"},
        row=2,
        col=1,
    )
    places = list(range(len(order)))
    drawn.update_xaxes(tickvals=places, ticktext=labels, tickangle=-40, automargin=True, row=2, col=1)
    drawn.update_yaxes(tickvals=places, ticktext=labels, autorange="reversed", automargin=True, row=2, col=1)
    drawn.update_yaxes(title={"text": "distance", "font": {"size": 11}}, rangemode="tozero", row=1, col=1)
    drawn.update_xaxes(showticklabels=False, row=1, col=1)
    drawn.update_layout(
        template="simple_white",
        height=260 + 30 * len(order),
        showlegend=False,
        margin={"l": 10, "r": 10, "t": 20, "b": 10},
    )
    return drawn


def _complete(squared: npt.NDArray[np.float64]) -> list[int]:
    """Numbers of things of which each two have a distance: those that lack most are left out first."""
    kept = list(range(len(squared)))
    while kept:
        lacking = np.isnan(squared[np.ix_(kept, kept)]).sum(axis=1)
        if not lacking.any():
            break
        kept.pop(int(lacking.argmax()))
    return kept


def _tree(
    squared: npt.NDArray[np.float64], kept: Sequence[int]
) -> tuple[list[int], list[tuple[list[float], list[float]]]]:
    """The order of things in a dendrogram, those without a place in it last, and its segments over this order."""
    others = [place for place in range(len(squared)) if place not in kept]
    if len(kept) < 2:
        return [*kept, *others], []
    lengths = np.sqrt(np.maximum(squared[np.ix_(kept, kept)], 0))
    tree = dendrogram(linkage(squareform(lengths, checks=False), "average"), no_plot=True)
    # Its leaves lie at 5, 15, 25 and so on.
    segments = [
        ([(x - 5) / 10 for x in across], list(up)) for across, up in zip(tree["icoord"], tree["dcoord"], strict=True)
    ]
    return [*(kept[leaf] for leaf in tree["leaves"]), *others], segments


def _two(found: Distances) -> go.Figure:
    """One distance with its interval, that on control questions below it, and by how much it exceeds that."""
    (row,) = found.rows
    shown: list[tuple[str, float, Interval]] = [
        ("value questions" if row.control else "all", row.squared, row.interval)
    ]
    if row.control is not None:
        shown += [
            ("control questions", row.control.squared, row.control.interval),
            ("more on values by", row.control.excess, row.control.excess_interval),
        ]
    drawn = go.Figure()
    drawn.add_scatter(
        x=[number for _, number, _ in shown],
        y=[name for name, _, _ in shown],
        mode="markers",
        marker={"color": _COLOURS[0], "size": 11},
        error_x={
            "array": [ends.high - number for _, number, ends in shown],
            "arrayminus": [number - ends.low for _, number, ends in shown],
            "color": _COLOURS[0],
        },
        hovertext=[f"{name}: {with_interval(number, ends)}" for name, number, ends in shown],
        hoverinfo="text",
    )
    drawn.add_vline(x=0, line={"color": "#555555", "dash": "dot", "width": 1.5})
    names = " and ".join(_escaped(shortened(name, 40)) for name in found.short)
    drawn.update_xaxes(title=f"squared distance of {names}")
    drawn.update_yaxes(autorange="reversed", automargin=True)
    drawn.update_layout(
        template="simple_white", height=150 + 45 * len(shown), margin={"l": 10, "r": 10, "t": 20, "b": 10}
    )
    return drawn


def _hover(row: Distance) -> str:
    lines = [f"{row.first} and {row.second}"]
    if row.finding == "-":
        return "<br>".join(map(_escaped, [*lines, f"not computed: {row.reason}"]))
    lines += [
        f"squared distance {figure(row.squared)} ({span(row.interval)})",
        f"p (Holm) {share(row.adjusted)}: {row.finding}",
        f"n = {row.n:,} answers to {row.questions:,} questions",
    ]
    if row.control is not None:
        lines.append(f"on control questions {with_interval(row.control.squared, row.control.interval)}")
    return "<br>".join(map(_escaped, lines))


def _escaped(text: str) -> str:
    """Text for plotly and pages, which understand tags; names are other people's."""
    return html.escape(printable(text), quote=False)
