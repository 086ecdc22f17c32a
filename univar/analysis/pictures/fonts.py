"""Names in any script in pictures: the fonts of this machine that have their characters, and how wide they are."""

import logging
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import matplotlib
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from univar.analysis.names import printable, shortened

logger = logging.getLogger(__name__)

_CJK = {"CJK": "Han", "HIRAGANA": "Hiragana", "KATAKANA": "Katakana", "HANGUL": "Hangul", "BOPOMOFO": "Bopomofo"}
_SYMBOLS = "symbols"
_PACKAGES = {"Noto Sans CJK": "fonts-noto-cjk", "Symbola": "fonts-symbola"}  # of Debian, else fonts-noto-core
_BOXES = "Last Resort"  # has every character of Unicode, as a box


@contextmanager
def fonts_for(texts: Iterable[str]) -> Iterator[None]:
    """What is drawn of these texts meanwhile is drawn in fonts that have their characters, after the one in use.

    Scripts that no installed font has are named in one warning, with the fonts to install; matplotlib's own, one a
    character and each time it is measured, are silenced.
    """
    families, missing = families_for(texts)
    if missing:
        logger.warning("%s", _advice(missing))
    with matplotlib.rc_context({"font.family": [*matplotlib.rcParams["font.family"], *families]}), boxes_untold():
        yield


@contextmanager
def boxes_untold() -> Iterator[None]:
    """Matplotlib does not warn of characters that no font has; for drawing again what `fonts_for` told of."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
        yield


def fitted(text: str, columns: int) -> str:
    """Text on one line that is no wider than so many Latin letters; a wider one loses its middle.

    Characters of East Asia are as wide as two letters.
    """
    text, limit = printable(text), columns
    while (width := sum(1 + _is_wide(character) for character in shortened(text, limit))) > columns:
        limit -= max(1, (width - columns) // 2)
    return shortened(text, limit)


def families_for(texts: Iterable[str]) -> tuple[list[str], str]:
    """The fewest font families, about, that have what the font in use lacks of these texts; and what none has.

    Returns:
        Names of families, the one that has most first, and the characters without a font in their order.
    """
    texts = list(texts)
    missing = {character for text in texts for character in text if _is_drawn(character)}
    missing -= _held(FT2Font(font_manager.findfont(font_manager.FontProperties())), missing)
    families: list[str] = []
    holders = _families_holding(missing) if missing else {}
    while missing and holders:
        best = min(holders, key=lambda name: (-len(holders[name] & missing), *_rank(name, texts)))
        if not holders[best] & missing:
            break
        families.append(best)
        missing -= holders.pop(best)
    return families, "".join(sorted(missing))


def _families_holding(characters: set[str]) -> dict[str, set[str]]:
    """Which of the characters each installed family has."""
    manager = font_manager.fontManager
    known = {entry.fname for entry in manager.ttflist}
    # matplotlib lists the fonts once for all: what was installed since would not be found.
    for path in sorted(set(font_manager.findSystemFonts()) - known):
        with suppress(Exception):  # of whatever kind it is that is wrong with the file, as matplotlib does
            manager.addfont(path)
    holders: dict[str, set[str]] = {}
    for entry in manager.ttflist:
        if entry.style == "normal" and not entry.name.startswith(_BOXES):
            with suppress(OSError, RuntimeError):  # listed, but removed since
                font = FT2Font(entry.fname, face_index=entry.index)
                if font.scalable and (held := _held(font, characters)):
                    holders.setdefault(entry.name, set()).update(held)
    return holders


def _held(font: FT2Font, characters: set[str]) -> set[str]:
    return {character for character in characters if font.get_char_index(ord(character))}


def _rank(name: str, texts: Iterable[str]) -> tuple[bool, bool, bool, str]:
    """Of families that have as many characters the first: sans, and Han as it is written where the texts are from."""
    scripts = {_script(character) for text in texts for character in text}
    region = "JP" if scripts & {"Hiragana", "Katakana"} else "KR" if "Hangul" in scripts else "SC"
    return "Serif" in name, "Mono" in name, not name.endswith(region), name


def _is_drawn(character: str) -> bool:
    """Whether a character has a shape; spaces, controls, joiners and selectors of variants have none."""
    unseen = character.isspace() or unicodedata.category(character)[0] == "C"
    return not unseen and not "\ufe00" <= character <= "\ufe0f"


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


def _script(character: str) -> str:
    """The script of a character, as its Unicode name begins with it."""
    first = unicodedata.name(character, "").split(" ")[0]
    if first in _CJK:
        return _CJK[first]
    category = unicodedata.category(character)[0]
    if category in "LM" and first not in ("COMBINING", "MODIFIER"):
        return first.capitalize()
    return "Han" if category == "P" and _is_wide(character) else _SYMBOLS


def _advice(missing: str) -> str:
    scripts = sorted({_script(character) for character in missing})
    fonts = sorted({"Noto Sans CJK" if script in _CJK.values() else f"Noto Sans {script}" for script in scripts})
    fonts = ["Symbola" if font.endswith(_SYMBOLS) else font for font in fonts]
    packages = sorted({_PACKAGES.get(font, "fonts-noto-core") for font in fonts})
    return (
        f"no font on this machine has the characters of {', '.join(scripts)}, which are boxes in the picture; "
        f"install {', '.join(fonts)} (on Debian and Ubuntu {', '.join(packages)}) and draw it again"
    )
