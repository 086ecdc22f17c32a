"""Texts in languages that a model does not read: refused, or told beside whatever comes of their vectors.

To an encoder of English all that is French is alike, so that such vectors tell languages and hardly what was said.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, TypeAlias

import yaml

from univar.corpus.languages import language_code
from univar.corpus.records import QARecord, check_record

Reads: TypeAlias = frozenset[str] | None
"""The languages that a model reads (ISO 639-3); None where it is not known."""

_ENGLISH = frozenset({"eng"})
_HEAD = re.compile(r"---\s*\n(.*?)\n---", re.DOTALL)
_LARGEST = 5


class UntranslatedError(ValueError):
    """Answers in a language that the model does not read, without an English version; the message says what to do."""


def languages_read(model: object) -> Reads:
    """The languages that a model reads, by its training record and its card (`language:` at the top of its README.md).

    None where neither names one; a card that only says `multilingual` does not.
    """
    named = [*getattr(model, "training_record", {}).get("languages", ()), *_named_by_card(model)]
    return frozenset(filter(None, map(_code, named))) or None


def _named_by_card(model: object) -> list[Any]:
    """What the card of a model calls its languages: what is set for its next card, and the card that it came with."""
    # Private in sentence-transformers, which has no public way to the card of a loaded model.
    head = _HEAD.match(getattr(model, "_model_card_text", None) or "")
    try:
        metadata = yaml.safe_load(head[1]) if head else None
    except yaml.YAMLError:
        metadata = None
    card = metadata.get("language") if isinstance(metadata, dict) else None
    named = getattr(getattr(model, "model_card_data", None), "language", None) or card
    return list(named) if isinstance(named, list | tuple) else [] if named is None else [named]


def _code(named: Any) -> str | None:
    try:
        return language_code("no" if named is False else str(named))  # which is what YAML makes of Norwegian
    except ValueError:
        return None


def text_languages(records: Iterable[QARecord]) -> Counter[str]:
    """How many QAs are encoded in each language: English ones and those by their English version in English."""
    langs = Counter[str]()
    for record in records:
        check_record(record)
        langs[record.text_lang] += 1
    return langs


def check_read(langs: Counter[str], reads: Mapping[str, Reads], *, untranslated: bool) -> None:
    """To be called before models encode texts.

    Args:
        langs: What `text_languages` gives.
        reads: Of each model by its name.
        untranslated: Whether texts in languages that a model does not read are encoded all the same.

    Raises:
        UntranslatedError: If there are such texts, unless `untranslated` or it is not known what the models read.
    """
    for names, known in _alike(reads):
        found = _unread(langs, known)
        if found and known is not None and not untranslated:
            raise UntranslatedError(
                f"{_counted(found, langs)} are in languages that {_joined(names)} {_verb(names)} not read "
                f"({_told(found)}; the model card names {_listed(known)}) and have no English version: their vectors "
                "would tell languages apart and not what was said. Translate them with `univar corpus translate "
                "ANSWERS --out ENGLISH`, leave them out with --lang eng, or encode them as they are, which all that "
                "follows says, with --untranslated (in Python untranslated=True)"
            )


def unread_notes(langs: Counter[str], reads: Mapping[str, Reads]) -> tuple[str, ...]:
    """What is to be said beside vectors of texts in languages that models do not read, or may not.

    Args:
        langs: What `text_languages` gives.
        reads: Of each model by its name.

    Returns:
        A sentence for those models together that read the same languages.
    """
    notes = []
    for names, known in _alike(reads):
        if found := _unread(langs, known):
            what = f"languages that {_joined(names)} {_verb(names)} not read"
            if known is None:
                what = f"other languages than English, and it is not known whether {_joined(names)} can read them"
            notes.append(
                f"Untranslated: {_counted(found, langs)} were encoded as they were written, in {what} "
                f"({_told(found)}); they may lie apart for their language alone."
            )
    return tuple(notes)


def _alike(reads: Mapping[str, Reads]) -> list[tuple[list[str], Reads]]:
    """Models of the same languages, by name."""
    by_languages = sorted(reads.items(), key=lambda item: sorted(item[1] or ()))
    return [([name for name, _ in group], known) for known, group in groupby(by_languages, key=lambda item: item[1])]


def _unread(langs: Counter[str], known: Reads) -> Counter[str]:
    return Counter({lang: count for lang, count in langs.items() if lang not in (known or _ENGLISH)})


def _counted(found: Counter[str], langs: Counter[str]) -> str:
    return f"{found.total():,} of {langs.total():,} QAs"


def _told(found: Counter[str]) -> str:
    parts = [f"{lang} {count:,}" for lang, count in found.most_common(_LARGEST)]
    return ", ".join([*parts, *([f"{len(found) - _LARGEST} more"] if len(found) > _LARGEST else [])])


def _listed(known: Iterable[str]) -> str:
    """Names of languages, or how many there are."""
    names = sorted(known)
    return ", ".join(names) if len(names) <= _LARGEST else f"{len(names)} others"


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _verb(names: list[str]) -> str:
    return "does" if len(names) == 1 else "do"
