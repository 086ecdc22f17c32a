import asyncio
import socket
import time

import httpx2
import pytest

from tests.chat_server import Answer, serving
from univar.corpus.asking.sessions import session

REQUEST = {"model": "m", "messages": [{"role": "user", "content": "Is it?"}]}


async def asked(url: str, timeout: float = 5) -> httpx2.Response:
    async with session() as client:
        return await client.post(f"{url}/v1/chat/completions", json=REQUEST, timeout=timeout)


def test_a_refused_connection_is_no_timeout():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(httpx2.ConnectError, match="Connect call failed"):
        asyncio.run(asked(url))


def test_a_connection_that_is_closed_without_an_answer_is_no_timeout():
    with (
        serving(lambda _prompt, _number: None) as server,
        pytest.raises(httpx2.ConnectError, match="Server disconnected"),
    ):
        asyncio.run(asked(server.url))


def test_an_answer_that_is_late_is_a_timeout():
    with (
        serving(lambda _prompt, _number: time.sleep(0.5)) as server,
        pytest.raises(httpx2.ReadTimeout, match=r"[Tt]imeout"),
    ):
        asyncio.run(asked(server.url, timeout=0.1))


def test_an_answer_that_breaks_off_is_told():
    with (
        serving(lambda _prompt, _number: Answer("Half of this is missing.", cut=True)) as server,
        pytest.raises(httpx2.ReadError, match="payload is not completed"),
    ):
        asyncio.run(asked(server.url))


def test_the_proxy_of_the_environment_is_asked(monkeypatch):
    with serving(lambda _prompt, _number: "By way of the proxy.") as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        reply = asyncio.run(asked("http://192.0.2.1"))  # an address of documentation, where nothing is
    assert reply.json()["choices"][0]["message"]["content"] == "By way of the proxy."
