"""A reverse proxy on 127.0.0.1 that spoils some of what goes through it."""

import asyncio
import math
import random
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from anyio.from_thread import start_blocking_portal

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: closing sends RST and not FIN."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a request.

    Attributes:
        status: Is answered at once; with None the request is forwarded.
        headers: Of that answer.
        body: Is answered in place of what the server says.
        delay: Seconds before anything else happens.
        cut: The reply stops in its middle.
        reset: The connection is reset, and the request goes nowhere.
        dead: Seconds for which all connections are gone and new ones are refused; `math.inf` for good.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    delay: float = 0
    cut: bool = False
    reset: bool = False
    dead: float = 0


Faults = Callable[[int], Fault | None]
"""The fault of a request by its number, from 0; None for none."""


def first(number: int, fault: Fault) -> Faults:
    """The first requests meet a fault."""
    return lambda request: fault if request < number else None


def share_of(share: float, faults: Sequence[Fault], seed: int = 0) -> Faults:
    """A share of the requests meet one of the faults."""

    def fault(request: int) -> Fault | None:
        generator = random.Random(f"{seed} {request}")  # the same whatever the order in which threads ask
        return generator.choice(faults) if generator.random() < share else None

    return fault


class Proxy:
    """A running proxy.

    Attributes:
        received: Requests so far; those that were refused a connection are not among them.
    """

    def __init__(self, upstream: str, faults: Faults) -> None:
        self.received = self.port = 0
        self._upstream, self._faults = upstream, faults
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Proxy"]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        await self._listen()
        timeout, connector = aiohttp.ClientTimeout(total=None), aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as self._session:
            try:
                yield self
            finally:
                for task in self._tasks:
                    task.cancel()
                await self._runner.cleanup()

    async def _listen(self) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=256, reuse_address=True)
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        fault = self._faults(self.received) or Fault()
        self.received += 1
        asked = await request.read()
        await asyncio.sleep(fault.delay)
        if fault.dead:
            await self._die(fault.dead)
        if fault.reset:
            _reset(request.transport)
        if fault.dead or fault.reset:
            return web.Response()  # to nobody
        if fault.status is not None or fault.body is not None:
            return web.Response(status=fault.status or 200, headers=fault.headers, body=fault.body or b"no")
        async with self._session.request(
            request.method, self._upstream + request.path_qs, data=asked, headers=_forwarded(request)
        ) as said:
            content, status, kind = await said.read(), said.status, said.content_type
        if not fault.cut:
            return web.Response(status=status, body=content, content_type=kind)
        half = web.StreamResponse(headers={"content-length": str(len(content)), "content-type": kind})
        await half.prepare(request)
        await half.write(content[: len(content) // 2])
        if request.transport is not None:
            request.transport.close()
        return half

    async def _die(self, seconds: float) -> None:
        if self._runner.sites:
            await self._site.stop()
            for connection in self._runner.server.connections:
                _reset(connection.transport)
            if seconds < math.inf:
                self._tasks.add(asyncio.create_task(self._return_after(seconds)))

    async def _return_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._listen()


def _forwarded(request: web.Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name.lower() in ("content-type", "accept")}


def _reset(transport: asyncio.BaseTransport | None) -> None:
    if isinstance(transport, asyncio.Transport):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        transport.abort()


@contextmanager
def spoiling(upstream: str, faults: Faults = lambda _: None) -> Iterator[Proxy]:
    """Runs a proxy in front of the server at a URL."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Proxy(upstream, faults).running()) as it:
        yield it
