"""The page of the ablations and its figure, from the runs of `recipes.ablations`."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from recipes.pages import filled, spread
from recipes.ship import CORPORA
from recipes.variants import SHIPPED, VARIANTS
from univar.analysis.pictures.map_figure import places_beside
from univar.files import replacing

BASE = "base encoder, untouched"
TFIDF = "TF-IDF"
_KINDS = ("values", "control")

_FAR = 20
"""Pixels from a point from which on a line leads to its number."""

Run = Mapping[str, Any]


def page(runs: Sequence[Run]) -> str:
    """docs/ablations.md."""
    base = _base(runs)
    rows = [_row(name, found, base) for name, found in by_variant(seen(runs)).items()]
    given = [_given_row(name, base["scores"][name]) for name in CORPORA]
    unseen = [_unseen_row(name, found) for name, found in by_variant(r for r in runs if r.get("unseen")).items()]
    given_unseen = [_given_row("speechmap, all draws", of) for of in _sums_over_draws(runs)]
    parts = {"rows": rows, "unseen": unseen, "given": given, "given_unseen": given_unseen}
    return filled("ablations.md", **{name: "\n".join(lines) for name, lines in parts.items()})


def seen(runs: Iterable[Run]) -> list[Run]:
    """The runs that were measured on LLMs that were trained on."""
    return [run for run in runs if not run.get("unseen")]


def by_variant(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """The runs of each variant, in the order of `VARIANTS`, untrained ones first."""
    grouped: dict[str, list[Run]] = {name: [] for name in (BASE, TFIDF, *(variant.name for variant in VARIANTS))}
    for each in runs:
        grouped[each["variant"]].append(each)
    return {name: found for name, found in grouped.items() if found}


def points(run: Run, method: str, corpus: str, kind: str) -> float:
    return float(100 * run["scores"][corpus][kind][method])


def over_base(run: Run, base: Run, method: str) -> float:
    """Mean over corpora of how many points control identification lies above the base encoder's."""
    return statistics.mean(
        points(run, method, name, "control") - points(base, method, name, "control") for name in CORPORA
    )


def on_values(run: Run, method: str) -> float:
    """Mean over corpora."""
    return statistics.mean(points(run, method, corpus, "values") for corpus in CORPORA)


def _base(runs: Iterable[Run]) -> Run:
    return next(run for run in seen(runs) if run["variant"] == BASE)


def _row(name: str, runs: Sequence[Run], base: Run) -> str:
    cells = [name, str(len(runs))]
    cells += [spread([points(run, "knn", corpus, "values") for run in runs]) for corpus in CORPORA]
    cells += [spread([on_values(run, method) for run in runs]) for method in ("knn", "linear")]
    cells += [spread([over_base(run, base, method) for run in runs]) for method in ("knn", "linear")]
    times = [run["seconds"] for run in runs if "seconds" in run]
    cells.append(f"{statistics.mean(times) / 60:.0f}" if times else "")
    return f"| {' | '.join(cells)} |"


def _given_row(corpus: str, scores: Mapping[str, Mapping[str, float]]) -> str:
    """What identification on a corpus is measured on."""
    given = [scores[kind] for kind in _KINDS]
    cells = [f"{of['n']:,.0f} | {of['questions']:,.0f} | {100 * of['chance']:.1f}" for of in given]
    return f"| {corpus} | {' | '.join(cells)} |"


def _sums_over_draws(runs: Iterable[Run]) -> list[dict[str, dict[str, float]]]:
    """Answers of all draws of LLMs left out, the most questions, the mean chance; empty without a draw."""
    draws = [run["scores"]["speechmap"] for run in runs if run.get("unseen") and run["variant"] == BASE]
    ways = {"n": sum, "questions": max, "chance": statistics.mean}
    return [
        {kind: {name: way([of[kind][name] for of in draws]) for name, way in ways.items()} for kind in _KINDS}
        for _ in draws[:1]
    ]


def _unseen_row(name: str, runs: Sequence[Run]) -> str:
    wanted = [(kind, method) for kind in _KINDS for method in ("knn", "linear")]
    cells = [spread([points(run, method, "speechmap", kind) for run in runs]) for kind, method in wanted]
    return f"| {name} | {len(runs)} | {' | '.join(cells)} |"


def draw(runs: Sequence[Run], file: Path) -> None:
    """The frontier: what is gained on values against what is paid on control answers, a point a variant."""
    base = _base(runs)
    figure = Figure(figsize=(13, 10), dpi=140, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    places = {
        name: [(over_base(run, base, "knn"), on_values(run, "knn")) for run in found]
        for name, found in by_variant(seen(runs)).items()
    }
    middles = {}
    for number, (name, found) in enumerate(places.items(), start=1):
        x, y = ([place[axis] for place in found] for axis in (0, 1))
        x_error, y_error = (statistics.stdev(values) if len(found) > 1 else None for values in (x, y))
        note = ", the recipe that ships" if name == SHIPPED.name else ""
        middles[name] = statistics.mean(x), statistics.mean(y)
        axes.errorbar(
            *middles[name], xerr=x_error, yerr=y_error, fmt="o", ms=4, color=_colour(name), elinewidth=0.6, alpha=0.6
        )
        axes.plot([], [], " ", label=f"{number}  {name}{note}")  # the number is the mark
    axes.axvline(0, color="#bbbbbb", linewidth=1)
    axes.set_xlabel("control answers: points of k-NN identification above the base encoder (less is better)")
    axes.set_ylabel("values: k-NN identification, % (mean of three corpora)")
    figure.legend(loc="outside right upper", fontsize=8, handlelength=0, handletextpad=0, frameon=False)
    _number(figure, axes, middles)
    with replacing(file) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _colour(name: str) -> str:
    return "#c0392b" if name == SHIPPED.name else "#34495e"


def _number(figure: Figure, axes: Axes, middles: Mapping[str, tuple[float, float]]) -> None:
    """Writes the number of each variant beside its point, on no other point and no other number while there is room."""
    figure.draw_without_rendering()  # lays the axes out
    figure.set_layout_engine("none")
    centres = axes.transData.transform(np.array(list(middles.values())))
    sizes = np.full_like(centres, 20)  # of two digits, in pixels
    places = places_beside(np.hstack([centres - 5, centres + 5]), sizes, np.asarray(axes.bbox.extents))
    places = centres + 15 if places is None else places
    far = np.linalg.norm(places - centres, axis=1) > _FAR
    inside = axes.transData.inverted().transform(places)
    for number, (name, place) in enumerate(zip(middles, inside, strict=True), start=1):
        if far[number - 1]:
            axes.plot(*zip(middles[name], place, strict=True), color=_colour(name), linewidth=0.5, alpha=0.6)
        text = axes.text(*place, str(number), size=8, ha="center", va="center", color=_colour(name))
        text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])  # on the lines of the spreads
