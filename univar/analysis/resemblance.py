"""The nearest references of a set of QAs in words and pictures."""

import html
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from sklearn.decomposition import PCA

from univar.analysis.figures import PALETTE
from univar.analysis.reference import RESAMPLES, FloatArray, Neighbour, Reference, recognition_of, view_of
from univar.analysis.value_map import CAVEAT, printable, short_names, shortened

FEW_QAS = 20
"""Fewer QAs than this are called few."""

_SHOWN_BARS = 10
_SHOWN_DRAWS = 200
_YOURS = "your QAs"
_YOURS_COLOUR = "#e6194b"
_CORPUS_COLOURS = (*PALETTE[:2], *PALETTE[4:])
"""Without the red and the grey, which are the QAs' and the intervals'."""
_SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")

# The room that labels are given: that of a phone. On a wider map there is more of it, and never less.
_MAP_WIDTH, _MAP_HEIGHT = 330, 400
_CHARACTER, _LINE = 6.2, 15

_ALWAYS = (
    "Style, length and form of the answers count as well as values, and only answers to questions of one kind can be "
    "compared: being near is no proof of who wrote a text, nor that its values are shared."
)


def in_words(reference: Reference, neighbours: Sequence[Neighbour], qas: int) -> list[str]:
    """What the nearest references say, how sure that is and what it may not be used for: plain text, not escaped.

    Args:
        reference: What the QAs were compared with.
        neighbours: What `nearest` found, the most similar first.
        qas: How many QAs were compared.

    Returns:
        Paragraphs.
    """
    first = neighbours[0]
    name = f"{printable(str(first.identity))} as it answered {printable(first.corpus)}"
    finding = f"Nearest is {name}: similarity {first.similarity:.2f}{_interval(first)}, n = {qas:,} {_qas(qas)}."
    if first.first is not None:
        finding += f" It comes first in {first.first:.0%} of {RESAMPLES:,} draws of your questions."
    few = f"{qas} {_qas(qas)} {'is' if qas == 1 else 'are'} few: give {FEW_QAS} or more." if qas < FEW_QAS else ""
    paragraphs = [finding, " ".join(filter(None, [_sureness(reference, first, qas), few])), f"{_ALWAYS} {CAVEAT}"]
    return [paragraph for paragraph in paragraphs if paragraph]


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
    figure.update_xaxes(title="similarity (0: no more alike than any two references)", zeroline=True, range=None)
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
    shares = [f"component {axis + 1} ({share:.0%})" for axis, share in enumerate(pca.explained_variance_ratio_)]
    figure.update_xaxes(title=shares[0], showticklabels=False)
    figure.update_yaxes(title=shares[1], showticklabels=False, scaleanchor="x")
    return figure


class _Label(NamedTuple):
    """What stands beside a point and where; no text where there is no room."""

    text: str
    position: str


def _sureness(reference: Reference, first: Neighbour, qas: int) -> str:
    """What is known of QAs whose author is known, and how these compare."""
    known = recognition_of(reference, first.corpus, qas)
    if known is None:
        return "How far this can be trusted was not measured: the reference has too few questions."
    low, high = known.interval
    measured = (
        f"Of {known.views:,} sets of {known.qas} {_qas(known.qas)} by LLMs that answered {printable(first.corpus)}, "
        f"to questions kept apart, {known.right / known.views:.0%} had their author first "
        f"(95\u00a0% interval {low:.0%} to {high:.0%})"
    )
    if first.similarity >= known.floor:
        return f"{measured}; yours are as near as those usually are ({known.floor:.2f} or more)."
    if first.similarity >= known.stranger_floor:
        return (
            f"{measured}, but yours are not as near as those usually are ({known.floor:.2f} or more): the author may "
            f"well be none of the references. LLMs that are none, asked alike, reach {known.stranger_floor:.2f}."
        )
    return (
        f"Yours are far from every reference: answers to questions such as those of {printable(first.corpus)} reach "
        f"{known.stranger_floor:.2f} even where their author is no reference. They answer other questions, or in "
        "another form, so the order of the references says nothing about values."
    )


def _interval(neighbour: Neighbour) -> str:
    if neighbour.low is None:
        return ""
    return f" (95\u00a0% interval {neighbour.low:.2f} to {neighbour.high:.2f} by bootstrap over questions)"


def _qas(number: int) -> str:
    return "QA" if number == 1 else "QAs"


def _hover(neighbour: Neighbour) -> str:
    return _escaped(f"{neighbour.identity}, {neighbour.corpus}: {neighbour.similarity:.2f}{_interval(neighbour)}")


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
    """A label for each point (n, 2) that finds room for its name, the first first."""
    spans = np.ptp(points, axis=0)
    scale = max(spans[0] / (0.8 * _MAP_WIDTH), spans[1] / (0.9 * _MAP_HEIGHT)) or 1.0
    places = points / scale
    left, right = places[:, 0].min() - 0.1 * _MAP_WIDTH, places[:, 0].max() + 0.1 * _MAP_WIDTH
    taken = [np.array([x - 6, y - 6, x + 6, y + 6]) for x, y in places]
    labels = []
    for (x, y), name in zip(places, (shortened(name, 26) for name in names), strict=True):
        half = len(name) * _CHARACTER / 2
        for position, across, up in (
            ("middle right", half + 8, 0),
            ("middle left", -half - 8, 0),
            ("top center", 0, 14),
            ("bottom center", 0, -14),
        ):
            box = np.array([x + across - half, y + up - _LINE / 2, x + across + half, y + up + _LINE / 2])
            free = not any((np.maximum(box[:2], other[:2]) < np.minimum(box[2:], other[2:])).all() for other in taken)
            if free and left <= box[0] and box[2] <= right:
                taken.append(box)
                labels.append(_Label(name, position))
                break
        else:
            labels.append(_Label("", "middle right"))
    return labels


def _layout(height: int) -> go.Layout:
    axis = {"gridcolor": "rgba(128,128,128,0.25)", "zerolinecolor": "rgba(128,128,128,0.6)", "automargin": True}
    return go.Layout(
        template="none",
        height=height,
        xaxis={**axis, "title": {"font": {"size": 12}}},
        yaxis={**axis, "title": {"font": {"size": 12}}},
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "itemsizing": "constant"},
        font={"size": 12, "family": "sans-serif"},
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        hovermode="closest",
        dragmode=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        modebar={"remove": ["select2d", "lasso2d", "autoScale2d", "toImage"], "bgcolor": "rgba(0,0,0,0)"},
    )
