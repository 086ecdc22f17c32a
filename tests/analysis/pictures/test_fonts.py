"""Names in any script in pictures. No test depends on what is installed: fonts are those that matplotlib brings."""

import logging
import re
import shutil
import warnings
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import font_manager
from matplotlib.figure import Figure

from univar.analysis.map.reading import build_map
from univar.analysis.pictures import fonts
from univar.analysis.pictures.agreement_figure import draw_agreement
from univar.analysis.pictures.corpus_figure import draw_counts
from univar.analysis.pictures.fonts import families_for, fitted, fonts_for
from univar.analysis.pictures.map_figure import draw_map
from univar.corpus.building import IdentityCounts
from univar.corpus.records import Identity, QARecord

HOOKED = "ᶁ"  # a letter that DejaVu Sans, which pictures are in, lacks and STIXGeneral has
NAMES = ["通义千问", "さくら", "솔라", "हिन्दी", "عربي", "gpt-4o"]
TOLD = (
    "no font on this machine has the characters of Devanagari, Han, Hangul, Hiragana, which are boxes in the picture; "
    "install Noto Sans CJK, Noto Sans Devanagari (on Debian and Ubuntu fonts-noto-cjk, fonts-noto-core) and draw it "
    "again"
)


@pytest.fixture(autouse=True)
def shipped_fonts(monkeypatch) -> list[font_manager.FontEntry]:
    """Nothing is installed but what matplotlib brings."""
    listed = [e for e in font_manager.fontManager.ttflist if Path(e.fname).is_relative_to(matplotlib.get_data_path())]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", listed)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [])
    return listed


# Which fonts


def test_a_font_that_has_what_is_lacking_comes_after_the_one_in_use():
    assert families_for([f"x{HOOKED}", "y"]) == (["STIXGeneral"], "")
    before = list(matplotlib.rcParams["font.family"])
    with fonts_for([HOOKED]), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert matplotlib.rcParams["font.family"] == [*before, "STIXGeneral"]
        Figure().text(0, 0, HOOKED).get_window_extent()
    assert matplotlib.rcParams["font.family"] == before


def test_no_font_is_looked_for_where_none_is_lacking(monkeypatch):
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: pytest.fail("looked for"))
    # Beside letters what has no shape: a joiner, a selector of variants, a line break, a control character.
    assert families_for(["gpt-4o", "мова", "عربي", "a\u200db\ufe0f\n\x07"]) == ([], "")


def test_a_font_is_found_that_was_installed_after_matplotlib_listed_them(monkeypatch, shipped_fonts, tmp_path):
    (entry,) = [e for e in shipped_fonts if Path(e.fname).name == "STIXGeneral.ttf"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [e for e in shipped_fonts if "STIX" not in e.name])
    assert families_for([HOOKED]) == ([], HOOKED)
    installed = [tmp_path / "STIXGeneral.ttf", tmp_path / "broken.ttf", tmp_path / "gone.ttf"]
    shutil.copy(entry.fname, installed[0])
    installed[1].write_bytes(b"no font")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: list(map(str, installed)))
    assert families_for([HOOKED]) == (["STIXGeneral"], "")
    installed[0].unlink()
    assert families_for([HOOKED]) == ([], HOOKED)


@pytest.mark.parametrize(
    ("text", "first"),
    [("通义", "Noto Sans CJK SC"), ("通さ", "Noto Sans CJK JP"), ("通솔", "Noto Sans CJK KR")],
)
def test_han_is_written_as_where_the_text_is_from(monkeypatch, text, first):
    names = [f"Noto {kind} CJK {region}" for kind in ("Serif", "Sans Mono", "Sans") for region in ("JP", "KR", "SC")]
    monkeypatch.setattr(fonts, "_families_holding", lambda missing: {name: set(missing) for name in names})
    assert families_for([text]) == ([first], "")


def test_the_font_that_has_most_comes_first(monkeypatch):
    holders = {"A": set("通"), "Noto Sans CJK SC": set("通义"), "Noto Sans Devanagari": set("ह"), "B": set("x")}
    monkeypatch.setattr(fonts, "_families_holding", lambda _: holders)
    assert families_for(["通义हก"]) == (["Noto Sans CJK SC", "Noto Sans Devanagari"], "ก")


# What no font has


def pictures(folder: Path) -> list[Path]:
    """Each picture in each of its formats, with all of the names."""
    records = [QARecord(f"{q}", f"Is {q} good?", "Yes.", name, "eng") for name in NAMES for q in range(4)]
    value_map = build_map(records, np.random.default_rng(0).normal(size=(len(records), 8)))
    counts = {Identity(name, "eng"): IdentityCounts(2, 1, 9) for name in NAMES}
    pairs = {name: np.linspace(0, 1, 5) for name in NAMES[:4]}
    titles = {(name, "stances"): name for name in pairs}
    paths = [folder / f"{kind}.{suffix}" for kind in ("map", "counts") for suffix in ("png", "svg", "pdf")]
    for path in paths:
        draw_map(value_map, path, title="价值观") if path.stem == "map" else draw_counts(counts, path)
    draw_agreement(pairs, {"stances": np.linspace(0, 1, 5)}, titles, folder / "agreement.png")
    return [*paths, folder / "agreement.png"]


def test_scripts_without_a_font_are_told_once_a_picture_with_what_to_install(caplog, tmp_path):
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        drawn = pictures(tmp_path)
    assert [record.getMessage() for record in caplog.records] == [TOLD] * len(drawn)
    assert {record.name for record in caplog.records} == {"univar.analysis.pictures.fonts"}
    assert min(path.stat().st_size for path in drawn) > 5_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("「通、", "of Han, which.* Noto Sans CJK .*fonts-noto-cjk"),
        ("ለ", "of Ethiopic, which.* Noto Sans Ethiopic .*fonts-noto-core"),
        ("🤖", "of symbols, which.* Symbola .*fonts-symbola"),
    ],
)
def test_each_script_has_its_font(caplog, text, words):
    with fonts_for([text]):
        (record,) = caplog.records
    assert re.search(words, record.getMessage())


# How wide names are


def test_characters_of_east_asia_are_as_wide_as_two_letters():
    # Of nine characters that are 18 wide, four and an ellipsis are 9 wide.
    assert fitted("通义千问大语言模型", 9) == "通义…模型"
    assert fitted("通义千问大语言模型", 18) == "通义千问大语言模型"
    assert fitted("qwen-max", 8) == "qwen-max"
    assert fitted("qwen\x1b-max", 9) == "qwen\N{REPLACEMENT CHARACTER}-max"


@given(st.text(max_size=60), st.integers(1, 40))
def test_a_name_is_never_wider_than_there_is_room(text, columns):
    short = fitted(text, columns)
    assert sum(1 + fonts._is_wide(character) for character in short) <= columns
    assert len(short.splitlines()) <= 1
