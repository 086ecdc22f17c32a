"""Languages by ISO 639-3 code, the only codes used outside the translation module."""

import contextlib
import functools
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import langcodes
import yaml
from langcodes.registry_parser import parse_registry

# BCP 47 names a macrolanguage where the corpus names the member that LLMs and NLLB-200 write:
# "ar" is Modern Standard Arabic, "fa" Iranian Persian, and so on. Source: NLLB-200 language list.
_MEMBER_OF_MACROLANGUAGE = {"ar": "arb", "fa": "pes", "ms": "zsm", "sw": "swh", "qu": "quy", "fil": "tgl"}

# Undetermined, several, none, uncoded; qaa to qtz are for private use. Source: ISO 639-2.
_NO_LANGUAGE = frozenset({"und", "mul", "zxx", "mis"})


@functools.lru_cache(maxsize=4096)
def language_code(code: str) -> str:
    """The ISO 639-3 code of a language given by its ISO 639-1, ISO 639-3 or BCP 47 code, or by its name.

    Names are those in English of all languages that ISO 639-1 has a code for, and those in the language itself of the
    languages of the corpus; what stands in brackets after a name is passed over.

    Example:
        >>> language_code("en"), language_code("pt-BR"), language_code("quy"), language_code("ar")
        ('eng', 'por', 'quy', 'arb')
        >>> language_code("French"), language_code("Deutsch"), language_code("Chinese (Simplified)")
        ('fra', 'deu', 'zho')

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
    elif (named := _names().get(_plain(code))) is not None:
        return named
    raise ValueError(f"unknown language {code!r}; use an ISO 639-3 code such as eng, zho, arb, fra")


@functools.cache
def _names() -> dict[str, str]:
    """Codes by names, in small letters."""
    entries = parse_registry()  # type: ignore[no-untyped-call]
    registered = (entry for entry in entries if entry["Type"] == "language" and len(entry["Subtag"]) == 2)
    named = {
        _plain(name).removeprefix("modern "): language_code(entry["Subtag"])  # Modern Greek is Greek
        for entry in registered
        if "Deprecated" not in entry
        for name in entry["Description"]
    }
    own = {_plain(name): code for code, known in languages().items() for name in (known.name, known.own_name)}
    return {**named, **own}


def _plain(name: str) -> str:
    return name.partition("(")[0].strip().casefold()


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
        family: Family, branch and group, as Indo-European, Germanic, West Germanic.
        societies: Weights, which sum to 1, by ISO 3166-1 alpha-3 code of the societies that it stands for: those in
            which it is the first official language, by their share of its speakers (Unicode CLDR).
    """

    code: str
    nllb: str
    name: str
    own_name: str
    script: str
    direction: Literal["ltr", "rtl"]
    family: tuple[str, str, str]
    societies: dict[str, float]


@functools.cache
def languages() -> dict[str, Language]:
    """The 25 languages of the corpus by code, English first (paper, page 13)."""
    table = (files("univar") / "assets" / "languages.yaml").read_text("utf-8")
    return {row["code"]: Language(**row | {"family": tuple(row["family"])}) for row in yaml.safe_load(table)}
