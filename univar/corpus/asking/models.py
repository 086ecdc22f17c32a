"""The LLMs to ask, as a models file describes them."""

import difflib
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import field, fields
from pathlib import Path
from typing import Annotated, Any

import yaml
from annotated_types import Ge
from pydantic import BeforeValidator, ConfigDict, PositiveFloat, PositiveInt, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated

from univar.corpus.asking.answers import ElicitationError
from univar.corpus.asking.endpoints import API_KEY, is_endpoint
from univar.corpus.asking.fields import checked_fields
from univar.corpus.languages import language_code


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class LLM:
    """An LLM to ask, as the models file describes it.

    Attributes:
        name: In the corpus.
        endpoint: URL of its server, or `provider:NAME` for a provider of the Hub.
        model: Its name on the server; by default `name`.
        languages: That it speaks, each by any code.
        concurrency: Requests under way at once, at most; there are two at first, and more as the server bears them.
        requests_per_minute: At most.
        tokens_per_minute: At most.
        dollars_per_million_prompt_tokens: Its price; where it alone is given, answers are free.
        dollars_per_million_answer_tokens: Its price; where it alone is given, prompts are free. With neither, what it
            costs is unknown.
        system: Its system prompt.
        tokenizer: Folder or Hub name by which tokens are counted beforehand; else they are guessed from characters.
        top_k: For servers that take it.
        timeout: Seconds until a request counts as failed and is sent again.
        key_variable: The environment variable of the key of its server.
        request: Fields of its requests that are changed or added, by name, as in `{max_tokens: null,
            max_completion_tokens: 512}`; null leaves one out.
    """

    name: str
    endpoint: str
    languages: tuple[str, ...]
    model: str = ""
    concurrency: PositiveInt = 64
    requests_per_minute: PositiveFloat | None = None
    tokens_per_minute: PositiveFloat | None = None
    dollars_per_million_prompt_tokens: Annotated[float, Ge(0)] | None = None
    dollars_per_million_answer_tokens: Annotated[float, Ge(0)] | None = None
    system: str | None = None
    tokenizer: str | None = None
    top_k: PositiveInt | None = None
    timeout: PositiveFloat = 300
    key_variable: str = API_KEY
    request: Annotated[dict[str, Any], BeforeValidator(checked_fields)] = field(default_factory=dict)

    def dollars(self, prompt_tokens: float, answer_tokens: float) -> float | None:
        """The price of so many tokens; None if it is unknown."""
        per_prompt, per_answer = self.dollars_per_million_prompt_tokens, self.dollars_per_million_answer_tokens
        if per_prompt is None and per_answer is None:
            return None
        return (prompt_tokens * (per_prompt or 0) + answer_tokens * (per_answer or 0)) / 1e6


def read_models(path: str | os.PathLike[str]) -> list[LLM]:
    """The LLMs of a YAML file: a list under `models`, each with the attributes of `LLM`.

    Raises:
        ElicitationError: If the file is none, a field is missing, unknown or out of range, a language unknown or a
            name doubled; the message names the entry.
    """
    file = Path(path)
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        entries = content["models"]
    except OSError as error:
        raise ElicitationError(f"{file} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ElicitationError(f"{file} is no YAML with a list under `models`: {error}") from error
    try:
        llms = TypeAdapter(list[LLM]).validate_python(entries)
    except ValidationError as error:
        problems = "; ".join(_problem(one["type"], one["loc"], one["msg"], one["input"]) for one in error.errors())
        raise ElicitationError(f"{file}: {problems}") from error
    names = Counter(llm.name for llm in llms)
    if not llms or max(names.values()) > 1:
        raise ElicitationError(f"{file}: models need at least one entry and different names, got {dict(names)}")
    for llm in llms:
        if not is_endpoint(llm.endpoint):
            raise ElicitationError(f"{file}: {llm.name}: endpoint {llm.endpoint!r} is no URL and no provider:NAME")
        for code in llm.languages:
            try:
                language_code(code)
            except ValueError as error:
                raise ElicitationError(f"{file}: {llm.name}: {error}") from error
    return llms


def _problem(kind: str, place: tuple[int | str, ...], message: str, got: object) -> str:
    """One mistake in a models file, in words."""
    where = ".".join(map(str, ("models", *place)))
    if kind == "missing":
        return f"{where}: {message}"
    if kind == "value_error":  # of ours, which says what it got
        return f"{where}: {message.removeprefix('Value error, ')}"
    if kind != "unexpected_keyword_argument":
        return f"{where}: {message}, got {got!r:.80}"
    known = [one.name for one in fields(LLM)]
    nearest = difflib.get_close_matches(str(place[-1]), known, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(known)}"
    return f"{where}: no such field, {hint}"


def check_keys(llms: Iterable[LLM]) -> None:
    """Raises ElicitationError if an LLM names an environment variable for its key that is not set."""
    for llm in llms:
        if llm.key_variable != API_KEY and not os.environ.get(llm.key_variable):
            raise ElicitationError(
                f"{llm.name}: {llm.key_variable}, which is to hold the key for {llm.endpoint}, is not set; export it, "
                f"or leave key_variable out of the models file to use {API_KEY}"
            )
