import json
import os
import random
import resource
import signal
import stat
import subprocess
import sys
import threading
import tracemalloc
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.chat_server import serving
from tests.corpus.asking.test_elicitation import ask, llm, questions, rows
from univar.corpus.asking import answers, elicitation
from univar.corpus.asking.answers import Answered, AnswerFolder, ElicitationError
from univar.corpus.asking.elicitation import Plan, Sampling

ROOT = Path(__file__).parents[3]


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


# Ids


def test_ids_are_found_whether_or_not_they_are_in_order_yet(monkeypatch):
    monkeypatch.setattr(answers, "_MOST_RECENT", 7)
    generator, found = random.Random(0), Answered()
    ids = [f"{number:016x}" for number in (0, 2**64 - 1, *(generator.randrange(2**64) for _ in range(98)))]
    others = [f"{generator.randrange(2**64):016x}" for _ in range(100)]
    assert not any(name in found for name in (*ids, *others))
    for start in range(0, 100, 5):  # 5 are recent, 10 are put in order
        found.add(ids[start : start + 5])
        assert [name in found for name in ids] == [place < start + 5 for place in range(100)]
        assert len(found) == start + 5
    assert not any(name in found for name in others)


def test_an_id_takes_eight_bytes():
    found = Answered()
    tracemalloc.start()
    try:
        for start in range(0, 200_000, 20_000):
            found.add(f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}" for number in range(start, start + 20_000))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 8.2 * 200_000
    assert len(found) == 200_000


# What a power cut leaves


def row(number: int) -> dict[str, object]:
    return {
        "question_id": "tact-00", "question": "May one lie?", "answer": "No.", "model": "a", "lang": "eng",
        "sample": 0, "source": "univar-qa", "request_id": f"{number:016x}",
        "served_model": "a", "finish_reason": "stop", "seconds": 0.1,
        "answered_at": "2026-01-01T00:00:00+00:00", "seed": 0, "max_tokens": 8, "temperature": 1.0, "top_p": 1.0,
        "prompt_version": "1",
    }  # fmt: skip


@pytest.fixture
def done(tmp_path, monkeypatch) -> list[tuple[str, str]]:
    """What the disk was told to do below tmp_path, with the names of the files."""
    told = []

    def noted(what, function):
        def note(target, *rest, **options):
            path = target
            if isinstance(target, int):
                there = [tmp_path, *tmp_path.rglob("*")]
                path = next(file for file in there if file.stat().st_ino == os.fstat(target).st_ino)
            result = function(target, *rest, **options)
            told.append((what, Path(path).name))
            return result

        return note

    monkeypatch.setattr(os, "fsync", noted("sync", os.fsync))
    monkeypatch.setattr(os, "replace", noted("name", os.replace))
    monkeypatch.setattr(Path, "unlink", noted("remove", Path.unlink))
    return told


def leave(folder: Path, how: type[BaseException]) -> None:
    with suppress(how), AnswerFolder(folder) as answers:
        answers.append(row(3))
        raise how


def test_a_shard_is_on_the_disk_before_its_lines_are_gone(tmp_path, done):
    with AnswerFolder(tmp_path, rows_per_shard=3) as folder:
        folder.append(row(0))
        folder.append(row(1))
        folder.sync()
        folder.sync()  # nothing new
        assert done == [("sync", tmp_path.name), ("sync", ".part-00000.jsonl")]
        done.clear()
        folder.append(row(2))
        assert done == [
            ("sync", "part-00000.parquet"),
            ("name", "part-00000.parquet"),
            ("sync", tmp_path.name),
            ("remove", ".part-00000.jsonl"),
            ("sync", tmp_path.name),
        ]
    done.clear()
    leave(tmp_path, OSError)
    assert done[-1] == ("sync", ".part-00001.jsonl")
    done.clear()
    with AnswerFolder(tmp_path) as folder:  # what a process left that was killed need not be on the disk
        folder.sync()
        assert ("sync", ".part-00001.jsonl") in done


def test_an_interruption_leaves_no_answer_out_of_the_shards(tmp_path):
    leave(tmp_path, KeyboardInterrupt)
    assert pq.read_table(tmp_path / "part-00000.parquet").num_rows == 1
    assert not list(tmp_path.glob(".part-*"))


def test_answers_go_to_the_disk_while_others_are_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(elicitation, "_SECONDS_BETWEEN_SYNCS", 0.01)
    on_disk, found, sync = threading.Event(), [], os.fsync

    def synced(file):
        sync(file)
        if stat.S_ISREG(os.fstat(file).st_mode):  # the file of answers and not its folder
            on_disk.set()

    def answer(_prompt, number):
        if number:
            found.append(on_disk.wait(10))
        return "No."

    monkeypatch.setattr(os, "fsync", synced)
    with serving(answer) as server:
        ask(Plan(questions(1, ("eng", "fra")), [llm("a", server.url, concurrency=1)], Sampling()), tmp_path)
    assert found == [True]


def test_what_was_not_on_the_disk_yet_is_asked_again(tmp_path):
    """A file system may keep the length of a file and lose a part of what is in it, which reads as zeros."""
    whole = [json.dumps(row(number)).encode() + b"\n" for number in range(4)]
    (tmp_path / ".part-00000.jsonl").write_bytes(whole[0] + whole[1][:9] + bytes(70) + whole[2][9:] + whole[3])
    with AnswerFolder(tmp_path) as folder:
        assert [f"{number:016x}" in folder.answered for number in range(4)] == [True, False, False, True]
        folder.append(row(1))
        folder.finish_shard()
    assert sorted(int(each["request_id"]) for each in rows(tmp_path)) == [0, 1, 3]


# Kills and full disks

SCRIPT = """
import json, resource, sys
from pathlib import Path
from univar.corpus.asking import endpoints
from univar.corpus.asking.answers import AnswerFolder
from univar.corpus.asking.elicitation import Plan, Sampling, elicit
from univar.corpus.asking.models import LLM
from univar.corpus.questions.bank import Question
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
