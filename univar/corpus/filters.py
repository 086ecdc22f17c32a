"""What is no usable answer, and why: told by rules, counted, and kept apart, never thrown away."""

import functools
import re
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from typing import Literal, get_args

import yaml

from univar.corpus.languages import language_code, languages
from univar.corpus.reasoning import split_reasoning

Reason = Literal[
    "empty",
    "only reasoning",
    "filtered",
    "prompt echo",
    "repetition",
    "refusal",
    "wrong language",
    "cut off",
    "bad translation",
]
REASONS: tuple[Reason, ...] = get_args(Reason)
DROPPED: tuple[Reason, ...] = tuple(reason for reason in REASONS if reason != "cut off")
"""What is kept apart by default. A cut-off answer is usable, for LLMs mostly begin with what they hold."""

MOST_CUT_OFF = 0.1
"""Share of the answers of an LLM that may be cut off before it is told."""

FEWEST_LETTERS = 40
"""Of an answer whose language is looked at; the identifier guesses at shorter ones."""

_REFUSAL_STARTS_WITHIN = 200
_REPEATED, _FEWEST_GRAMS, _GRAM = 0.5, 12, 4
# What servers say where a filter of theirs stood between the LLM and the answer, or took a part of it.
_FILTERED = frozenset(
    {"content_filter", "content_filtered", "safety", "sensitive", "recitation", "prohibited_content", "blocklist"}
)
# What servers say where an answer was ended by its limit.
_CUT_OFF = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
_NO_SPACES = frozenset({"zho", "jpn", "tha"})
# Too near each other for any identifier at the length of an answer.
_ALIKE = (frozenset({"ind", "zsm"}), frozenset({"eng", "pcm"}))


def reasons_against(
    answer: str, question: str, lang: str, finish_reason: str | None = None, reasoning: str | None = None
) -> Iterator[Reason]:
    """What speaks against an answer, worst first; nothing for a usable one.

    Args:
        answer: As the LLM gave it.
        question: As it was asked.
        lang: ISO 639-3 of the question.
        finish_reason: As the server said, if it is known.
        reasoning: What the LLM thought, if that is known; thoughts in the answer are told too, and are no part of it.
    """
    answer, reasoning = split_reasoning(answer, reasoning)
    declared = declared_reason(answer, finish_reason, reasoning)
    if declared is not None:
        yield declared
    if not answer.split():
        return
    if _same(answer, question):
        yield "prompt echo"
    if repeats(answer, lang):
        yield "repetition"
    if declared != "refusal" and refuses(answer, lang):
        yield "refusal"
    if speaks(answer, lang) is False:
        yield "wrong language"
    if is_cut_off(finish_reason):
        yield "cut off"


def declared_reason(answer: str, finish_reason: str | None, reasoning: str | None = None) -> Reason | None:
    """What speaks against an answer by what its server says of it, or because there is none; None for nothing.

    Args:
        answer: Without thoughts.
        finish_reason: As the server said, `refusal` where it declared one, if it is known.
        reasoning: What the LLM thought, if that is known; where all tokens are spent and none is seen, they went there.
    """
    finish = (finish_reason or "").casefold().partition(":")[0]
    if finish in _FILTERED:
        return "filtered"
    if finish == "refusal":
        return "refusal"
    if answer.split():
        return None
    return "only reasoning" if reasoning or is_cut_off(finish) else "empty"


def is_cut_off(finish_reason: str | None) -> bool:
    """Whether an answer was ended by a limit of its tokens, by what its server says."""
    return (finish_reason or "").casefold() in _CUT_OFF


def _same(answer: str, question: str) -> bool:
    said, asked = (" ".join(text.lower().split()) for text in (answer, question))
    return said.startswith(asked) and len(said) < len(asked) + 20


def repeats(text: str, lang: str) -> bool:
    """Whether most runs of four words (characters, where words are not spaced) stand in a text more than once."""
    units = text if lang in _NO_SPACES else text.split()
    grams = [tuple(units[start : start + _GRAM]) for start in range(len(units) - _GRAM + 1)]
    if len(grams) < _FEWEST_GRAMS:
        return False
    counts = Counter(grams)
    return sum(count for count in counts.values() if count > 1) > _REPEATED * len(grams)


def refuses(answer: str, lang: str) -> bool:
    """Whether an answer begins with a stock refusal in its language or in English, which LLMs fall back to."""
    start = answer.strip()[:_REFUSAL_STARTS_WITHIN].replace("\u2019", "'")
    patterns = _refusals()
    found = [*patterns.get(lang, ()), *(patterns["eng"] if lang != "eng" else ())]
    return any(pattern.search(start) for pattern in found)


@functools.cache
def _refusals() -> dict[str, tuple[re.Pattern[str], ...]]:
    table = yaml.safe_load((files("univar") / "assets" / "refusals.yaml").read_text("utf-8"))
    return {lang: tuple(re.compile(text, re.IGNORECASE) for text in texts) for lang, texts in table.items()}


def speaks(answer: str, lang: str) -> bool | None:
    """Whether a text is in a language; None if it is too short to say, or the identifier does not know it."""
    import py3langid

    if lang not in _identifiable() or sum(map(str.isalpha, answer)) < FEWEST_LETTERS:
        return None
    found = py3langid.classify(answer)[0]
    alike = next((group for group in _ALIKE if lang in group), {lang})
    return any(_is(found, code) for code in alike)


@functools.cache
def _identifiable() -> frozenset[str]:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    labels = LanguageIdentifier.from_model_file(MODEL_FILE).labels
    return frozenset(code for code in languages() if any(_is(label, code) for label in labels))


def _is(label: str, lang: str) -> bool:
    """Whether the identifier's label, an ISO 639-1 or 639-3 code, names a language."""
    try:
        return language_code(label) == lang
    except ValueError:
        return False
