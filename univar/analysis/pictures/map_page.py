"""The value map as one HTML page: opens offline, shows the QA under the pointer, runs nothing but its own scripts.

Answers of LLMs are untrusted. Three things keep them inert, each of them enough: what comes from a corpus is escaped or
only ever set as text, the data are JSON without a "<", and the page's security policy allows two scripts, by their
hash, and no connection to anywhere.
"""

import base64
import hashlib
import html
import json
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs
from scipy.ndimage import gaussian_filter

from univar.analysis.map.results import (
    CAVEAT,
    RADIUS_95,
    ColorBy,
    Said,
    ValueMap,
    caption,
    ellipse_outline,
    frame,
    outside,
    value_title,
)
from univar.analysis.names import distinct_names, printable, shortened
from univar.analysis.pictures.map_figure import Look, check_drawable, looks_of
from univar.analysis.pictures.map_template import PAGE, SCRIPT
from univar.files import replacing

_SYMBOLS = {"o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down", "P": "cross"}
"""plotly's names of matplotlib's markers."""

_TEXT_LIMIT = 420
"""Characters of a QA that are shown."""

_TELLING = 3
_CELLS, _LEAST_FOR_DENSITY = 64, 30
"""Of the grid that a density is taken on, along each side; and QAs below which there is none."""

_LANGUAGES_WITH_LINES = 4
"""Of more languages, lines are drawn where they are asked for."""

_OUTLINE = {"color": "rgba(255,255,255,0.9)", "width": 1.5}


def write_map_html(
    value_map: ValueMap,
    path: str | os.PathLike[str],
    *,
    color_by: ColorBy = "auto",
    title: str | None = None,
) -> None:
    """Writes the value map as one interactive page of about 5 MB, plotly.js included; the same map, the same bytes.

    Under the pointer a dot shows its QA (shortened) and a centroid its n, which a click explains: where its mean lies
    and its most telling answers. What is shown can be searched, chosen by identity, model, language, value and
    question, and stands in a table below. Where names would collide, one is shown and the others appear as the reader
    zooms in. The file appears whole or not at all.

    Args:
        value_map: What to draw.
        path: Where to; the suffix is .html.
        color_by: What a colour stands for; see `univar.analysis.map.results.colour_groups`.
        title: Of the page; by default "Value map".

    Raises:
        ValueError: If `color_by` is unknown, or the suffix is another.
        TypeError: If `value_map` is none, or the title is no text.
    """
    check_drawable(value_map, title)
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"cannot write a page as {Path(path).name!r}; use a name that ends in .html, or draw_map")
    plotly = get_plotlyjs()
    page = PAGE.format(
        title=html.escape(printable(title or "Value map")),
        caption=html.escape(_caption(value_map)),
        caveat=html.escape(CAVEAT),
        figure=_figure(value_map, color_by, dots=False).to_json(remove_uids=False),
        data=_as_json(_page_data(value_map, looks_of(value_map, color_by))),
        plotly=plotly,
        script=SCRIPT,
        hashes=f"{_hash(plotly)} {_hash(SCRIPT)}",
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


def map_plot(value_map: ValueMap, *, color_by: ColorBy = "auto") -> go.Figure:
    """The value map as a plotly figure, with everything from the corpus escaped; see `write_map_html`.

    Dots, ellipse and mean of each identity are three traces that are switched together; means lie on top. Of several
    languages, lines hold a half and nine tenths of the drawn QAs of each. Shown elsewhere, it wants the setting
    `{"showSendToCloud": False}`: plotly's own button uploads the answers.
    """
    return _figure(value_map, color_by, dots=True)


def _figure(value_map: ValueMap, color_by: ColorBy, *, dots: bool) -> go.Figure:
    looks, names = looks_of(value_map, color_by), distinct_names(value_map.identities)
    numbers = range(len(names))
    points = [_dots(value_map, number, looks[number]) for number in numbers] if dots else []
    ellipses = [_ellipse(value_map, number, looks[number]) for number in numbers]
    means = [_mean(value_map, number, looks[number], names[number]) for number in numbers]
    return go.Figure([*points, *_densities(value_map, looks), *ellipses, *means], _layout(value_map, looks))


def _caption(value_map: ValueMap) -> str:
    beyond = outside(value_map, *frame(value_map))
    return caption(value_map) + (f" {beyond:,} dots lie outside the frame." if beyond else "")


def _densities(value_map: ValueMap, looks: Sequence[Look]) -> list[go.Contour]:
    """Of each language, where there are several, lines around half and nine tenths of its drawn QAs."""
    langs = [identity.lang for identity in value_map.identities]
    named = sorted(set(langs))
    return [
        trace.update(visible=len(named) <= _LANGUAGES_WITH_LINES)
        for lang in named
        if len(named) > 1 and (trace := _density(value_map, lang, looks[langs.index(lang)].colour)) is not None
    ]


def _density(value_map: ValueMap, lang: str, colour: str) -> go.Contour | None:
    """Lines where the QAs of a language lie; None where they are too few for any."""
    own = [identity.lang == lang for identity in value_map.identities]
    points = value_map.points[np.array(own)[value_map.identity_index]]
    if len(points) < _LEAST_FOR_DENSITY or not np.ptp(points, axis=0).all():
        return None
    low, high = frame(value_map)
    low, high = low - 0.2 * (high - low), high + 0.2 * (high - low)
    counts, *edges = np.histogram2d(points[:, 0], points[:, 1], bins=_CELLS, range=np.stack([low, high], axis=1))
    smooth = gaussian_filter(counts, _CELLS * len(points) ** (-1 / 6) / 5)
    order = np.argsort(-smooth, axis=None)
    share = np.empty(smooth.size)
    share[order] = np.cumsum(smooth.ravel()[order]) / max(float(smooth.sum()), 1e-12)
    x, y = ((edge[1:] + edge[:-1]) / 2 for edge in edges)
    return go.Contour(
        x=x,
        y=y,
        # Of each cell, the share of the QAs that lie where they are no sparser: a line at a half holds half of them.
        z=share.reshape(smooth.shape).T.round(3),
        contours={"coloring": "lines", "start": 0.5, "end": 0.9, "size": 0.4},
        colorscale=[[0, colour], [1, colour]],
        line={"width": 1.2, "dash": "dot"},
        showscale=False,
        showlegend=False,
        hoverinfo="skip",
        name=html.escape(printable(lang), quote=False),
        meta="density",
    )


def _page_data(value_map: ValueMap, looks: Sequence[Look]) -> dict[str, Any]:
    """What the page's own script draws, lists and searches: text as it is, which is never made markup."""
    questions = {text: number for number, text in enumerate(sorted(set(value_map.questions)))}
    values = {value: number for number, value in enumerate(sorted({one for one in value_map.values if one}))}
    names = distinct_names(value_map.identities)
    return {
        "x": value_map.points[:, 0].astype(np.float64).round(5).tolist(),
        "y": value_map.points[:, 1].astype(np.float64).round(5).tolist(),
        "who": value_map.identity_index.tolist(),
        "question": [questions[text] for text in value_map.questions],
        "value": [values[value] if value else -1 for value in value_map.values],
        "answer": [_cut(_answer(text)) for text in value_map.texts],
        "questions": [_cut(text) for text in questions],
        "values": [printable(value_title(value)) for value in values],
        "identities": [
            {
                "name": names[number],
                "full": shortened(printable(str(identity)), 80),
                "model": shortened(printable(identity.model), 60),
                "lang": html.escape(printable(identity.lang), quote=False),
                "colour": looks[number].colour,
                "profile": _profile(value_map, number),
                "telling": _telling(value_map, number),
            }
            for number, identity in enumerate(value_map.identities)
        ],
        "moves": [list(move) for move in value_map.moves],
        "ends": [
            {"title": f"Typical of the {side}", "answers": [_said(said) for said in answers]}
            for side, answers in value_map.ends()
            if answers
        ],
    }


def _as_json(data: dict[str, Any]) -> str:
    """JSON without a "<", which alone could end the element that holds it."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _cut(text: str) -> str:
    words = printable(text)
    return words if len(words) <= _TEXT_LIMIT else words[:_TEXT_LIMIT] + "…"


def _answer(text: str) -> str:
    """The answer of `Q: ... A: ...`."""
    return text.partition(" A: ")[2] or text


def _said(said: Said) -> str:
    return f"{_cut(said.answer)} ({shortened(printable(str(said.identity)), 80)}, to: {_cut(said.question)})"


def _profile(value_map: ValueMap, number: int) -> str:
    """What the map knows of an identity, in a sentence."""
    spreads = RADIUS_95 * np.sqrt(np.diagonal(value_map.covariances[number]))
    places = [
        f"{value:+.3f}" + ("" if np.isnan(spread) else f" ± {spread:.3f}") + f" along {axis.title}"
        for value, spread, axis in zip(value_map.centroids[number], spreads, value_map.axes, strict=True)
    ]
    return (
        f"n = {int(value_map.counts[number]):,} QAs to {int(value_map.question_counts[number]):,} questions; its mean "
        f"lies {' and '.join(places)} (± half axes of the 95 % ellipse). Its most telling answers, furthest towards "
        "where its mean lies:"
    )


def _telling(value_map: ValueMap, number: int) -> list[str]:
    """Up to three drawn answers of an identity that lie furthest in the direction of its mean, to other questions."""
    own = np.flatnonzero(value_map.identity_index == number)
    ways = value_map.points[own] @ (value_map.centroids[number] - value_map.centroids.mean(axis=0))
    found: dict[str, str] = {}
    for row in own[np.argsort(-ways, kind="stable")]:
        question = value_map.questions[row]
        found.setdefault(question, f"{_cut(_answer(value_map.texts[row]))} (to: {_cut(question)})")
        if len(found) == _TELLING:
            break
    return list(found.values())


def _dots(value_map: ValueMap, number: int, look: Look) -> go.Scatter:
    own = np.flatnonzero(value_map.identity_index == number)
    who = f"<b>{_who(value_map, number)}</b>"
    return go.Scatter(
        x=value_map.points[own, 0],
        y=value_map.points[own, 1],
        mode="markers",
        marker={"color": look.colour, "size": 5, "opacity": 0.4, "symbol": _SYMBOLS[look.marker]},
        # Not a hover template: one would be filled in with what "%{...}" in an answer names.
        hoverinfo="text",
        hovertext=[f"{who}<br>{_readable(value_map.texts[row])}" for row in own],
        legendgroup=str(number),
        showlegend=False,
        meta="dots",
    )


def _ellipse(value_map: ValueMap, number: int, look: Look) -> go.Scatter:
    outline = ellipse_outline(value_map, number)
    shown = outline[np.isfinite(outline).all(axis=1)]
    return go.Scatter(
        x=shown[:, 0],
        y=shown[:, 1],
        mode="lines",
        line={"color": look.colour, "width": 1},
        hoverinfo="skip",
        legendgroup=str(number),
        showlegend=False,
    )


def _mean(value_map: ValueMap, number: int, look: Look, name: str) -> go.Scatter:
    count, questions = int(value_map.counts[number]), int(value_map.question_counts[number])
    who = _who(value_map, number)
    escaped = html.escape(name, quote=False)
    low, high = frame(value_map)
    beyond = value_map.centroids[number, 0] > low[0] + 0.85 * (high[0] - low[0])
    return go.Scatter(
        x=value_map.centroids[[number], 0],
        y=value_map.centroids[[number], 1],
        mode="markers+text",
        marker={"color": look.colour, "size": 13, "symbol": _SYMBOLS[look.marker], "line": _OUTLINE},
        text=[escaped],
        textposition="middle left" if beyond else "middle right",
        hoverinfo="text",
        hovertext=[f"<b>{who}</b><br>mean of {count:,} QAs to {questions:,} questions"],
        # plotly makes it a class of the drawn element, by which the page's script finds the means.
        uid=f"mean{number}",
        legendgroup=str(number),
        name=f"{escaped} (n = {count:,})",
    )


def _layout(value_map: ValueMap, looks: Sequence[Look]) -> go.Layout:
    low, high = frame(value_map)
    shares = value_map.explained_variance
    first, second = (f" ({100 * share:.1f} %)" for share in shares) if shares else ("", "")
    titles = [html.escape(axis.title, quote=False) for axis in value_map.axes]
    common = {"zeroline": False, "showticklabels": value_map.method == "pca", "showgrid": value_map.method == "pca"}
    return go.Layout(
        template="none",
        xaxis={**common, "range": [low[0], high[0]], "title": {"text": f"{titles[0]}{first}"}},
        yaxis={**common, "range": [low[1], high[1]], "title": {"text": f"{titles[1]}{second}"}, "scaleanchor": "x"},
        legend={"itemsizing": "constant", "tracegroupgap": 0, "font": {"size": 11}},
        hoverlabel={"align": "left", "font": {"size": 12}},
        hovermode="closest",
        annotations=[_arrow(value_map, start, end, looks[end].colour) for start, end in value_map.moves],
        margin={"l": 60, "r": 10, "t": 34, "b": 50},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        autosize=True,
    )


def _arrow(value_map: ValueMap, start: int, end: int, colour: str) -> dict[str, Any]:
    """From an identity to what it became."""
    (ax, ay), (x, y) = value_map.centroids[[start, end]].tolist()
    ends = {"x": x, "y": y, "ax": ax, "ay": ay, "xref": "x", "yref": "y", "axref": "x", "ayref": "y"}
    drawn = {"showarrow": True, "arrowhead": 2, "arrowwidth": 1.5, "standoff": 7, "startstandoff": 7, "text": ""}
    return {**ends, **drawn, "arrowcolor": colour}


def _who(value_map: ValueMap, number: int) -> str:
    return html.escape(shortened(printable(str(value_map.identities[number])), 80), quote=False)


def _readable(text: str) -> str:
    """A QA for a hover label, which understands tags: shortened, escaped, in lines."""
    words = printable(text)
    question, mark, answer = (words if len(words) <= _TEXT_LIMIT else words[:_TEXT_LIMIT] + "…").partition(" A: ")
    lines = [*textwrap.wrap(question, 80), *textwrap.wrap((mark + answer).strip(), 80)]
    return "<br>".join(html.escape(line, quote=False) for line in lines)


def _hash(script: str) -> str:
    """What a security policy calls a script by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
