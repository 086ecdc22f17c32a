"""Names of LLMs as they are shown: short, and never more than text."""

import re
from collections import Counter
from collections.abc import Sequence

from univar.corpus.records import Identity

_DATE_AT_END = re.compile(r"[-_@:.](19|20)\d\d[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])$")

_UNPRINTABLE = re.compile(r"(?!\s)[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def short_names(identities: Sequence[Identity]) -> list[str]:
    """A short name for each identity, different for different models.

    The organisation before "/" and a date at the end are dropped where that leaves no two models alike; the language
    is named where there are several. Long names lose their middle, unprintable characters are replaced, and nothing
    is escaped.

    Example:
        >>> short_names([Identity("openai/gpt-4o-2024-11-20", "eng"), Identity("qwen/qwen-max", "eng")])
        ['gpt-4o', 'qwen-max']
    """
    forms = {identity.model: _name_forms(identity.model) for identity in identities}
    uses = Counter((level, form) for trio in forms.values() for level, form in enumerate(trio))
    names = {
        model: next((form for level, form in enumerate(trio) if uses[level, form] == 1), trio[-1])
        for model, trio in forms.items()
    }
    several = len({identity.lang for identity in identities}) > 1
    return [names[who.model] + (f" ({shortened(printable(who.lang), 12)})" if several else "") for who in identities]


def distinct_names(identities: Sequence[Identity]) -> list[str]:
    """Short names without the words that all models' names begin or end with; see `short_names`.

    A word stays where one of the names would then begin with a digit, or nothing of it would be left.

    Example:
        >>> distinct_names([Identity("o/gemma-small-instruct", "eng"), Identity("o/gemma-large-instruct", "eng")])
        ['small', 'large']
    """
    models = list(dict.fromkeys(identity.model for identity in identities))
    whole = short_names([Identity(model, "") for model in models])
    short = dict(zip(models, _without_shared_words(whole), strict=True))
    return short_names([identity._replace(model=short[identity.model]) for identity in identities])


def _without_shared_words(names: list[str]) -> list[str]:
    """Names without the words that all of them begin with and those that all of them end with."""
    words = [re.findall(r"[^-_ /:@]+[-_ /:@]*|^[-_ /:@]+", name) for name in names]
    if len(names) < 2:
        return names
    while min(map(len, words)) > 1 and len({of[0] for of in words}) == 1 and all(of[1][0].isalpha() for of in words):
        words = [of[1:] for of in words]
    while min(map(len, words)) > 1 and len({of[-1] for of in words}) == 1:
        words = [of[:-1] for of in words]
    short = ["".join(of).rstrip("-_ /:@") for of in words]
    return short if all(short) and len(set(short)) == len(set(names)) else names


def printable(text: str) -> str:
    """Text on one line without control characters, lone surrogates and marks that reverse the writing direction."""
    return " ".join("".join("\ufffd" if _UNPRINTABLE.match(c) else c for c in text).split())


def shortened(text: str, limit: int = 32) -> str:
    """Text of at most `limit` characters; a longer one loses its middle, since versions differ at the end."""
    return text if len(text) <= limit else f"{text[: limit // 2]}…{text[len(text) - (limit - limit // 2 - 1) :]}"


def _name_forms(model: str) -> tuple[str, str, str]:
    """A model's name without organisation and date, without organisation, and whole."""
    whole = printable(model)
    bare = whole.rstrip("/").rsplit("/", 1)[-1] or whole
    return shortened(_DATE_AT_END.sub("", bare) or bare), shortened(bare), shortened(whole)


def provider(model: str) -> str:
    """What stands before "/" in the name of a model, else the letters that it begins with."""
    if "/" in model:
        return model.split("/", 1)[0]
    letters = re.match(r"[^\W\d_]+", model)
    return letters[0].lower() if letters else model
