"""What a server's reply says: an answer, thoughts, a refusal, or an error that its status hides."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from univar.corpus.reasoning import split_reasoning

_MOST_TOKENS = 2**31
_REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
# Statuses that errors have which go by names.
_STATUS_OF = {
    "rate_limit": 429,
    "resource_exhausted": 429,
    "quota": 402,
    "insufficient": 402,
    "authenti": 401,
    "api_key": 401,
    "permission": 403,
    "not_found": 404,
    "overload": 503,
    "content_filter": 400,
    "context_length": 400,
    "invalid": 400,
    "bad_request": 400,
}


class ServedError(Exception):
    """What a server says went wrong, in a reply whose status says that all is well.

    `status` is the one that it would deserve; None if the server does not say. `of_reply` is whether the LLM had begun
    to answer.
    """

    def __init__(self, said: str, status: int | None = None, *, of_reply: bool = False) -> None:
        """See the class."""
        super().__init__(said)
        self.status = status
        self.of_reply = of_reply


@dataclass(frozen=True, slots=True)
class ChatReply:
    """What a server answered.

    Attributes:
        request_id: Of the request.
        text: Untrusted, and without thoughts; empty if there were only these.
        finish_reason: `stop`, `length` where it was cut off, `refusal` where the server declared one, or what else it
            says.
        model: As the server names it.
        prompt_tokens: As the server counts them; None if it does not.
        completion_tokens: As the server counts them; None if it does not.
        seconds: Until the reply was there, of the attempt that gave it.
        reasoning: What the LLM thought; untrusted. None if it did not, or the server does not show it.
    """

    request_id: str
    text: str
    finish_reason: str
    model: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float = 0.0
    reasoning: str | None = None


def read_reply(output: Any, request_id: str, model: str, seconds: float) -> ChatReply:
    """What a reply says.

    Args:
        output: As the client of huggingface_hub gives it.
        request_id: Of the request.
        model: That was asked, for servers that do not name it.
        seconds: That it took.

    Raises:
        ServedError: If the reply tells of an error.
        ConnectionError: If it has no choices, or no text in them.
    """
    try:
        _raise_error(output)
        choice = output.choices[0]
        message = choice.message
        said, thoughts = _parts(message.content)
        thoughts = next(filter(None, map(_joined, map(message.get, _REASONING_FIELDS))), "") or thoughts
        finish_reason = str(choice.finish_reason or "")
        if not said.strip() and (refusal := _refusal(message)):
            said, finish_reason = refusal, "refusal"
        answer, reasoning = split_reasoning(_text(said), _text(thoughts))
        return ChatReply(
            request_id,
            answer,
            _text(finish_reason),
            _text(str(output.model or model)),
            _tokens(getattr(output.usage, "prompt_tokens", None)),
            _tokens(getattr(output.usage, "completion_tokens", None)),
            seconds,
            reasoning,
        )
    except (IndexError, KeyError, TypeError, AttributeError) as error:
        raise ConnectionError(f"a reply without choices, or no text in them: {_shown(output)}") from error


def _raise_error(output: Any) -> None:
    """Raises what the reply or its first choice tells of."""
    choice = output.choices[0] if output.choices else {}
    for error, of_reply in ((output.get("error"), False), (choice.get("error"), True)):
        if error and (not isinstance(error, Mapping) or any(error.values())):
            raise ServedError(_shown(error), _status(error), of_reply=of_reply)
    if choice.get("finish_reason") == "error":
        raise ServedError(f"finish_reason error: {_shown(choice)}", of_reply=True)


def _status(error: Any) -> int | None:
    """The status that an error deserves, by the number or name in it; None if there is none."""
    named = [error.get(key) for key in ("code", "status", "status_code", "type")] if isinstance(error, Mapping) else []
    for code in map(str, named):
        if code.isdecimal() and 400 <= int(code) < 600:
            return int(code)
    names = " ".join(map(str, named)).lower()
    return next((status for name, status in _STATUS_OF.items() if name in names), None)


def _shown(something: Any) -> str:
    """JSON of what a server sent, without what is null."""
    if not isinstance(something, Mapping):
        return str(something)
    return json.dumps({key: value for key, value in something.items() if value is not None}, ensure_ascii=False)


def _parts(content: Any) -> tuple[str, str]:
    """What is said and what is thought in a text or a list of parts.

    Raises:
        TypeError: If it is something else.
    """
    if not isinstance(content, list):
        if not isinstance(content, str | None):
            raise TypeError(f"no text: {content!r:.80}")
        return content or "", ""
    kinds = [(part.get("type") or "text", part) for part in content]
    said = [part["text"] for kind, part in kinds if kind in ("text", "output_text")]
    return "".join(said), "".join(_joined(part) for kind, part in kinds if kind in ("thinking", "reasoning"))


def _refusal(message: Any) -> str:
    """What a server declares to be a refusal; empty if it does not."""
    parts = message.content if isinstance(message.content, list) else ()
    declared = [message.get("refusal"), *(part.get("refusal") for part in parts)]
    return "".join(text for text in declared if isinstance(text, str))


def _joined(thoughts: Any) -> str:
    """The texts of thoughts, however deep they lie: servers send a text, a part or lists of parts."""
    return thoughts if isinstance(thoughts, str) else "".join(_texts(thoughts))


def _texts(thoughts: Any) -> Iterator[str]:
    if isinstance(thoughts, str):
        yield thoughts
    elif isinstance(thoughts, list):
        for part in thoughts:
            yield from _texts(part)
    elif isinstance(thoughts, dict):
        for key in ("thinking", "reasoning", "summary", "content", "text"):
            yield from _texts(thoughts.get(key))


def _text(content: str) -> str:
    """A text without halves of characters, which no file can hold."""
    return content.encode("utf-8", "replace").decode("utf-8")


def _tokens(count: Any) -> int | None:
    return count if type(count) is int and 0 <= count < _MOST_TOKENS else None
