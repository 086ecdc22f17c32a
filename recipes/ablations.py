"""Trains the variants of the recipe at equal budget, measures them on validation questions, and writes what came out.

    make ablations DATA=folder

The folder is that of `make weights`. Every run is kept in docs/ablations.json as soon as it is measured, and not made
again; docs/ablations.md and its figure are drawn from it. One run takes minutes to a quarter of an hour on two cores.
"""

import argparse
import dataclasses
import json
import logging
import statistics
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from recipes.ship import CORPORA, controls, sample, trained_controls
from univar.analysis.comparison import Encoder, sentence_encoder, tfidf
from univar.analysis.identification import gallery_query_masks, identify_knn, identify_linear
from univar.corpus.readers import read_corpus
from univar.corpus.records import QARecord, question_fraction, question_hash, split_of
from univar.corpus.simulation import simulate
from univar.files import replacing
from univar.model.modeling import load_model
from univar.model.recipes import Recipe, read_recipe
from univar.model.training import train

DOCS = Path(__file__).parents[1] / "docs"
SEEDS = (0, 1, 2)
PAIRS = 6_000
"""View pairs of one QA each that a run sees, or as many QAs in larger views: a tenth of what ships."""
MOST_CONTROLS = 900
BASE = "base encoder, untouched"

logger = logging.getLogger(__name__)

Scores = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Variant:
    """A run that differs from the recipe `minilm-controlled`.

    Attributes:
        name: In the table.
        changes: Fields of the recipe.
        share_of_identities: Of each corpus, that are trained on.
        share_of_questions: Of each corpus, that are trained on.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    share_of_identities: float = 1
    share_of_questions: float = 1


REFERENCE = read_recipe("reference").to_dict() | {
    "base": "univar-base",
    "max_tokens": 256,
    "batch_pairs": 24,
    "mini_batch": None,
}
"""The paper's choices on the small base encoder, with its window and the batch of the others."""

VARIANTS = (
    Variant("minilm-controlled"),
    Variant("no control answers", {"control_share": 0.0}),
    Variant("reference recipe", REFERENCE),
    Variant("control share 0.1", {"control_share": 0.1}),
    Variant("control share 0.5", {"control_share": 0.5}),
    Variant("control weight 1", {"control_weight": 1.0}),
    Variant("control weight 10", {"control_weight": 10.0}),
    Variant("pair positives", {"positives": "pair"}),
    Variant("pair positives, no mask", {"positives": "pair", "mask_false_negatives": False}),
    Variant("up to 5 QAs a view", {"max_qas": 5}),
    Variant("up to 20 QAs a view", {"max_qas": 20}),
    Variant("5 QAs, joined as text", {"max_qas": 5, "view_encoder": "concat", "max_tokens": 256}),
    Variant("questions not the same", {"same_value": False}),
    Variant("token embeddings too", {"freeze_embeddings": False}),
    Variant("64 tokens", {"max_tokens": 64}),
    Variant("256 tokens", {"max_tokens": 256}),
    Variant("half of the identities", share_of_identities=0.5),
    Variant("half of the questions", share_of_questions=0.5),
    Variant("an eighth of the questions", share_of_questions=0.125),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the corpora")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="variants to run; all by default")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, metavar="NUMBER")
    options = parser.parse_args()
    unknown = set(options.only or ()) - {variant.name for variant in VARIANTS}
    if unknown:
        parser.error(f"no variants {', '.join(sorted(unknown))}; there are {', '.join(v.name for v in VARIANTS)}")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logger.setLevel(logging.INFO)

    corpora = {name: list(read_corpus(options.data / f"{name}.parquet", lang=["eng"])) for name in CORPORA}
    measured = {
        name: Measured(_of_validation(records), _control(options.data, name, records))
        for name, records in corpora.items()
    }
    control = trained_controls(options.data)
    runs = _kept()
    for name, encoder in ((BASE, sentence_encoder(load_model("base"))), ("TF-IDF", tfidf())):
        if not any(run["variant"] == name for run in runs):
            keep(runs, {"variant": name, "seed": None, "scores": scores(measured, encoder)})
    for seed in options.seeds:
        for variant in VARIANTS:
            wanted = options.only is None or variant.name in options.only
            if wanted and not any((run["variant"], run["seed"]) == (variant.name, seed) for run in runs):
                logger.info("%s, seed %d", variant.name, seed)
                keep(runs, train_variant(variant, seed, corpora, control, measured))
    (DOCS / "ablations.md").write_text(page(runs), encoding="utf-8")
    draw(runs, DOCS / "ablations.png")


def train_variant(
    variant: Variant,
    seed: int,
    corpora: Mapping[str, Sequence[QARecord]],
    control: Sequence[QARecord],
    measured: Mapping[str, "Measured"],
) -> dict[str, Any]:
    """Trains a variant and measures it."""
    recipe = recipe_of(variant, seed)
    # Views on one value, of answers in styles that mean nothing: what they have in common is a stance.
    simulated = simulate(32, 384, seed=1, style="redrawn").records
    everything = {name: part(records, variant) for name, records in {**corpora, "simulated": simulated}.items()}
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        model = train(everything, folder, control=control, recipe=recipe)
    seconds = time.monotonic() - began
    model.eval()
    return {
        "variant": variant.name,
        "seed": seed,
        "seconds": round(seconds),
        "scores": scores(measured, sentence_encoder(model)),
    }


def recipe_of(variant: Variant, seed: int) -> Recipe:
    """The recipe of a run: larger views are fewer, and control answers take the place of others."""
    shipped = read_recipe("minilm-controlled")
    changed = dataclasses.replace(shipped, **{**variant.changes, "seed": seed, "checkpoints": 1})
    qas_a_view = (1 + changed.max_qas) / 2
    return dataclasses.replace(changed, pairs=round(PAIRS * (1 - changed.control_share) / qas_a_view))


def part(records: Sequence[QARecord], variant: Variant) -> list[QARecord]:
    """The records of a share of the identities and questions, always the same ones."""
    names = sorted({str(record.identity) for record in records}, key=question_hash)
    kept = set(names[: max(2, round(len(names) * variant.share_of_identities))])
    # Training questions lie below 0.8: a share of them lies below that share of it.
    below = 0.8 * variant.share_of_questions
    return [r for r in records if str(r.identity) in kept and question_fraction(r.question_key) < below]


@dataclass(frozen=True)
class Measured:
    """What a run is measured on: QAs to validation questions, and control QAs of the same identities."""

    records: list[QARecord]
    control: list[QARecord]


def _of_validation(records: Iterable[QARecord]) -> list[QARecord]:
    return [record for record in records if split_of(record.question_key) == "validation"]


def _control(folder: Path, name: str, records: Iterable[QARecord]) -> list[QARecord]:
    owners = {record.identity for record in records}
    return sample([record for record in controls(folder, name) if record.identity in owners], MOST_CONTROLS)


def scores(measured: Mapping[str, Measured], encoder: Encoder) -> dict[str, Scores]:
    """By corpus, and `values` or `control`: accuracy by k-NN and by a linear probe, in 0..1."""
    return {
        name: {"values": identified(each.records, encoder), "control": identified(each.control, encoder)}
        for name, each in measured.items()
    }


def identified(records: Sequence[QARecord], encoder: Encoder) -> dict[str, float]:
    """Half of the questions are the gallery, the other half the query, and the other way round."""
    fractions = np.array([question_fraction(record.question_key) for record in records])
    gallery, _ = gallery_query_masks(fractions, threshold=float(np.median(fractions)))
    texts = np.array([record.text for record in records], dtype=object)
    labels = np.array([str(record.identity) for record in records], dtype=object)
    questions = np.array([question_hash(record.question_key) for record in records], dtype=object)
    found: dict[str, list[float]] = {"knn": [], "linear": []}
    for side in (gallery, ~gallery):
        names, counts = np.unique(labels[side], return_counts=True)
        known = side & np.isin(labels, names[counts > 1])
        with torch.inference_mode():
            first, second = encoder(texts[known].tolist(), texts[~side].tolist())
        for method, identify in (("knn", identify_knn), ("linear", identify_linear)):
            score = identify(first, labels[known], second, labels[~side], questions[~side])  # type: ignore[operator]
            found[method].append(score.accuracy)
    return {method: statistics.mean(values) for method, values in found.items()}


# What is written


def _kept() -> list[dict[str, Any]]:
    file = DOCS / "ablations.json"
    return list(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else []


def keep(runs: list[dict[str, Any]], new: dict[str, Any]) -> None:
    runs.append(new)
    with replacing(DOCS / "ablations.json") as temporary:
        temporary.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")


def points(run: Mapping[str, Any], method: str, corpus: str, kind: str) -> float:
    return float(100 * run["scores"][corpus][kind][method])


def over_base(run: Mapping[str, Any], base: Mapping[str, Any], method: str) -> float:
    """Mean over corpora of how many points control identification lies above the base encoder's."""
    return statistics.mean(
        points(run, method, name, "control") - points(base, method, name, "control") for name in CORPORA
    )


def _base(runs: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    return next(run for run in runs if run["variant"] == BASE)


def by_variant(runs: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The runs of each variant, in the order of `VARIANTS`, untrained ones first."""
    grouped: dict[str, list[dict[str, Any]]] = {BASE: [], "TF-IDF": []}
    grouped |= {variant.name: [] for variant in VARIANTS}
    for each in runs:
        grouped[each["variant"]].append(each)
    return {name: found for name, found in grouped.items() if found}


def _spread(values: Sequence[float]) -> str:
    mean = f"{statistics.mean(values):.1f}"
    return f"{mean} ± {statistics.stdev(values):.1f}" if len(values) > 1 else mean


def page(runs: list[dict[str, Any]]) -> str:
    """docs/ablations.md."""
    base, template = _base(runs), (Path(__file__).parent / "ablations.md").read_text(encoding="utf-8")
    lines = []
    for name, found in by_variant(runs).items():
        cells = [_spread([points(run, "knn", corpus, "values") for run in found]) for corpus in CORPORA]
        cells += [
            _spread([statistics.mean(points(run, method, c, "values") for c in CORPORA) for run in found])
            for method in ("knn", "linear")
        ]
        cells += [_spread([over_base(run, base, method) for run in found]) for method in ("knn", "linear")]
        times = [run["seconds"] for run in found if "seconds" in run]
        cells.append(f"{statistics.mean(times) / 60:.0f}" if times else "")
        lines.append(f"| {name} | {len(found)} | " + " | ".join(cells) + " |")
    return template.replace("{{ rows }}", "\n".join(lines))


def draw(runs: list[dict[str, Any]], file: Path) -> None:
    """The frontier: what is gained on values against what is paid on control answers, a point a variant."""
    base = _base(runs)
    figure = Figure(figsize=(9, 6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, found in by_variant(runs).items():
        x = [over_base(run, base, "knn") for run in found]
        y = [statistics.mean(points(run, "knn", corpus, "values") for corpus in CORPORA) for run in found]
        errors = {"xerr": statistics.stdev(x), "yerr": statistics.stdev(y)} if len(found) > 1 else {}
        colour = "#c0392b" if name == "minilm-controlled" else "#34495e"
        axes.errorbar(statistics.mean(x), statistics.mean(y), fmt="o", color=colour, capsize=2, **errors)
        place = (statistics.mean(x), statistics.mean(y))
        axes.annotate(name, place, xytext=(5, 4), textcoords="offset points", fontsize=8, color=colour)
    axes.axvline(0, color="#bbbbbb", linewidth=1)
    axes.set_xlabel("control answers: points of k-NN identification above the base encoder (less is better)")
    axes.set_ylabel("values: k-NN identification, % (mean of three corpora)")
    axes.margins(x=0.15)
    with replacing(file) as temporary:
        figure.savefig(temporary, format="png", dpi=140, metadata={"Software": None})


if __name__ == "__main__":
    main()
