"""The language of answers that name none, as far as it can be told."""

import functools
from collections import Counter
from typing import Any

from univar.corpus.filters import FEWEST_LETTERS
from univar.corpus.languages import language_code

SAMPLE = 100
"""Rows of a file, spread over it, by which its language is told."""

_SURE = 0.9  # the least probability of the language of a text
_NEARLY_ALL = 0.95  # the least share of the texts of a file in the language that all of it is taken for

# Too near each other, at the length of an answer, for an identifier that cannot ask.
_ALIKE = frozenset({"ind", "zsm", "bos", "hrv", "srp"})


@functools.cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def likely(text: str) -> str | None:
    """The ISO 639-3 code of the language that a text is probably in; None if it is too short to say, or not clear."""
    # Of a script with many signs fewer are enough, and they have more bytes.
    if len("".join(filter(str.isalpha, text)).encode("utf-8", "replace")) < FEWEST_LETTERS:
        return None
    label, probability = _identifier().classify(text)
    if probability < _SURE:
        return None
    try:
        return language_code(label)
    except ValueError:
        return None


def spoken(text: str) -> str | None:
    """As `likely`, and None too where other languages are so near that it may be one of them."""
    found = likely(text)
    return None if found in _ALIKE else found


def one_language(found: Counter[str | None]) -> str | None:
    """The language of nearly all texts; None if they are in several, or too few can be told."""
    told = Counter({lang: count for lang, count in found.items() if lang is not None})
    if not can_be_told(found):
        return None
    (lang, count), *_ = told.most_common(1)
    return lang if count >= _NEARLY_ALL * told.total() else None


def can_be_told(found: Counter[str | None]) -> bool:
    """Whether most texts are long and clear enough."""
    return 2 * found[None] < found.total()
