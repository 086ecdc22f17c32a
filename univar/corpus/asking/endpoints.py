"""Chat requests to an OpenAI-compatible server, and a journal by which no reply is lost or paid for twice."""

import asyncio
import json
import os
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlsplit

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
_LONGEST_WAIT = 60.0
_CHARACTERS_A_TOKEN = 4
_MOST_TOKENS = 2**31


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


@dataclass(frozen=True, slots=True)
class ChatReply:
    """What a server answered.

    Attributes:
        request_id: Of the request.
        text: Untrusted.
        finish_reason: `stop`, `length` where it was cut off, or what else the server says.
        model: As the server names it.
        prompt_tokens: As the server counts them; None if it does not.
        completion_tokens: As the server counts them; None if it does not.
        seconds: Until the reply was there, of the attempt that gave it.
    """

    request_id: str
    text: str
    finish_reason: str
    model: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Endpoint:
    """A model on a server, and how it is asked.

    Attributes:
        url: As in `http://127.0.0.1:8000`; or a provider of the Hub, as in `provider:together`.
        model: Its name on the server.
        concurrency: Requests under way at once, at most; fewer are sent while the server is overloaded.
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

    @asynccontextmanager
    async def client(self) -> AsyncIterator["AsyncInferenceClient"]:
        """A client with the key of `key_variable`; without one, the Hub and no other server gets the Hub's login."""
        from huggingface_hub import AsyncInferenceClient, get_token

        from univar.corpus.asking.sessions import session

        on_hub = _on_hub(self.url)
        key = os.environ.get(self.key_variable) or (get_token() if on_hub else None)
        place: dict[str, Any] = {"base_url": self.url}
        if self.url.startswith(PROVIDER):
            place = {"provider": self.url.removeprefix(PROVIDER)}
        async with AsyncInferenceClient(**place, api_key=key or "none", timeout=self.timeout) as client:
            if not on_hub:
                # Offline mode is about the Hub, but the client's own sessions refuse every server then.
                client._async_client = await client.exit_stack.enter_async_context(session())
            yield client


class Slots:
    """How many requests may be under way at once, learnt from how the server bears them.

    Additive increase, multiplicative decrease: the limit doubles in the time of a reply until the server is first
    overloaded, then grows by one in that time, and is halved when it is overloaded again.
    """

    def __init__(self, most: int) -> None:
        """`most` is the limit of the limit."""
        self.limit = float(max(min(8, most), most // 2))
        self.under_way = 0
        self._most = most
        self._doubling = True
        self._era = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> int:
        """Waits for a slot; gives what `give` wants to know."""
        if self.under_way >= int(self.limit) or self._waiting:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            self._wake()
            await turn
        else:
            self.under_way += 1
        return self._era

    def give(self, era: int, *, answered: bool, overloaded: bool) -> None:
        """Gives a slot back. Requests that were sent before the last decrease say nothing about the limit since."""
        self.under_way -= 1
        if overloaded and era == self._era:
            self.limit, self._doubling, self._era = max(1.0, self.limit / 2), False, self._era + 1
        elif answered and era == self._era:
            self.limit = min(float(self._most), self.limit + (1 if self._doubling else 1 / self.limit))
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self.under_way < int(self.limit):
            turn = self._waiting.popleft()
            if not turn.done():
                self.under_way += 1
                turn.set_result(None)


class Rate:
    """At most so much a minute, evenly spread."""

    def __init__(self, per_minute: float | None) -> None:
        """None for no cap."""
        self._interval = 60 / per_minute if per_minute else 0.0
        self._next = 0.0

    async def wait(self, amount: float = 1) -> None:
        """Returns when `amount` may be spent."""
        if not self._interval:
            return
        now = asyncio.get_running_loop().time()  # monotonic: a clock that is set changes nothing
        start = max(self._next, now)
        self._next = start + amount * self._interval
        if start > now:
            await asyncio.sleep(start - now)

    def return_(self, amount: float) -> None:
        """Gives back what was waited for and not spent."""
        self._next -= amount * self._interval


class Lane:
    """One endpoint at work: its connections, slots and rates, and what happened on it."""

    def __init__(self, endpoint: Endpoint) -> None:
        """To be entered with `async with`."""
        self.endpoint = endpoint
        self.slots = Slots(endpoint.concurrency)
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
            raise self._refused(error.response.status_code, error.response.text) from error
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
        estimate = len(request.prompt) / _CHARACTERS_A_TOKEN + self.endpoint.max_tokens
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
            self.slots.give(era, answered=reply is not None, overloaded=overloaded)
            if reply is not None and reply.prompt_tokens is not None:
                self._tokens.return_(estimate - reply.prompt_tokens - (reply.completion_tokens or 0))

    async def _ask_once(self, request: ChatRequest) -> ChatReply:
        import httpx2

        endpoint, started = self.endpoint, time.monotonic()
        messages = [{"role": "system", "content": endpoint.system}] if endpoint.system else []
        try:
            output: Any = await self._client.chat_completion(
                [*messages, {"role": "user", "content": request.prompt}],
                model=endpoint.model,
                max_tokens=endpoint.max_tokens,
                temperature=endpoint.temperature,
                top_p=endpoint.top_p,
                seed=request.seed,
                extra_body=None if endpoint.top_k is None else {"top_k": endpoint.top_k},
            )
            choice = output.choices[0]
            text = _text(choice.message.content)
        except (httpx2.RequestError, json.JSONDecodeError, RecursionError) as error:
            raise ConnectionError(f"{type(error).__name__}: {error}") from error
        except (IndexError, KeyError, TypeError, AttributeError) as error:
            raise ConnectionError("a reply without choices, or no text in them") from error
        return ChatReply(
            request.request_id,
            text,
            _text(str(choice.finish_reason or "")),
            _text(str(output.model or endpoint.model)),
            _tokens(getattr(output.usage, "prompt_tokens", None)),
            _tokens(getattr(output.usage, "completion_tokens", None)),
            round(time.monotonic() - started, 3),
        )

    def _refused(self, status: int, text: str) -> EndpointError:
        next_step = {
            401: f"set {self.endpoint.key_variable} in the environment",
            402: "is there credit left?",
            403: f"is the key in {self.endpoint.key_variable} allowed to use this model?",
            404: "is the URL right, and the name of the model?",
        }.get(status, "see the log of the server")
        said = " ".join(text.split())
        return EndpointError(
            f"{self.endpoint.url} refused {self.endpoint.model!r} with HTTP {status} ({said:.200}); {next_step}",
            concerns="moment" if status in _CAN_HEAL else "endpoint" if status in _ABOUT_THE_ENDPOINT else "request",
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


def _text(content: Any) -> str:
    """What a server gives as a text or as a list of parts, without halves of characters, which no file can hold.

    Raises:
        TypeError: If it is something else.
    """
    if isinstance(content, list):
        content = "".join(part["text"] for part in content if part.get("type", "text") == "text")
    if not isinstance(content, str | None):
        raise TypeError(f"no text: {content!r:.80}")
    return (content or "").encode("utf-8", "replace").decode("utf-8")


def _tokens(count: Any) -> int | None:
    return count if type(count) is int and 0 <= count < _MOST_TOKENS else None


def _can_heal(error: BaseException) -> bool:
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in _CAN_HEAL
    return isinstance(error, (ConnectionError, TimeoutError))


def _is_overload(error: BaseException) -> bool:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return isinstance(error, TimeoutError) or status in (429, 503, 529)


def _kind(error: BaseException) -> str:
    """An error in a word or two, to be counted."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
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


def is_endpoint(url: str) -> bool:
    """Whether this may name an endpoint: a URL, or a provider of the Hub."""
    return url.startswith(("http://", "https://", PROVIDER))
