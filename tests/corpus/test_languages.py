import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from univar.corpus.languages import language_code, languages


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
    ("name", "iso"),
    [
        ("English", "eng"),
        (" french ", "fra"),
        ("Deutsch", "deu"),
        ("中文", "zho"),
        ("Chinese (Simplified)", "zho"),
        ("Modern Standard Arabic", "arb"),
        ("Malay", "zsm"),  # the member of the macrolanguage, as for its code
        ("Greek", "ell"),  # "Modern Greek (1453-)" in the registry
        ("Punjabi", "pan"),  # one of two names
    ],
)
def test_a_name_becomes_iso_639_3(name, iso):
    assert language_code(name) == iso


@pytest.mark.parametrize(
    "unknown",
    ["", "x", "elvish", "(English)", "qqq", "qaa", "zzzz", "12", "und", "mul", "zxx", "mis", "en/..", "x-foo"],
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


# The table


def test_the_25_languages_of_the_paper_are_there():
    paper = "eng zho kor jpn deu fin swe fra ita por spa tha vie zsm tgl hat quy rus ron bul ind arb hin swh pes"
    assert set(languages()) == set(paper.split())


def test_codes_names_and_directions_are_consistent():
    for code, language in languages().items():
        assert language.code == code == language_code(code)
        assert re.fullmatch(rf"{code}_[A-Z][a-z]{{3}}", language.nllb)
        assert language.name
        assert language.own_name
        assert re.fullmatch("[A-Z][a-z]{3}", language.script)
        assert language.direction == ("rtl" if language.script == "Arab" else "ltr")


def test_the_weights_of_societies_sum_to_1():
    for language in languages().values():
        assert language.societies
        assert sum(language.societies.values()) == pytest.approx(1)
        assert all(re.fullmatch("[A-Z]{3}", society) for society in language.societies)
        assert all(0 < weight <= 1 for weight in language.societies.values())


def test_every_language_has_a_family_a_branch_and_a_group():
    families = {code: language.family for code, language in languages().items()}
    assert all(len(family) == 3 and all(family) for family in families.values())
    # A branch lies in one family, and a group in one branch.
    for upper, lower in ((0, 1), (1, 2)):
        above = {(family[upper], family[lower]) for family in families.values()}
        assert len({lower for _, lower in above}) == len(above)
    assert families["zsm"] == families["ind"]
    assert families["eng"] == families["deu"] != families["swe"]
    assert families["kor"][0] != families["jpn"][0]
