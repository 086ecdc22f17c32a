import random
from collections import Counter

import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from univar.corpus.records import QARecord
from univar.model.views import IdentityBatchSampler, questions_by_identity, sample_view_pair, view_pairs


def questions(number: int, answers: int = 1) -> list[list[str]]:
    """Texts that tell their question: `3/0` is answer 0 to question 3."""
    return [[f"{question}/{answer}" for answer in range(answers)] for question in range(number)]


def asked(view: list[str]) -> list[str]:
    return [text.partition("/")[0] for text in view]


# Pairs of views


@given(st.integers(2, 12), st.integers(1, 3), st.integers(1, 20), st.integers(0, 10_000))
def test_two_views_share_no_question_and_hold_1_to_k_qas(number, answers, most, seed):
    view_a, view_b = sample_view_pair(questions(number, answers), most, random.Random(seed))
    assert len({*asked(view_a), *asked(view_b)}) == len(view_a) + len(view_b) <= number
    assert 1 <= len(view_a) <= most
    assert 1 <= len(view_b) <= most


def test_the_number_of_qas_is_uniform_and_drawn_for_each_view():
    generator, most, draws = random.Random(0), 4, 8_000
    sizes = Counter(tuple(map(len, sample_view_pair(questions(20), most, generator))) for _ in range(draws))
    # 16 pairs of sizes, 500 draws each; the standard deviation of a count is below 22.
    assert len(sizes) == 16
    assert all(abs(count - 500) < 5 * 22 for count in sizes.values())


def test_every_answer_and_every_question_has_its_turn():
    generator = random.Random(0)
    seen = Counter(
        text for _ in range(500) for view in sample_view_pair(questions(3, 2), 1, generator) for text in view
    )
    # 1,000 QAs drawn from 3 questions with 2 answers each: 167 each, standard deviation below 12.
    assert len(seen) == 6
    assert all(abs(count - 1000 / 6) < 5 * 12 for count in seen.values())


def test_two_questions_are_enough_for_two_views_of_one():
    view_a, view_b = sample_view_pair(questions(2), 80, random.Random(0))
    assert sorted(asked(view_a + view_b)) == ["0", "1"]


# Training sets


def test_the_label_is_the_identity_in_sorted_order_and_views_are_its_own(records):
    dataset = view_pairs(records, 60, max_qas=3)
    said = {0: "yes always honest", 1: "no never save", 2: "i think one should help"}  # aya, mixtral, solar
    assert dataset.column_names == ["view_a", "view_b", "label"]
    assert len(dataset) == 60
    for row in dataset:
        assert all(said[row["label"]] in qa for qa in row["view_a"] + row["view_b"])
        assert all(qa.startswith("Q: is it right to lie") for qa in row["view_a"])


@pytest.mark.parametrize("pairs", [1, 7, 60, 61])
def test_identities_are_balanced(records, pairs):
    # Twice as many answers of one model do not give it more pairs.
    more = [QARecord(f"r{n}", f"another question {n}", "yes", "aya", "eng") for n in range(40)]
    counts = Counter(view_pairs(records + more, pairs)["label"])
    assert sum(counts.values()) == pairs
    assert max(counts.values()) - min(counts[label] for label in range(3)) <= 1


def test_the_same_seed_gives_the_same_pairs_and_another_one_others(records):
    first, again, other = (view_pairs(records, 30, seed=seed).to_dict() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_what_is_encoded_can_be_chosen(records):
    dataset = view_pairs(records, 5, text=lambda record: record.answer)
    assert all(not qa.startswith("Q:") for row in dataset for qa in row["view_a"])


def test_the_same_llm_in_another_language_is_another_identity(records):
    dutch = [QARecord(f"n{n}", f"vraag {n}", "ja", "aya", "nld") for n in range(3)]
    assert set(view_pairs(records + dutch, 40)["label"]) == {0, 1, 2, 3}


def test_an_identity_with_one_question_is_left_out_and_named(records, caplog):
    single = [QARecord("s", "only this", answer, "lonely", "deu") for answer in ("a", "b")]
    dataset = view_pairs(records + single, 30)
    assert set(dataset["label"]) == {0, 1, 2}
    assert "left out, since two views need two questions: lonely (deu)" in caplog.text


def test_variants_of_one_question_are_one_question(records):
    # They differ in case and punctuation only, so that they are on one side of every split.
    variants = [
        QARecord(f"v{n}", text, "yes", "m", "eng") for n, text in enumerate(["Is it so?", "is it so", "IS IT SO!"])
    ]
    assert all(identity.model != "m" for identity in questions_by_identity(records + variants, lambda r: r.text))


def test_translations_of_one_question_are_one_question():
    translated = [
        QARecord(str(n), question, "ja", "m", "nld", question_eng=english, answer_eng="yes")
        for n, (question, english) in enumerate([("mag dit", "Is it so?"), ("kan dit", "is it so"), ("waarom", "Why?")])
    ]
    others = [QARecord(str(n), f"question {n}", "yes", "other", "eng") for n in range(2)]
    grouped = questions_by_identity(translated + others, lambda record: record.question_id)
    assert grouped[("m", "nld")] == [["0", "1"], ["2"]]


@pytest.mark.parametrize("kept", [0, 1])
def test_fewer_than_two_identities_are_an_error(records, kept):
    few = [record for record in records if record.model in ("aya", "mixtral", "solar")[:kept]]
    with pytest.raises(ValueError, match=f"at least 2 identities .* got {kept} of {kept}"):
        view_pairs(few, 10)


@pytest.mark.parametrize(("pairs", "most"), [(0, 5), (10, 0), (-1, 5)])
def test_nothing_to_draw_is_an_error(records, pairs, most):
    with pytest.raises(ValueError, match=f"at least 1, got {pairs} and {most}"):
        view_pairs(records, pairs, max_qas=most)


# Batches


def sampler(labels: list[int], batch_size: int, *, drop_last: bool = False, seed: int = 0) -> IdentityBatchSampler:
    return IdentityBatchSampler(Dataset.from_dict({"label": labels}), batch_size, drop_last, seed=seed)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(1, 9), st.integers(0, 50))
def test_every_row_comes_once(labels, batch_size, seed):
    batches = list(sampler(labels, batch_size, seed=seed))
    assert sorted(index for batch in batches for index in batch) == list(range(len(labels)))
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert len(batches) == len(sampler(labels, batch_size))


@given(st.integers(2, 6), st.integers(2, 6), st.integers(1, 4), st.integers(0, 50))
def test_identities_appear_about_equally_often_in_a_batch(identities, rows, rounds, seed):
    labels = [label for label in range(identities) for _ in range(rows)]
    for batch in sampler(labels, identities * rounds, seed=seed, drop_last=True):
        assert set(Counter(labels[index] for index in batch).values()) == {rounds}
    for batch in sampler(labels, identities + 1, seed=seed, drop_last=True):
        counts = Counter(labels[index] for index in batch)
        assert max(counts.values()) - min(counts[label] for label in range(identities)) <= 2


def test_what_remains_of_larger_identities_comes_last():
    labels = [0] * 10 + [1] * 2
    order = [labels[index] for batch in sampler(labels, 2) for index in batch]
    assert sorted(order[:4]) == [0, 0, 1, 1]
    assert order[4:] == [0] * 8


def test_identities_take_turns_in_an_order_that_changes():
    labels = [0, 1, 2] * 20
    rounds = {tuple(labels[index] for index in batch) for batch in sampler(labels, 3)}
    assert all(sorted(turns) == [0, 1, 2] for turns in rounds)
    assert len(rounds) > 2


def test_epochs_and_seeds_change_the_order_and_nothing_else_does():
    labels = [0, 1, 2] * 20
    one = sampler(labels, 6)
    first, again = list(one), list(one)
    one.set_epoch(1)
    assert first == again
    assert list(one) != first
    assert list(sampler(labels, 6, seed=1)) != first


@pytest.mark.parametrize(("drop_last", "sizes"), [(True, [4, 4]), (False, [4, 4, 2])])
def test_a_last_batch_that_is_not_full_is_kept_or_dropped(drop_last, sizes):
    one = sampler([0, 1] * 5, 4, drop_last=drop_last)
    assert [len(batch) for batch in one] == sizes
    assert len(one) == len(sizes)
