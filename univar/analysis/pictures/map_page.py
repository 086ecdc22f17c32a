"""The value map as one HTML page: opens offline, shows the QA under the pointer, runs nothing but its own scripts.

Answers of LLMs are untrusted. Three things keep them inert, each of them enough: what comes from a corpus is escaped,
plotly writes the data as JSON without a "<", and the page's security policy allows two scripts, by their hash,
and no connection to anywhere.
"""

import base64
import hashlib
import html
import os
import textwrap
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from univar.analysis.map.results import (
    CAVEAT,
    ColorBy,
    ValueMap,
    caption,
    ellipse_outline,
    frame,
)
from univar.analysis.names import printable, short_names, shortened
from univar.analysis.pictures.map_figure import Look, check_drawable, looks_of
from univar.files import replacing

_SYMBOLS = {"o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down", "P": "cross"}
"""plotly's names of matplotlib's markers."""

_TEXT_LIMIT = 420
"""Characters of a QA that are shown."""

_OUTLINE = {"color": "rgba(255,255,255,0.9)", "width": 1.5}

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src {hashes}; \
style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ink: #222; --soft: #5f5f5f; --paper: #fff; --line: #ddd; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e6e6e6; --soft: #a8a8a8; --paper: #16181c; --line: #34373d; }}
}}
body {{ margin: 0 auto; max-width: 1600px; padding: 1rem 1.5rem; box-sizing: border-box; min-height: 100vh;
  display: flex; flex-direction: column; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }}
h1 {{ font-size: 1.35rem; margin: 0 0 .4rem; }}
form {{ display: flex; flex-wrap: wrap; gap: .3rem 1.5rem; align-items: center; font-size: .9rem; }}
select {{ font: inherit; max-width: 24rem; }}
#map {{ flex: 1; min-height: 620px; }}
#map .textpoint text {{ paint-order: stroke; stroke: var(--paper); stroke-width: 3px; pointer-events: none; }}
p {{ margin: .3rem 0 0; max-width: 75rem; font-size: .85rem; color: var(--soft); }}
</style>
</head>
<body>
<h1>{title}</h1>
<form>
<label>Show <select id="identity"><option value="">all identities</option>{options}</select></label>
<label><input type="checkbox" id="dots" checked> QAs as dots</label>
<span>Click a name in the list to hide or show it; drag on the map to zoom in, double-click to zoom out.</span>
</form>
<div id="map"><noscript>This map needs JavaScript.</noscript></div>
<p>{caption}</p>
<p><strong>{caveat}</strong></p>
<script type="application/json" id="figure">{figure}</script>
<script>{plotly}</script>
<script>{script}</script>
</body>
</html>
"""

_SCRIPT = """
"use strict";
const map = document.getElementById("map");
const identity = document.getElementById("identity"), dots = document.getElementById("dots");
const figure = JSON.parse(document.getElementById("figure").textContent);
const darkness = matchMedia("(prefers-color-scheme: dark)");

function colours() {
  const ink = darkness.matches ? "#e6e6e6" : "#222", line = darkness.matches ? "#34373d" : "#e4e4e4";
  const paper = darkness.matches ? "#16181c" : "#fff";
  return {"font.color": ink, "hoverlabel.bgcolor": paper, "hoverlabel.bordercolor": line, "hoverlabel.font.color": ink,
    "modebar.color": "#8c8c8c", "modebar.activecolor": ink, "modebar.bgcolor": "rgba(0,0,0,0)",
    "xaxis.gridcolor": line, "yaxis.gridcolor": line, "xaxis.linecolor": line, "yaxis.linecolor": line};
}

function show() {
  Plotly.restyle(map, {visible: figure.data.map(trace =>
    trace.meta === "dots" && !dots.checked ? false
      : !identity.value || trace.legendgroup === identity.value ? true : "legendonly")});
}

// Names are whole and never hide one another or a mean: one that would is left out until the reader zooms in.
function thinNames() {
  const boxOf = element => element.getBoundingClientRect();
  const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  const area = boxOf(map.querySelector(".nsewdrag"));
  const taken = Array.from(map.querySelectorAll("[class*=tracemean] .point"), boxOf);
  for (const name of map.querySelectorAll(".textpoint text")) {
    const box = boxOf(name);
    const hidden = box.left < area.left || box.right > area.right || taken.some(other => overlap(box, other));
    name.style.visibility = hidden ? "hidden" : "visible";
    if (!hidden) taken.push(box);
  }
}

// plotly offers to upload the chart unless told not to: the answers stay here.
Plotly.newPlot(map, figure.data, figure.layout, {showSendToCloud: false, plotlyServerURL: "", displaylogo: false,
  typesetMath: false, responsive: true, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"]})
  .then(() => { map.on("plotly_afterplot", thinNames); return Plotly.relayout(map, colours()); });
darkness.addEventListener("change", () => Plotly.relayout(map, colours()));
identity.addEventListener("change", show);
dots.addEventListener("change", show);
"""


def write_map_html(
    value_map: ValueMap,
    path: str | os.PathLike[str],
    *,
    color_by: ColorBy = "auto",
    title: str | None = None,
) -> None:
    """Writes the value map as one interactive page of about 5 MB, plotly.js included; the same map, the same bytes.

    Under the pointer a dot shows its QA (shortened) and a centroid its n; identities are switched on and off in the
    list. Where names would collide, one is shown and the others appear as the reader zooms in. The file appears
    whole or not at all.

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
    names = short_names(value_map.identities)
    page = _PAGE.format(
        title=html.escape(printable(title or "Value map")),
        options="".join(f'<option value="{number}">{html.escape(name)}</option>' for number, name in enumerate(names)),
        caption=html.escape(caption(value_map)),
        caveat=html.escape(CAVEAT),
        figure=map_plot(value_map, color_by=color_by).to_json(remove_uids=False),
        plotly=plotly,
        script=_SCRIPT,
        hashes=f"{_hash(plotly)} {_hash(_SCRIPT)}",
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


def map_plot(value_map: ValueMap, *, color_by: ColorBy = "auto") -> go.Figure:
    """The value map as a plotly figure, with everything from the corpus escaped; see `write_map_html`.

    Dots, ellipse and mean of each identity are three traces that are switched together; means lie on top. Shown
    elsewhere, it wants the setting `{"showSendToCloud": False}`: plotly's own button uploads the answers.
    """
    looks, names = looks_of(value_map, color_by), short_names(value_map.identities)
    numbers = range(len(names))
    dots = [_dots(value_map, number, looks[number]) for number in numbers]
    ellipses = [_ellipse(value_map, number, looks[number]) for number in numbers]
    means = [_mean(value_map, number, looks[number], names[number]) for number in numbers]
    return go.Figure([*dots, *ellipses, *means], _layout(value_map))


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


def _layout(value_map: ValueMap) -> go.Layout:
    low, high = frame(value_map)
    shares = value_map.explained_variance
    first, second = (f" ({100 * share:.1f} %)" for share in shares) if shares else ("", "")
    axis = "component" if value_map.method == "pca" else "t-SNE"
    common = {"zeroline": False, "showticklabels": value_map.method == "pca", "showgrid": value_map.method == "pca"}
    return go.Layout(
        template="none",
        xaxis={**common, "range": [low[0], high[0]], "title": {"text": f"{axis} 1{first}"}},
        yaxis={**common, "range": [low[1], high[1]], "title": {"text": f"{axis} 2{second}"}, "scaleanchor": "x"},
        legend={"itemsizing": "constant", "tracegroupgap": 0, "font": {"size": 11}},
        hoverlabel={"align": "left", "font": {"size": 12}},
        hovermode="closest",
        margin={"l": 60, "r": 10, "t": 34, "b": 50},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        autosize=True,
    )


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
