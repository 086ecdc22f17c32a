"""Which questions an audit asks: as many of each value, the same in every language, and those nobody was trained on."""

from collections import Counter

import pytest

from univar.corpus.questions.bank import question_bank, questions_in, translated_questions
from univar.corpus.questions.choosing import control_part, value_questions
from univar.corpus.questions.poles import poles
from univar.corpus.records import question_hash

WITH_POLES = {pole.question.question_id for pole in poles()}


def ids(questions):
    return [question.question_id for question in questions]


def test_there_is_one_question_a_value_and_each_has_poles():
    found = value_questions(["eng"], 87)
    assert len({question.value for question in found}) == len(found) == 87
    assert set(ids(found)) <= WITH_POLES


def test_all_languages_are_asked_the_same_one_after_the_other():
    found = value_questions(["eng", "fra", "swh"], 87)
    assert [question.lang for question in found] == ["eng", "fra", "swh"] * 87
    assert all(len(set(ids(found[start : start + 3]))) == 1 for start in range(0, len(found), 3))
    texts = {question.question for question in questions_in("fra")}
    assert {question.question for question in found if question.lang == "fra"} <= texts


def test_what_weights_were_trained_on_comes_last():
    with_poles = [question for question in question_bank() if question.question_id in WITH_POLES]
    new = with_poles[3]
    trained = {question_hash(question.question_key) for question in with_poles if question is not new}
    first = value_questions(["eng"], 87, trained_on=trained)
    assert [question for question in first if question.value == new.value] == [new]
    # Where all are trained on it is the one that is there in other languages.
    translated = set(ids(translated_questions()))
    assert set(ids(question for question in first if question is not new)) <= translated
    # In French there is no other than the translated one.
    both = value_questions(["eng", "fra"], 87, trained_on=trained)
    assert set(ids(both)) == translated


@pytest.mark.parametrize("numbers", [(1, 8), (8, 87), (87, 100), (100, 870)])
def test_a_larger_part_begins_with_a_smaller_one(numbers):
    few, many = (value_questions(["eng"], number) for number in numbers)
    assert many[: len(few)] == few
    counts = Counter(question.value for question in many)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_control_questions_are_of_as_many_topics_as_there_are():
    found = control_part(40)
    assert all(question.control for question in found)
    # 36 topics: four of them have two.
    assert sorted(Counter(question.topic for question in found).values()) == [1] * 32 + [2] * 4
    assert control_part(72)[:40] == found
    assert control_part(0) == []


@pytest.mark.parametrize(
    ("choose", "message"),
    [
        (lambda: value_questions(["eng"], 0), r"870 value questions with poles in eng; give 1 to 870, got 0"),
        (lambda: value_questions(["eng", "fra"], 88), r"87 value questions with poles in eng, fra; give 1 to 87"),
        (lambda: value_questions(["xho"], 1), r"no questions in 'xho', only in eng, arb"),
        (lambda: control_part(700), r"there are 648 control questions; give 0 to 648, got 700"),
    ],
)
def test_more_than_there_is_is_refused(choose, message):
    with pytest.raises(ValueError, match=message):
        choose()
