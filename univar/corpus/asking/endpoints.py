"""Chat requests to an OpenAI-compatible server, and a journal by which no reply is lost or paid for twice."""

import asyncio
import json
import os
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlsplit, urlunsplit

from univar.corpus.asking.fields import Fields, mended, sent_fields, token_limit
from univar.corpus.asking.pace import Rate, Slots
from univar.corpus.asking.replies import ChatReply, ServedError, read_reply

if TYPE_CHECKING:
    from huggingface_hub import AsyncInferenceClient
    from tenacity import RetryCallState

API_KEY = "UNIVAR_API_KEY"
"""The environment variable of the key that servers are given for which no other is named."""

PROVIDER = "provider:"
"""What an endpoint begins with that is a provider of the Hub and no URL."""

# 501 and 505 are no failures of the moment; all else from 500 on is, those of gateways (520 and so on) among them.
_CAN_HEAL = frozenset({408, 409, 425, 429, 500, 502, 503, 504, *range(506, 600)})
_ABOUT_THE_ENDPOINT = frozenset({401, 402, 403, 404, 405, 407, 410, 501, 505})
_ABOUT_FIELDS = frozenset({400, 422})
_OVERLOADED = frozenset({408, 429, 503, 504, 524, 529})  # timeouts of servers and gateways among them
_LONGEST_WAIT = 60.0
_CHARACTERS_A_TOKEN = 4
_VERSION = r"v\d+(?:\.\d+)?(?:(?:alpha|beta|preview)\d*)?"
_API_ROOT = re.compile(rf"/{_VERSION}(?:(?:/[^/]+)*/(?:openai|openapi|compat))?$")


class EndpointError(RuntimeError):
    """A server that cannot be used as asked; the message names it, what it answered and what to change.

    `concerns` is what is wrong: this one `request` (too long, filtered), the `endpoint` (key, name of the model), or
    the `moment` (overloaded, unreachable), which may pass.
    """

    def __init__(self, message: str, *, concerns: Literal["request", "endpoint", "moment"] = "endpoint") -> None:
        """See the class."""
        super().__init__(message)
        self.concerns = concerns


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One prompt of a stage.

    Attributes:
        request_id: The same for the same prompt, model and sampling, so that a reply is found again.
        prompt: What the user says.
        seed: For servers that sample by one.
    """

    request_id: str
    prompt: str
    seed: int


@dataclass(frozen=True)
class Endpoint:
    """A model on a server, and how it is asked.

    Attributes:
        url: As in `http://127.0.0.1:8000`, `https://host/api/v3` or `https://host/v1/chat/completions`; or a provider
            of the Hub, as in `provider:together`.
        model: Its name on the server.
        concurrency: Requests under way at once, at most; fewer are sent at first and while the server is overloaded.
        attempts: Of one request, the first included.
        timeout: Seconds until a request counts as failed.
        requests_per_minute: At most; None for no cap.
        tokens_per_minute: At most, prompt and reply; None for no cap.
        system: What the system prompt says, if there is one.
        max_tokens: New tokens of a reply.
        temperature: 0 for the most likely reply.
        top_p: Nucleus of the sampling, in (0, 1].
        top_k: Most likely tokens to sample from, for servers that take it; None leaves it out.
        key_variable: The environment variable of its key.
        request: Fields of its requests that are changed or added; None leaves one out.
    """

    url: str
    model: str
    concurrency: int = 8
    attempts: int = 6
    timeout: float = 300
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    system: str | None = None
    max_tokens: int = 1024
    temperature: float = 1.0
    top_p: float = 0.95
    top_k: int | None = None
    key_variable: str = API_KEY
    request: Fields = field(default_factory=dict)

    def fields(self, seed: int) -> dict[str, Any]:
        """What is sent of one request besides its messages and the name of the model."""
        names = ("max_tokens", "temperature", "top_p", "top_k")
        return sent_fields({**{name: getattr(self, name) for name in names}, "seed": seed}, self.request)

    @asynccontextmanager
    async def client(self) -> AsyncIterator["AsyncInferenceClient"]:
        """A client with the key of `key_variable`; without one, the Hub and no other server gets the Hub's login."""
        from huggingface_hub import AsyncInferenceClient, get_token

        from univar.corpus.asking.sessions import session

        on_hub = _on_hub(self.url)
        key = os.environ.get(self.key_variable) or (get_token() if on_hub else None)
        place: dict[str, Any] = {"base_url": chat_url(self.url)}
        if self.url.startswith(PROVIDER):
            place = {"provider": self.url.removeprefix(PROVIDER)}
        async with AsyncInferenceClient(**place, api_key=key or "none", timeout=self.timeout) as client:
            if not on_hub:
                # Offline mode is about the Hub, but the client's own sessions refuse every server then.
                client._async_client = await client.exit_stack.enter_async_context(session())
            yield client


class Lane:
    """One endpoint at work: its connections, slots and rates, and what happened on it."""

    def __init__(self, endpoint: Endpoint) -> None:
        """To be entered with `async with`."""
        self.endpoint = endpoint
        self.slots = Slots(endpoint.concurrency, endpoint.timeout)
        self.sent = 0
        self.errors: Counter[str] = Counter()
        self._requests = Rate(endpoint.requests_per_minute)
        self._tokens = Rate(endpoint.tokens_per_minute)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._client = await self._stack.enter_async_context(self.endpoint.client())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def ask(self, request: ChatRequest) -> ChatReply:
        """The reply to one request, after retries of what can heal; no slot is held between them.

        Raises:
            EndpointError: If the server refuses, or does not answer after all attempts.
        """
        from huggingface_hub.errors import HfHubHTTPError
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

        fields = self.endpoint.fields(request.seed)
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception(_can_heal),
                stop=stop_after_attempt(self.endpoint.attempts),
                wait=_wait,
                reraise=True,
            ):
                with attempt:
                    return await self._attempt(request)
        except HfHubHTTPError as error:
            raise self._refused(error.response.status_code, error.response.text, fields) from error
        except ServedError as error:
            raise self._refused(error.status, str(error), fields, within=True, of_reply=error.of_reply) from error
        except (OSError, ValueError) as error:
            raise EndpointError(
                f"{self.endpoint.url} gave no usable answer in {self.endpoint.attempts} attempts "
                f"({_described(error)}); is a server running there?",
                concerns="moment",
            ) from error
        raise AssertionError("tenacity either returns or raises")

    async def _attempt(self, request: ChatRequest) -> ChatReply:
        """One attempt, in a slot and within the rates.

        The slot first: requests that had waited for their turn and then for a slot would leave all at once.
        """
        endpoint = self.endpoint
        limit = token_limit(endpoint.max_tokens, endpoint.request) or endpoint.max_tokens
        estimate = len(request.prompt) / _CHARACTERS_A_TOKEN + limit
        era = await self.slots.take()
        reply, overloaded = None, False
        try:
            await self._requests.wait()
            await self._tokens.wait(estimate)
            self.sent += 1
            reply = await self._ask_once(request)
            return reply
        except Exception as error:
            self.errors[_kind(error)] += 1
            overloaded = _is_overload(error)
            raise
        finally:
            self.slots.give(era, seconds=None if reply is None else reply.seconds, overloaded=overloaded)
            if reply is not None and reply.prompt_tokens is not None:
                self._tokens.return_(estimate - reply.prompt_tokens - (reply.completion_tokens or 0))

    async def _ask_once(self, request: ChatRequest) -> ChatReply:
        import httpx2

        endpoint, started = self.endpoint, time.monotonic()
        messages = [{"role": "system", "content": endpoint.system}] if endpoint.system else []
        try:
            output = await self._client.chat_completion(
                [*messages, {"role": "user", "content": request.prompt}],
                model=endpoint.model,
                extra_body=endpoint.fields(request.seed),  # sent as they are, whatever the client knows of
            )
            seconds = round(time.monotonic() - started, 3)
            return read_reply(output, request.request_id, endpoint.model, seconds)
        except (httpx2.RequestError, json.JSONDecodeError, RecursionError) as error:
            raise ConnectionError(f"{type(error).__name__}: {error}") from error

    def _refused(
        self, status: int | None, text: str, fields: Fields, *, within: bool = False, of_reply: bool = False
    ) -> EndpointError:
        """What a server said, and what to do about it.

        Args:
            status: Of the reply, or that an error in it deserves.
            text: What it said.
            fields: That were sent.
            within: Whether the status of the reply was good.
            of_reply: Whether the LLM had begun to answer.
        """
        endpoint = self.endpoint
        next_step = {
            401: f"set {endpoint.key_variable} in the environment",
            402: "is there credit left?",
            403: f"is the key in {endpoint.key_variable} allowed to use this model?",
            404: f"is the URL right, and the name of the model? {_asked_at(endpoint.url)}",
        }.get(status or 0, "see the log of the server")
        if status in _ABOUT_FIELDS and (request := mended(text, fields, endpoint.request)):
            options = " ".join(f"--request {name}={json.dumps(value)}" for name, value in request.items())
            next_step = f"write `request: {_flow(request)}` for it in the models file (`univar questions`: {options})"
        how = f"HTTP {status}"
        if within:
            how = f"error {status} inside a reply" if status else "an error inside a reply"
        said = " ".join(text.split())
        concerns: Literal["request", "endpoint", "moment"] = (
            "moment"
            if status is None or status in _CAN_HEAL
            else "endpoint"
            if status in _ABOUT_THE_ENDPOINT
            else "request"
        )
        return EndpointError(
            f"{endpoint.url} refused {endpoint.model!r} with {how} ({said:.200}); {next_step}",
            concerns="request" if of_reply else concerns,
        )


class Journal:
    """Replies by request id in a file of JSON lines, written one by one as they come.

    What a crash left of a last line is cut off when the journal is opened. One process may have it open.
    """

    def __init__(self, path: Path) -> None:
        """Reads what is there; `path` need not exist."""
        self.path = path
        self.replies: dict[str, ChatReply] = {}

    def __enter__(self) -> Self:
        import fcntl

        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise EndpointError(
                f"{self.path} is being written by another process; wait for it, or name another output"
            ) from None
        self._read()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, reply: ChatReply) -> None:
        """Keeps a reply for good."""
        self._file.write(json.dumps(asdict(reply), ensure_ascii=False).encode("utf-8") + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())  # a reply takes seconds and costs money, this milliseconds
        self.replies[reply.request_id] = reply

    def _read(self) -> None:
        self._file.seek(0)
        end = 0
        for number, line in enumerate(self._file, start=1):
            if not line.endswith(b"\n"):
                break
            try:
                reply = ChatReply(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise EndpointError(
                    f"{self.path}, line {number}: no reply of an earlier run ({error}); move the file away"
                ) from error
            self.replies[reply.request_id] = reply
            end += len(line)
        self._file.truncate(end)


def ask_all(
    requests: Sequence[ChatRequest], endpoint: Endpoint, journal: Journal, advance: Callable[[int], None]
) -> Iterator[tuple[ChatRequest, ChatReply]]:
    """The reply to every request, in their order; those that the journal has are not asked again.

    Args:
        requests: Of one stage.
        endpoint: Whom to ask.
        journal: Open; every reply is in it as soon as it has come.
        advance: Is told how many more are done.

    Raises:
        EndpointError: If a request fails for good; what has been answered is in the journal.
    """
    missing = [request for request in requests if request.request_id not in journal.replies]
    advance(len(requests) - len(missing))
    if missing:
        asyncio.run(_ask_missing(missing, endpoint, journal, advance))
    return ((request, journal.replies[request.request_id]) for request in requests)


async def _ask_missing(
    missing: Iterable[ChatRequest], endpoint: Endpoint, journal: Journal, advance: Callable[[int], None]
) -> None:
    waiting = iter(missing)

    async def work() -> None:
        for request in waiting:  # one iterator for all workers: each takes the next
            journal.append(await lane.ask(request))
            advance(1)

    async with Lane(endpoint) as lane:
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(endpoint.concurrency):
                    workers.create_task(work())
        except* EndpointError as failures:
            raise failures.exceptions[0] from None


def _on_hub(url: str) -> bool:
    """Whether a server belongs to the Hub itself; a Space does to whoever wrote it."""
    place = urlsplit(url)
    host = place.hostname or ""
    return url.startswith(PROVIDER) or (
        place.scheme == "https"
        and (host == "huggingface.co" or host.endswith((".huggingface.co", ".huggingface.cloud")))
    )


def _asked_at(url: str) -> str:
    """Where a request went, if that is no provider of the Hub."""
    if url.startswith(PROVIDER):
        return ""
    return f"it was asked at {chat_url(url)}; a URL that ends in /chat/completions is used as it is"


def _flow(request: Fields) -> str:
    """Fields as YAML in one line."""
    import yaml

    return str(yaml.safe_dump(request, default_flow_style=True, sort_keys=False, width=10_000)).strip()


def _status(error: BaseException) -> int | None:
    """The status that a server gave, or that what it says within a reply deserves; None without one."""
    if isinstance(error, ServedError):
        return error.status
    return getattr(getattr(error, "response", None), "status_code", None)


def _can_heal(error: BaseException) -> bool:
    status = _status(error)
    if status is not None:
        return status in _CAN_HEAL
    return isinstance(error, (ConnectionError, TimeoutError, ServedError))


def _is_overload(error: BaseException) -> bool:
    return isinstance(error, TimeoutError) or _status(error) in _OVERLOADED


def _kind(error: BaseException) -> str:
    """An error in a word or two, to be counted."""
    if isinstance(error, ServedError):
        return f"error {error.status or ''}".rstrip()
    if (status := _status(error)) is not None:
        return f"HTTP {status}"
    return "timeout" if isinstance(error, TimeoutError) else "connection"


def _wait(state: "RetryCallState") -> float:
    """Seconds: what the server asks for, or exponential with jitter; a minute at most."""
    from tenacity import wait_exponential_jitter

    asked = getattr(getattr(state.outcome.exception() if state.outcome else None, "response", None), "headers", {})
    try:
        return min(float(asked["retry-after"]), _LONGEST_WAIT)
    except (KeyError, ValueError):
        return wait_exponential_jitter(multiplier=0.5, max=_LONGEST_WAIT)(state)


def _described(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def is_local(url: str) -> bool:
    """Whether a server is on this machine or in a network of one's own, so that nobody bills for what it answers."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_private  # loopback too
    except ValueError:
        named = "." not in host or host.endswith((".localhost", ".local", ".lan", ".internal"))
        return named and not url.startswith(PROVIDER)


def chat_url(url: str) -> str:
    """Where the requests to a server go: a URL that names the root of an API, by its version, is one.

    Example:
        >>> chat_url("http://127.0.0.1:8000")
        'http://127.0.0.1:8000/v1/chat/completions'
        >>> chat_url("https://host/api/v3")
        'https://host/api/v3/chat/completions'
    """
    place = urlsplit(url)
    path = place.path.rstrip("/")
    if not path.endswith("/chat/completions"):
        path += "/chat/completions" if _API_ROOT.search(path) else "/v1/chat/completions"
    return urlunsplit(place._replace(path=path))


def is_endpoint(url: str) -> bool:
    """Whether this may name an endpoint: a URL, or a provider of the Hub."""
    return url.startswith(("http://", "https://", PROVIDER))
