"""What is changed of an answer, and what stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from univar.analysis.style.changes import breaks_off, changed, cut, equal_length, is_whole, restyled, said
from univar.analysis.style.features import style_features
from univar.corpus.records import QARecord

TEXTS = st.text("abc def.!*#-_`\n“\N{EM DASH}|", max_size=60)


@pytest.mark.parametrize(
    ("answer", "plainly"),
    [
        ("Yes!!", "Yes."),
        ("# Thrift\n\n1. **Save** first,\n2. then *spend*", "Thrift. Save first. then spend."),
        ("“Never” — it\N{RIGHT SINGLE QUOTATION MARK}s wrong…", '"Never" - it\'s wrong.'),
        ("Good \N{GRINNING FACE}\N{VARIATION SELECTOR-16} indeed.", "Good indeed."),
        ("| a | b |\n|---|---|\n| c | d |", "a. b. c. d."),
        ("```\ncode\n```", "code."),
        ("Is it? Yes.\n\nReally.", "Is it? Yes. Really."),
    ],
)
def test_an_answer_in_one_plain_style(answer, plainly):
    assert restyled(answer) == plainly


@given(TEXTS)
def test_restyling_leaves_something_on_one_line(answer):
    once = restyled(answer)
    assert bool(once) == bool(answer)
    assert "\n" not in once.strip()
    assert not set("“\N{EM DASH}") & set(once) or once == answer


@given(TEXTS, st.integers(1, 40))
def test_a_cut_answer_is_a_beginning(answer, characters):
    short = cut(answer, characters)
    assert answer.startswith(short)
    assert len(short) <= characters


def test_a_cut_falls_between_words_where_there_are_spaces():
    assert cut("honesty matters most", 16) == "honesty matters"
    assert cut("honesty matters most", 15) == "honesty matters"
    assert cut("averyveryverylongword", 6) == "averyv"
    assert cut("short", 6) == "short"


def record(answer: str, model: str = "m", lang: str = "eng", **others: str) -> QARecord:
    return QARecord("q", "Why?", answer, model, lang, **others)


def test_the_length_is_the_median_of_the_shortest_identity():
    lengths = {"short": (10, 20, 90), "long": (300, 400, 500)}
    assert equal_length([record("a" * n, model) for model, own in lengths.items() for n in own]) == 20
    assert equal_length([record("a" * 9000)]) == 480
    assert equal_length([]) == 480


def test_the_english_version_is_what_is_changed():
    french = record("**Oui**", lang="fra", question_eng="Why?", answer_eng="**Yes**")
    (plainly,) = changed([french], restyled)
    assert (plainly.answer, plainly.answer_eng, said(plainly)) == ("**Oui**", "Yes.", "Yes.")
    (own,) = changed([record("**Oui**", lang="fra")], restyled)
    assert own.answer == "Oui."


def test_refusals_and_what_breaks_off_are_not_whole():
    sentence = "Thrift is a virtue, since whoever wastes harms others."
    assert is_whole(record(sentence))
    assert is_whole(record(f"**{sentence}**"))
    assert is_whole(record("Yes"))
    assert not is_whole(record("I'm sorry, but I can't help with that request, since it may do harm to others."))
    assert not is_whole(record(sentence[:-5]))
    assert breaks_off(f"{sentence} And then,")


def test_features_tell_style_and_no_stance():
    plain, marked, against = style_features(["You should save.", "# You should **save**!\n\n- Now", "You must spend."])
    assert (plain != marked).sum() > 5
    # Words of a stance are not counted: only how many letters they have.
    assert (plain != against).sum() <= 3
    assert style_features([""]).shape == (1, len(plain))
