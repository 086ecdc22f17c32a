"""What speaks against a translation: planted defects, and none in good translations."""

import pytest

from benchmarks.translation_gate import false_alarms, question_pairs, rows, sentence_pairs
from univar.corpus.translation.quality import (
    DEFECTS,
    copied_share,
    defects,
    kept_names,
    kept_numbers,
    length_factor,
    loops,
    round_trip,
)


@pytest.fixture(scope="module")
def measured():
    """The table of the benchmark on eight questions a language."""
    return {planted: (defect, as_this / n) for planted, defect, n, as_this, _ in rows(per_language=8)}


@pytest.mark.parametrize(
    ("planted", "least"),
    [
        ("nothing", 1.0),
        ("the translation in a third language", 0.85),  # short ones are not looked at
        ("the source again", 0.95),
        ("its first quarter", 0.95),
        ("itself and others, three times as long", 0.95),
        ("its last words twelve times", 1.0),
        ("other numbers", 0.95),
        ("other names, Latin script", 0.75),  # a single name is not looked at
        ("another question came back", 0.9),
    ],
)
def test_planted_defects_are_caught(measured, planted, least):
    defect, share = measured[planted]
    assert defect in DEFECTS
    assert share >= least


def test_good_translations_alarm_almost_never():
    assert sum(false_alarms(question_pairs(per_language=8)).values()) == 0
    # Of 120, those of a sentence in which Arabic spells 71 out.
    assert false_alarms(sentence_pairs()) == {"numbers": 2}


def test_a_decoder_that_was_stopped_is_told():
    assert list(defects("Ja.", "Yes.", "deu", "eng", cut=True)) == ["cut off"]


def test_what_holds_no_letter_needs_no_translation():
    assert list(defects("42 %", "42 %", "deu", "eng")) == []
    assert list(defects("***", "", "deu", "eng")) == []


def test_a_name_or_a_word_may_be_the_same_in_both_languages():
    assert list(defects("Mozart!", "Mozart!", "deu", "eng")) == []


def test_length_is_compared_with_what_is_usual():
    # A language that the bank does not have counts as long as English: 60 characters of 30 are twice as many.
    assert length_factor("a" * 30, "b" * 60, "eng", "isl") == 2.0
    assert length_factor("a" * 30, "b" * 10, "eng", "zho") > 0.9  # Chinese is short


def test_copied_share_is_of_the_translation():
    # "abcdef" has the runs abcde and bcdef; "abcdexy" has abcde, bcdex and cdexy, of which one stands in the source.
    assert copied_share("abcdef", "ABCDExy") == pytest.approx(1 / 3)
    assert copied_share("abcdef", "ab") == 0


@pytest.mark.parametrize(
    ("text", "other", "share"),
    [
        ("40,000 euros", "40 mil euros", 1.0),
        ("40,000 euros", "4万", 1.0),
        ("18,000", "1万8000", 1.0),
        ("١٩٩٤", "in 1994", 1.0),
        ("12 500,50", "12,500.50", 1.0),
        ("1994 and 27", "1994 and 72", 0.5),
        ("3 friends", "drei Freunde", 1.0),
        ("in 1994", "in den Neunzigern", 0.0),
    ],
)
def test_numbers_count_by_their_digits(text, other, share):
    assert kept_numbers(text, other) == share


def test_names_may_be_inflected_but_not_exchanged():
    source = "He met Priya in Toronto."
    assert kept_names(source, "Hän tapasi Priyan Torontossa.", "eng", "fin") == 1
    assert kept_names(source, "Hän tapasi Kofin Havannassa.", "eng", "fin") == 0
    assert kept_names(source, "彼はトロントでプリヤに会った。", "eng", "jpn") == 1  # cannot be told


def test_loops_are_runs_in_circles():
    assert loops("That is so, that is so, that is so, that is so, ", "eng")
    assert not loops("That is so, and that is that.", "eng")
    assert loops("好的吧好的吧好的吧好的吧好的吧", "zho")


def test_a_round_trip_is_scored_by_characters():
    assert round_trip("Is it right to lie?", "Is it right to lie?") == 100
    assert round_trip("Is it right to lie?", "Ferns grow well here.") < 20
