"""`transformers serve` behind a proxy that spoils requests: every plan ends whole, with no row doubled or missing."""

import itertools
import math
import random
import sys
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.corpus.asking.test_answers import start
from tests.corpus.asking.test_elicitation import ask, llm, questions, rows
from tests.fault_proxy import Fault, first, share_of, spoiling
from univar.corpus.asking import elicitation, endpoints
from univar.corpus.asking.elicitation import Plan, Sampling

BRIEF = Sampling(samples=2, max_tokens=2)

FAULTS = {
    "429": Fault(status=429),
    "429 with Retry-After": Fault(status=429, headers={"retry-after": "0.3"}),
    "500": Fault(status=500),
    "503": Fault(status=503),
    "half a body": Fault(cut=True),
    "invalid JSON": Fault(body=b"{ no json"),
    "no choices": Fault(body=b'{"choices": []}'),
    "reset": Fault(reset=True),
}


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(endpoints, "_LONGEST_WAIT", 0.3)


def plan_of(*urls: str, model: Path, number: int = 1, **options: object) -> Plan:
    """Six requests a question to each endpoint: in 3 languages, 2 samples."""
    llms = [llm(f"m{n}", url, model=str(model), concurrency=8, **options) for n, url in enumerate(urls)]
    return Plan(questions(number), llms, BRIEF)


def missing_and_doubled(plan: Plan, folder: Path) -> tuple[Counter[str], Counter[str]]:
    planned = Counter(each.request.request_id for asked in plan.llms for each in plan.of(asked))
    found = Counter(row["request_id"] for row in rows(folder))
    return planned - found, found - planned


NONE = (Counter(), Counter())


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_survived(served, tiny_llm, tmp_path, fault):
    with spoiling(served, first(4, fault)) as proxy:
        plan, began = plan_of(proxy.url, model=tiny_llm), time.monotonic()
        progress = ask(plan, tmp_path)["m0"]
    assert missing_and_doubled(plan, tmp_path) == NONE
    assert (progress.done, progress.failed, progress.stopped) == (6, 0, None)
    # The first 4 that go out meet the fault, and each of these is sent once more.
    assert progress.sent == proxy.received == 6 + 4
    assert progress.errors.total() == 4
    assert time.monotonic() - began >= float(fault.headers.get("retry-after", 0))


def test_a_first_byte_that_does_not_come_in_time_is_survived(served, tiny_llm, tmp_path):
    with spoiling(served, first(3, Fault(delay=2))) as proxy:
        plan = plan_of(proxy.url, model=tiny_llm, timeout=1.5)
        progress = ask(plan, tmp_path)["m0"]
    assert missing_and_doubled(plan, tmp_path) == NONE
    assert progress.errors["timeout"] >= 3


def test_a_mixture_of_faults_is_survived(served, tiny_llm, tmp_path):
    faults = [*FAULTS.values(), Fault(delay=0.5)]  # 8 of the 9 kinds are among the first 18 requests
    with spoiling(served, share_of(0.35, faults, seed=123)) as proxy:
        plan = plan_of(proxy.url, model=tiny_llm, number=3)
        progress = ask(plan, tmp_path)["m0"]
    assert missing_and_doubled(plan, tmp_path) == NONE
    assert {*progress.errors} == {"connection", "HTTP 429", "HTTP 500", "HTTP 503"}
    assert progress.sent == proxy.received == 18 + progress.errors.total()


def asked_while_it_dies_and_returns(served: str, model: Path, folder: Path, seconds: float) -> elicitation.Progress:
    with spoiling(served, lambda number: Fault(dead=seconds) if number == 3 else None) as proxy:
        plan = plan_of(proxy.url, model=model, number=2)
        progress = ask(plan, folder)["m0"]
    assert missing_and_doubled(plan, folder) == NONE
    return progress


def test_a_server_that_dies_and_returns_is_waited_for(served, tiny_llm, tmp_path, monkeypatch):
    monkeypatch.setattr(endpoints, "_LONGEST_WAIT", 1)  # six attempts wait for at least 0.5 + 4 x 1 seconds
    progress = asked_while_it_dies_and_returns(served, tiny_llm, tmp_path, 3)
    assert (progress.done, progress.stopped) == (12, None)
    assert progress.errors["connection"] > 0


@pytest.mark.slow
def test_a_server_that_returns_after_ten_seconds_is_waited_for_by_default(served, tiny_llm, tmp_path, monkeypatch):
    monkeypatch.undo()  # six attempts wait for at least 0.5 + 1 + 2 + 4 + 8 seconds
    progress = asked_while_it_dies_and_returns(served, tiny_llm, tmp_path, 10)
    assert (progress.done, progress.stopped) == (12, None)
    assert progress.errors["connection"] > 0


def test_an_endpoint_that_is_gone_for_good_is_told_and_the_other_finishes(served, tiny_llm, tmp_path):
    with (
        spoiling(served, lambda number: Fault(dead=math.inf) if number == 6 else None) as gone,
        spoiling(served) as there,
    ):
        plan = plan_of(gone.url, there.url, model=tiny_llm, number=2)
        progress = ask(plan, tmp_path)
    assert (progress["m1"].done, progress["m1"].stopped) == (12, None)
    assert f"{gone.url} gave no usable answer" in (progress["m0"].stopped or "")
    before = progress["m0"].done
    assert before < 12
    with spoiling(served) as back:
        # The endpoint may have moved: what is asked and how decides what is the same request.
        again = plan_of(back.url, there.url, model=tiny_llm, number=2)
        progress = ask(again, tmp_path)
    assert missing_and_doubled(again, tmp_path) == NONE
    assert (progress["m0"].sent, progress["m1"].sent) == (12 - before, 0)


def test_a_clock_that_jumps_by_hours_changes_nothing(served, tiny_llm, tmp_path, monkeypatch):
    jumps, now = itertools.cycle([0, 5, -7, 48, -48]), time.time
    clock = lambda: now() + 3600 * next(jumps)  # noqa: E731

    class Jumping(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.fromtimestamp(clock(), tz)

    monkeypatch.setattr(time, "time", clock)
    monkeypatch.setattr(elicitation, "datetime", Jumping)
    with spoiling(served, first(3, FAULTS["429 with Retry-After"])) as proxy:
        plan, began = plan_of(proxy.url, model=tiny_llm, requests_per_minute=600), time.monotonic()
        progress = ask(plan, tmp_path)["m0"]
        # 9 requests, one every 100 ms: the rate neither stops nor lets all go at once.
        assert 8 * 0.1 <= time.monotonic() - began < 20
        assert ask(plan, tmp_path)["m0"].sent == 0
    assert missing_and_doubled(plan, tmp_path) == NONE
    assert (progress.sent, progress.stopped) == (9, None)
    found = rows(tmp_path)
    assert all(0 < row["seconds"] < 20 for row in found)
    told = [datetime.fromisoformat(row["answered_at"]) for row in found]
    assert max(told) - min(told) > timedelta(hours=24)  # the clock did jump


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kills_and_faults_lose_and_double_nothing(served, tiny_llm, tmp_path, capsys):
    """2,004 requests to 2 endpoints in 3 languages with 2 samples, a fifth of them faulty, and 20 kills -9."""
    generator, faults = random.Random(0), list(FAULTS.values())
    with spoiling(served, share_of(0.2, faults, 1)) as one, spoiling(served, share_of(0.2, faults, 2)) as two:
        plan = plan_of(one.url, two.url, model=tiny_llm, number=167)
        for _ in range(20):
            process, until = start(tmp_path, plan), one.received + two.received + generator.randrange(20, 150)
            while one.received + two.received < until:
                assert process.poll() is None, "it was done before it was killed"
                time.sleep(0.01)
            process.kill()
            process.wait()
        assert start(tmp_path, plan).wait(600) == 0
        sent = one.received + two.received
    assert missing_and_doubled(plan, tmp_path) == NONE
    # A fifth of faults costs a quarter more, and a kill what was under way: 8 requests an endpoint.
    assert sent < 2004 * 1.25 + 20 * 2 * 8 + 100
    with capsys.disabled():
        sys.stdout.write(f"20 kills, {sent:,} requests sent for 2,004 needed: {sent / 2004:.2f}\n")
