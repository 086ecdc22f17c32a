"""Chat requests to an OpenAI-compatible server, and a journal by which no reply is lost or paid for twice."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from huggingface_hub import AsyncInferenceClient
    from tenacity import RetryCallState

API_KEY = "UNIVAR_API_KEY"
"""The environment variable of the key that servers other than the Hub's are given."""

_CAN_HEAL = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT = 60.0
_HUB_HOSTS = ("huggingface.co", ".huggingface.co", ".huggingface.cloud", ".hf.space")


class EndpointError(RuntimeError):
    """A server that cannot be used as asked; the message names it, what it answered and what to change."""


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
    """

    request_id: str
    text: str
    finish_reason: str
    model: str


@dataclass(frozen=True)
class Endpoint:
    """A model on a server, and how it is asked.

    Attributes:
        url: As in `http://127.0.0.1:8000` or `https://router.huggingface.co/v1`.
        model: Its name on the server.
        concurrency: Requests under way at once.
        attempts: Of one request, the first included.
        timeout: Seconds until a request counts as failed.
        max_tokens: New tokens of a reply.
        temperature: 0 for the most likely reply.
        top_p: Nucleus of the sampling, in (0, 1].
    """

    url: str
    model: str
    concurrency: int = 8
    attempts: int = 6
    timeout: float = 300
    max_tokens: int = 1024
    temperature: float = 1.0
    top_p: float = 0.95

    @asynccontextmanager
    async def client(self) -> AsyncIterator["AsyncInferenceClient"]:
        """A client that gives its key to the server it is meant for: the Hub's login never goes elsewhere."""
        import httpx2
        from huggingface_hub import AsyncInferenceClient, get_token

        on_hub = (urlsplit(self.url).hostname or "").endswith(_HUB_HOSTS)
        key = os.environ.get(API_KEY) or (get_token() if on_hub else None)
        async with AsyncInferenceClient(base_url=self.url, api_key=key or "none", timeout=self.timeout) as client:
            if not on_hub:
                # Offline mode is about the Hub, but the client's own sessions refuse every server then.
                session = httpx2.AsyncClient(follow_redirects=True)
                client._async_client = await client.exit_stack.enter_async_context(session)
            yield client

    async def ask(self, client: "AsyncInferenceClient", request: ChatRequest) -> ChatReply:
        """The reply to one request, after retries of what can heal.

        Raises:
            EndpointError: If the server refuses, or does not answer after all attempts.
        """
        from huggingface_hub.errors import HfHubHTTPError
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception(_can_heal), stop=stop_after_attempt(self.attempts), wait=_wait, reraise=True
            ):
                with attempt:
                    return await self._ask_once(client, request)
        except HfHubHTTPError as error:
            raise EndpointError(self._refused(error.response.status_code, error.response.text)) from error
        except (OSError, ValueError) as error:
            raise EndpointError(
                f"{self.url} gave no usable answer in {self.attempts} attempts ({_described(error)}); "
                "is a server running there?"
            ) from error
        raise AssertionError("tenacity either returns or raises")

    async def _ask_once(self, client: "AsyncInferenceClient", request: ChatRequest) -> ChatReply:
        import httpx2

        try:
            output: Any = await client.chat_completion(
                [{"role": "user", "content": request.prompt}],
                model=self.model,
                max_tokens=self.max_tokens,
                temperature=self.temperature,
                top_p=self.top_p,
                seed=request.seed,
            )
            choice = output.choices[0]
        except (httpx2.TransportError, json.JSONDecodeError) as error:
            raise ConnectionError(f"{type(error).__name__}: {error}") from error
        except (IndexError, KeyError, TypeError, AttributeError) as error:
            raise ConnectionError("a reply without choices") from error
        return ChatReply(
            request.request_id, choice.message.content or "", choice.finish_reason or "", output.model or self.model
        )

    def _refused(self, status: int, text: str) -> str:
        next_step = {
            401: f"set {API_KEY} in the environment",
            403: f"is the key in {API_KEY} allowed to use this model?",
            404: "is the URL right, and the name of the model?",
        }.get(status, "see the log of the server")
        said = " ".join(text.split())
        return f"{self.url} refused {self.model!r} with HTTP {status} ({said:.200}); {next_step}"


class Journal:
    """Replies by request id in a file of JSON lines, written one by one as they come.

    What a crash left of a last line is cut off when the journal is opened. One process may have it open.
    """

    def __init__(self, path: Path) -> None:
        """Reads what is there; `path` need not exist."""
        self.path = path
        self.replies: dict[str, ChatReply] = {}
        self._lock: Any = None

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
            journal.append(await endpoint.ask(client, request))
            advance(1)

    async with endpoint.client() as client:
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(endpoint.concurrency):
                    workers.create_task(work())
        except* EndpointError as failures:
            raise failures.exceptions[0] from None


def _can_heal(error: BaseException) -> bool:
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in _CAN_HEAL
    return isinstance(error, (ConnectionError, TimeoutError))


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
