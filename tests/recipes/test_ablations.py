import json
from pathlib import Path

import numpy as np
import pytest

from recipes.ablation_page import BASE, draw, over_base, page
from recipes.ablations import Measured, both_ways, remembering, targets_once, unseen_models
from recipes.ship import CORPORA
from recipes.variants import PAIRS, VARIANTS, Variant, part, recipe_of
from univar.corpus.records import QARecord, question_fraction


def run(variant: str, seed: int | None, values: float, control: float) -> dict[str, object]:
    of = {"n": 1200, "questions": 30, "chance": 0.125}
    scores = {"values": {"knn": values, "linear": values, **of}, "control": {"knn": control, "linear": control, **of}}
    return {"variant": variant, "seed": seed, "seconds": 120, "scores": dict.fromkeys(CORPORA, scores)}


RUNS = [
    run(BASE, None, 0.2, 0.25),
    run("minilm-controlled", 0, 0.5, 0.24),
    run("minilm-controlled", 1, 0.6, 0.28),
    run("no control answers", 0, 0.7, 0.4),
    run("reference recipe", 0, 0.3, 0.2) | {"unseen": True},
    run("reference recipe", 1, 0.4, 0.2) | {"unseen": True},
]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_variant_is_a_recipe_that_sees_as_many_answers(variant):
    recipe = recipe_of(variant, seed=7)
    assert recipe.seed == 7
    # Views have 1..max_qas QAs, all numbers equally often; what control answers take is not there for others.
    assert recipe.pairs * (1 + recipe.max_qas) / 2 == pytest.approx(PAIRS * (1 - recipe.control_share), rel=0.01)


def test_names_are_told_apart():
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)


def test_a_share_is_of_identities_and_of_training_questions():
    records = [QARecord(str(n), f"question {n}", "yes", model, "eng") for n in range(200) for model in "abcd"]
    half = part(records, Variant("half", share_of_identities=0.5, share_of_questions=0.5))
    assert len({record.model for record in half}) == 2
    assert max(question_fraction(record.question) for record in half) < 0.4
    assert part(records, Variant("all")) == [r for r in records if question_fraction(r.question) < 0.8]


def test_control_is_counted_from_the_base_encoder():
    # (0.28 - 0.25) on each of three corpora.
    assert over_base(RUNS[2], RUNS[0], "knn") == pytest.approx(3.0)


def test_the_page_has_a_row_a_variant_with_mean_and_deviation():
    text = page(RUNS)
    # Of 50 and 60 the mean is 55 and the standard deviation 5 * sqrt(2) = 7.1; of -1 and 3 they are 1 and 2.8.
    assert (
        "| minilm-controlled | 2 | 55.0 ± 7.1 | 55.0 ± 7.1 | 55.0 ± 7.1 | 55.0 ± 7.1 | 55.0 ± 7.1 | 1.0 ± 2.8 |" in text
    )
    assert "| no control answers | 1 | 70.0 |" in text
    assert "| speechmap | 1,200 | 30 | 12.5 | 1,200 | 30 | 12.5 |" in text
    assert "{{" not in text


def test_the_page_is_made_of_the_scores_that_are_kept():
    docs = Path(__file__).parents[2] / "docs"
    assert page(json.loads((docs / "ablations.json").read_text())) == (docs / "ablations.md").read_text()


def test_runs_on_unseen_llms_have_a_table_of_their_own():
    assert "| reference recipe | 2 | 35.0 ± 7.1 | 35.0 ± 7.1 | 20.0 ± 0.0 | 20.0 ± 0.0 |" in page(RUNS)
    assert page(RUNS).count("| reference recipe |") == 1


def test_the_frontier_is_drawn(tmp_path):
    draw(RUNS, tmp_path / "frontier.png")
    assert (tmp_path / "frontier.png").read_bytes().startswith(b"\x89PNG")


def test_copies_are_the_same_answers_in_other_styles():
    records = [QARecord("q", "Is thrift a virtue?", "## Yes\n\nIt is **good**.", model, "eng") for model in "ab"]
    found = part(records, Variant("restyled", restyled=2))
    assert len(found) == 6
    assert found[:2] == records
    assert {record.identity for record in found[2:]} == {record.identity for record in records}
    assert not any("*" in record.answer for record in found[2:])


class Counting:
    """Embeds a text by its first letter, and counts what it was given."""

    max_seq_length = 8

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, texts, show_progress_bar=False):
        self.seen += texts
        return np.eye(26, dtype=np.float32)[[ord(text.rpartition("A: ")[2][0]) - 97 for text in texts]]


def test_a_text_is_encoded_once_however_often_it_is_asked_for():
    model = Counting()
    encoder = remembering(model)
    encoder(["a", "b"], ["a"])
    first, second = encoder(["b", "c"], ["a"])
    assert model.seen == ["a", "b", "c"]
    np.testing.assert_array_equal(np.vstack([first, second]), np.eye(26)[[1, 2, 0]])


def test_targets_are_computed_once_for_the_same_answers():
    model = Counting()
    questions = {"q": {"ada": ["A: a"], "bob": ["A: b"]}}
    first = targets_once(questions, model)
    again = targets_once(questions, model)
    assert model.seen == ["A: a", "A: b"]
    np.testing.assert_array_equal(first["q"], again["q"])
    targets_once({"q": {"ada": ["A: a"]}}, model)  # one of them left out
    assert model.seen == ["A: a", "A: b", "A: a"]


def test_who_always_answers_alike_is_always_identified():
    records = [QARecord(str(n), f"question {n}", letter, letter, "eng") for n in range(40) for letter in "abc"]
    found = both_ways(records, remembering(Counting()))
    assert found == {"knn": 1.0, "linear": 1.0, "chance": pytest.approx(1 / 3), "n": 120, "questions": 40}


def test_a_third_of_the_llms_is_left_out_by_a_number():
    records = [QARecord("q", "q", "a", f"model {n}", "eng") for n in range(12)]
    assert len(unseen_models(records, 0)) == 4
    assert unseen_models(records, 0) == unseen_models(records, 0) != unseen_models(records, 1)
    kept = Measured(records, records[:6]).of(frozenset({"model 1", "model 8"}))
    assert [[r.model for r in part] for part in (kept.records, kept.control)] == [["model 1", "model 8"], ["model 1"]]
