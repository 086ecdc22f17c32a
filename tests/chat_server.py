"""A chat server on 127.0.0.1 that speaks the OpenAI protocol and says what a test wants."""

import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """What the server sends: a text in the form of the protocol, or any status, headers and body, or half of it."""

    text: str = ""
    finish_reason: str = "stop"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    cut: bool = False
    usage: dict[str, int] = field(
        default_factory=lambda: {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    )

    def payload(self, model: str) -> bytes:
        if self.body is not None:
            return self.body
        if self.status != 200:
            return json.dumps({"error": self.text}).encode()
        message = {"role": "assistant", "content": self.text}
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        reply = {"id": "1", "object": "chat.completion", "created": 0, "model": model, "choices": [choice]}
        return json.dumps({**reply, "usage": self.usage}).encode()


@dataclass
class ChatServer:
    """A running server: where it is and what it was asked."""

    url: str
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    @property
    def prompts(self) -> list[str]:
        return [request["messages"][-1]["content"] for request in self.asked]


@contextmanager
def serving(answer: Callable[[str, int], Answer | str | None], port: int = 0) -> Iterator[ChatServer]:
    """Runs a server that gives `answer(prompt, number of the request from 0)`; None closes the connection.

    Port 0 is any that is free.
    """
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                number = len(server.asked)
                server.asked.append(request)
                server.keys.append(self.headers.get("authorization"))
                server.paths.append(self.path)
            said = answer(request["messages"][-1]["content"], number)
            if said is None:
                self.close_connection = True
                return
            said = Answer(said) if isinstance(said, str) else said
            payload = said.payload(f"served-{request['model']}")
            self.send_response(said.status)
            for name, content in {"content-type": "application/json", **said.headers}.items():
                self.send_header(name, content)
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload[: len(payload) // 2] if said.cut else payload)
            self.close_connection = self.close_connection or said.cut

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 256  # the default of 5 refuses connections under load

        def handle_error(self, *_: Any) -> None:
            """A client that gives up does not wait for its answers; anything else is printed, which fails tests."""
            if not isinstance(sys.exception(), ConnectionError):
                super().handle_error(*_)

    http = Server(("127.0.0.1", port), Handler)
    server = ChatServer(f"http://127.0.0.1:{http.server_port}")
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


NAMES = [f"{first}{last}" for first in ("har", "mel", "sto", "win", "bro", "cal", "der") for last in
         ("old", "ina", "wick", "ton", "by", "ford", "ham", "ley")]  # fmt: skip


def plausible(prompt: str, number: int) -> str:
    """A list of new questions about what the prompt is about, as an LLM would write it."""
    about = re.search(r"(?:value|topic): (\w+)", prompt)
    assert about is not None
    names = [NAMES[(number * 5 + item) % len(NAMES)] for item in range(5)]
    lines = [
        f"{item}. {name.title()} village, house {number}: what would you tell the family there about {about[1]}?"
        for item, name in enumerate(names, start=1)
    ]
    return "Here they are:\n" + "\n".join(lines)
