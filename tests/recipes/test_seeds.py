import json
from pathlib import Path

import numpy as np
import pytest

from recipes.ablation_page import BASE, TFIDF
from recipes.seeds import ANEW, NAMES, PAIRS, TRAINED, Experiment
from recipes.seeds_page import page
from recipes.ship import CORPORA
from recipes.variants import REFERENCE, recipe_of
from univar.corpus.records import QARecord, question_fraction

MODELS = ("aya", "solar")
RECORDS = [
    QARecord(str(number), f"question {number}", f"{model} says so", model, "eng")
    for number in range(60)
    for model in MODELS
]


def scored(knn: float, linear: float) -> dict[str, object]:
    of = {
        "n": 1200,
        "identities": 8,
        "questions": 30,
        "chance": 0.125,
        "interval": {"low": knn - 0.1, "high": knn + 0.1},
    }
    deeper = {"accuracy_at_5": linear + 0.1, "accuracy_at_10": None}
    return {"knn": {"accuracy": knn, **of}, "linear": {"accuracy": linear, **of, **deeper}}


def run(variant: str, seed: int | None, values: float, control: float) -> dict[str, object]:
    rows = {corpus: [scored(values, 0.5), scored(control, 0.3)] for corpus in CORPORA}
    return {"variant": variant, "seed": seed, "rows": rows}


def test_what_is_compared_sees_as_many_answers():
    for name, variant in TRAINED.items():
        recipe = recipe_of(variant, seed=2, pairs=PAIRS)
        assert recipe.base == "univar-base", name
        assert recipe.seed == 2
        # Views have 1..max_qas QAs, all numbers equally often; what control answers take is not there for others.
        assert recipe.pairs * (1 + recipe.max_qas) / 2 == pytest.approx(PAIRS * (1 - recipe.control_share), rel=0.01)
    assert recipe_of(ANEW, seed=0).passages


def test_the_page_has_means_over_seeds_and_the_widest_interval():
    text = page([run("base", None, 0.2, 0.25), run("anew", 0, 0.5, 0.2), run("anew", 1, 0.6, 0.3)])
    assert "**speechmap**: 1,200 answers by 8 LLMs to 30 questions, by chance 12.5 %." in text
    # Of 50 and 60 the mean is 55 and the standard deviation 5 * sqrt(2) = 7.1; bounds lie 10 points beside each.
    assert "| anew | 2 | 55.0 ± 7.1 [40.0, 70.0] | 50.0 ± 0.0 [40.0, 70.0] | 60.0 ± 0.0 |  |" in text
    assert "| base | 20.0 | 50.0 | 25.0 | 30.0 |" in text
    assert "| anew | 55.0 ± 7.1 | 50.0 ± 0.0 | 25.0 ± 7.1 | 30.0 ± 0.0 |" in text
    assert "Not all that is to be compared has run." in text
    assert "{{" not in text


def test_the_page_says_what_was_reached():
    others = [run(BASE, None, 0.2, 0.25), run(TFIDF, None, 0.3, 0.3), run(REFERENCE.name, 0, 0.4, 0.3)]
    ours = [run(ANEW.name, 0, 0.5, 0.2), run(ANEW.name, 1, 0.6, 0.26)]
    text = page([*others, *ours])
    # Means over seeds: 55 on values, 23 on control.
    assert "| values, k-NN, over the base encoder | at least 30 | 35.00 |" in text
    assert "| values, k-NN, over the reference recipe | at least 5 | 15.00 |" in text
    assert "| values, linear probe, over that of TF-IDF | more than 0 | 0.00 |" in text
    assert "| control, k-NN, over the base encoder | at most 0 | -2.00 |" in text
    assert "More style than in the base encoder: on no corpus." in text
    ours[0]["rows"]["speechmap"][1] = scored(0.34, 0.3)
    assert "More style than in the base encoder: speechmap by k-NN (5.0 points)." in page([*others, *ours])


def test_test_questions_are_the_queries_and_no_question_that_was_trained_on_is_measured():
    read: list[list[str]] = []

    def encoder(gallery, query):
        read.append(query)
        return tuple(np.eye(2)[[text.count("solar") for text in side]] for side in (gallery, query))

    experiment = Experiment({"tiny": RECORDS}, [], {"tiny": RECORDS})
    values, control = experiment.rows(encoder)["tiny"]
    assert [values["corpus"], control["corpus"]] == ["values", "control"]
    assert values["knn"]["accuracy"] == 1
    fractions = {question_fraction(text.split(" A: ")[0].removeprefix("Q: ")) for text in read[0]}
    assert min(fractions) >= 0.9


def test_the_page_is_made_of_the_scores_that_are_kept():
    docs = Path(__file__).parents[2] / "docs"
    runs = json.loads((docs / "seeds.json").read_text())
    assert {run["variant"] for run in runs} == set(NAMES)
    assert {run["pairs"] for run in runs if run["variant"] in TRAINED} == {PAIRS}
    assert page(runs) == (docs / "seeds.md").read_text()
