"""What is no good translation, and why: told from the two texts, without a reference."""

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import Literal, get_args

from univar.corpus.filters import repeats, speaks
from univar.corpus.languages import languages
from univar.corpus.questions.bank import bank_languages, questions_in

Defect = Literal[
    "empty", "cut off", "wrong language", "copied", "length", "repetition", "numbers", "names", "round trip"
]
DEFECTS: tuple[Defect, ...] = get_args(Defect)

# The thresholds are set on the bank's 24 x 87 translations and on defects planted in them; what they catch and what
# they alarm falsely is measured by `benchmarks/translation_gate.py`.
LARGEST_LENGTH_FACTOR = 2.0
"""By which the characters of a translation may exceed or fall short of what is usual between two languages."""
FEWEST_CHARACTERS = 30
"""Of a source whose length says something about that of its translation."""
LARGEST_COPIED_SHARE = 0.5
"""Of a translation's runs of five characters that also stand in the source."""
FEWEST_KEPT_NUMBERS = 0.6
"""Share of a text's numbers of two digits or more that the other one has too, both ways."""
FEWEST_KEPT_NAMES = 0.5
"""Share of the source's capitalised words amid sentences that begin alike in the translation."""
FEWEST_NAMES = 2
"""In a source whose names are looked at: a single one may be a country, which has another name in each language."""
LOWEST_ROUND_TRIP = 25.0
"""chrF (0 to 100) of a text translated there and back against itself."""

_RUN, _STEM = 5, 3
_LOOP = re.compile(r"(\S.{2,80}?)\1{3}", re.DOTALL)
_NUMBER = re.compile(r"\d+(?:[.,\u066b\u066c\u202f\u00a0' ]\d{3})*(?:[.,\u066b]\d+)?(?:[万萬亿億만억]\d{1,4})?")
_AMID = re.compile(r"(?<=[^\W\d_] )[^\W\d_]\w+|(?<=, )[^\W\d_]\w+")
# German nouns; in Indonesian and Italian the polite pronoun.
_CAPITALISES_MORE = frozenset({"deu", "ind", "ita"})


def defects(
    source: str, translation: str, source_lang: str, target_lang: str, *, cut: bool = False, back: str | None = None
) -> Iterator[Defect]:
    """What speaks against a translation; nothing for a good one.

    Args:
        source: What was translated.
        translation: What came of it.
        source_lang: ISO 639-3.
        target_lang: ISO 639-3.
        cut: Whether the translator was stopped before it had finished.
        back: The translation translated back to `source_lang`, if it was.
    """
    if not any(map(str.isalnum, translation)):
        if any(map(str.isalpha, source)):
            yield "empty"
        return
    if cut:
        yield "cut off"
    if copied_share(source, translation) > LARGEST_COPIED_SHARE and _worth_translating(source):
        yield "copied"
    elif speaks(translation, target_lang) is False:
        yield "wrong language"
    factor = length_factor(source, translation, source_lang, target_lang)
    if len(source) >= FEWEST_CHARACTERS and not 1 / LARGEST_LENGTH_FACTOR <= factor <= LARGEST_LENGTH_FACTOR:
        yield "length"
    if loops(translation, target_lang) and not loops(source, source_lang):
        yield "repetition"
    if min(kept_numbers(source, translation), kept_numbers(translation, source)) < FEWEST_KEPT_NUMBERS:
        yield "numbers"
    if kept_names(source, translation, source_lang, target_lang) < FEWEST_KEPT_NAMES:
        yield "names"
    if back is not None and round_trip(source, back) < LOWEST_ROUND_TRIP:
        yield "round trip"


def _worth_translating(source: str) -> bool:
    """Whether a text has enough words that a copy of it cannot be its translation."""
    return sum(map(str.isalpha, source)) >= FEWEST_CHARACTERS


def length_factor(source: str, translation: str, source_lang: str, target_lang: str) -> float:
    """How many times as long a translation is as one of this source usually is; 1 is usual.

    What is usual is the ratio of the characters of the bank's questions in both languages, 1 for other languages.
    """
    usual = _characters(target_lang) / _characters(source_lang)
    return len(translation.strip()) / max(1, len(source.strip())) / usual


@functools.cache
def _characters(lang: str) -> float:
    """Of a question in a language, for each character of the English one."""
    if lang not in bank_languages():
        return 1.0
    questions = questions_in(lang)
    return sum(len(item.question) for item in questions) / sum(len(item.question_key) for item in questions)


def copied_share(source: str, translation: str) -> float:
    """The share of the translation's runs of five characters, case and spacing aside, that stand in the source."""
    said, written = (_runs(text) for text in (translation, source))
    return sum((said & written).values()) / max(1, said.total())


def _runs(text: str) -> Counter[str]:
    plain = " ".join(text.casefold().split())
    return Counter(plain[start : start + _RUN] for start in range(len(plain) - _RUN + 1))


def loops(text: str, lang: str) -> bool:
    """Whether a text runs in circles: most of it stands there twice, or something four times in a row."""
    return repeats(text, lang) or _LOOP.search(" ".join(text.casefold().split()) + " ") is not None


def kept_numbers(text: str, other: str) -> float:
    """The share of a text's numbers of two digits or more that another text has too; 1 if there are none.

    Smaller ones may become words. Separators and last zeros do not count: 40,000 may be 40 mil, or 4万.
    """
    needed = Counter(digits.rstrip("0") for digits in _digits(text) if len(digits) > 1)
    found = Counter(digits.rstrip("0") for digits in _digits(other))
    return sum((needed & found).values()) / needed.total() if needed else 1.0


def _digits(text: str) -> Iterator[str]:
    """The numbers of a text as ASCII digits without separators."""
    return ("".join(str(unicodedata.digit(c)) for c in number if c.isdigit()) for number in _NUMBER.findall(text))


def kept_names(source: str, translation: str, source_lang: str, target_lang: str) -> float:
    """The share of the source's names that begin alike in the translation; 1 where that cannot be told.

    Names are capitalised words amid sentences, two at least. It can be told between two languages in Latin script of
    which the source capitalises nothing else; in other scripts names are transliterated.
    """
    table = languages()
    latin = all(lang in table and table[lang].script == "Latn" for lang in (source_lang, target_lang))
    if not latin or source_lang in _CAPITALISES_MORE:
        return 1.0
    names = {_stem(word) for word in _AMID.findall(source) if word[0].isupper()}
    said = {_stem(word) for word in re.findall(r"[^\W\d_]\w+", translation)}
    return len(names & said) / len(names) if len(names) >= FEWEST_NAMES else 1.0


def _stem(word: str) -> str:
    plain = unicodedata.normalize("NFKD", word.casefold())
    return "".join(c for c in plain if not unicodedata.combining(c))[:_STEM]


def round_trip(source: str, back: str) -> float:
    """The chrF (0 to 100; Popović 2015) of a text that was translated there and back, against itself."""
    from sacrebleu.metrics.chrf import CHRF

    return float(CHRF().sentence_score(back, [source]).score)
