"""A picture of how distances between LLMs follow known ones: a dot a pair, a column a truth, a row a representation."""

import os
from collections.abc import Mapping
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from univar.analysis.geometry import FloatArray
from univar.analysis.pictures.fonts import fonts_for
from univar.files import replacing

_DOT = {"s": 9, "alpha": 0.45, "linewidths": 0}
_COLOURS = ("#0072b2", "#e69f00")


def draw_agreement(
    distances: Mapping[str, FloatArray],
    truths: Mapping[str, FloatArray],
    titles: Mapping[tuple[str, str], str],
    path: str | os.PathLike[str],
) -> None:
    """Draws found distances over known ones as PNG; where the first follow the second, the dots rise.

    Args:
        distances: By representation, condensed distances `(pairs,)` between identities.
        truths: By what they are distances of, the known ones `(pairs,)` of the same pairs.
        titles: Above the panel of a representation and a truth.
        path: Of the picture, which appears whole or not at all.
    """
    with fonts_for([*distances, *truths, *titles.values()]), replacing(Path(path)) as temporary:
        _figure(distances, truths, titles).savefig(temporary, format="png", metadata={"Software": None})


def _figure(
    distances: Mapping[str, FloatArray], truths: Mapping[str, FloatArray], titles: Mapping[tuple[str, str], str]
) -> Figure:
    figure = Figure(figsize=(4.2 * len(truths), 3.6 * len(distances)), dpi=140, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(distances), len(truths), squeeze=False, sharex="col", sharey="row")
    for row, (name, found) in zip(panels, distances.items(), strict=True):
        for axes, (truth, known), colour in zip(row, truths.items(), _COLOURS, strict=False):
            axes.scatter(known, found, color=colour, **_DOT)
            axes.set_title(titles[name, truth], fontsize=9, parse_math=False)
            axes.grid(visible=True, color="#e4e4e4", linewidth=0.6)
            axes.set_axisbelow(True)
        row[0].set_ylabel(f"distance by {name}", parse_math=False)
    for axes, truth in zip(panels[-1], truths, strict=True):
        axes.set_xlabel(f"known distance of {truth}", parse_math=False)
    return figure
