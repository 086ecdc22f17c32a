"""Trains the variants of the recipe at equal budget, measures them on validation questions, and writes what came out.

    make ablations DATA=folder

The folder is that of `make weights`. Every run is kept in docs/ablations.json as soon as it is measured, and not made
again; docs/ablations.md and its figure are drawn from it. A run takes some minutes on two cores.
"""

import argparse
import logging
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from recipes import style_removal
from recipes.ablation_page import BASE, TFIDF, draw, page
from recipes.identified import identified
from recipes.runs import Run, keep, kept
from recipes.ship import CORPORA, DOCS, controls, sample, simulated, trained_controls
from recipes.variants import MAX_TOKENS, REFERENCE, SHIPPED, VARIANTS, StyleRemoval, Variant, part, recipe_of
from univar.analysis.comparison import SentenceModel
from univar.analysis.representations import Encoder, sentence_encoder, tfidf
from univar.corpus.readers import read_corpus
from univar.corpus.records import QARecord, question_halves, question_hash, split_of
from univar.model import controls as control_answers
from univar.model import training
from univar.model.encoding import as_read
from univar.model.modeling import UniVaR, load_model
from univar.model.recipes import Recipe
from univar.model.trainer import Kind
from univar.model.training import train
from univar.model.view_loss import ViewLoss

SEEDS = (0, 1, 2)
DRAWS = (0, 1, 2, 3, 4)
MOST_CONTROLS = 900
MOST_ERASED = 4_000
FILE = DOCS / "ablations.json"

logger = logging.getLogger(__name__)

Scores = dict[str, dict[str, dict[str, float]]]
Corpora = Mapping[str, Sequence[QARecord]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the corpora")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="variants to run; all by default")
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS, metavar="NUMBER")
    parser.add_argument("--draws", nargs="*", type=int, default=DRAWS, metavar="NUMBER", help="of LLMs left out")
    options = parser.parse_args()
    unknown = set(options.only or ()) - {variant.name for variant in VARIANTS}
    if unknown:
        parser.error(f"no variants {', '.join(sorted(unknown))}; there are {', '.join(v.name for v in VARIANTS)}")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logger.setLevel(logging.INFO)

    corpora = {name: list(read_corpus(options.data / f"{name}.parquet", lang=["eng"])) for name in CORPORA}
    experiment = Experiment(corpora, trained_controls(options.data), measured(corpora, options.data))
    runs = kept(FILE)
    experiment.untrained(runs)
    wanted = [variant for variant in VARIANTS if options.only is None or variant.name in options.only]
    for seed in options.seeds:
        for variant in wanted:
            experiment.run(runs, variant, seed)
    for number in options.draws:
        for variant in (SHIPPED, REFERENCE):
            experiment.run_unseen(runs, variant, number)
    (DOCS / "ablations.md").write_text(page(runs), encoding="utf-8")
    draw(runs, DOCS / "ablations.png")


# What is measured


@dataclass(frozen=True)
class Measured:
    """What a run is measured on: QAs to validation questions, and control QAs of the same identities."""

    records: list[QARecord]
    control: list[QARecord]

    def of(self, models: frozenset[str]) -> "Measured":
        """The QAs of some LLMs."""
        return Measured(*([r for r in records if r.model in models] for records in (self.records, self.control)))


def measured(corpora: Corpora, folder: Path) -> dict[str, Measured]:
    found = {}
    for name, records in corpora.items():
        owners = {record.identity for record in records}
        control = sample([record for record in controls(folder, name) if record.identity in owners], MOST_CONTROLS)
        found[name] = Measured([r for r in records if split_of(r.question_key) == "validation"], control)
    return found


def scores(given: Mapping[str, Measured], encoder: Encoder) -> Scores:
    """By corpus, and `values` or `control`: accuracy by k-NN and by a linear probe in 0..1, n, questions and chance."""
    return {
        name: {"values": both_ways(each.records, encoder), "control": both_ways(each.control, encoder)}
        for name, each in given.items()
    }


def both_ways(records: Sequence[QARecord], encoder: Encoder) -> dict[str, float]:
    """Accuracy by method, and the queries, questions and chance that it is of.

    Each half of the questions is the gallery once, without LLMs that have one QA in it.
    """
    first, second = question_halves(records)
    found = []
    for gallery, query in ((first, second), (second, first)):
        answers = Counter(record.identity for record in gallery)
        known = [record for record in gallery if answers[record.identity] > 1]
        knn, linear = identified(known, query, encoder)
        found.append({"knn": knn.accuracy, "linear": linear.accuracy, "chance": knn.chance, "n": 2 * knn.n})
    questions = len({record.question_key for record in records})
    return {**{name: statistics.mean(side[name] for side in found) for name in found[0]}, "questions": questions}


def remembering(model: SentenceModel) -> Encoder:
    """An encoder that encodes every text once, however often it is asked for."""
    known: dict[str, style_removal.Floats] = {}

    class Remembering:
        def encode(self, texts: list[str]) -> style_removal.Floats:
            new = [text for text in texts if text not in known]
            known.update(zip(new, np.asarray(model.encode(as_read(model, new))), strict=True))
            return np.stack([known[text] for text in texts])

    return sentence_encoder(Remembering())


# Runs


@dataclass(frozen=True)
class Experiment:
    """The corpora of all runs, the control answers trained on, and what is measured."""

    corpora: Corpora
    control: Sequence[QARecord]
    given: Mapping[str, Measured]

    def untrained(self, runs: list[Run]) -> None:
        """Measures what is not trained, unless it has been."""
        if any(run["variant"] == BASE for run in runs):
            return
        for name, encoder in ((BASE, self.base()), (TFIDF, tfidf())):
            logger.info("%s", name)
            keep(FILE, runs, {"variant": name, "seed": None, "scores": scores(self.given, encoder)})

    def base(self) -> Encoder:
        """The encoder from which all runs start."""
        model = load_model("base")
        model.max_seq_length = MAX_TOKENS
        return remembering(model)

    def run(self, runs: list[Run], variant: Variant, seed: int) -> None:
        """Trains a variant and measures it, unless that has been done."""
        if any((run["variant"], run["seed"]) == (variant.name, seed) and "unseen" not in run for run in runs):
            return
        logger.info("%s, seed %d", variant.name, seed)
        began = time.monotonic()
        encoder = self.trained(variant, seed, self.corpora)
        seconds = round(time.monotonic() - began)
        keep(
            FILE,
            runs,
            {"variant": variant.name, "seed": seed, "seconds": seconds, "scores": scores(self.given, encoder)},
        )

    def run_unseen(self, runs: list[Run], variant: Variant, number: int) -> None:
        """Leaves a third of speechmap's LLMs out of the training and measures on them, and so for the base encoder."""
        unseen = unseen_models(self.corpora["speechmap"], number)
        given = {"speechmap": self.given["speechmap"].of(unseen)}
        done = {run["variant"] for run in runs if run.get("unseen") and run["seed"] == number}
        for name, encoder in ((BASE, self.base()), (TFIDF, tfidf())):
            if name not in done:
                keep(FILE, runs, {"variant": name, "seed": number, "unseen": True, "scores": scores(given, encoder)})
        if variant.name in done:
            return
        logger.info("%s, %d LLMs left out, draw %d", variant.name, len(unseen), number)
        seen = {name: [r for r in records if r.model not in unseen] for name, records in self.corpora.items()}
        encoder = self.trained(variant, number, seen)
        keep(FILE, runs, {"variant": variant.name, "seed": number, "unseen": True, "scores": scores(given, encoder)})

    def trained(self, variant: Variant, seed: int, corpora: Corpora) -> Encoder:
        """The encoder of a run on some corpora; control answers of LLMs that they lack are left out too."""
        recipe = recipe_of(variant, seed)
        everything = {name: part(records, variant) for name, records in {**corpora, "simulated": simulated()}.items()}
        known = {record.model for records in corpora.values() for record in records}
        left_out = {record.model for records in self.corpora.values() for record in records} - known
        control = [record for record in self.control if record.model not in left_out]
        with tempfile.TemporaryDirectory() as folder, style_removed(recipe, variant.removal, control):
            model = train(everything, folder, control=control, recipe=recipe)
        model.eval()
        encoder = remembering(model)
        return style_removal.erased(encoder, self.eraser(model)) if variant.erased else encoder

    def eraser(self, model: UniVaR) -> style_removal.Eraser:
        """Fitted on the control answers that may be trained on."""
        fitted_on = sample(list(self.control), MOST_ERASED)
        embeddings = np.asarray(model.encode([record.text for record in fitted_on]))
        questions = [question_hash(record.question_key) for record in fitted_on]
        return style_removal.fit_eraser(embeddings, questions, [str(record.identity) for record in fitted_on])


def unseen_models(records: Iterable[QARecord], number: int) -> frozenset[str]:
    """A third of the LLMs, drawn by a number."""
    models = sorted({record.model for record in records})
    return frozenset(random.Random(number).sample(models, len(models) // 3))


@contextmanager
def style_removed(recipe: Recipe, removal: StyleRemoval, control: Sequence[QARecord]) -> Iterator[None]:
    """Has `train` treat control answers in a way: those that lost stay out of the package."""
    if removal == "targets":
        with patch.object(control_answers, "_targets", targets_once):
            yield
        return
    identities = len({record.identity for record in control})

    losses_of = training._losses

    def losses(model: UniVaR, *others: Any) -> dict[Kind, ViewLoss]:
        stock, weight = losses_of(model, *others), recipe.control_weight
        if removal == "class means":
            return {**stock, "control": style_removal.ClassMeansLoss(model, weight=weight)}
        return {**stock, "control": style_removal.AdversaryLoss(model, identities=identities, weight=weight)}

    pairs = round(recipe.pairs * recipe.control_share / (1 - recipe.control_share))
    rows = style_removal.control_rows(
        [record for record in control if split_of(record.question_key) == "train"], pairs, recipe
    )
    with patch.multiple("univar.model.training", _losses=losses, control_set=lambda *_: rows):
        yield


_targets = control_answers._targets
_known_targets: dict[tuple[object, ...], style_removal.Floats] = {}


def targets_once(
    questions: Mapping[str, control_answers.AnswersByIdentity], model: UniVaR
) -> dict[str, style_removal.Floats]:
    """The targets of control questions, which are the same for every run: all start from the base encoder."""
    keys = {question: (model.max_seq_length, question, *answers) for question, answers in questions.items()}
    new = {question: answers for question, answers in questions.items() if keys[question] not in _known_targets}
    if new:
        _known_targets.update({keys[question]: target for question, target in _targets(new, model).items()})
    return {question: _known_targets[key] for question, key in keys.items()}


if __name__ == "__main__":
    main()
