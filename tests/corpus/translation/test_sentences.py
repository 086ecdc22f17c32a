"""Texts as lines of sentences and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from univar.corpus.languages import languages
from univar.corpus.translation.sentences import halved, joined, lines_of, worded


def sentences(text: str, lang: str = "eng", most: int = 200) -> list[str]:
    return list(worded(lines_of(text, lang, len, most)))


def test_a_paragraph_is_cut_at_the_ends_of_its_sentences():
    text = "Dr. Smith paid 3.5 dollars. Is it right? Yes!"
    assert sentences(text) == ["Dr. Smith paid 3.5 dollars.", "Is it right?", "Yes!"]


@pytest.mark.parametrize(
    ("lang", "text", "count"),
    [
        ("zho", "诚实很重要。但有时可以撒谎。", 2),
        ("hin", "मैं मानता हूँ। यह सही है।", 2),
        ("amh", "ሰላም ነው። እንዴት ነህ?", 2),
        ("arb", "نعم. لا.", 2),
    ],
)
def test_other_scripts_end_sentences_in_their_own_way(lang, text, count):
    assert len(sentences(text, lang)) == count


def test_line_ends_and_list_markers_stay_and_are_not_translated():
    text = "Two things:\n\n- Be kind. Be firm.\n  2) **No**\n***\n> 42\nEnd"
    assert sentences(text) == ["Two things:", "Be kind.", "Be firm.", "**No**", "End"]
    translations = {sentence: sentence.upper() for sentence in sentences(text)}
    assert joined(lines_of(text, "eng", len, 200), translations, "fra") == text.upper()


def test_chinese_and_japanese_put_no_space_between_sentences():
    lines = lines_of("Yes. No.", "eng", len, 200)
    assert joined(lines, {"Yes.": "是。", "No.": "不。"}, "zho") == "是。不。"
    assert joined(lines, {"Yes.": "Oui.", "No.": "Non."}, "fra") == "Oui. Non."


@given(st.text(max_size=300), st.sampled_from(sorted(languages())))
def test_no_letter_is_lost_and_none_is_doubled(text, lang):
    kept = joined(lines_of(text, lang, len, 40), {}, lang)
    assert "".join(kept.split()) == "".join(text.split())


def test_a_long_sentence_is_cut_at_a_clause_near_its_middle():
    # 11 words on each side of the semicolon; the comma is further from the middle.
    text = f"{'one ' * 4}, {'two ' * 7}; {'three ' * 11}"
    assert halved(text.strip(), lambda part: len(part.split()), 16) == [
        f"{'one ' * 4}, {'two ' * 7};",
        ("three " * 11).strip(),
    ]


@given(st.text(alphabet="ab ,;字", min_size=1, max_size=200))
def test_every_part_of_a_long_sentence_fits(text):
    parts = halved(text, len, 20)
    assert all(len(part) <= 20 for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())
