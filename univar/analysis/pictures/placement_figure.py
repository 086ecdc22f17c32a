"""How near a set of QAs is to known LLMs, as bars, as a map and as a heat map."""

import html
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from sklearn.decomposition import PCA

from univar.analysis.names import printable, short_names, shortened
from univar.analysis.placement import Neighbour, Placement, interval_words, view_of
from univar.analysis.reference import FloatArray, Reference

_SHOWN_BARS = 14
_SHOWN_DRAWS = 200
_YOURS = "your QAs"
_YOURS_COLOUR = "#e6194b"
_CORPUS_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
"""Told apart by people with any colour vision, on white and on black (Okabe & Ito 2008)."""
_SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")

# The room that labels are given, in pixels: that of a phone. On a wider map there is more of it, and never less.
_MAP_WIDTH, _MAP_HEIGHT = 280, 400
_CHARACTER, _LINE = 6.2, 15
_SURE_LABELS = 4
"""Of the QAs and the nearest references: these may cover a point, though no other label."""


def bar_plot(neighbours: Sequence[Neighbour]) -> go.Figure:
    """The most similar references as bars with their 95 % intervals; names are escaped."""
    shown = neighbours[:_SHOWN_BARS]
    names = short_names([neighbour.identity for neighbour in shown])
    looks = _looks(neighbour.corpus for neighbour in neighbours)
    figure = go.Figure(layout=_layout(height=90 + 32 * len(shown)))
    for corpus in dict.fromkeys(neighbour.corpus for neighbour in shown):
        own = [(place, neighbour) for place, neighbour in enumerate(shown) if neighbour.corpus == corpus]
        figure.add_bar(
            y=[place for place, _ in own],
            x=[neighbour.similarity for _, neighbour in own],
            orientation="h",
            name=_escaped(corpus),
            marker={"color": looks[corpus][0]},
            error_x={
                "array": [0 if n.high is None else max(n.high - n.similarity, 0) for _, n in own],
                "arrayminus": [0 if n.low is None else max(n.similarity - n.low, 0) for _, n in own],
                "color": "#808080",
                "thickness": 1.5,
                "width": 4,
            },
            hoverinfo="text",
            hovertext=[_hover(neighbour) for _, neighbour in own],
        )
    least = min([neighbour.low or neighbour.similarity for neighbour in shown] + [0.0])
    figure.update_xaxes(title="similarity", range=[1.05 * least, 1.02])
    labels = [_escaped(shortened(name, 26)) for name in names]
    figure.update_yaxes(tickvals=list(range(len(shown))), ticktext=labels, autorange="reversed", ticklabelstandoff=4)
    return figure


def place_plot(
    reference: Reference,
    embeddings: npt.ArrayLike,
    *,
    corpus: str | None = None,
    questions: Sequence[str] | None = None,
    seed: int = 0,
) -> go.Figure:
    """Map of the references with the QAs among them: PCA of the references' directions, on which the QAs have no say.

    The nearer to the middle, the less the QAs resemble any reference more than the others. Small dots are means of
    QAs to questions drawn anew. A reference is labelled where its name finds room, the most similar first.

    Args:
        reference: What to draw.
        embeddings: (n, d) unit vectors of QAs by one identity.
        corpus: Draw only the references of this corpus; by default all.
        questions: See `univar.analysis.reference.view_of`.
        seed: Of the draws.

    Raises:
        ValueError: If fewer than two references are of this corpus, or the embeddings are unusable (see `view_of`).
    """
    members = [i for i, name in enumerate(reference.corpora) if corpus in (None, name)]
    if len(members) < 2:
        known = ", ".join(sorted(set(reference.corpora)))
        raise ValueError(f"a map needs two references or more, {corpus!r} has {len(members)}; corpora: {known}")
    view = view_of(reference, embeddings, questions=questions, seed=seed)
    directions = reference.directions[members]
    pca = PCA(min(2, len(members)), svd_solver="full").fit(directions)
    points, yours = pca.transform(directions), pca.transform(view.place[np.newaxis])
    order = np.argsort(-(directions @ view.place), kind="stable")
    names = short_names([reference.identities[i] for i in members])
    labels = _labels(np.concatenate([yours, points[order]]), [_YOURS, *(names[i] for i in order)])
    figure = go.Figure(layout=_layout(height=_MAP_HEIGHT + 120))
    if view.draws is not None:
        drawn = pca.transform(view.draws[:_SHOWN_DRAWS])
        figure.add_scatter(
            x=drawn[:, 0], y=drawn[:, 1], mode="markers", hoverinfo="skip", showlegend=False,
            marker={"color": _YOURS_COLOUR, "size": 4, "opacity": 0.25},
        )  # fmt: skip
    looks = _looks(reference.corpora)
    label_of = {int(i): label for i, label in zip(order, labels[1:], strict=True)}
    for name in dict.fromkeys(reference.corpora[i] for i in members):
        own = [i for i, member in enumerate(members) if reference.corpora[member] == name]
        hover = [_escaped(f"{reference.identities[members[i]]}, {name}") for i in own]
        _add_points(figure, points[own], [label_of[i] for i in own], hover, _escaped(name), looks[name])
    _add_points(figure, yours, labels[:1], [_YOURS], _YOURS, (_YOURS_COLOUR, "star"))
    shares = [
        f"component {axis + 1} ({100 * share:.0f}\u00a0%)" for axis, share in enumerate(pca.explained_variance_ratio_)
    ]
    edges = [*points[:, 0], *yours[:, 0], *(edge for label in labels for edge in label.box[::2])]
    beside = 0.03 * (max(edges) - min(edges))
    figure.update_xaxes(title=shares[0], showticklabels=False, range=[min(edges) - beside, max(edges) + beside])
    figure.update_yaxes(title=shares[1], showticklabels=False, scaleanchor="x")
    return figure


def similarity_plot(placement: Placement) -> go.Figure:
    """Identities by references as a heat map of similarities; the references that come near any of them, at most 14."""
    near_of = [{(near.identity, near.corpus): near for near in one.neighbours} for one in placement.placed]
    best = {known: max(of[known].similarity for of in near_of) for known in near_of[0]}
    shown = sorted(best, key=best.__getitem__, reverse=True)[:_SHOWN_BARS]
    near = [[of[known] for known in shown] for of in near_of]
    columns = short_names([identity for identity, _ in shown])
    labels = [_escaped(f"{shortened(name, 20)}, {corpus}") for name, (_, corpus) in zip(columns, shown, strict=True)]
    figure = go.Figure(layout=_layout(height=190 + 26 * len(placement.placed)))
    figure.add_heatmap(
        z=[[one.similarity for one in row] for row in near],
        x=labels,
        y=[_escaped(shortened(name, 26)) for name in short_names([one.identity for one in placement.placed])],
        zmid=0,
        colorscale="RdBu",
        reversescale=True,
        colorbar={"title": "similarity"},
        hoverinfo="text",
        hovertext=[[_hover(one) for one in row] for row in near],
    )
    figure.update_xaxes(tickangle=-40)
    figure.update_yaxes(autorange="reversed")
    return figure


class _Label(NamedTuple):
    """What stands beside a point and where; no text where there is no room."""

    text: str
    position: str = "middle right"
    box: tuple[float, ...] = ()
    """Left, bottom, right and top on the map, where it is as narrow as on a phone."""


def _hover(neighbour: Neighbour) -> str:
    return _escaped(f"{neighbour.identity}, {neighbour.corpus}: {neighbour.similarity:.2f}{interval_words(neighbour)}")


def _escaped(text: str) -> str:
    """Text for plotly, which understands tags; names are other people's."""
    return html.escape(printable(text), quote=False)


def _looks(corpora: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and symbol of each corpus."""
    return {
        name: (_CORPUS_COLOURS[number % len(_CORPUS_COLOURS)], _SYMBOLS[number % len(_SYMBOLS)])
        for number, name in enumerate(sorted(set(corpora)))
    }


def _add_points(
    figure: go.Figure,
    points: FloatArray,
    labels: Sequence[_Label],
    hover: Sequence[str],
    name: str,
    look: tuple[str, str],
) -> None:
    colour, symbol = look
    figure.add_scatter(
        x=points[:, 0],
        y=points[:, 1],
        mode="markers+text",
        marker={"color": colour, "symbol": symbol, "size": 17 if symbol == "star" else 10},
        text=[_escaped(label.text) for label in labels],
        textposition=[label.position for label in labels],
        hoverinfo="text",
        hovertext=hover,
        name=name,
    )


def _labels(points: FloatArray, names: Sequence[str]) -> list[_Label]:
    """A label for each point (n, 2) that finds room for its name, the first first; none covers the first point."""
    spans = np.ptp(points, axis=0)
    scale = max(spans[0] / (_MAP_WIDTH / 2), spans[1] / _MAP_HEIGHT) or 1.0
    places = points / scale
    left, right = places[:, 0].min() - _MAP_WIDTH / 4, places[:, 0].max() + _MAP_WIDTH / 4
    marks = [np.array([x - 6, y - 6, x + 6, y + 6]) for x, y in places]
    labels: list[_Label] = []
    taken = marks[:1]
    for number, ((x, y), whole) in enumerate(zip(places, names, strict=True)):
        name = shortened(whole, 26)
        half = len(name) * _CHARACTER / 2
        boxes = {
            position: np.array([x + across - half, y + up - _LINE / 2, x + across + half, y + up + _LINE / 2])
            for position, across, up in (
                ("middle right", half + 8, 0),
                ("middle left", -half - 8, 0),
                ("top center", 0, 14),
                ("bottom center", 0, -14),
                ("top right", half + 5, 11),
                ("bottom right", half + 5, -11),
                ("top left", -half - 5, 11),
                ("bottom left", -half - 5, -11),
            )
        }
        inside = [position for position, box in boxes.items() if left <= box[0] and box[2] <= right]
        free = [position for position in inside if not _covers(boxes[position], taken)]
        clear = [position for position in free if not _covers(boxes[position], marks)]
        chosen = next(iter(clear or (free if number < _SURE_LABELS else [])), None)
        labels.append(_Label(name, chosen, tuple(boxes[chosen] * scale)) if chosen else _Label(""))
        if chosen:
            taken.append(boxes[chosen])
    return labels


def _covers(box: FloatArray, others: Iterable[FloatArray]) -> bool:
    return any((np.maximum(box[:2], other[:2]) < np.minimum(box[2:], other[2:])).all() for other in others)


def _layout(height: int) -> go.Layout:
    axis = {"gridcolor": "rgba(128,128,128,0.25)", "zerolinecolor": "rgba(128,128,128,0.6)", "automargin": True}
    return go.Layout(
        template="none",
        height=height,
        xaxis={**axis, "title": {"font": {"size": 12}}},
        yaxis={**axis, "title": {"font": {"size": 12}}},
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "itemsizing": "constant"},
        font={"size": 12, "family": "sans-serif"},
        margin={"l": 10, "r": 10, "t": 10, "b": 18},
        hovermode="closest",
        dragmode=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        modebar={"remove": ["select2d", "lasso2d", "autoScale2d", "toImage"], "bgcolor": "rgba(0,0,0,0)"},
    )
