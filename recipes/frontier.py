"""What was tried to have vectors of stances, each way a point: stances against identification against style.

    python -m recipes.frontier DATA "base" base --how "untouched"

measures a model on the validation parts and adds its point to docs/frontier.json, which `make evidence` draws.
"""

import argparse
import json
import logging
import statistics
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from recipes.measured import control_corpora, identified, people_tasks, poles_task, valuebench_of
from univar.analysis.representations import Encoder, sentence_encoder, tfidf
from univar.analysis.results import markdown_table
from univar.files import replacing
from univar.model.modeling import load_model

FILE = Path(__file__).parents[1] / "docs" / "frontier.json"


class Point(NamedTuple):
    """One way, measured on validation parts. Shares in percent."""

    name: str
    how: str
    poles: float
    """Triplets on the poles: the same stance in another voice is nearer than the opposite in the same."""
    people: float
    """Pairs on texts by people, mean of five corpora."""
    identified: float
    """k-NN identification of the LLMs of valuebench by one answer."""
    control: float
    """The same on control answers."""
    shipped: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the corpora")
    parser.add_argument("name", help="of the point")
    parser.add_argument("model", help="tfidf, or what univar.model.modeling.load_model takes")
    parser.add_argument("--how", required=True, help="how it was made, in words")
    parser.add_argument("--shipped", action="store_true", help="this is what ships")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    encode = tfidf() if options.model == "tfidf" else sentence_encoder(load_model(options.model))
    point = measured(options.name, options.how, encode, options.data, shipped=options.shipped)
    points = [other for other in read_frontier() if other.name != point.name]
    with replacing(FILE) as temporary:
        temporary.write_text(json.dumps([p._asdict() for p in [*points, point]], indent=1) + "\n", encoding="utf-8")
    logging.info("%s", point)


def measured(name: str, how: str, encode: Encoder, folder: Path, *, shipped: bool = False) -> Point:
    """The point of one representation."""
    people = [task.measured(encode)["pairs"].score for task in people_tasks(folder, "validation")]
    shares = (
        poles_task("validation").measured(encode)["triplets"].score,
        statistics.mean(people),
        identified(valuebench_of(folder, "validation"), encode)[0].accuracy,
        identified(control_corpora(folder)["alpaca_eval"], encode)[0].accuracy,
    )
    return Point(name, how, *(round(100 * share, 1) for share in shares), shipped)


def read_frontier() -> list[Point]:
    """The points in docs/frontier.json."""
    rows: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else []
    return [Point(**row) for row in rows]


def frontier_table(points: list[Point]) -> str:
    """A row a point, how it was made last."""
    header = ("", "poles, triplets", "people, pairs", "identified", "control", "how")
    rows = [
        (p.name, *(f"{number:.1f}" for number in (p.poles, p.people, p.identified, p.control)), p.how) for p in points
    ]
    return markdown_table(header, rows)


def draw_frontier(points: list[Point], path: Path) -> None:
    """Two panels: stances over identification, and over what control answers give away; what ships is filled."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    titles = {"identified": "who wrote an answer on values, k-NN %", "control": "who wrote a control answer, k-NN %"}
    for panel, (field, title) in zip(panels, titles.items(), strict=True):
        for point in points:
            color = "#c0392b" if point.shipped else "#34495e"
            x = getattr(point, field)
            panel.plot(x, point.poles, "o", color=color, fillstyle="full" if point.shipped else "none")
            beside = {"xytext": (5, 4), "textcoords": "offset points", "fontsize": 8, "color": color}
            panel.annotate(point.name, (x, point.poles), **beside)
        panel.axhline(50, color="#bbbbbb", linewidth=0.8, zorder=0)
        panel.set_xlabel(title)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("triplets on the poles, %")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120, metadata={"Software": None})


if __name__ == "__main__":
    main()
