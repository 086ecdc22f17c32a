"""Languages by ISO 639-3 code, the only codes used outside the translation module."""

import functools

import langcodes

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
            return primary if len(primary) == 3 else langcodes.Language.get(primary).to_alpha3()
    raise ValueError(f"unknown language {code!r}; use an ISO 639-3 code such as eng, zho, arb, fra")
