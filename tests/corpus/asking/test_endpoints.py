import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from tests.chat_server import Answer, serving
from univar.corpus.asking import endpoints
from univar.corpus.asking.endpoints import API_KEY, ChatReply, ChatRequest, Endpoint, EndpointError, Journal, ask_all

ASKED = [ChatRequest(f"r{number}", f"Question {number}", number) for number in range(6)]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(endpoints, "_LONGEST_WAIT", 0.05)
    monkeypatch.delenv(API_KEY, raising=False)


def asked_of(url, path, requests=ASKED, **options):
    done = []
    with Journal(path) as journal:
        replies = [reply for _, reply in ask_all(requests, Endpoint(url, "m", **options), journal, done.append)]
    assert sum(done) == len(requests)
    return replies


# Asking


def test_replies_come_in_the_order_of_the_requests_with_their_sampling(tmp_path):
    def answer(prompt, _number):
        time.sleep(0.05 if prompt == "Question 0" else 0)
        return f"Reply to {prompt}"

    with serving(answer) as server:
        replies = asked_of(server.url, tmp_path / "j", max_tokens=7, temperature=0.5, top_p=0.9)
    assert [replace(reply, seconds=0) for reply in replies] == [
        ChatReply(f"r{number}", f"Reply to Question {number}", "stop", "served-m", 5, 3) for number in range(6)
    ]
    assert replies[0].seconds >= 0.05
    first = next(request for request in server.asked if request["seed"] == 3)
    assert {key: first[key] for key in ("model", "max_tokens", "temperature", "top_p")} == {
        "model": "m", "max_tokens": 7, "temperature": 0.5, "top_p": 0.9,
    }  # fmt: skip
    assert first["messages"] == [{"role": "user", "content": "Question 3"}]


def test_no_more_requests_are_under_way_than_allowed(tmp_path):
    lock, under_way, most = threading.Lock(), 0, 0

    def answer(_prompt, _number):
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with lock:
            under_way -= 1
        return "Yes."

    with serving(answer) as server:
        asked_of(server.url, tmp_path / "j", concurrency=2)
    assert most == 2


@pytest.mark.parametrize(
    "trouble",
    [
        Answer("slow down", status=429, headers={"retry-after": "0"}),
        Answer("slow down", status=429, headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        Answer("busy", status=503),
        Answer("broken", status=500),
        Answer(body=b"{ no json"),
        Answer(body=b'{"choices": []}'),
        Answer(body=b'{"choices": null}'),
        Answer(body=b'{"choices": [{"message": {"content": 3}}]}'),
        Answer(body=b"[" * 100_000),
        Answer(body=b"no gzip", headers={"content-encoding": "gzip"}),
        Answer("go there", status=307, headers={"location": "/v1/chat/completions"}),
        Answer("the gateway waited for long enough", status=524),
        None,
    ],
)
def test_what_can_heal_is_tried_again(tmp_path, trouble):
    with serving(lambda _prompt, number: trouble if number < 2 else "At last.") as server:
        (reply,) = asked_of(server.url, tmp_path / "j", ASKED[:1])
    assert reply.text == "At last."
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("status", "concerns", "advice"),
    [
        (400, "request", "see the log of the server"),
        (401, "endpoint", "set UNIVAR_API_KEY"),
        (402, "endpoint", "credit"),
        (403, "endpoint", "allowed to use this model"),
        (404, "endpoint", "URL"),
        (405, "endpoint", "see the log of the server"),
        (424, "request", "see the log of the server"),
        (451, "request", "see the log of the server"),
        (501, "endpoint", "see the log of the server"),
    ],
)
def test_what_cannot_heal_is_told_at_once(tmp_path, status, concerns, advice):
    with (
        serving(lambda _prompt, _number: Answer("not like this", status=status)) as server,
        pytest.raises(EndpointError, match=f"refused 'm' with HTTP {status} .*not like this.*{advice}") as failed,
    ):
        asked_of(server.url, tmp_path / "j", ASKED[:1])
    assert failed.value.concerns == concerns
    assert len(server.asked) == 1


# Fields and places


def test_no_other_fields_are_sent_than_those_of_the_sampling(tmp_path):
    with serving(lambda _prompt, _number: "Yes.") as server:
        asked_of(server.url, tmp_path / "j", ASKED[:1])
        asked_of(server.url, tmp_path / "k", ASKED[:1], top_k=5)
    first, second = (set(request) for request in server.asked)
    assert first == {"model", "messages", "stream", "max_tokens", "temperature", "top_p", "seed"}
    assert second == first | {"top_k"}


def test_fields_that_are_left_out_are_not_in_the_request_at_all(tmp_path):
    request = {
        **dict.fromkeys(["max_tokens", "temperature", "seed", "top_k"]), "top_p": 0.5, "max_completion_tokens": 512,
        "provider": {"order": ["a", "b"]},
    }  # fmt: skip
    with serving(lambda _prompt, _number: "Yes.") as server:
        asked_of(server.url, tmp_path / "j", ASKED[:1], top_k=5, request=request)
    (sent,) = server.asked
    assert sent == {
        "model": "m", "messages": [{"role": "user", "content": "Question 0"}], "stream": False, "top_p": 0.5,
        "max_completion_tokens": 512, "provider": {"order": ["a", "b"]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "said", "line"),
    [
        (400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
         "write `request: {effort: low, max_tokens: null, max_completion_tokens: 1024}` for it in the models file"),
        (422, "seed: Extra inputs are not permitted", "--request effort=\"low\" --request seed=null"),
        (400, "the prompt was filtered", "see the log of the server"),
        (404, "no seed", "is the URL right"),
    ],
)  # fmt: skip
def test_a_refusal_of_a_field_says_what_to_write(tmp_path, status, said, line):
    with (
        serving(lambda _prompt, _number: Answer(said, status=status)) as server,
        pytest.raises(EndpointError) as failed,
    ):
        asked_of(server.url, tmp_path / "j", ASKED[:1], request={"effort": "low"})
    assert line in str(failed.value)


@pytest.mark.parametrize(
    ("path", "asked_at"),
    [
        ("", "/v1/chat/completions"),
        ("/", "/v1/chat/completions"),
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("/api/v3", "/api/v3/chat/completions"),
        ("/api/paas/v4", "/api/paas/v4/chat/completions"),
        ("/v1beta/openai", "/v1beta/openai/chat/completions"),
        ("/v1beta/openai/", "/v1beta/openai/chat/completions"),
        ("/v1/projects/p/endpoints/openapi", "/v1/projects/p/endpoints/openapi/chat/completions"),
        ("/openai", "/openai/v1/chat/completions"),
        ("/models/v2-mini", "/models/v2-mini/v1/chat/completions"),
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/chat/completions", "/chat/completions"),
        ("/x/chat/completions?api-version=1", "/x/chat/completions?api-version=1"),
        ("/v2?key=1", "/v2/chat/completions?key=1"),
    ],
)
def test_a_url_that_names_the_root_of_an_api_is_used_as_it_is(tmp_path, path, asked_at):
    with serving(lambda _prompt, _number: "Yes.") as server:
        asked_of(server.url + path, tmp_path / "j", ASKED[:1])
    assert server.paths == [asked_at]


def test_a_wrong_url_is_told_with_where_it_led(tmp_path):
    with (
        serving(lambda _prompt, _number: Answer("not here", status=404)) as server,
        pytest.raises(EndpointError, match=f"it was asked at {server.url}/x/v1/chat/completions; a URL that ends in"),
    ):
        asked_of(f"{server.url}/x", tmp_path / "j", ASKED[:1])


# What a good reply says


def within(error) -> Answer:
    return Answer(body=json.dumps({"error": error}).encode())


def test_an_error_inside_a_good_reply_heals_as_its_code_does(tmp_path):
    busy = within({"message": "slow down", "code": 429})
    with serving(lambda _prompt, number: busy if number < 2 else "At last.") as server:
        (reply,) = asked_of(server.url, tmp_path / "j", ASKED[:1])
    assert (reply.text, len(server.asked)) == ("At last.", 3)


@pytest.mark.parametrize(
    ("error", "attempts", "concerns", "message"),
    [
        ({"message": "no credit", "code": 402}, 1, "endpoint", "error 402 inside a reply .*no credit.*credit left"),
        ({"message": "flagged", "code": 400}, 1, "request", "error 400 inside a reply .*flagged"),
        ({"message": "no seed", "code": 400}, 1, "request", "error 400 .*write `request: {seed: null}` for it"),
        ({"message": "overloaded", "code": 503}, 6, "moment", "error 503 inside a reply .*overloaded"),
        ("out of luck", 6, "moment", "with an error inside a reply .out of luck"),
    ],
)
def test_the_reason_of_an_error_inside_a_good_reply_is_told(tmp_path, error, attempts, concerns, message):
    with (
        serving(lambda _prompt, _number: within(error)) as server,
        pytest.raises(EndpointError, match=message) as failed,
    ):
        asked_of(server.url, tmp_path / "j", ASKED[:1])
    assert (len(server.asked), failed.value.concerns) == (attempts, concerns)


def test_a_reply_that_ended_in_an_error_is_asked_for_again_and_then_given_up(tmp_path):
    broken = Answer("So I", finish_reason="error")
    with serving(lambda _prompt, number: broken if number < 2 else "At last.") as server:
        (reply,) = asked_of(server.url, tmp_path / "j", ASKED[:1])
    assert (reply.text, len(server.asked)) == ("At last.", 3)
    with (
        serving(lambda _prompt, _number: broken) as server,
        pytest.raises(EndpointError, match="finish_reason error") as failed,
    ):
        asked_of(server.url, tmp_path / "k", ASKED[:1], attempts=2)
    assert (len(server.asked), failed.value.concerns) == (2, "request")


def test_a_journal_of_an_earlier_version_is_read(tmp_path):
    line = {"request_id": "r0", "text": "<think>Hm.</think>No.", "finish_reason": "stop", "model": "m"}
    (tmp_path / "j").write_text(json.dumps(line) + "\n")
    with Journal(tmp_path / "j") as journal:
        assert journal.replies["r0"].reasoning is None


def reply(content, **others) -> Answer:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    return Answer(body=json.dumps({"model": "m", "choices": [{**choice, **others}], "usage": None}).encode())


@pytest.mark.parametrize(
    ("said", "text", "reason"),
    [
        (reply([{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "N"}, {"text": "o."}]), "No.", "stop"),
        (reply("No \ud83d."), "No ?.", "stop"),
        (reply("No.", finish_reason=1), "No.", "1"),
        (reply(None), "", "stop"),
    ],
)
def test_odd_replies_become_text(tmp_path, said, text, reason):
    with serving(lambda _prompt, _number: said) as server:
        (found,) = asked_of(server.url, tmp_path / "j", ASKED[:1])
    assert (found.text, found.finish_reason) == (text, reason)


@pytest.mark.parametrize("count", ["5", 5.5, -1, 2**40, True, None])
def test_a_number_of_tokens_that_is_none_is_not_taken(tmp_path, count):
    usage = {"prompt_tokens": count, "completion_tokens": 3, "total_tokens": 8}
    with serving(lambda _prompt, _number: Answer("No.", usage=usage)) as server:
        (found,) = asked_of(server.url, tmp_path / "j", ASKED[:1])
    assert (found.prompt_tokens, found.completion_tokens) == (None, 3)


def test_requests_that_waited_for_a_slow_server_do_not_leave_all_at_once(tmp_path):
    came, begun = [], time.monotonic()

    def answer(_prompt, _number):
        came.append(time.monotonic() - begun)
        time.sleep(max(0.0, begun + 0.5 - time.monotonic()))
        return "No."

    requests = [ChatRequest(f"r{number}", "Question", number) for number in range(30)]
    with serving(answer) as server:
        asked_of(server.url, tmp_path / "j", requests, concurrency=8, requests_per_minute=1200)
    # One each 50 ms is allowed, and 8 at once: in any tenth of a second two or three, not the 6 that waited beside 2.
    assert max(sum(start <= other < start + 0.1 for other in came) for start in came) <= 5


def test_a_server_that_is_not_there_is_named(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(EndpointError, match=f"{url} gave no usable answer in 2 attempts .*is a server running there"):
        asked_of(url, tmp_path / "j", attempts=2)


def test_a_reply_that_never_comes_ends_with_the_timeout(tmp_path):
    def answer(_prompt, _number):
        time.sleep(0.5)

    with serving(answer) as server, pytest.raises(EndpointError, match="no usable answer in 2 attempts"):
        asked_of(server.url, tmp_path / "j", ASKED[:1], timeout=0.1, attempts=2)


# Keys


def test_the_login_of_the_hub_goes_to_no_other_server(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_secret")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with serving(lambda _prompt, _number: "Yes.") as server:
        asked_of(server.url, tmp_path / "j")
    assert not any("hf_secret" in (key or "") for key in server.keys)


def test_the_login_of_the_hub_goes_to_the_hub(monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_secret")

    async def token() -> str | None:
        async with Endpoint("https://router.huggingface.co/v1", "m").client() as client:
            return client.token

    assert asyncio.run(token()) == "hf_secret"


@pytest.mark.parametrize(
    "url",
    ["https://nothuggingface.co/v1", "http://router.huggingface.co/v1", "https://a-space.hf.space", "https://b.org"],
)
def test_the_login_of_the_hub_goes_to_nobody_who_is_not_the_hub(monkeypatch, url):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_secret")

    async def token() -> str | None:
        async with Endpoint(url, "m").client() as client:
            return client.token

    assert asyncio.run(token()) == "none"


def test_every_server_has_a_key_of_its_own_if_its_variable_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv(API_KEY, "sk-usual")
    monkeypatch.setenv("VENDOR_KEY", "sk-vendor")
    with serving(lambda _prompt, _number: "Yes.") as server:
        asked_of(server.url, tmp_path / "j", ASKED[:1], key_variable="VENDOR_KEY")
        asked_of(server.url, tmp_path / "k", ASKED[:1])
    assert server.keys == ["Bearer sk-vendor", "Bearer sk-usual"]


def test_a_provider_of_the_hub_is_asked_with_its_login(monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_secret")

    async def client() -> tuple[str | None, str | None]:
        async with Endpoint("provider:together", "m").client() as found:
            return found.provider, found.token

    assert asyncio.run(client()) == ("together", "hf_secret")


def test_a_slow_first_byte_holds_up_no_other_request(tmp_path):
    def answer(_prompt, number):
        time.sleep(0.6 if number == 0 else 0)
        return f"Number {number}"

    with serving(answer) as server:
        replies = asked_of(server.url, tmp_path / "j", concurrency=2)
    assert sum(reply.seconds > 0.5 for reply in replies) == 1
    order = [json.loads(line)["text"] for line in (tmp_path / "j").read_text().splitlines()]
    assert order[-1] == "Number 0"  # all others were done before it


def test_a_clock_that_jumps_changes_nothing(tmp_path, monkeypatch):
    clock = iter(range(10**9, 0, -86_400))
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    with serving(lambda _prompt, number: Answer("slow", status=429) if number < 2 else "Yes.") as server:
        replies = asked_of(server.url, tmp_path / "j", requests_per_minute=6000)
    assert [reply.text for reply in replies] == ["Yes."] * 6
    assert all(0 <= reply.seconds < 5 for reply in replies)


def test_a_key_goes_to_the_server_and_into_no_file_or_error(tmp_path, monkeypatch):
    monkeypatch.setenv(API_KEY, "sk-secret")
    with (
        serving(lambda _prompt, number: "Yes." if number < 3 else Answer("no", status=401)) as server,
        pytest.raises(EndpointError) as failed,
    ):
        asked_of(server.url, tmp_path / "j", concurrency=1)
    assert server.keys[0] == "Bearer sk-secret"
    assert "sk-secret" not in str(failed.value)
    assert "sk-secret" not in (tmp_path / "j").read_text()


# The journal


def test_no_reply_is_asked_for_twice(tmp_path):
    with serving(lambda _prompt, number: Answer("no", status=404) if number == 4 else f"Reply {number}") as server:
        with pytest.raises(EndpointError):
            asked_of(server.url, tmp_path / "j", concurrency=1)
        assert len((tmp_path / "j").read_text().splitlines()) == 4
        replies = asked_of(server.url, tmp_path / "j", concurrency=1)
    assert [reply.text for reply in replies] == [f"Reply {number}" for number in (0, 1, 2, 3, 5, 6)]
    assert server.prompts == [f"Question {number}" for number in (0, 1, 2, 3, 4, 4, 5)]


@pytest.mark.parametrize("rest", [b'{"request_id": "r5", "te', b"\xff"])
def test_half_a_line_that_a_crash_left_is_cut_off(tmp_path, rest):
    file = tmp_path / "j"
    with Journal(file) as journal:
        journal.append(ChatReply("r0", "a\u2028\u0085\nb", "stop", "m"))
    whole = file.read_bytes()
    file.write_bytes(whole + rest)
    with Journal(file) as journal:
        assert list(journal.replies) == ["r0"]
        journal.append(ChatReply("r1", "c", "stop", "m"))
    assert file.read_bytes().startswith(whole)
    assert [json.loads(line)["request_id"] for line in file.read_bytes().split(b"\n")[:-1]] == ["r0", "r1"]


def test_a_file_that_is_no_journal_is_left_as_it_is(tmp_path):
    file = tmp_path / "j"
    file.write_text('{"question": "Is this mine?"}\n')
    with pytest.raises(EndpointError, match="line 1: no reply of an earlier run"), Journal(file):
        pass
    assert file.read_text() == '{"question": "Is this mine?"}\n'


def test_a_second_process_is_refused_and_a_crash_leaves_no_lock(tmp_path):
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom univar.corpus.asking.endpoints import Journal\n"
        f"with Journal(Path({str(tmp_path / 'j')!r})):\n    print('open', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(EndpointError, match="being written by another process"), Journal(tmp_path / "j"):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait()
    with Journal(tmp_path / "j") as journal:
        assert journal.replies == {}


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://[::1]:8000/v1", True),
        ("http://localhost:8000", True),
        ("http://10.0.0.7", True),
        ("http://192.168.1.2:8080/v1", True),
        ("http://gpu-node-3:8000", True),
        ("http://llm.lan", True),
        ("https://api.example.org/v1", False),
        ("http://8.8.8.8:8000", False),
        ("provider:together", False),
    ],
)
def test_local_servers_are_those_of_this_machine_and_of_private_networks(url, local):
    assert endpoints.is_local(url) is local
