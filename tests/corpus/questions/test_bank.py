from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from univar.corpus.languages import languages
from univar.corpus.questions.bank import (
    FORMS,
    SETS,
    Question,
    bank_languages,
    control_questions,
    core_questions,
    limited,
    question_bank,
    question_set,
    questions_in,
    translated_questions,
)
from univar.corpus.questions.checks import check_questions
from univar.corpus.questions.taxonomy import reference_taxonomy


def question(number: int, text: str, value: str | None = "honesty") -> Question:
    return Question(f"honesty-{number:02d}", text, text, "eng", value, "advice", "work")


# The bank that ships


def test_the_bank_has_as_many_questions_as_the_paper_and_about_50_a_value():
    counts = Counter(question.value for question in question_bank())
    assert len(question_bank()) >= 4296
    assert set(counts) == {value.id for value in reference_taxonomy().values}
    assert min(counts.values()) >= 45


def test_every_value_is_asked_about_in_all_forms():
    forms = Counter((question.value, question.form) for question in question_bank())
    assert len(forms) == 87 * len(FORMS)
    assert min(forms.values()) >= 5


def test_there_are_at_least_600_control_questions_in_the_same_forms():
    controls = control_questions()
    assert len(controls) >= 600
    assert {question.form for question in controls} == set(FORMS)
    assert {question.topic for question in controls} == {topic.id for topic in reference_taxonomy().control_topics}
    assert {question.value for question in controls} == {None}


def test_the_core_has_two_questions_a_value_with_four_paraphrases_each():
    core = [question for question in question_bank() if question.paraphrases]
    assert Counter(question.value for question in core).most_common()[-1][1] >= 2
    assert len(core) >= 174
    for found in core:
        assert len(found.paraphrases) == 4
        assert len({found.question, *found.paraphrases}) == 5


def test_paraphrases_pass_the_checks_of_questions():
    texts = [text for found in question_bank() for text in found.paraphrases]
    wrong = check_questions([question(number, text) for number, text in enumerate(texts)])
    assert wrong == []


def test_the_wording_of_the_bank_is_right():
    assert check_questions([*question_bank(), *control_questions()]) == []


def test_ids_are_unique_and_begin_with_the_value():
    everything = [*question_bank(), *control_questions()]
    assert len({found.question_id for found in everything}) == len(everything)
    assert all(found.question_id.startswith(f"{found.value}-") for found in question_bank())
    assert all(found.question_id.startswith(f"control-{found.topic}-") for found in control_questions())


# Other languages


def test_every_value_is_asked_about_in_the_25_languages_of_the_paper():
    assert set(bank_languages()) == set(languages())
    for lang in set(bank_languages()) - {"eng"}:
        assert {found.value for found in questions_in(lang)} == {value.id for value in reference_taxonomy().values}


LETTERS = {
    "Latn": "LATIN",
    "Cyrl": "CYRILLIC",
    "Arab": "ARABIC",
    "Deva": "DEVANAGARI",
    "Thai": "THAI",
    "Hans": "CJK",
    "Kore": "HANGUL",
    "Jpan": "HIRAGANA",
}
OWN_MARK = {"arb": "؟", "pes": "؟", "zho": "？", "jpn": "？", "tha": ""}  # noqa: RUF001


def test_translations_are_in_their_script_and_end_as_their_language_ends_a_question():
    import unicodedata

    for found in translated_questions():
        language = languages()[found.lang]
        letters = Counter(unicodedata.name(c).split()[0] for c in found.question if c.isalpha())
        assert letters[LETTERS[language.script]] > 0.4 * letters.total(), found
        assert found.question.endswith(OWN_MARK.get(found.lang, "?")), found
        if found.lang == "quy":  # the official spelling has three vowels, loans included
            assert not set("eoé") & set(found.question.lower()), found


def test_translations_keep_the_id_value_and_original_of_their_question():
    originals = {found.question_id: found for found in question_bank()}
    for found in translated_questions():
        original = originals[found.question_id]
        assert (found.question_eng, found.value, found.form) == (original.question, original.value, original.form)
        assert found.question != original.question


def test_a_language_that_the_bank_lacks_is_refused_with_those_it_has():
    with pytest.raises(ValueError, match="no questions in 'isl', only in eng, arb, bul"):
        questions_in("isl")


# Parts


def test_the_core_asks_the_same_questions_in_every_language():
    english = {found.question_id: found for found in core_questions()}
    assert len(english) == 174
    for lang in set(bank_languages()) - {"eng"}:
        core = core_questions(lang)
        assert len(core) == 87
        assert all(found.question_eng == english[found.question_id].question for found in core)
    with pytest.raises(ValueError, match="no questions in 'isl', only in eng, arb"):
        core_questions("isl")


def test_sets_hold_all_their_languages():
    numbers = {name: len(question_set(name)) for name in SETS}
    assert numbers == {"bank": 4524 + 24 * 87, "core": 174 + 24 * 87, "controls": 648}
    with pytest.raises(ValueError, match="no question set 'cores'; there are bank, core, controls"):
        question_set("cores")


@pytest.mark.parametrize("per_value", [1, 3])
def test_a_part_of_the_bank_asks_the_same_of_every_value_in_every_language(per_value):
    part = limited(question_set("bank"), per_value)
    counts = Counter((found.lang, found.value) for found in part)
    assert {counts["eng", value.id] for value in reference_taxonomy().values} == {per_value}
    english = {found.question_id for found in part if found.lang == "eng"}
    for lang in set(bank_languages()) - {"eng"}:
        ids = {found.question_id for found in part if found.lang == lang}
        assert (len(ids), ids <= english) == (87, True)


def test_a_part_depends_on_no_order_and_is_held_by_a_larger_one():
    bank = list(question_bank())
    part = limited(bank, 2)
    shuffled = Random(0).sample(bank, len(bank))
    assert set(limited(shuffled, 2)) == set(part)
    assert [found for found in bank if found in part] == part
    assert set(part) < set(limited(bank, 3))
    assert set(limited(bank, 2, seed=1)) != set(part)
    firsts = {(found.value, found.question_id) for value in {found.value for found in bank}
              for found in [found for found in bank if found.value == value][:2]}  # fmt: skip
    assert {(found.value, found.question_id) for found in part} != firsts


def test_a_part_takes_control_questions_by_topic_and_others_without_a_value_apart():
    part = limited(control_questions(), 2)
    assert set(Counter(found.topic for found in part).values()) == {2}
    assert len(part) == 2 * len(reference_taxonomy().control_topics)
    unstated = [replace(question(n, f"Is it {n}?", None), topic=None) for n in range(5)]
    assert len(limited([*unstated, *control_questions()], 2)) == 2 + len(part)
    with pytest.raises(ValueError, match="per_value must be at least 1, got 0"):
        limited(unstated, 0)


@pytest.mark.parametrize(
    ("question_id", "value", "control"),
    [("control-sums-01", None, True), ("mine-01", None, False), ("control-01", "control", False)],
)
def test_a_question_without_a_value_is_no_control_question_for_that_alone(question_id, value, control):
    assert replace(question(1, "Is it so?", value), question_id=question_id).control is control
