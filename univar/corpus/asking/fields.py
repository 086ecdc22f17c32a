"""The fields of a request besides its messages: which are sent, under which names, and what a refusal says of them."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

Fields = Mapping[str, Any]
"""Fields by their names, as JSON has them; one that is None is left out."""

_OURS = {
    "messages": "they are the question and the system prompt",
    "model": "it has an entry of its own",
    "stream": "replies are read whole",
    "n": "every answer is a request of its own; ask for more with --samples",
}
MAX_TOKENS = 512
"""New tokens of an answer, by default. The 128 of the paper cut off half or more of the answers of many LLMs."""

_LIMITS = ("max_completion_tokens", "max_tokens")
_MOST = 2**31
_ONE_OF_THEM = re.compile(r"only one|one of|both|either|together|mutually|simultaneous", re.IGNORECASE)
_ABOUT_THE_VALUE = re.compile(r"too (?:large|long|many|small)|maximum|context|exceed", re.IGNORECASE)


def checked_fields(fields: Any) -> dict[str, Any]:
    """The fields of a request as a user gives them, None meaning none.

    Raises:
        ValueError: If they are no mapping, a name is no text or not theirs to give, a value no JSON or out of range.
    """
    if fields is None:
        return {}
    if not isinstance(fields, Mapping):
        raise ValueError("no mapping of fields to values, as in {max_tokens: null, max_completion_tokens: 512}")
    for name, value in fields.items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"the name of a field is text, not {name!r}; put it in quotation marks")
        if name in _OURS:
            raise ValueError(f"{name} cannot be given here: {_OURS[name]}")
        if problem := _problem(name, value):
            raise ValueError(f"{name}: {problem}, got {value!r:.80}")
    return json.loads(json.dumps(fields))  # type: ignore[no-any-return]


def _problem(name: str, value: Any) -> str | None:
    """What is wrong with the value of a field; None if nothing is."""
    if value is None:
        return None
    if name == "seed":
        return "every sample has a seed of its own, from --seed; null leaves it out"
    if name in _LIMITS and not (type(value) is int and 0 < value < _MOST):
        return "expected a whole number above 0, or null"
    if name == "top_k" and not (type(value) is int and -_MOST < value < _MOST):
        return "expected a whole number, or null"
    if name in ("temperature", "top_p") and not (type(value) in (int, float) and math.isfinite(value)):
        return "expected a number, or null"
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return "it is no JSON"
    # The client would leave it out in silence.
    return "null inside a value cannot be sent" if None in _values_of_mappings(json.loads(text)) else None


def _values_of_mappings(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _values_of_mappings(inner)


def sent_fields(fields: Fields, changes: Fields) -> dict[str, Any]:
    """What is sent: the fields with what a user changed or added, without those that are left out.

    Example:
        >>> sent_fields({"max_tokens": 128, "seed": 0}, {"max_tokens": None, "max_completion_tokens": 512})
        {'seed': 0, 'max_completion_tokens': 512}
    """
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


def token_limit(max_tokens: int, changes: Fields) -> int | None:
    """New tokens of a reply at most, under whichever name it is sent; None if no limit is sent."""
    sent = sent_fields({"max_tokens": max_tokens}, changes)
    return next((sent[name] for name in _LIMITS if name in sent), None)


def as_text(changes: Fields) -> str | None:
    """Changes as one line of JSON, the same for the same changes; None if there are none."""
    return json.dumps(changes, sort_keys=True, ensure_ascii=False) if changes else None


def mended(said: str, sent: Fields, changes: Fields) -> dict[str, Any] | None:
    """The changes with which a server would take what it refused; None if it names no field that was sent.

    Args:
        said: What the server answered; untrusted.
        sent: The fields that it refused.
        changes: Those that were made to them already.
    """
    named = _named(said, sent)
    if not named or _ABOUT_THE_VALUE.search(said):
        return None
    left_out = named[1:] if len(named) > 1 and _ONE_OF_THEM.search(said) else named
    limit, other = token_limit(0, sent), "max_completion_tokens"
    renamed = {other: limit} if "max_tokens" in left_out and other in said and other not in sent else {}
    return {**changes, **dict.fromkeys(left_out), **renamed}


def _named(said: str, sent: Fields) -> list[str]:
    """The fields that a refusal is about: by what marks them in JSON, else all that its words name."""
    try:
        marked = list(_marked(json.loads(said)))
    except (ValueError, RecursionError):
        marked = []
    for texts in (marked, [said]):
        words = {word for text in texts for word in re.findall(r"\w+", text)}
        if found := [name for name in sent if name in words]:
            return found
    return []


def _marked(body: Any) -> Iterator[str]:
    """Texts under `param` (OpenAI and its like) and `loc` (FastAPI and its like)."""
    for key, value in body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ():
        if key in ("param", "loc"):
            yield str(value)
        else:
            yield from _marked(value)
