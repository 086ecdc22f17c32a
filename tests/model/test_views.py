import random
from collections import Counter

import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from univar.corpus.records import QARecord
from univar.model.views import (
    InOrderBatchSampler,
    questions_by_identity,
    same_value_view_pairs,
    sample_view_pair,
    view_pairs,
)


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


@given(st.integers(1, 4), st.integers(0, 4), st.integers(0, 8), st.integers(0, 10_000))
def test_views_hold_no_fewer_qas_than_asked(least, more, spare, seed):
    views = sample_view_pair(questions(2 * least + spare), least + more, random.Random(seed), min_qas=least)
    assert all(least <= len(view) <= least + more for view in views)


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
    dataset = view_pairs(records, 5, texts=lambda record: [record.answer])
    assert all(not qa.startswith("Q:") for row in dataset for qa in row["view_a"])


def test_of_several_texts_of_an_answer_one_is_drawn(records):
    dataset = view_pairs(records, 60, max_qas=1, texts=lambda record: [f"first {record.answer}", record.answer])
    drawn = [row[side][0] for row in dataset for side in ("view_a", "view_b")]
    assert {text.startswith("first ") for text in drawn} == {True, False}


def test_the_same_llm_in_another_language_is_another_identity(records):
    dutch = [QARecord(f"n{n}", f"vraag {n}", "ja", "aya", "nld") for n in range(3)]
    assert set(view_pairs(records + dutch, 40)["label"]) == {0, 1, 2, 3}


def test_identities_with_too_few_questions_for_the_largest_views_are_named(records, caplog):
    few = [QARecord(f"f{n}", f"few {n}", "yes", "hasty", "deu") for n in range(5)]
    dataset = view_pairs(records + few, 40, max_qas=3)
    assert (
        "views of fewer than max_qas = 3 QAs, since two views of as many need 6 questions: hasty (deu): 5"
        in caplog.text
    )
    hasty = [row for row in dataset if row["label"] == 1]
    assert max(len(row["view_a"]) + len(row["view_b"]) for row in hasty) == 5
    caplog.clear()
    view_pairs(records, 10, max_qas=20)
    assert caplog.text == ""


def test_an_identity_with_one_question_is_left_out_and_named(records, caplog):
    single = [QARecord("s", "only this", answer, "lonely", "deu") for answer in ("a", "b")]
    dataset = view_pairs(records + single, 30)
    assert set(dataset["label"]) == {0, 1, 2}
    assert "left out, since two views need two questions: lonely (deu)" in caplog.text


def test_identities_with_too_few_questions_for_the_smallest_views_are_left_out(records, caplog):
    few = [QARecord(f"r{n}", f"another question {n}", "yes", "few", "eng") for n in range(5)]
    drawn = view_pairs([*records, *few], 30, min_qas=3, max_qas=4)
    assert "left out, since two views need 6 questions: few (eng)" in caplog.text
    assert set(drawn["label"]) == {0, 1, 2}
    assert {len(view) for row in drawn for view in (row["view_a"], row["view_b"])} == {3, 4}


@pytest.mark.parametrize(("least", "most"), [(0, 5), (6, 5)])
def test_sizes_that_no_view_can_have_are_errors(records, least, most):
    for draw in (view_pairs, lambda *given, **options: same_value_view_pairs(*given, batch_pairs=2, **options)):
        with pytest.raises(ValueError, match=f"between 1 and max_qas, got min_qas {least} and max_qas {most}"):
            draw(records, 4, min_qas=least, max_qas=most)


def test_variants_of_one_question_are_one_question(records):
    # They differ in case and punctuation only, so that they are on one side of every split.
    variants = [
        QARecord(f"v{n}", text, "yes", "m", "eng") for n, text in enumerate(["Is it so?", "is it so", "IS IT SO!"])
    ]
    assert all(identity.model != "m" for identity in questions_by_identity(records + variants, lambda r: [r.text]))


def test_translations_of_one_question_are_one_question():
    translated = [
        QARecord(str(n), question, "ja", "m", "nld", question_eng=english, answer_eng="yes")
        for n, (question, english) in enumerate([("mag dit", "Is it so?"), ("kan dit", "is it so"), ("waarom", "Why?")])
    ]
    others = [QARecord(str(n), f"question {n}", "yes", "other", "eng") for n in range(2)]
    grouped = questions_by_identity(translated + others, lambda record: [record.question_id])
    assert grouped[("m", "nld")] == [["0", "1"], ["2"]]


@pytest.mark.parametrize("kept", [0, 1])
def test_fewer_than_two_identities_are_an_error(records, kept):
    few = [record for record in records if record.model in ("aya", "mixtral", "solar")[:kept]]
    with pytest.raises(ValueError, match=f"at least 2 identities .* got {kept} of {kept}"):
        view_pairs(few, 10)


@pytest.mark.parametrize(("pairs", "most"), [(0, 5), (10, 0), (-1, 5), ("3", 5), (10, 2.5)])
def test_nothing_to_draw_is_an_error(records, pairs, most):
    with pytest.raises(ValueError, match=f"whole numbers, at least 1, got {pairs!r} and {most!r}"):
        view_pairs(records, pairs, max_qas=most)


# Views on one value


def answer(question: str, model: str, value: str | None, text: str = "") -> QARecord:
    return QARecord(question, question, f"{model} on {question} {text}".strip(), model, "eng", value=value)


VALUES = {"peace": ["p1", "p2", "p3", "p4"], "wealth": ["w1", "w2", "w3"]}
VALUED = [
    answer(question, model, value)
    for value, asked_of in VALUES.items()
    for question in asked_of
    for model in ("aya", "mixtral", "solar")
]


def batches_of(dataset: Dataset, size: int) -> list[list[dict]]:
    rows = list(dataset)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def questions_in(view: list[str]) -> list[str]:
    return [qa.split(" A: ")[0].removeprefix("Q: ") for qa in view]


@given(st.integers(1, 3), st.integers(0, 1_000))
def test_a_batch_asks_its_identities_the_same_questions_about_one_value(most, seed):
    for batch in batches_of(same_value_view_pairs(VALUED, 12, batch_pairs=3, max_qas=most, seed=seed), 3):
        first = questions_in(batch[0]["view_a"]), questions_in(batch[0]["view_b"])
        assert {question[0] for side in first for question in side} in ({"p"}, {"w"})
        assert not set(first[0]) & set(first[1])
        assert all((questions_in(row["view_a"]), questions_in(row["view_b"])) == first for row in batch)
        assert sorted(row["label"] for row in batch) == [0, 1, 2]


def test_every_row_is_of_one_identity():
    names = ["aya", "mixtral", "solar"]
    for row in same_value_view_pairs(VALUED, 30, batch_pairs=3, max_qas=2):
        assert all(f"A: {names[row['label']]} on" in qa for qa in row["view_a"] + row["view_b"])


def test_a_batch_larger_than_the_identities_goes_on_with_other_questions_on_the_value():
    for batch in batches_of(same_value_view_pairs(VALUED, 40, batch_pairs=5, max_qas=1), 5):
        assert len(batch) == 5
        assert len({questions_in(row["view_a"])[0][0] for row in batch}) == 1
        assert [questions_in(row["view_a"]) for row in batch[:3]] == [questions_in(batch[0]["view_a"])] * 3


def test_values_get_turns_equally_often_however_many_questions_they_have():
    batches = batches_of(same_value_view_pairs(VALUED, 3 * 400, batch_pairs=3), 3)
    of_peace = sum(questions_in(batch[0]["view_a"])[0].startswith("p") for batch in batches)
    assert abs(of_peace - 200) < 5 * 10  # 400 draws of a half: the standard deviation is 10


def test_an_identity_that_missed_a_question_is_not_asked_for_it():
    missing = [record for record in VALUED if not (record.model == "solar" and record.question in ("p1", "w1"))]
    for row in same_value_view_pairs(missing, 60, batch_pairs=2, max_qas=1):
        assert row["label"] != 2 or not {"p1", "w1"} & {*questions_in(row["view_a"]), *questions_in(row["view_b"])}


def test_pairs_are_rounded_down_to_whole_batches_and_seeded():
    first, again, other = (same_value_view_pairs(VALUED, 11, batch_pairs=3, seed=seed) for seed in (1, 1, 2))
    assert len(first) == 9
    assert first.to_dict() == again.to_dict() != other.to_dict()
    assert len(same_value_view_pairs(VALUED, 1, batch_pairs=3)) == 3


def test_the_draws_of_a_seed_stay_what_they_are():
    drawn = same_value_view_pairs(VALUED, 9, batch_pairs=3, max_qas=2, seed=7)
    assert [questions_in(row["view_a"] + row["view_b"]) for row in drawn] == 3 * [["w3", "w1"]] + 3 * [
        ["p4", "p1"]
    ] + 3 * [["w3", "w1"]]
    assert drawn["label"] == [0, 2, 1, 2, 0, 1, 2, 1, 0]


def sparse(own: int, shared: int) -> list[QARecord]:
    """Each of four models answers questions of its own, and each two neighbours share some."""
    models = ["aya", "mixtral", "solar", "yi"]
    alone = [answer(f"{model} {n}", model, "peace") for model in models for n in range(own)]
    pairs = list(zip(models[::2], models[1::2], strict=True))
    return alone + [answer(f"{a} {b} {n}", m, "peace") for a, b in pairs for m in (a, b) for n in range(shared)]


@pytest.mark.parametrize(("own", "shared", "most"), [(60, 2, 1), (60, 4, 2), (0, 20, 5)])
def test_few_questions_in_common_give_views_as_large_as_they_allow_and_at_once(own, shared, most, caplog):
    drawn = same_value_view_pairs(sparse(own, shared), 2_400, batch_pairs=24, max_qas=most)
    sizes = Counter(len(view) for row in drawn for view in (row["view_a"], row["view_b"]))
    # 2 * 2,400 sizes drawn from 1..most, two by two in a round; a standard deviation is below 60.
    assert all(abs(sizes[size] - 4_800 / most) < 5 * 60 for size in range(1, most + 1))
    assert set(drawn["label"]) == {0, 1, 2, 3}
    assert all(" " in question.partition(" ")[2] for row in drawn for question in questions_in(row["view_a"]))
    assert caplog.text == ""


def test_values_with_too_few_questions_for_the_largest_views_are_told(caplog):
    same_value_view_pairs(VALUED + sparse(60, 2), 9, batch_pairs=3, max_qas=2)
    # On peace three answered four questions; those that one alone answered do not count.
    assert caplog.text.count("views of fewer than") == 1
    assert "max_qas = 2 QAs on 1 of 2 values, since two views of as many need 4 questions" in caplog.text
    assert "that two identities answered; the fewest are wealth: 3" in caplog.text


def test_views_on_one_value_hold_no_fewer_qas_than_asked():
    # Only on peace are there four questions.
    for row in same_value_view_pairs(VALUED, 12, batch_pairs=3, min_qas=2, max_qas=3):
        views = [questions_in(row[side]) for side in ("view_a", "view_b")]
        assert sorted(views[0] + views[1]) == VALUES["peace"]
        assert [len(view) for view in views] == [2, 2]
    drawn = same_value_view_pairs(sparse(60, 6), 24, batch_pairs=24, min_qas=3, max_qas=5)
    assert {len(row["view_a"]) for row in drawn} == {3}
    with pytest.raises(ValueError, match="views on one value need 6 questions about it that two identities answered"):
        same_value_view_pairs(VALUED, 12, batch_pairs=3, min_qas=3)


@pytest.mark.parametrize(
    "records",
    [
        [answer("q1", "aya", None), answer("q2", "aya", None)],
        # Each value has one question only, or one identity only.
        [answer(question, model, question) for question in ("q1", "q2") for model in ("aya", "solar")],
        [answer(question, "aya", "peace") for question in ("q1", "q2", "q3")],
    ],
)
def test_corpora_without_two_views_on_one_value_are_refused(records):
    with pytest.raises(ValueError, match="two questions about it that two identities answered"):
        same_value_view_pairs(records, 10, batch_pairs=2)


@pytest.mark.parametrize(("pairs", "batch", "most"), [(0, 2, 1), (1, 1, 1), (1, 2, 0)])
def test_numbers_that_make_no_batch_are_refused(pairs, batch, most):
    with pytest.raises(ValueError, match=f"got {pairs}, {most} and {batch}"):
        same_value_view_pairs(VALUED, pairs, batch_pairs=batch, max_qas=most)


# Batches


def sampler(labels: list[int], batch_size: int, *, drop_last: bool = False) -> InOrderBatchSampler:
    return InOrderBatchSampler(Dataset.from_dict({"label": labels}), batch_size, drop_last)


def test_batches_keep_the_order_of_the_rows():
    assert list(sampler([0, 1, 2, 0, 1, 2], 4)) == [[0, 1, 2, 3], [4, 5]]


@given(st.integers(1, 40), st.integers(1, 9))
def test_every_row_comes_once(rows, batch_size):
    batches = list(sampler([0] * rows, batch_size))
    assert [index for batch in batches for index in batch] == list(range(rows))
    assert len(batches) == len(sampler([0] * rows, batch_size))


@given(st.integers(2, 6), st.integers(1, 4), st.integers(0, 50))
def test_identities_appear_about_equally_often_in_a_batch(identities, rounds, seed):
    corpus = [answer(f"q{n}", f"m{model}", None) for n in range(4) for model in range(identities)]
    labels = view_pairs(corpus, 3 * (identities + 1) * rounds, seed=seed)["label"]
    for batch in sampler(labels, identities * rounds, drop_last=True):
        assert set(Counter(labels[index] for index in batch).values()) == {rounds}
    for batch in sampler(labels, identities + 1, drop_last=True):
        counts = Counter(labels[index] for index in batch)
        assert max(counts.values()) - min(counts[label] for label in range(identities)) <= 2


@pytest.mark.parametrize(("drop_last", "sizes"), [(True, [4, 4]), (False, [4, 4, 2])])
def test_a_last_batch_that_is_not_full_is_kept_or_dropped(drop_last, sizes):
    one = sampler([0, 1] * 5, 4, drop_last=drop_last)
    assert [len(batch) for batch in one] == sizes
    assert len(one) == len(sizes)
