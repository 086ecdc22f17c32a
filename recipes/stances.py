"""The training of the weights that ship: what answers stand for, from public corpora of stances."""

import dataclasses
from pathlib import Path

from recipes.stance_corpora import stance_corpora, trained_controls
from univar.model.modeling import UniVaR
from univar.model.recipes import Recipe, read_recipe
from univar.model.training import train
from univar.workflows.trained import checkpoint_folder

PAIRS = 90_000
SHORT_PAIRS = 8_000
"""Of trainings that tell how much is chance, and what is read of questions not met."""

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


def trained(folder: Path, out: Path, *, seed: int = 0, pairs: int = PAIRS, without: int | None = None) -> UniVaR:
    """The model in `out`; where there is none it is trained first, after an interruption from its last checkpoint.

    Args:
        folder: Of the corpora.
        out: Of the model.
        seed: Of the training.
        pairs: That it is trained on.
        without: A fold of the poles' questions that it does not meet.
    """
    if not out.exists():
        model = train(
            stance_corpora(folder, without=without),
            checkpoint_folder(out),
            control=trained_controls(folder),
            recipe=recipe_of(read_recipe("minilm-stance"), seed=seed, pairs=pairs),
        )
        model.save_pretrained(str(out))
    return UniVaR(str(out))


def recipe_of(recipe: Recipe, *, seed: int, pairs: int) -> Recipe:
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
        pairs=pairs,
    )
