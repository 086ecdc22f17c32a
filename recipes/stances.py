"""Trains an encoder of what answers stand for on public corpora of stances, and measures it on the poles that ship.

    make stances DATA=folder

Not what ships today. An interrupted training goes on from its last checkpoint; where a model stands, it is
measured.
"""

import argparse
import dataclasses
import logging
from pathlib import Path

from recipes.ship import trained_controls
from recipes.stance_corpora import stance_corpora
from univar.analysis.axes import value_axes
from univar.analysis.stance_comparison import compare_stances
from univar.corpus.questions.poles import poles
from univar.model.modeling import UniVaR
from univar.model.recipes import Recipe, read_recipe
from univar.model.training import train
from univar.workflows.trained import checkpoint_folder

logger = logging.getLogger(__name__)

WEIGHTS = {
    "perspectrum": 3.0,
    "valueeval23_stance": 2.0,
    "ibm_argkp": 1.0,
    "arct": 0.5,
    "ibm_claim_stance": 1.0,
    "habermas_statements": 1.0,
    "traits": 1.0,
    "statements": 1.5,
    "valuebench": 2.0,
    "moral_vignettes": 1.0,
    "sycobench": 1.0,
    "political_compass": 1.5,
    "poles": 6.0,
    "simulated": 2.0,
}
"""How often the corpora of stances get turns: the poles most, since their pairs are of one voice."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the corpora")
    parser.add_argument("--out", type=Path, default=Path("build/stances"), help="folder of the model")
    parser.add_argument("--pairs", type=int, help="in place of the recipe's: fewer are quicker")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    if not options.out.exists():
        recipe = recipe_of(read_recipe("minilm-stance"), seed=options.seed, pairs=options.pairs)
        model = train(
            stance_corpora(options.data),
            checkpoint_folder(options.out),
            control=trained_controls(options.data),
            recipe=recipe,
        )
        model.save_pretrained(str(options.out))
    model = UniVaR(str(options.out))
    written = poles()
    logger.info("%s", compare_stances(models=[options.out, "base", "tfidf"]).to_markdown())
    logger.info("%s", value_axes(model.encode([pole.record.text for pole in written]), written))


def recipe_of(recipe: Recipe, *, seed: int, pairs: int | None) -> Recipe:
    """The recipe with the weights of these corpora: human values are told apart as identities are."""
    return dataclasses.replace(
        recipe,
        corpus_exponent=0.0,
        corpus_weights=WEIGHTS,
        identities_of=["human_values"],
        stance_share=0.8,
        control_share=0.1,
        positives="proxy",
        seed=seed,
        pairs=pairs or recipe.pairs,
    )


if __name__ == "__main__":
    main()
