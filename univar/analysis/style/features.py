"""What style alone shows of an answer: no word that a stance could hang on is counted."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from univar.corpus.plain_text import WORDS_OF_GRAMMAR

HEDGES = frozenset(
    word
    for words in (
        "perhaps maybe possibly probably likely seems seem appears somewhat guess suppose think believe feel",
        "generally typically usually certainly definitely clearly simply honestly frankly",
        "however therefore moreover additionally furthermore ultimately overall",
    )
    for word in words.split()
)
"""How sure a text sounds and how it joins its sentences, in English."""

PERSONS = frozenset(
    ("i", "i'm", "me", "my", "myself", "we", "us", "our", "you", "your", "he", "she", "they", "them", "their", "one")
)

_WORDS = sorted(WORDS_OF_GRAMMAR | HEDGES | PERSONS)
_MARKS = ".,;:!?-\N{EN DASH}\N{EM DASH}()\"'\N{RIGHT SINGLE QUOTATION MARK}\N{LEFT DOUBLE QUOTATION MARK}/…"
_MARKDOWN = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"^#+ ",
        r"^\s*[-*•] ",
        r"^\s*\d+[.)] ",
        r"\*\*",
        r"(?<!\*)\*(?!\*)",
        r"`",
        r"^\|",
        r"\]\(",
        r"\n\n",
    )
)


def style_features(answers: Sequence[str]) -> npt.NDArray[np.float64]:
    """`(n, f)` features of n answers: length, capitals, punctuation, Markdown, words of grammar, hedges and persons.

    Marks and words are counted by the word, so that length is told by the first features alone. Words are English; of
    other languages the rest tells.
    """
    return np.array([_features(answer) for answer in answers], dtype=np.float64)


def _features(answer: str) -> list[float]:
    words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", answer.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    number, counts = max(len(words), 1), Counter(word.lower() for word in words)
    sentences = max(len(re.findall(r"[.!?。\uff01\uff1f]+", answer)), 1)
    letters = max(sum(map(str.isalpha, answer)), 1)
    looks = [
        np.log1p(len(words)),
        np.log1p(len(answer)),
        np.log1p(sentences),
        np.log1p(len(words) / sentences),
        letters / number,
        sum(map(str.isupper, answer)) / letters,
        sum(word.isupper() and len(word) > 1 for word in words) / number,
        sum(word.istitle() for word in words) / number,
        sum(map(str.isdigit, answer)) / number,
        float(answer.strip()[-1:] in ".!?"),
        float(answer.strip()[:1].isupper()),
    ]
    marks = [answer.count(mark) / number for mark in _MARKS]
    markdown = [np.log1p(len(pattern.findall(answer))) for pattern in _MARKDOWN]
    return [*looks, *marks, *markdown, *(counts[word] / number for word in _WORDS)]
