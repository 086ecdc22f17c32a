import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from univar.corpus.languages import languages
from univar.corpus.questions.bank import (
    FORMS,
    Question,
    QuestionsError,
    bank_languages,
    check_questions,
    control_questions,
    distribution,
    nearest_neighbours,
    quantiles,
    question_bank,
    questions_in,
    read_questions,
    translated_questions,
    write_questions,
)
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


# Checks


@pytest.mark.parametrize(
    ("text", "check", "detail"),
    [
        ("Is it fair?", "length", "3 words; 5 to 60"),
        (" ".join(["why"] * 61) + "?", "length", "61 words"),
        ("Tell me what you would do.", "ending", "question mark"),
        ("Don't you think that lying is always wrong?", "leading", "Don't you think"),
        ("Lying to a friend is wrong, isn't it?", "leading", "isn't it"),
    ],
)
def test_a_wording_that_is_wrong_is_named(text, check, detail):
    (found,) = check_questions([question(1, text)])
    assert (found.question_id, found.check) == ("honesty-01", check)
    assert detail in found.detail


def test_the_same_words_are_found_whatever_their_case_and_spaces():
    asked = [question(1, "Would you lie to a friend?"), question(2, "would  you lie to a Friend?")]
    (found,) = [wrong for wrong in check_questions(asked) if wrong.check == "same words"]
    assert (found.question_id, found.detail) == ("honesty-02", "as honesty-01")


def test_openings_above_their_share_are_found():
    # 2 % of 100 questions are 2: of three that begin with the same words, the third is one too many.
    others = [question(n, f"word{n} comes first in this question?") for n in range(97)]
    same = [question(200 + n, f"How would you answer number {n}?") for n in range(3)]
    (found,) = check_questions([*others, *same])
    assert (found.question_id, found.check) == ("honesty-202", "opening")
    assert "'how would you' begins 3 questions; at most 2 may" in found.detail


def test_near_duplicates_by_hand():
    # Unit vectors at 0, 10 and 90 degrees: cos 10 = .985 is above .92, cos 80 = .174 and cos 90 = 0 are not.
    angles = np.deg2rad([0, 10, 90])
    vectors = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    asked = [question(n, f"Question number {n}, is it?") for n in range(3)]
    nearest, (found,) = nearest_neighbours(asked, vectors)
    np.testing.assert_allclose(nearest, [0.985, 0.985, 0.174], atol=1e-3)
    assert (found.question_id, found.detail) == ("honesty-01", "cosine 0.985 with honesty-00; 0.92 is allowed")


def test_one_question_has_no_neighbour():
    with pytest.raises(ValueError, match="at least 2 questions, got 1"):
        nearest_neighbours([question(1, "Is one enough for this?")], np.ones((1, 2), dtype=np.float32))


def test_quantiles_by_hand():
    assert quantiles(np.arange(101, dtype=np.float32)) == {
        "min": 0, "25 %": 25, "50 %": 50, "75 %": 75, "99 %": 99, "max": 100,
    }  # fmt: skip


def test_the_distribution_counts_families_and_controls():
    counts = distribution([question_bank()[0], *control_questions()[:2]], reference_taxonomy())
    assert counts["value"] == {"self_direction_thought": 1, "control": 2}
    assert counts["family"] == {"wvs": 1, "control": 2}
    assert counts["lang"] == {"eng": 3}


# Files


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_what_is_written_reads_back(tmp_path_factory, texts):
    asked = [replace(question(n, text), paraphrases=(text, "b")) for n, text in enumerate(texts)]
    file = tmp_path_factory.mktemp("questions") / "q.jsonl"
    write_questions(asked, file)
    assert read_questions(file) == asked


ROW = {"question_id": "a-1", "question": "Is it so?", "value": "a", "form": "advice", "topic": "work"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "{}",
            "line 2: no question, it lacks 'question_id', 'question', 'form', 'topic'; a question has",
        ),
        ("{", r"line 2: no question \(JSONDecodeError"),
        ("[]", "line 2: no question"),
        (json.dumps({**ROW, "form": "song"}), r"line 2: form: Input should be 'advice'.*got 'song'"),
        (json.dumps({**ROW, "question_id": None}), "line 2: question_id: Input should be a valid string"),
        (
            json.dumps({key: ROW[key] for key in ("question_id", "question", "value")}),
            "line 2: .* lacks 'form', 'topic'; ",
        ),
        (json.dumps(ROW), "line 2: the id 'a-1' occurs a second time"),
    ],
)
def test_a_line_that_is_no_question_is_named(tmp_path, line, message):
    file = tmp_path / "q.jsonl"
    file.write_text(json.dumps(ROW) + "\n" + line + "\n")
    with pytest.raises(QuestionsError, match=message):
        read_questions(file)


@pytest.mark.parametrize(("content", "message"), [(b"", "holds no questions"), (b"\xff\xfe", "cannot be read")])
def test_a_file_without_questions_is_refused(tmp_path, content, message):
    (tmp_path / "q.jsonl").write_bytes(content)
    with pytest.raises(QuestionsError, match=message):
        read_questions(tmp_path / "q.jsonl")
