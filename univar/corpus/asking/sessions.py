"""HTTP sessions for hundreds of requests under way at once.

They are httpx2's, as huggingface_hub wants them, on the connections of aiohttp: on those of httpx2 itself a request
takes about two thirds more processor time (benchmarks/README.md).
"""

import functools
import ssl

import aiohttp
import httpx2
from httpx_aiohttp.httpx2 import AiohttpTransport

_KEPT_IDLE = 5.0
"""Seconds; uvicorn, on which most servers of LLMs run, closes an idle connection after as many."""


def session() -> httpx2.AsyncClient:
    """A session without a limit of its own; to be entered. Proxies are those of the environment."""
    return httpx2.AsyncClient(follow_redirects=True, transport=_Transport(verify=_certificates(), client=_connections))


class _Transport(AiohttpTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Calls only that a timeout which is one: the library gives a broken connection the same name."""
        try:
            return await super().handle_async_request(request)
        except httpx2.ConnectTimeout as error:
            if isinstance(error.__cause__, TimeoutError):
                raise
            raise httpx2.ConnectError(str(error)) from error.__cause__


def _connections() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0, ssl=_certificates(), keepalive_timeout=_KEPT_IDLE)
    # Cookies are httpx2's business.
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=True)


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Whom to trust: read once and not for every session."""
    return httpx2.create_ssl_context()
