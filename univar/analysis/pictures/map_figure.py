"""Pictures of the value map for papers: PNG, SVG and PDF.

Labels stand beside their centroids where all of them find room there, clear of every centroid, ellipse and label.
Where identities crowd, labels stand in a column at each side of the map and a line leads to each centroid.
"""

import math
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator, MultipleLocator
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from univar.analysis.map.results import (
    CAVEAT,
    ColorBy,
    ValueMap,
    caption,
    colour_groups,
    ellipse_outline,
    frame,
    outside,
)
from univar.analysis.names import distinct_names
from univar.analysis.pictures.fonts import boxes_untold, fitted, fonts_for
from univar.analysis.question_share import FloatArray
from univar.files import replacing

PALETTE = tuple(to_hex(colour) for colour in matplotlib.color_sequences["petroff10"])
"""Ten colours that people with any colour vision tell apart (Petroff 2021, arXiv 2107.02270)."""

MARKERS = ("o", "s", "^", "D", "v", "P")
"""After ten groups the colours begin again with the next shape, after sixty the shapes too."""

# The dates and versions that the formats would carry make two drawings of one map differ.
_METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}

# Over matplotlib's defaults and not over the user's own settings, which would change the room that labels take.
# Publishers ask for Type 42 fonts; the salt makes the ids in an SVG the same every time.
_STYLE: list[str | dict[str, Any]] = ["default", {"pdf.fonttype": 42, "svg.hashsalt": "univar"}]

_WIDTH, _LEAST_HEIGHT, _DPI = 10.0, 7.2, 140
_EDGE, _BOTTOM = 0.15, 1.3
"""Inches: free at both sides, and below the map for the axis and the caption."""
_LINES, _LINE_HEIGHT = 5, 0.137
"""Of the caption, that find room there, and inches for each one more."""
_PITCH = 0.165
"""Inches from one label of a column to the next."""
_INK, _GREY, _LINE = "#222222", "#666666", "#d0d0d0"

_SIDES = np.array(
    [(1, 0), (-1, 0), (0, 1), (0, -1)]
    + [(x, y) for near in (0.6, 0.9) for x, y in ((near, 1), (-near, 1), (near, -1), (-near, -1))]
    + [(x, y) for near in (0.6, 0.9) for x, y in ((1, near), (1, -near), (-1, near), (-1, -near))]
)
"""Where a label may stand beside its mark, the best first: 1 is where the two boxes touch."""


class Look(NamedTuple):
    """How one identity is drawn."""

    group: str
    colour: str
    marker: str

    @property
    def ink(self) -> str:
        """The colour, dark enough to read text in."""
        red, green, blue = 0.45 * np.array(to_rgb(self.colour)) + 0.55 * np.array(to_rgb(_INK))
        return to_hex((red, green, blue))


def draw_map(
    value_map: ValueMap,
    path: str | os.PathLike[str],
    *,
    color_by: ColorBy = "auto",
    title: str | None = None,
) -> None:
    """Draws the value map as a picture, as PNG 1,400 pixels wide; the same map gives the same bytes.

    The file appears whole or not at all.

    Args:
        value_map: What to draw.
        path: Where to; the suffix is the format: .png, .svg or .pdf.
        color_by: What a colour stands for; see `univar.analysis.map.results.colour_groups`.
        title: Above the map; by default "Value map".

    Raises:
        ValueError: If the suffix or `color_by` is another.
        TypeError: If `value_map` is none, or the title is no text.
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in _METADATA:
        raise ValueError(f"cannot draw a map as {Path(path).name!r}; use a name that ends in .png, .svg or .pdf")
    figure = map_figure(value_map, color_by=color_by, title=title)
    with matplotlib.style.context(_STYLE), boxes_untold(), replacing(path) as temporary:
        figure.savefig(temporary, format=suffix, metadata=_METADATA[suffix])


def map_figure(value_map: ValueMap, *, color_by: ColorBy = "auto", title: str | None = None) -> Figure:
    """The value map as a matplotlib figure that pyplot knows nothing of; see `draw_map`."""
    check_drawable(value_map, title)
    looks, names = looks_of(value_map, color_by), [fitted(name, 40) for name in distinct_names(value_map.identities)]
    texts = [*names, *(look.group for look in looks), title or "", caption(value_map)]
    with matplotlib.style.context(_STYLE), fonts_for(texts):
        figure, axes = _figure_without_labels(value_map, looks, title, beside=_EDGE)
        if not _label_beside(figure, axes, value_map, names, looks):
            beside = max(size[0] for size in _label_sizes(figure, names, 8)) / _DPI + 0.25
            figure, axes = _figure_without_labels(value_map, looks, title, beside=beside)
            _label_in_columns(figure, axes, value_map, names, looks)
    return figure


def check_drawable(value_map: object, title: object) -> None:
    """Raises TypeError unless this is a map, and its title a text or None."""
    if not isinstance(value_map, ValueMap):
        raise TypeError(f"{value_map!r:.80} is no value map; make one with univar.analysis.map.reading.build_map")
    if title is not None and not isinstance(title, str):
        raise TypeError(f"the title of a map is a text, got {title!r:.80}")


def looks_of(value_map: ValueMap, color_by: ColorBy) -> list[Look]:
    """Group, colour and marker of each identity."""
    groups = colour_groups(value_map.identities, color_by)
    order = {group: number for number, group in enumerate(sorted(set(groups)))}
    return [
        Look(group, PALETTE[order[group] % len(PALETTE)], MARKERS[order[group] // len(PALETTE) % len(MARKERS)])
        for group in groups
    ]


def places_beside(marks: FloatArray, sizes: FloatArray, frame: FloatArray) -> FloatArray | None:
    """Centres (m, 2) of labels that touch their own mark and overlap no mark, no label and not the frame's edge.

    Greedy, in the order given.

    Args:
        marks: (m, 4) box of each mark: left, bottom, right, top.
        sizes: (m, 2) width and height of each label.
        frame: (4,) box that the labels must not leave.

    Returns:
        The centres, or None if a label finds no room.
    """
    centres: list[FloatArray] = []
    taken = list(marks)
    for mark, size in zip(marks, sizes, strict=True):
        middle, reach = (mark[:2] + mark[2:]) / 2, (mark[2:] - mark[:2] + size) / 2 + 1
        for centre in middle + _SIDES * reach:
            box = np.concatenate([centre - size / 2, centre + size / 2])
            inside = (box[:2] >= frame[:2]).all() and (box[2:] <= frame[2:]).all()
            if inside and not any(_overlap(box, other) for other in taken):
                centres.append(centre)
                taken.append(box)
                break
        else:
            return None
    return np.array(centres)


def places_in_columns(centres: FloatArray, frame: FloatArray, pitch: float) -> FloatArray:
    """Places (m, 2) at the left and right edge of a frame, one a centre, so that the lines between them are short.

    The places make the lines shortest in sum. Two lines that cross could be uncrossed by exchanging their ends, which
    would make the sum shorter: so none cross.

    Args:
        centres: (m, 2) what the lines lead to.
        frame: (4,) left, bottom, right, top.
        pitch: Least distance between two places on one side.

    Raises:
        ValueError: If the frame is too low for so many.
    """
    rows = np.linspace(frame[1], frame[3], 1 + int((frame[3] - frame[1]) / pitch))
    if 2 * len(rows) < len(centres):
        raise ValueError(f"a frame {frame[3] - frame[1]:g} high holds {2 * len(rows)} labels, not {len(centres)}")
    places = np.array([(x, y) for x in (frame[0], frame[2]) for y in rows])
    _, chosen = linear_sum_assignment(cdist(centres, places))
    return np.asarray(places[chosen])


def _overlap(one: FloatArray, other: FloatArray) -> bool:
    return bool((np.maximum(one[:2], other[:2]) < np.minimum(one[2:], other[2:])).all())


def _figure_without_labels(
    value_map: ValueMap, looks: Sequence[Look], title: str | None, *, beside: float
) -> tuple[Figure, Axes]:
    """The figure with `beside` inches left free at both sides of the map, and high enough for labels there."""
    groups = sorted(set(looks))
    key_rows = 0 if len(groups) == len(looks) else math.ceil(len(groups) / 7)
    top = 0.52 + 0.22 * key_rows
    longest = f"{caption(value_map)} {_outside_words(len(value_map.points))}"
    note = _LINE_HEIGHT * max(0, len(_wrapped(longest)) - _LINES)
    bottom = _BOTTOM + note
    height = max(_LEAST_HEIGHT, (len(looks) / 2 + 4) * _PITCH * (beside > _EDGE) + top + bottom)
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((beside / _WIDTH, bottom / height, 1 - 2 * beside / _WIDTH, 1 - (top + bottom) / height))
    heading = fitted(title or "Value map", 90)
    left = _EDGE / _WIDTH
    figure.text(left, 1 - 0.3 / height, heading, size=13, weight="bold", color=_INK, va="center", parse_math=False)
    if key_rows:
        _draw_key(figure, groups)
    beyond = _draw_content(axes, value_map, looks)
    _style_axes(axes, value_map)
    lines = "\n".join(_wrapped(f"{caption(value_map)} {_outside_words(beyond)}"))
    figure.text(left, (0.78 + note) / height, lines, size=7, color=_GREY, va="top", linespacing=1.4, parse_math=False)
    return figure, axes


def _wrapped(words: str) -> list[str]:
    return [*textwrap.wrap(words, 185), *textwrap.wrap(CAVEAT, 185)]


def _outside_words(number: int) -> str:
    return f"{number:,} dots lie outside the frame." if number else ""


def _draw_key(figure: Figure, groups: Sequence[Look]) -> None:
    handles = [
        Line2D([], [], linestyle="", marker=look.marker, color=look.colour, markersize=6, label="-") for look in groups
    ]
    corner = (_EDGE / _WIDTH, 1 - 0.46 / figure.get_figheight())
    key = figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=corner, ncols=7, frameon=False, fontsize=8,
        borderpad=0, borderaxespad=0, handlelength=1, handletextpad=0.3, columnspacing=1.5,
    )  # fmt: skip
    for text, look in zip(key.get_texts(), groups, strict=True):
        # Set afterwards: a name that begins with "_" would be left out, one with "$" read as mathematics.
        text.set(text=fitted(look.group, 18), parse_math=False, color=_INK)


def _draw_content(axes: Axes, value_map: ValueMap, looks: Sequence[Look]) -> int:
    """Dots, ellipses and centroids; returns how many dots the frame leaves out."""
    low, high = _limits(value_map, axes)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    colours = np.array([look.colour for look in looks])[value_map.identity_index]
    axes.scatter(value_map.points[:, 0], value_map.points[:, 1], c=colours, s=7, alpha=0.28, linewidths=0, zorder=1)
    thin = len(looks) > 12
    for number, look in enumerate(looks):
        outline = ellipse_outline(value_map, number)
        axes.plot(*outline.T, color=look.colour, linewidth=0.7 if thin else 1.2, alpha=0.6 if thin else 0.9, zorder=2)
        axes.plot(
            *value_map.centroids[number], linestyle="", marker=look.marker, color=look.colour, markersize=8,
            markeredgecolor="white", markeredgewidth=1.1, zorder=4,
        )  # fmt: skip
    for start, end in value_map.moves:
        arrow = {"arrowstyle": "->", "color": looks[end].colour, "linewidth": 1.4, "shrinkA": 5, "shrinkB": 5}
        axes.annotate("", value_map.centroids[end], value_map.centroids[start], arrowprops=arrow, zorder=3)
    return outside(value_map, low, high)


def _limits(value_map: ValueMap, axes: Axes) -> tuple[FloatArray, FloatArray]:
    """Lower left and upper right corner of the map, widened so that both axes have one scale."""
    low, high = frame(value_map)
    box = np.array(axes.bbox.size)
    half = 0.54 * box * ((high - low) / box).max()
    return (low + high) / 2 - half, (low + high) / 2 + half


def _style_axes(axes: Axes, value_map: ValueMap) -> None:
    axes.spines[:].set_color(_LINE)
    if value_map.method == "tsne":
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel("t-SNE 1; vertical: t-SNE 2; no unit", color=_GREY, size=7.5)
        return
    step = np.diff(MaxNLocator(8).tick_values(*axes.get_xlim()))[0]
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.yaxis.set_major_locator(MultipleLocator(step))
    axes.tick_params(colors=_GREY, labelsize=7, length=0, labelleft=False)
    axes.grid(color="#ececec", linewidth=0.6)
    axes.set_axisbelow(True)
    shares = value_map.explained_variance
    first, second = (f" ({100 * share:.1f}\u00a0%)" for share in shares) if shares else ("", "")
    titles = [axis.title for axis in value_map.axes]
    words = fitted(f"{titles[0]}{first}; vertical: {titles[1]}{second}, same scale", 150)
    axes.set_xlabel(words, color=_GREY, size=7.5, labelpad=2, parse_math=False)


def _label_beside(figure: Figure, axes: Axes, value_map: ValueMap, names: Sequence[str], looks: Sequence[Look]) -> bool:
    """Puts every label beside its centroid, or none and returns False where one finds no room."""
    marks = np.array([_mark_box(axes, value_map, number) for number in range(len(names))])
    places = places_beside(marks, _label_sizes(figure, names, 9) + 4, np.asarray(axes.bbox.extents))
    if places is None:
        return False
    places = figure.transFigure.inverted().transform(places)
    for number, ((x, y), name) in enumerate(zip(places, names, strict=True)):
        label = figure.text(x, y, name, size=9, ha="center", va="center", gid=f"label-{number}")
        label.set(
            color=looks[number].ink, parse_math=False, path_effects=[withStroke(linewidth=2.5, foreground="white")]
        )
    return True


def _label_in_columns(
    figure: Figure, axes: Axes, value_map: ValueMap, names: Sequence[str], looks: Sequence[Look]
) -> None:
    """Puts the labels in a column at each side of the map, with a line from each to its centroid."""
    frame = axes.bbox.extents + np.array([-6, 0, 6, 0])
    places = places_in_columns(axes.transData.transform(value_map.centroids), frame, _PITCH * _DPI)
    for number, (x, y) in enumerate(places):
        end = axes.transData.inverted().transform((x, y))
        line = np.array([end, value_map.centroids[number]])
        axes.plot(*line.T, color=looks[number].colour, linewidth=0.6, alpha=0.8, clip_on=False, zorder=3)
        left = x == frame[0]
        x, y = figure.transFigure.inverted().transform((x + (-4 if left else 4), y))
        label = figure.text(x, y, names[number], size=8, va="center", gid=f"label-{number}")
        label.set(color=looks[number].ink, parse_math=False, ha="right" if left else "left")


def _mark_box(axes: Axes, value_map: ValueMap, number: int) -> FloatArray:
    """Left, bottom, right and top, in pixels, of a centroid and its ellipse."""
    outline = axes.transData.transform(ellipse_outline(value_map, number))
    centre = axes.transData.transform(value_map.centroids[number])
    edges = np.concatenate([outline, [centre - 9, centre + 9]])
    return np.concatenate([np.nanmin(edges, axis=0), np.nanmax(edges, axis=0)])


def _label_sizes(figure: Figure, names: Sequence[str], size: float) -> FloatArray:
    """(m, 2) width and height of labels in pixels."""
    probe = figure.text(0, 0, "", size=size, parse_math=False)
    sizes = []
    for name in names:
        probe.set_text(name)
        sizes.append(probe.get_window_extent().size)
    probe.remove()
    return np.array(sizes)
