"""The stages as datatrove steps: the same corpus as one process makes, row for row, whatever is killed on the way."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.chat_server import Answer, serving
from tests.tiny_nllb import SENTENCES
from univar.corpus.asking.answers import AnswerFolder, ElicitationError, shards
from univar.corpus.asking.elicitation import Plan, Sampling, elicit
from univar.corpus.asking.endpoints import EndpointError
from univar.corpus.asking.models import LLM
from univar.corpus.questions.bank import Question
from univar.corpus.readers import CorpusError, read_corpus
from univar.corpus.translation.answers import MEMORY, Translating, elicited_tables, translate_answers
from univar.corpus.translation.translators import TranslationMemory, Translator
from univar.model.encoding import write_embeddings
from univar.model.modeling import load_model
from univar.workflows.scale import Elicit, Encode, Translate, share

pytestmark = pytest.mark.usefixtures("converted_models")

TASKS = 8
SPOKEN = ("eng", "fra", "deu")
WHEN = ("seconds", "answered_at")
"""Columns that no two runs have alike."""

TRANSLATOR = {"backend": "ctranslate2", "precision": "float32", "beams": 1}


def questions(number: int) -> list[Question]:
    return [
        Question(f"tact-{n:03d}", f"{row[place]} ({n})", f"{row[0]} ({n})", lang, "tact", "opinion", "work")
        for n in range(number)
        for row in [SENTENCES[n % len(SENTENCES)]]
        for place, lang in enumerate(SPOKEN)
    ]


def say(prompt: str, _number: int) -> str:
    """An answer in the language of the question, always the same."""
    place = next(place for row in SENTENCES for place in range(3) if prompt.startswith(row[place]))
    chosen = sum(map(ord, prompt)) % len(SENTENCES)
    return f"{SENTENCES[chosen][place]} {SENTENCES[chosen - 1][place]}"


def llms(url: str) -> list[LLM]:
    return [LLM("aya", url, SPOKEN, concurrency=4), LLM("solar", url, SPOKEN[:2], concurrency=4)]


def rows(folder: Path) -> list[dict]:
    found = [row for shard in shards(folder) for row in pq.read_table(shard).to_pylist()]
    return sorted(({k: v for k, v in row.items() if k not in WHEN} for row in found), key=lambda row: row["request_id"])


def vectors(folder: Path) -> tuple[list[tuple], np.ndarray]:
    found = [row for shard in shards(folder) for row in pq.read_table(shard).to_pylist()]
    found.sort(key=lambda row: (row["question_id"], row["model"], row["lang"], row["sample"]))
    return [tuple(row.values())[:-1] for row in found], np.array([row["embedding"] for row in found])


def in_one_process(folder: Path, url: str, nllb: str, encoder: str, number: int) -> None:
    """What the commands do, one after the other."""
    with AnswerFolder(folder / "answers") as answers:
        elicit(Plan(questions(number), llms(url), Sampling(samples=2)), answers)
    with TranslationMemory(folder / "english" / MEMORY) as memory:
        how = Translating(Translator(nllb, **TRANSLATOR), memory)
        translate_answers(elicited_tables(folder / "answers"), folder / "english", how)
    write_embeddings(read_corpus(folder / "english"), load_model(encoder), folder / "vectors" / "part-0.parquet")


def same(folder: Path, other: Path) -> None:
    assert rows(folder / "english") == rows(other / "english")
    (who, found), (who_else, expected) = vectors(folder / "vectors"), vectors(other / "vectors")
    assert who == who_else
    np.testing.assert_allclose(found, expected, atol=1e-5)


def run_all(step, tasks: int = TASKS) -> None:
    for rank in range(tasks):
        list(step.run(None, rank, tasks))


def test_tasks_make_what_one_process_makes(nllb, tiny_encoder_folder, tmp_path):
    with serving(say) as server:
        one, many, encoder = tmp_path / "one", tmp_path / "many", str(tiny_encoder_folder)
        in_one_process(one, server.url, nllb, encoder, number=5)
        run_all(Elicit(questions(5), llms(server.url), Sampling(samples=2), many / "answers"))
    run_all(Translate(many / "answers", many / "english", translator={"model": nllb, **TRANSLATOR}))
    run_all(Encode(many / "english", many / "vectors", model=encoder))
    assert len(rows(many / "english")) == 5 * 2 * (3 + 2)
    same(one, many)


def test_what_tasks_make_is_one_corpus_to_the_commands(univar, tmp_path):
    with serving(say) as server:
        run_all(Elicit(questions(4), llms(server.url), Sampling(), tmp_path / "answers"), tasks=3)
    assert len(list(read_corpus(tmp_path / "answers"))) == 20
    ran = univar("corpus", "build", "answers", "--out", "corpus", "--drop", "empty")
    assert "20 of 20 answers kept" in ran.out


def test_a_task_that_could_not_ask_all_fails_and_goes_on_the_next_time(tmp_path):
    down = threading.Event()
    down.set()

    def answer(prompt: str, number: int) -> Answer | str:
        return Answer("no such model", status=404) if down.is_set() else say(prompt, number)

    with serving(answer) as server:
        step = Elicit(questions(2), llms(server.url), Sampling(), tmp_path)
        with pytest.raises(EndpointError, match=r"aya: .*HTTP 404"):
            run_all(step, tasks=2)
        down.clear()
        run_all(step, tasks=2)
    assert len(rows(tmp_path)) == 10


def test_another_number_of_tasks_would_ask_twice_and_is_refused(tmp_path):
    with serving(say) as server:
        step = Elicit(questions(2), llms(server.url), Sampling(), tmp_path)
        run_all(step, tasks=2)
        with pytest.raises(ElicitationError, match="was begun with 2 tasks, not 3; name another folder"):
            run_all(step, tasks=3)


def stamps(folder: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in shards(folder)}


def test_answers_that_grow_only_add_files(nllb, tiny_encoder_folder, tmp_path):
    folders = [tmp_path / name for name in ("answers", "english", "vectors")]
    before: list[dict[Path, int]] = [{}, {}, {}]
    with serving(say) as server:
        for number, grown in ((4, 3), (10, 6)):
            run_all(Elicit(questions(number), llms(server.url), Sampling(), folders[0]), tasks=3)
            run_all(Translate(folders[0], folders[1], translator={"model": nllb, **TRANSLATOR}), tasks=2)
            run_all(Encode(folders[1], folders[2], model=str(tiny_encoder_folder)), tasks=4)
            found = [stamps(folder) for folder in folders]
            assert [len(files) for files in found] == [grown] * 3
            assert all(files.items() >= earlier.items() for files, earlier in zip(found, before, strict=True))
            before = found
            of_answers, of_vectors = (rows(folders[0]), vectors(folders[2])[0])
            assert len(set(of_vectors)) == len(of_vectors) == len(of_answers) == number * 5


def test_the_share_of_a_task_does_not_depend_on_other_shards(tmp_path):
    def shares(tasks: int) -> list[list[str]]:
        return [list(share(tmp_path, rank, tasks)) for rank in range(tasks)]

    for task in range(4):
        (tmp_path / f"{task:05d}").mkdir()
        for part in range(2):
            (tmp_path / f"{task:05d}" / f"part-{part:05d}.parquet").touch()
    assert [len(of) for of in shares(4)] == [2, 2, 2, 2]
    assert shares(2)[1][0] == "part-00000-00001.parquet"
    before = shares(2)
    (tmp_path / "00000" / "part-00002.parquet").touch()
    (tmp_path / "part-00007.parquet").touch()
    assert shares(2) == [
        sorted([*before[0], "part-00000-00002.parquet"]),
        [*before[1], "part-00007.parquet"],
    ]


def test_a_shard_without_a_usable_answer_gives_no_vectors_and_holds_nothing_up(tiny_encoder_folder, tmp_path, caplog):
    with serving(say) as server:
        run_all(Elicit(questions(2), llms(server.url), Sampling(), tmp_path / "answers"), tasks=2)
    first, _ = shards(tmp_path / "answers")
    table = pq.read_table(first)
    place = table.column_names.index("answer")
    empty = table.set_column(place, table.schema.field(place), [[""] * table.num_rows])
    pq.write_table(empty, first)
    step = Encode(tmp_path / "answers", tmp_path / "vectors", model=str(tiny_encoder_folder))
    run_all(step, tasks=2)
    assert "5 rows: no answer" in caplog.text
    assert [pq.read_table(shard).num_rows for shard in shards(tmp_path / "vectors")] == [0, 5]
    first.write_bytes(b"PAR1 and no more")
    with pytest.raises(CorpusError, match="not a parquet file"):
        run_all(step, tasks=2)


def test_vectors_of_another_model_do_not_go_into_the_same_folder(tiny_encoder_folder, tmp_path):
    with serving(say) as server:
        run_all(Elicit(questions(1), llms(server.url), Sampling(), tmp_path / "answers"), tasks=1)
    run_all(Encode(tmp_path / "answers", tmp_path / "vectors", model=str(tiny_encoder_folder)), tasks=1)
    with pytest.raises(ElicitationError, match=r"was begun with the model .*, not univar-static; name"):
        run_all(Encode(tmp_path / "answers", tmp_path / "vectors", model="univar-static"), tasks=1)
    assert (tmp_path / "vectors" / ".tasks").read_text() == "1"


def test_vectors_are_made_again_where_answers_changed(tiny_encoder_folder, tmp_path):
    with serving(say) as server:
        run_all(Elicit(questions(1), llms(server.url), Sampling(), tmp_path / "answers"), tasks=1)
    step = Encode(tmp_path / "answers", tmp_path / "vectors", model=str(tiny_encoder_folder))
    (shard,), ran = shards(tmp_path / "answers"), []
    for changed in (False, False, True):
        if changed:
            os.utime(shard)
        ran.append(step.work(tmp_path / "vectors" / "00000", 0, 1)["vectors"])
    assert ran == [5, 0, 5]


def test_documents_of_earlier_steps_pass_through(tmp_path):
    with serving(say) as server:
        step = Elicit(questions(1), llms(server.url), Sampling(), tmp_path)
        assert list(step.run(iter(["a document"]), 0, 1)) == ["a document"]


RUN = """
import sys
from pathlib import Path
from datatrove.executor import LocalPipelineExecutor
from tests.workflows.test_scale import TASKS, TRANSLATOR, Elicit, Encode, Sampling, Translate, llms, questions
folder, url, nllb, encoder, number = Path(sys.argv[1]), *sys.argv[2:5], int(sys.argv[5])
stages = [
    Elicit(questions(number), llms(url), Sampling(samples=2), folder / "answers"),
    Translate(folder / "answers", folder / "english", translator={"model": nllb, **TRANSLATOR}),
    Encode(folder / "english", folder / "vectors", model=encoder),
]
if __name__ == "__main__":
    before = None
    for stage in stages:
        logs = folder / "logs" / stage.name
        before = LocalPipelineExecutor([stage], tasks=TASKS, workers=2, logging_dir=str(logs), depends=before)
    before.run()
"""


@pytest.mark.slow
def test_a_killed_run_is_finished_by_the_next_one(nllb, tiny_encoder_folder, tmp_path, converted_models):
    one, many = tmp_path / "one", tmp_path / "many"
    script = tmp_path / "run.py"
    script.write_text(RUN)
    asked = []

    def slowly(prompt: str, number: int) -> str:
        asked.append(number)
        time.sleep(0.02)
        return say(prompt, number)

    with serving(slowly) as server:
        in_one_process(one, server.url, nllb, str(tiny_encoder_folder), number=40)
        needed = len(asked)
        command = [sys.executable, script, many, server.url, nllb, tiny_encoder_folder, "40"]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "HF_HOME": str(converted_models)}

        def run() -> subprocess.Popen:
            return subprocess.Popen(list(map(str, command)), env=environment, start_new_session=True)

        first = run()
        while len(asked) < needed + needed // 2:  # in the midst of the tasks
            time.sleep(0.01)
            assert first.poll() is None
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        finished = {file.name: file.stat().st_mtime_ns for file in (many / "logs/elicitation/completions").iterdir()}
        assert 0 < len(finished) < TASKS
        sent_before = len(asked)
        assert run().wait() == 0
    for name, time_ns in finished.items():  # was not run again
        assert (many / "logs/elicitation/completions" / name).stat().st_mtime_ns == time_ns
    under_way = 2 * 2 * 4  # tasks at once x LLMs x concurrency
    assert len(asked) - needed <= needed + under_way
    assert sent_before < len(asked)
    assert len(rows(many / "answers")) == needed == 40 * 2 * 5
    same(one, many)
    told = json.loads((many / "logs/encoding/stats.json").read_text())
    assert told[0]["stats"]["vectors"]["total"] == needed
