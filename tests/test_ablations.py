import pytest

from recipes.ablations import BASE, CORPORA, VARIANTS, Variant, draw, over_base, page, part, recipe_of
from univar.corpus.records import QARecord, question_fraction


def run(variant: str, seed: int | None, values: float, control: float) -> dict[str, object]:
    scores = {"values": {"knn": values, "linear": values}, "control": {"knn": control, "linear": control}}
    return {"variant": variant, "seed": seed, "seconds": 120, "scores": dict.fromkeys(CORPORA, scores)}


RUNS = [
    run(BASE, None, 0.2, 0.25),
    run("minilm-controlled", 0, 0.5, 0.24),
    run("minilm-controlled", 1, 0.6, 0.28),
    run("no control answers", 0, 0.7, 0.4),
]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_variant_is_a_recipe_that_sees_as_many_answers(variant):
    recipe = recipe_of(variant, seed=7)
    assert recipe.seed == 7
    # Views have 1..max_qas QAs, all numbers equally often; what control answers take is not there for others.
    assert recipe.pairs * (1 + recipe.max_qas) / 2 == pytest.approx(6_000 * (1 - recipe.control_share), rel=0.01)


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
    assert "{{" not in text


def test_the_frontier_is_drawn(tmp_path):
    draw(RUNS, tmp_path / "frontier.png")
    assert (tmp_path / "frontier.png").read_bytes().startswith(b"\x89PNG")
