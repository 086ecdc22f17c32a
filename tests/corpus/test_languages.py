import pytest
from hypothesis import given
from hypothesis import strategies as st

from univar.corpus.languages import language_code


@pytest.mark.parametrize(
    ("given_code", "iso"),
    [
        ("eng", "eng"),
        ("en", "eng"),
        ("EN", "eng"),
        (" en-GB ", "eng"),
        ("pt_BR", "por"),
        ("zh-Hans", "zho"),
        ("quy", "quy"),
        ("ceb", "ceb"),
    ],
)
def test_a_code_of_any_kind_becomes_iso_639_3(given_code, iso):
    assert language_code(given_code) == iso


@pytest.mark.parametrize(("macrolanguage", "member"), [("ar", "arb"), ("fa", "pes"), ("sw", "swh"), ("ms-MY", "zsm")])
def test_a_macrolanguage_becomes_the_member_that_is_written(macrolanguage, member):
    assert language_code(macrolanguage) == member


@pytest.mark.parametrize(
    "unknown", ["", "x", "english", "qqq", "qaa", "zzzz", "12", "und", "mul", "zxx", "mis", "en/.."]
)
def test_an_unknown_language_is_named_in_the_error(unknown):
    with pytest.raises(ValueError, match=r"unknown language .*ISO 639-3"):
        language_code(unknown)


PAPER = "eng zho kor jpn deu fin swe fra ita por spa tha vie zsm tgl hat quy rus ron bul ind arb hin swh pes"


def test_the_languages_of_the_paper_are_known_by_their_own_codes():
    codes = PAPER.split()
    assert [language_code(code) for code in codes] == codes


@given(st.text(max_size=12))
def test_any_text_gives_three_letters_or_a_value_error(text):
    try:
        code = language_code(text)
    except ValueError:
        return
    assert len(code) == 3
    assert code.isascii()
    assert code.islower()
    assert language_code(code) == code
