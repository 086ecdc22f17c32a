"""What a recipe makes of corpora: which texts are drawn, how labels follow each other, where proxies start."""

import dataclasses

import pytest
import torch
from torch.nn import functional

from univar.model.training_sets import first_directions, stance_sets, stances_from, to_train_on, view_sets, views_from


def drawn(pairs) -> list[str]:
    return [text for row in pairs for view in (row["view_a"], row["view_b"]) for text in view]


def test_all_passages_of_long_answers_are_drawn_from(records, recipe):
    ends = {"aya": "law", "mixtral": "thrift", "solar": "family"}
    long = [dataclasses.replace(r, answer=f"{r.answer} " * 60 + f"{ends[r.model]} " * 60) for r in records]
    few = dataclasses.replace(recipe, pairs=48, max_qas=1, passages=True)
    sets, _ = view_sets({"long": long, "short": records}, few)
    texts = drawn(sets["long"])
    assert max(map(len, texts)) < 700 < min(len(record.text) for record in long)
    assert {end for end in ends.values() for text in texts if text.endswith(end)} == set(ends.values())
    # Answers of two passages or more get more turns than the short ones: the square root of how many there are.
    assert len(sets["long"]) > 1.2 * len(sets["short"])
    whole, _ = view_sets({"long": long}, dataclasses.replace(few, passages=False))
    assert set(drawn(whole["long"])) <= {record.text for record in long}


@pytest.mark.parametrize(
    ("exponent", "expected"),
    # Of 700 pairs, for corpora of 4 n and n texts: 4^e and 1^e shares, and no fewer than a batch of 12.
    [(0, [350, 350]), (0.5, [467, 233]), (1, [560, 140])],
)
def test_pairs_are_shared_by_the_texts_raised_to_an_exponent(records, recipe, exponent, expected):
    trained = to_train_on(records)
    shared = dataclasses.replace(recipe, pairs=700, corpus_exponent=exponent)
    sets, _ = view_sets({"four": trained * 4, "one": trained}, shared)
    assert [len(pairs) for pairs in sets.values()] == expected
    few, _ = view_sets({"four": trained * 4, "one": trained}, dataclasses.replace(shared, pairs=24))
    assert min(len(pairs) for pairs in few.values()) >= recipe.batch_pairs


def test_without_proxies_labels_begin_at_0_in_every_corpus(records, recipe):
    sets, identities = view_sets({"one": records, "other": records[:60]}, recipe)
    assert identities == []
    assert {label for pairs in sets.values() for label in pairs["label"]} == {0, 1, 2}


def test_with_proxies_labels_go_on_and_those_on_one_value_come_last(records, recipe):
    valued = [dataclasses.replace(record, value="thrift") for record in records]
    proxies = dataclasses.replace(recipe, positives="proxy")
    sets, identities = view_sets({"one": records, "on a value": valued, "other": records[:60]}, proxies)
    assert identities == [3, 3]
    assert {name: set(pairs["label"]) for name, pairs in sets.items()} == {
        "one": {0, 1, 2},
        "other": {3, 4, 5},
        "on a value": {6, 7, 8},
    }


@pytest.mark.parametrize(("corpus", "place", "label"), [("one", 0, 2), ("other", 1, 4)])
def test_proxies_start_where_the_untrained_model_has_their_identities(
    records, recipe, tiny_model, corpus, place, label
):
    few = dataclasses.replace(recipe, pairs=60, max_qas=1, positives="proxy")
    sets, identities = view_sets({"one": records, "other": records[:60]}, few)
    found = first_directions(tiny_model, sets, identities)
    assert [directions.shape for directions in found] == [(3, tiny_model.get_embedding_dimension())] * 2
    views = [view for view, of in zip(sets[corpus]["view_a"], sets[corpus]["label"], strict=True) if of == label]
    mean = tiny_model.encode(views[:16], convert_to_tensor=True).mean(dim=0)
    torch.testing.assert_close(found[place][label % 3], functional.normalize(mean, dim=0))


def test_who_has_no_view_starts_in_the_direction_of_all(records, recipe, tiny_model):
    sets, identities = view_sets({"one": records}, dataclasses.replace(recipe, positives="proxy"))
    (found,) = first_directions(tiny_model, {"one": sets["one"].select([0])}, identities)
    torch.testing.assert_close(found, found[:1].expand(3, -1))


def test_without_identities_nothing_is_encoded(tiny_model):
    assert first_directions(tiny_model, {}, []) == []


# Stances


@pytest.fixture
def sided(records):
    """The same QAs, each with a stance: aya is for and solar against, mixtral between."""
    stance = {"aya": 1.0, "mixtral": 0.0, "solar": -1.0}
    return [dataclasses.replace(record, stance=stance[record.model]) for record in records]


def test_corpora_with_stances_teach_them_and_those_with_identities_teach_those(records, sided, recipe):
    people = [dataclasses.replace(record, model="people") for record in sided]
    seen = {"plain": records, "sided": sided, "people": people}

    def teach(**shares: float) -> tuple[list[str], list[str]]:
        shared = dataclasses.replace(recipe, **shares)
        return stances_from(seen, shared), views_from(seen, shared)

    assert teach() == ([], ["plain", "sided", "people"])
    assert teach(stance_share=0.5) == (["sided", "people"], ["plain", "sided"])
    assert teach(stance_share=0.8, control_share=0.2) == (["sided", "people"], [])
    assert teach(stance_share=0.5, identities_of=["plain"]) == (["sided", "people"], ["plain"])


@pytest.mark.parametrize(
    ("shares", "stances", "views"),
    [((0.5, 0.0), 120, 120), ((0.4, 0.2), 120, 120), ((0.75, 0.25), 240, 0), ((0.0, 0.5), 0, 240)],
)
def test_pairs_are_shared_by_stances_and_identities_besides_control_answers(sided, recipe, shares, stances, views):
    shared = dataclasses.replace(recipe, pairs=240, stance_share=shares[0], control_share=shares[1])
    seen = {"one": to_train_on(sided)}
    found = [sum(map(len, sets.values())) for sets in (stance_sets(seen, shared), view_sets(seen, shared)[0])]
    assert found == [stances, views]


def test_stances_are_shared_by_the_answers_that_can_teach_them_and_by_weights(sided, recipe):
    trained = to_train_on(sided)
    # Of "more" half of the questions have no side but one, so that it has as many pairs as "one".
    single = [dataclasses.replace(record, question=f"other {record.question}", stance=1.0) for record in trained]
    shared = dataclasses.replace(recipe, pairs=720, stance_share=1.0)
    seen = {"one": trained, "more": [*trained, *single]}
    assert {name: len(pairs) for name, pairs in stance_sets(seen, shared).items()} == {"one": 360, "more": 360}
    weighed = dataclasses.replace(shared, corpus_weights={"more": 3.0})
    assert {name: len(pairs) for name, pairs in stance_sets(seen, weighed).items()} == {"one": 180, "more": 540}


def test_weights_hold_for_identities_too(records, recipe):
    trained = to_train_on(records)
    weighed = dataclasses.replace(recipe, pairs=400, corpus_weights={"one": 3.0})
    sets, _ = view_sets({"one": trained, "other": trained}, weighed)
    assert [len(pairs) for pairs in sets.values()] == [300, 100]


def test_views_hold_as_many_qas_as_the_recipe_says(records, recipe):
    large = dataclasses.replace(recipe, pairs=24, min_qas=4, max_qas=6)
    sets, _ = view_sets({"one": records}, large)
    sizes = {len(view) for row in sets["one"] for view in (row["view_a"], row["view_b"])}
    assert sizes == {4, 5, 6}
    with pytest.raises(ValueError, match=r"one: training needs .* answers to at least 100 questions each, got 0 of 3"):
        view_sets({"one": records}, dataclasses.replace(recipe, min_qas=50, max_qas=50))
