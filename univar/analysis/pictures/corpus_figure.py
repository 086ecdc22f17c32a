"""What a folder of elicited answers holds, as a picture: a row an identity, a column a reason."""

import os
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from univar.analysis.pictures.fonts import fitted, fonts_for
from univar.corpus.building import Counts
from univar.corpus.filters import REASONS
from univar.files import replacing

_ROW, _MARGIN, _WIDTH, _DPI = 0.32, 1.7, 9.0, 140
_LONGEST_NAME = 40


def draw_counts(counts: Counts, path: str | os.PathLike[str]) -> None:
    """Writes the share of answers that are kept, and of those with each reason against them, by identity.

    An answer may have several reasons, or one that does not keep it apart, so that shares need not sum to 100.

    Args:
        counts: At least one identity.
        path: .png, .svg or .pdf.

    Raises:
        ValueError: If there is no identity.
    """
    if not counts:
        raise ValueError("there are no answers to draw")
    columns = ("kept", *REASONS)
    shares = np.array(
        [[found.kept, *(found.reasons[reason] for reason in REASONS)] for found in counts.values()], dtype=float
    ) / np.array([[found.answers] for found in counts.values()])
    names = [
        f"{fitted(identity.model, _LONGEST_NAME)} ({identity.lang}), n = {found.answers:,}"
        for identity, found in counts.items()
    ]
    with matplotlib.style.context("default"), fonts_for(names):
        figure = Figure(figsize=(_WIDTH, _MARGIN + _ROW * len(counts)), dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(columns)), [column.replace(" ", "\n") for column in columns])
        axes.xaxis.tick_top()
        # parse_math: the name of a model may hold dollar signs.
        for label, name in zip(axes.set_yticks(range(len(names)), names), names, strict=True):
            label.label1.set(text=name, parse_math=False)
        for (row, column), share in np.ndenumerate(shares):
            colour = "white" if share > 0.6 else "#222222"
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", color=colour, fontsize=8)
        axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=2)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)
        axes.set_title("Percent of the answers of an LLM in a language", fontsize=10, pad=12)
        with replacing(path) as temporary:
            figure.savefig(temporary, format=Path(path).suffix[1:].lower())
