from dataclasses import replace

import numpy as np
import pytest

from univar.corpus.questions.bank import Question, control_questions, question_bank
from univar.corpus.questions.checks import check_questions, distribution, nearest_neighbours, quantiles
from univar.corpus.questions.taxonomy import reference_taxonomy


def question(number: int, text: str, value: str | None = "honesty") -> Question:
    return Question(f"honesty-{number:02d}", text, text, "eng", value, "advice", "work")


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


def test_what_a_question_does_not_state_is_counted_so():
    unstated = replace(question(1, "Would you lie to a friend?", None), form=None, topic=None)
    counts = distribution([unstated], reference_taxonomy())
    assert {name: dict(counts[name]) for name in ("value", "family", "form", "topic")} == {
        name: {"(not stated)": 1} for name in ("value", "family", "form", "topic")
    }
