"""Trains the weights that ship and makes their files: adapter, record, model card, reference centroids, maps.

    make weights DATA=folder

The folder holds valuebench.parquet, political_compass.parquet and speechmap.parquet, and control_*.parquet for the
card; only figures computed from them are written, to the package and to docs/.
"""

import argparse
import dataclasses
import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import safetensors.torch
from torch import Tensor

from univar.analysis.comparison import Comparison, side_by_side
from univar.analysis.pictures.map_figure import draw_map
from univar.analysis.reference import build_reference, write_reference
from univar.analysis.representations import sentence_encoder, tfidf
from univar.analysis.value_map import build_map
from univar.corpus.readers import read_corpus
from univar.corpus.records import QARecord, question_hash
from univar.corpus.simulation import simulate
from univar.files import replacing
from univar.model import weights
from univar.model.encoding import as_read
from univar.model.export import with_backend
from univar.model.modeling import UniVaR, load_model
from univar.model.recipes import read_recipe
from univar.model.training import train
from univar.workflows.trained import checkpoint_folder


class Training(NamedTuple):
    """One of the trainings, each of which goes on from the model of the one before."""

    recipe: str
    seed: int
    """Where a recipe comes again, another one: it draws other views."""
    rank: int
    """Of what the adapter holds: all that was changed since the last of these that has a rank."""

    @property
    def folder(self) -> str:
        """Of its model."""
        return f"{self.recipe}-{self.seed}"


TRAININGS = (
    Training("minilm-controlled", seed=0, rank=0),
    Training("minilm-passages", seed=0, rank=160),
    Training("minilm-long", seed=0, rank=32),
    Training("minilm-long", seed=1, rank=64),
)

CORPORA = ("valuebench", "political_compass", "speechmap")
CONTROLS = {"valuebench": "control_alpaca_eval", "political_compass": "control_matched", "speechmap": "control_matched"}
TRAINED_CONTROLS = ("control_matched", "control_mt_bench")
HELD_OUT_SOURCES = ("atlas", "misguided")
"""Of the controls: never trained on, so that what is measured on them tells of sources that are new."""

DOCS = Path(__file__).parents[1] / "docs"
ATTRIBUTION = """\
- valuebench: Value4AI/ValueBench, MIT.
- political_compass: paul-rottger/llm-values-pct, CC-BY-4.0; Röttger et al. 2024, "Political Compass or Spinning Arrow?"
- speechmap: xlr8harder/llm-compliance, Apache-2.0; its English rows.
- simulated: `univar.corpus.simulation`, 32 identities and 384 questions of seed 1, styles redrawn for every answer.
- Base encoder: sentence-transformers/all-MiniLM-L6-v2, Apache-2.0.
- Controls that were trained on, general instructions: meltemi-ai/arena-hard-auto-english, WildEval/ZeroEval and
  open-thought/reasoning-gym-eval, Apache-2.0; EQ-bench/longform-writing-bench, MIT; the English rows of
  lightblue-tech/multilingual-mt-bench, Apache-2.0.
- Controls, measured on and never trained on: tatsu-lab/alpaca_eval, VILA-Lab/ATLAS and cpldcpu/MisguidedAttention."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the corpora")
    parser.add_argument(
        "--models",
        type=Path,
        default=Path("build/weights"),
        metavar="FOLDER",
        help="the model of each training is made here, unless it exists",
    )
    options = parser.parse_args()

    corpora = {name: list(read_corpus(options.data / f"{name}.parquet", lang=["eng"])) for name in CORPORA}
    train_models(corpora, options.data, options.models)
    trained = ship_adapter(options.models)
    shipped = UniVaR("univar")
    comparisons = {
        name: measure(records, {"univar": shipped, "univar, not compressed": trained}, controls(options.data, name))
        for name, records in corpora.items()
    }
    tables = {name: comparison.to_markdown() for name, comparison in comparisons.items()}
    with replacing(weights.ASSETS / weights.CARD_FILE) as temporary:
        card = shipped.render_card(comparisons=tables, notes={"Data and licences": ATTRIBUTION})
        temporary.write_text(card, encoding="utf-8")
    write_reference(build_reference(corpora, shipped))
    for name in ("valuebench", "speechmap"):
        draw(name, corpora[name], shipped)


def train_models(corpora: dict[str, list[QARecord]], folder: Path, models: Path) -> None:
    """Trains them all, each to its folder; after an interruption, from the last checkpoint."""
    base = None
    for training in TRAININGS:
        own, out = read_recipe(training.recipe), models / training.folder
        recipe = dataclasses.replace(own, seed=training.seed, base=own.base if base is None else str(base))
        if not out.exists():
            # Without an evaluator the last checkpoint is kept, and no validation question decides anything.
            model = train(
                {**corpora, "simulated": simulated()},
                checkpoint_folder(out),
                control=trained_controls(folder),
                recipe=recipe,
            )
            model.training_record["recipe"]["base"] = own.base  # not a folder of this machine
            model.save_pretrained(str(out))
        base = out


def simulated() -> list[QARecord]:
    """Answers in styles that mean nothing: what views on one value have in common is a stance."""
    return simulate(32, 384, seed=1, style="redrawn").records


def ship_adapter(models: Path) -> UniVaR:
    """Writes the adapter and its record, and returns the last model; the old card stays until the new one is made."""
    encoder = load_model("base")[0].auto_model
    change: dict[str, Tensor] = {}
    for training in TRAININGS:
        if not training.rank:
            continue
        trained = UniVaR(str(models / training.folder))
        further = weights.low_rank_change(encoder.state_dict(), trained.encoder.state_dict(), training.rank)
        weights.apply_change(encoder, further)
        change = weights.extended(change, further)
    adapter = weights.ASSETS / weights.ADAPTER_FILE
    with replacing(adapter) as temporary:
        safetensors.torch.save_file(change, temporary)
    sha256 = hashlib.sha256(adapter.read_bytes()).hexdigest()
    record = {"adapter_sha256": sha256, "rank": sum(training.rank for training in TRAININGS), **trained.training_record}
    with replacing(weights.ASSETS / weights.RECORD_FILE) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (weights.ASSETS / weights.CARD_FILE).touch()
    return trained


def measure(records: list[QARecord], models: dict[str, UniVaR], control: list[QARecord]) -> Comparison:
    # In ONNX they give the same embeddings in less time.
    read = {name: with_backend(model, "onnx") for name, model in {**models, "base": load_model("base")}.items()}
    encoders = {**{name: sentence_encoder(model) for name, model in read.items()}, "tfidf": tfidf()}
    trained_on = frozenset(models["univar"].training_record["questions"])
    owners = {record.identity for record in records}
    control = [record for record in control if record.identity in owners]
    return side_by_side(records, encoders, control=control, trained_on=trained_on)


def controls(folder: Path, name: str) -> list[QARecord]:
    """Controls of a corpus from sources that were never trained on."""
    found = read_corpus(folder / f"{CONTROLS[name]}.parquet")
    return [r for r in found if r.source in HELD_OUT_SOURCES or CONTROLS[name] not in TRAINED_CONTROLS]


def trained_controls(folder: Path) -> list[QARecord]:
    found = [record for name in TRAINED_CONTROLS for record in read_corpus(folder / f"{name}.parquet", lang=["eng"])]
    return [record for record in found if record.source not in HELD_OUT_SOURCES]


def sample(records: list[QARecord], most: int) -> list[QARecord]:
    """About `most` records: whole questions, in an order that has nothing to do with the split."""
    order = sorted(records, key=lambda record: question_hash(record.question_key)[::-1])
    if len(order) <= most:
        return order
    return [record for record in order[:most] if record.question_key != order[most].question_key]


def draw(name: str, records: list[QARecord], model: UniVaR) -> None:
    """The value map of the questions that the model was not trained on."""
    trained_on = frozenset(model.training_record["questions"])
    unseen = [record for record in records if question_hash(record.question_key) not in trained_on]
    value_map = build_map(unseen, model.encode(as_read(model, [record.text for record in unseen])))
    draw_map(value_map, DOCS / f"map-{name}.png", title=f"{name}: questions that no weight was trained on")


if __name__ == "__main__":
    main()
