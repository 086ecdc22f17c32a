import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.chat_server import serving
from tests.corpus.test_elicitation import ask, faulty, llm, questions, rows
from univar.corpus.answers import AnswerFolder, ElicitationError
from univar.corpus.elicitation import Plan, Sampling

ROOT = Path(__file__).parent.parent.parent


def test_a_crash_between_shard_and_lines_doubles_nothing(tmp_path):
    with serving(lambda _prompt, _number: "No.") as server:
        plan = Plan(questions(), [llm("a", server.url)], Sampling())
        ask(plan, tmp_path)
        # The shard stands under its name, and the lines that it was made of are still there.
        (tmp_path / ".part-00000.jsonl").write_text(
            "".join(json.dumps(row, default=str) + "\n" for row in rows(tmp_path))
        )
        again = ask(plan, tmp_path)["a"]
    assert again.sent == 0
    assert len(rows(tmp_path)) == 12


def test_half_a_line_that_a_crash_left_is_asked_again(tmp_path):
    with serving(lambda _prompt, _number: "No.") as server:
        plan = Plan(questions(1, ("eng",)), [llm("a", server.url)], Sampling())
        (tmp_path / ".part-00000.jsonl").write_bytes(b'{"request_id": "00')
        assert ask(plan, tmp_path)["a"].sent == 1
    assert len(rows(tmp_path)) == 1


def test_two_processes_do_not_write_one_folder(tmp_path):
    with (
        AnswerFolder(tmp_path),
        pytest.raises(ElicitationError, match="written by another process"),
        AnswerFolder(tmp_path),
    ):
        pass


SCRIPT = """
import resource, sys
from pathlib import Path
from tests.corpus.test_elicitation import llm, questions
from univar.corpus.answers import AnswerFolder
from univar.corpus.elicitation import Plan, Sampling, elicit
from univar.corpus import endpoints
endpoints._LONGEST_WAIT = 0.05
folder, number, samples, limit, *urls = sys.argv[1:]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
plan = Plan(questions(int(number)), [llm(f"m{n}", url, concurrency=32) for n, url in enumerate(urls)],
            Sampling(samples=int(samples)))
with AnswerFolder(Path(folder), rows_per_shard=300) as answers:
    found = elicit(plan, answers)
sys.exit(any(progress.stopped for progress in found.values()))
"""


def start(folder: Path, number: int, samples: int, *urls: str, limit: int = 0) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    arguments = [str(folder), str(number), str(samples), str(limit), *urls]
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, *arguments],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
    )


def test_a_full_disk_loses_nothing_that_was_answered(tmp_path):
    """A limit on the size of files stands for the disk: the system refuses the write in the same way."""
    assert resource.RLIMIT_FSIZE is not None
    with serving(lambda prompt, _: f"To {prompt}: no.") as server:
        first = start(tmp_path, 40, 1, server.url, limit=20_000)
        _, said = first.communicate(timeout=60)
        assert first.returncode == 1
        assert "File too large" in said
        second = start(tmp_path, 40, 1, server.url)
        assert second.wait(60) == 0
    found = rows(tmp_path)
    assert len(found) == len({row["request_id"] for row in found}) == 120


@pytest.mark.slow
def test_kills_and_faults_lose_and_double_nothing(tmp_path):
    """2,004 requests to 2 endpoints in 3 languages with 2 samples, a fifth of them faulty, and 20 kills -9."""

    def slowly(answer):
        def wait(prompt, number):
            time.sleep(0.15)
            return answer(prompt, number)

        return wait

    generator = random.Random(0)
    with serving(slowly(faulty(1))) as one, serving(slowly(faulty(2))) as two:
        kills = 0
        while kills < 20:
            process = start(tmp_path, 167, 2, one.url, two.url)
            before = len(one.asked) + len(two.asked)
            while len(one.asked) + len(two.asked) < before + 10 and process.poll() is None:
                time.sleep(0.01)
            time.sleep(generator.uniform(0, 0.35))
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        last = start(tmp_path, 167, 2, one.url, two.url)
        assert last.wait(200) == 0
        sent = len(one.asked) + len(two.asked)
    found = rows(tmp_path)
    assert len(found) == len({row["request_id"] for row in found}) == 2004
    assert all(row["answer"] == f"To {row['question']}: no." for row in found)
    assert kills == 20
    # Kills cost what was under way, faults a quarter more; nothing else is asked twice.
    assert sent < 2004 * 1.25 + 20 * 2 * 64 + 100
    (tmp_path / "sent.txt").write_text(f"{kills} kills, {sent} requests for 2,004 answers: {sent / 2004:.2f}")
