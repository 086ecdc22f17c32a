"""Says an answer in another style: what it holds stays, how it looks does not.

For training on answers whose style means nothing, and for measuring how much of an identification is style.
"""

import random
import re

from sentencex import segment

from univar.corpus.plain_text import WORDS_OF_GRAMMAR, plain

_OPENER = re.compile(
    r"^(?:certainly|sure|of course|absolutely|great question|good question|that'?s an? |thank(?:s| you)|"
    r"as an? (?:ai|large language|language)\b|i (?:understand|appreciate|am an ai|'m an ai|do not have personal|"
    r"don'?t have personal)|here (?:is|are)|here'?s|let me|well,|in conclusion|in summary|overall,|ultimately,|"
    r"i hope (?:this|that)|please (?:let me|note)|it(?:'s| is) important to (?:note|remember))",
    re.IGNORECASE,
)
_PUNCTUATION = str.maketrans(dict.fromkeys(',;:"()[]{}\N{EN DASH}\N{EM DASH}…', " "))


def sentences(answer: str) -> list[str]:
    """The sentences of an answer, without Markdown."""
    return [said for text in plain(answer) for sentence in segment("en", text) if (said := sentence.strip())]


def without_openers(said: list[str]) -> list[str]:
    """Sentences less those that open, close or hedge an answer whatever it says; all of them if none is left."""
    return [each for each in said if not _OPENER.match(each)] or said


def restyle(answer: str, generator: random.Random) -> str:
    """An answer in a style drawn at random.

    Markdown and stock openers go, always. By chance, sentences are left out and put in another order, the answer is
    cut, words of grammar are dropped, case and punctuation change. Negations, modal verbs and quantities stay, since
    a stance hangs on them.

    Args:
        answer: In English.
        generator: The source of chance.

    Returns:
        Never empty, unless the answer is; an answer without a sentence, such as mere code, comes back as it was.
    """
    said = without_openers(sentences(answer))
    if not said:
        return answer
    if generator.random() < 0.5:
        keep = max(1, round(len(said) * generator.uniform(0.4, 1)))
        start = generator.randint(0, len(said) - keep)
        said = said[start : start + keep]
    if generator.random() < 0.5:
        said = [each for each in said if generator.random() < 0.8] or said[:1]
    if generator.random() < 0.5:
        said = generator.sample(said, len(said))
    words = " ".join(said).split()
    rate = generator.choice((0.0, 0.0, 0.5, 1.0))
    words = [w for w in words if w.lower() not in WORDS_OF_GRAMMAR or generator.random() >= rate] or words
    text = " ".join(words)
    if generator.random() < 0.5:
        text = " ".join(text.translate(_PUNCTUATION).split()) or text
    if generator.random() < 0.5:
        text = text.lower()
    return text
