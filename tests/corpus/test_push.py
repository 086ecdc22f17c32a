"""Publishing a corpus, on a server that answers as the Hub does."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.chat_server import serving
from tests.corpus.asking.test_elicitation import ask, llm, questions
from univar.corpus.asking.answers import ElicitationError
from univar.corpus.asking.elicitation import Plan, Sampling
from univar.corpus.building import build_corpus, push_corpus


class Hub:
    """A Hub on 127.0.0.1 that takes one data set and keeps what it was sent."""

    def __init__(self, status: int = 200) -> None:
        self.files: dict[str, bytes] = {}
        self.made: list[dict] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                status_now, reply = hub.answer(self.path, body) if status == 200 else (status, {"error": "not yours"})
                payload = json.dumps(reply).encode()
                self.send_response(status_now)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, path: str, body: bytes) -> tuple[int, dict]:
        if path.endswith("/preupload/main"):
            names = [file["path"] for file in json.loads(body)["files"]]
            return 200, {"files": [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]}
        if path.endswith("/commit/main"):
            entries = [json.loads(line) for line in body.decode().splitlines()]
            for entry in entries:
                if entry["key"] == "file":
                    self.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            commit = "1" * 40
            return 200, {"commitUrl": f"{self.url}/datasets/me/answers/commit/{commit}", "commitOid": commit}
        if path == "/api/repos/create":
            self.made.append(json.loads(body))
        return 200, {"url": f"{self.url}/datasets/me/answers"}


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # the Hub of the test is no network
    with serving(lambda _prompt, number: "I'm sorry, but I can't help." if number == 0 else "It depends.") as server:
        ask(Plan(questions(2, ("eng",)), [llm("aya", server.url)], Sampling()), tmp_path / "answers")
    build_corpus(tmp_path / "answers", tmp_path / "corpus", card=lambda _: "# Answers\n")
    return tmp_path / "corpus"


@pytest.mark.parametrize("private", [True, False])
def test_a_corpus_is_published_without_what_was_kept_apart(corpus, monkeypatch, private):
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    hub = Hub()
    url = push_corpus(corpus, "me/answers", private=private, endpoint=hub.url)
    hub.server.shutdown()
    assert url == f"{hub.url}/datasets/me/answers/commit/{'1' * 40}"
    assert set(hub.files) == {"README.md", "data/answers.parquet"}
    assert hub.files["data/answers.parquet"] == (corpus / "data" / "answers.parquet").read_bytes()
    assert (hub.made[0]["visibility"] == "private") is private


def test_a_hub_that_refuses_is_told_with_what_to_do(corpus, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    hub = Hub(status=403)
    with pytest.raises(ElicitationError, match=r"refused to take 'me/answers'.*may your token write") as refused:
        push_corpus(corpus, "me/answers", endpoint=hub.url)
    hub.server.shutdown()
    assert "hf_test" not in str(refused.value)


def test_what_is_no_corpus_is_not_published(corpus, tmp_path):
    with pytest.raises(ElicitationError, match="is no corpus with a card"):
        push_corpus(tmp_path / "answers", "me/answers")
    with pytest.raises(ElicitationError, match="'a/b/c' is no name of a repository"):
        push_corpus(corpus, "a/b/c")
