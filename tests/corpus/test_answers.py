import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.chat_server import serving
from tests.corpus.test_elicitation import ask, llm, questions, rows
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
import json, resource, sys
from dataclasses import asdict
from pathlib import Path
from univar.corpus import endpoints
from univar.corpus.answers import AnswerFolder
from univar.corpus.elicitation import LLM, Plan, Sampling, elicit
from univar.corpus.questions import Question
endpoints._LONGEST_WAIT = 0.05
folder, limit, given = sys.argv[1], int(sys.argv[2]), json.load(sys.stdin)
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
plan = Plan([Question(**each) for each in given["questions"]], [LLM(**each) for each in given["llms"]],
            Sampling(**given["sampling"]))
with AnswerFolder(Path(folder), rows_per_shard=300) as answers:
    found = elicit(plan, answers)
sys.exit(any(progress.stopped for progress in found.values()))
"""


def start(folder: Path, plan: Plan, limit: int = 0) -> subprocess.Popen:
    """Asks in a process of its own, which may be killed; `limit` is of the bytes of a file."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(folder), str(limit)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
    )
    assert process.stdin is not None
    json.dump(asdict(plan), process.stdin)
    process.stdin.close()
    process.stdin = None
    return process


def test_a_full_disk_loses_nothing_that_was_answered(tmp_path):
    """A limit on the size of files stands for the disk: the system refuses the write in the same way."""
    assert resource.RLIMIT_FSIZE is not None
    with serving(lambda prompt, _: f"To {prompt}: no.") as server:
        plan = Plan(questions(40), [llm("a", server.url, concurrency=32)], Sampling())
        first = start(tmp_path, plan, limit=20_000)
        _, said = first.communicate(timeout=60)
        assert first.returncode == 1
        assert "File too large" in said
        second = start(tmp_path, plan)
        assert second.wait(60) == 0
    found = rows(tmp_path)
    assert len(found) == len({row["request_id"] for row in found}) == 120
