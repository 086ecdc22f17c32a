"""Trains what ships anew, and the paper's recipe at equal budget, with three seeds; measures both on test questions.

    make seeds DATA=folder

The folder is that of `make weights`. Every run is kept in docs/seeds.json as soon as it is measured, and not made
again while its budget stays; docs/seeds.md is written from it. A run takes half an hour to three quarters on one core.
"""

import argparse
import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recipes import seeds_page
from recipes.ablation_page import BASE, TFIDF
from recipes.ablations import Corpora, style_removed
from recipes.runs import Run, keep, kept
from recipes.ship import CORPORA, DOCS, controls, sample, simulated, trained_controls
from recipes.variants import REFERENCE, Variant, recipe_of
from univar.analysis.comparison import OPENING, side_by_side
from univar.analysis.representations import Encoder, sentence_encoder, tfidf
from univar.corpus.readers import read_corpus
from univar.corpus.records import QARecord, question_hash, split_of
from univar.model.modeling import load_model
from univar.model.recipes import read_recipe
from univar.model.training import train

SEEDS = (0, 1, 2)
PAIRS = 14_400
"""View pairs of one QA each that a run sees, or as many QAs in larger views: three times those of an ablation."""
MOST_CONTROLS = 900
FILE = DOCS / "seeds.json"

ANEW = Variant(seeds_page.ANEW, read_recipe("minilm-passages").to_dict() | {"base": "univar-base"})
"""The recipe that taught what ships to read long answers, from the untouched base encoder on."""
TRAINED = {variant.name: variant for variant in (REFERENCE, ANEW)}
NAMES = (BASE, TFIDF, *TRAINED, "univar")

logger = logging.getLogger(__name__)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the corpora")
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS, metavar="NUMBER")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logger.setLevel(logging.INFO)

    experiment = Experiment.read(options.data)
    runs = [run for run in kept(FILE) if run["seed"] is None or run["pairs"] == PAIRS]
    for seed in (None, *options.seeds):
        for name in options.only or NAMES:
            known = any((run["variant"], run["seed"]) == (name, seed) for run in runs)
            if (name in TRAINED) == (seed is not None) and not known:
                logger.info("%s%s", name, "" if seed is None else f", seed {seed}")
                keep(FILE, runs, {"variant": name, "seed": seed, **experiment.run(name, seed)})
    (DOCS / "seeds.md").write_text(seeds_page.page(runs), encoding="utf-8")


@dataclass(frozen=True)
class Experiment:
    """The corpora, the control answers that are trained on, and for each corpus those that are measured on."""

    corpora: Corpora
    trained_controls: Sequence[QARecord]
    controls: Corpora

    @classmethod
    def read(cls, folder: Path) -> "Experiment":
        """Controls that are measured on are of the LLMs of a corpus and of sources that nothing is trained on."""
        corpora = {name: list(read_corpus(folder / f"{name}.parquet", lang=["eng"])) for name in CORPORA}
        measured_on = {}
        for name, records in corpora.items():
            answering = {record.identity for record in records}
            of_these = [record for record in controls(folder, name) if record.identity in answering]
            measured_on[name] = sample(of_these, MOST_CONTROLS)
        return cls(corpora, trained_controls(folder), measured_on)

    def run(self, name: str, seed: int | None) -> Run:
        """The rows of the comparison, and the seconds of the training if there is one."""
        if seed is not None:
            return self._trained(TRAINED[name], seed)
        encoder = tfidf() if name == TFIDF else sentence_encoder(load_model("base" if name == BASE else name))
        return {"rows": self.rows(encoder)}

    def _trained(self, variant: Variant, seed: int) -> Run:
        recipe = recipe_of(variant, seed, pairs=PAIRS)
        everything = {**self.corpora, "simulated": simulated()}
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder, style_removed(recipe, variant.removal, self.trained_controls):
            model = train(everything, folder, control=self.trained_controls, recipe=recipe)
        seconds = round(time.monotonic() - began)
        return {"pairs": PAIRS, "seconds": seconds, "rows": self.rows(sentence_encoder(model))}

    def rows(self, encoder: Encoder) -> Mapping[str, Sequence[Run]]:
        """By corpus, the row of its values, whose queries are test questions, and that of its control."""
        found = {}
        for name, records in self.corpora.items():
            comparison = side_by_side(
                records,
                {"": encoder},
                control=self.controls[name],
                trained_on=frozenset(
                    question_hash(record.question_key) for record in records if split_of(record.question_key) == "train"
                ),
                max_characters=OPENING,
            )
            found[name] = comparison.to_dict()["rows"]
        return found


if __name__ == "__main__":
    main()
