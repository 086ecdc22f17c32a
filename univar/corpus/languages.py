"""Languages by ISO 639-3 code, the only codes used outside the translation module."""

import contextlib
import functools
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import langcodes
import yaml

# BCP 47 names a macrolanguage where the corpus names the member that LLMs and NLLB-200 write:
# "ar" is Modern Standard Arabic, "fa" Iranian Persian, and so on. Source: NLLB-200 language list.
_MEMBER_OF_MACROLANGUAGE = {"ar": "arb", "fa": "pes", "ms": "zsm", "sw": "swh", "qu": "quy", "fil": "tgl"}

# Undetermined, several, none, uncoded; qaa to qtz are for private use. Source: ISO 639-2.
_NO_LANGUAGE = frozenset({"und", "mul", "zxx", "mis"})


@functools.lru_cache(maxsize=4096)
def language_code(code: str) -> str:
    """The ISO 639-3 code of a language given by its ISO 639-1, ISO 639-3 or BCP 47 code.

    Example:
        >>> language_code("en"), language_code("pt-BR"), language_code("quy"), language_code("ar")
        ('eng', 'por', 'quy', 'arb')

    Raises:
        ValueError: If no such language is registered.
    """
    tag = code.strip().replace("_", "-").lower()
    if langcodes.tag_is_valid(tag):
        # A code of three letters names the language itself; langcodes would turn a member into its macrolanguage.
        primary = tag if tag.isalpha() and len(tag) == 3 else langcodes.Language.get(tag).language or "und"
        if primary in _MEMBER_OF_MACROLANGUAGE:
            return _MEMBER_OF_MACROLANGUAGE[primary]
        if primary not in _NO_LANGUAGE and not "qaa" <= primary <= "qtz":
            with contextlib.suppress(LookupError):  # of a private tag such as x-foo
                return primary if len(primary) == 3 else langcodes.Language.get(primary).to_alpha3()
    raise ValueError(f"unknown language {code!r}; use an ISO 639-3 code such as eng, zho, arb, fra")


@dataclass(frozen=True, slots=True)
class Language:
    """A language that univar asks in.

    Attributes:
        code: ISO 639-3.
        nllb: Its code in NLLB-200; for the translation alone.
        name: In English.
        own_name: In the language itself.
        script: ISO 15924.
        direction: Of its writing.
        societies: Weights, which sum to 1, by ISO 3166-1 alpha-3 code of the societies that it stands for: those in
            which it is the first official language, by their share of its speakers (Unicode CLDR).
    """

    code: str
    nllb: str
    name: str
    own_name: str
    script: str
    direction: Literal["ltr", "rtl"]
    societies: dict[str, float]


@functools.cache
def languages() -> dict[str, Language]:
    """The 25 languages of the corpus by code, English first (paper, page 13)."""
    table = (files("univar") / "assets" / "languages.yaml").read_text("utf-8")
    return {row["code"]: Language(**row) for row in yaml.safe_load(table)}
