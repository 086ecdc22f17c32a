"""Languages in the answers of LLMs and the societies that speak them, overlaid, and the distances of both."""

import html
from itertools import combinations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from univar.analysis.names import printable
from univar.analysis.people.results import PeopleComparison, Relation, p_words
from univar.corpus.languages import languages

_LANGUAGES, _SOCIETIES, _LINES = "#0072b2", "#d55e00", "rgba(128,128,128,0.55)"
_HEIGHT = 430
_GRID = {"gridcolor": "rgba(128,128,128,0.25)", "zeroline": False, "automargin": True}


def people_plot(comparison: PeopleComparison) -> go.Figure:
    """A row for each line of research: both configurations after Procrustes, joined by lines, and all distances."""
    shown = comparison.relations
    titles = [title for one in shown for title in _titles(one)]
    figure = make_subplots(
        len(shown), 2, subplot_titles=titles, horizontal_spacing=0.1, vertical_spacing=0.22 / len(shown)
    )
    for row, one in enumerate(shown, start=1):
        if one.fit is not None:
            _add_overlay(figure, one, row)
        _add_distances(figure, one, row)
    figure.update_layout(
        template="none",
        height=60 + _HEIGHT * len(shown),
        font={"size": 12, "family": "sans-serif"},
        margin={"l": 10, "r": 10, "t": 70, "b": 40},
        legend={"orientation": "h", "x": 0, "y": 1, "yref": "container", "yanchor": "top"},
        hovermode="closest",
        dragmode=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    figure.update_annotations(font_size=13)
    return figure


def _titles(one: Relation) -> tuple[str, str]:
    name = html.escape(one.people, quote=False)
    left = (
        f"{name}: no configuration"
        if one.fit is None
        else f"{name}: Procrustes r = {one.fit.r:.2f}, {p_words(one.fit.p)}"
    )
    return left, f"{name}: Mantel r = {one.mantel.r:.2f}, {p_words(one.mantel.p)}"


def _add_overlay(figure: go.Figure, one: Relation, row: int) -> None:
    """Languages as circles, their societies as diamonds, a line between the two of one."""
    assert one.fit is not None
    first, second = one.fit.first, one.fit.second
    names = [_name(lang) for lang in one.languages]
    lines = [[side for a, b in zip(first, second, strict=True) for side in (a[axis], b[axis], None)] for axis in (0, 1)]
    figure.add_scatter(
        x=lines[0], y=lines[1], mode="lines", line={"color": _LINES, "width": 1}, hoverinfo="skip", showlegend=False,
        row=row, col=1,
    )  # fmt: skip
    looks = (
        ("languages in the answers", first, _LANGUAGES, "circle"),
        ("their societies", second, _SOCIETIES, "diamond"),
    )
    for name, places, colour, symbol in looks:
        figure.add_scatter(
            x=places[:, 0],
            y=places[:, 1],
            mode="markers+text" if symbol == "circle" else "markers",
            marker={"color": colour, "symbol": symbol, "size": 9},
            text=names,
            textposition="top center",
            textfont={"size": 10},
            hovertext=[f"{own}, {name}" for own in names],
            hoverinfo="text",
            name=name,
            legendgroup=name,
            showlegend=row == 1,
            row=row,
            col=1,
        )
    figure.update_xaxes(showticklabels=False, constrain="domain", **_GRID, row=row, col=1)
    number = 2 * row - 1
    figure.update_yaxes(showticklabels=False, scaleanchor=f"x{number if number > 1 else ''}", **_GRID, row=row, col=1)


def _add_distances(figure: go.Figure, one: Relation, row: int) -> None:
    """A dot a pair of languages: where answers follow societies, the dots rise."""
    pairs = [f"{_name(a)} and {_name(b)}" for a, b in combinations(one.languages, 2)]
    figure.add_scatter(
        x=one.societies,
        y=one.answers,
        mode="markers",
        marker={"color": _LANGUAGES, "size": 6, "opacity": 0.6},
        hovertext=pairs,
        hoverinfo="text",
        showlegend=False,
        row=row,
        col=2,
    )
    figure.update_xaxes(title="distance of societies", **_GRID, row=row, col=2)
    figure.update_yaxes(title="squared distance in answers", **_GRID, row=row, col=2)


def _name(lang: str) -> str:
    """A language's name in English without what stands in brackets; its code where it is not one of the corpus."""
    known = languages().get(lang)
    return html.escape(printable(lang) if known is None else known.name.partition(" (")[0], quote=False)
