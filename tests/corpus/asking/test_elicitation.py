import asyncio
import json
import random
import threading
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.chat_server import Answer, serving
from univar.corpus.asking import endpoints
from univar.corpus.asking.answers import ANSWERS, AnswerFolder, ElicitationError
from univar.corpus.asking.elicitation import Plan, Sampling, elicit, estimate, same_served
from univar.corpus.asking.models import LLM, read_models
from univar.corpus.asking.pace import Rate, Slots
from univar.corpus.questions.bank import Question, control_questions, question_bank
from univar.corpus.readers import read_corpus

ROOT = Path(__file__).parents[3]
LANGUAGES = ("eng", "fra", "deu")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(endpoints, "_LONGEST_WAIT", 0.05)


def questions(number: int = 4, langs: tuple[str, ...] = LANGUAGES) -> list[Question]:
    return [
        Question(f"tact-{n:02d}", f"{lang} {n}: may one lie?", f"{n}: may one lie?", lang, "tact", "opinion", "work")
        for n in range(number)
        for lang in langs
    ]


def llm(name: str, url: str, **options: object) -> LLM:
    return LLM(name, url, options.pop("languages", LANGUAGES), **options)


def rows(folder: Path) -> list[dict]:
    return [row for shard in sorted(folder.glob("part-*.parquet")) for row in pq.read_table(shard).to_pylist()]


def ask(plan: Plan, folder: Path, **options: object):
    with AnswerFolder(folder, **options) as answers:
        return elicit(plan, answers)


# Plans


def test_only_questions_that_ship_have_their_source(tmp_path):
    own = questions(1, ("eng",))
    with serving(lambda _prompt, _number: "So it is.") as server:
        ask(Plan([*own, question_bank()[0], control_questions()[0]], [llm("a", server.url)], Sampling()), tmp_path)
    sources = {row["question_id"]: row["source"] for row in rows(tmp_path)}
    assert sources == {
        "tact-00": None,
        question_bank()[0].question_id: "univar-qa",
        control_questions()[0].question_id: "univar-qa",
    }


def test_a_plan_asks_every_llm_in_the_languages_it_speaks():
    llms = [llm("a", "http://a"), llm("b", "http://b", languages=("fr",))]
    plan = Plan(questions(4), llms, Sampling(samples=2, seed=7))
    assert [plan.count(each) for each in llms] == [24, 8]
    asked = list(plan.of(llms[1]))
    assert Counter(planned.question.lang for planned in asked) == {"fra": 8}
    assert {(planned.sample, planned.request.seed) for planned in asked} == {(0, 7), (1, 8)}


def test_ids_depend_on_what_is_asked_and_how_and_on_nothing_else():
    def ids(llms, sampling=None, asked=None):
        plan = Plan(asked or questions(), llms, sampling or Sampling())
        return {planned.request.request_id for each in llms for planned in plan.of(each)}

    first = ids([llm("a", "http://a")])
    assert len(first) == 12
    assert ids([llm("a", "http://elsewhere", concurrency=3)]) == first
    assert ids([llm("a", "http://a"), llm("b", "http://a")]) > first
    assert ids([llm("a", "http://a")], Sampling(samples=3)) > first
    assert ids([llm("a", "http://a")], asked=list(reversed(questions()))) == first
    for other in (Sampling(temperature=0), Sampling(max_tokens=5), Sampling(top_p=0.5), Sampling(seed=1)):
        assert not ids([llm("a", "http://a")], other) & first
    assert not ids([llm("a", "http://a", system="Be brief.")]) & first


def test_changed_fields_are_part_of_an_id_only_where_there_are_any():
    def name(**options):
        plan = Plan(
            questions(1, ("eng",)), [llm("a", "http://a", languages=("eng",), **options)], Sampling(max_tokens=128)
        )
        (planned,) = plan.of(plan.llms[0])
        return planned.request.request_id

    # sha256 of "('a', '', None, None, 128, 1.0, 0.95, '1')\ntact-00\neng\neng 0: may one lie?\n0", as folders have it
    assert name() == name(request={}) == name(request=None) == "4032b98e16b12a3a"
    assert name(request={"x": 1, "y": 2}) == name(request={"y": 2, "x": 1})
    assert len({name(), name(request={"x": 1, "y": 2}), name(request={"x": None})}) == 3


def test_an_estimate_follows_the_limit_that_is_sent(tmp_path):
    def estimated(request):
        llms = [llm("a", "http://a", dollars_per_million_answer_tokens=1e6, request=request)]
        plan = Plan(questions(2, ("eng",)), llms, Sampling(max_tokens=10))
        with AnswerFolder(tmp_path) as folder:
            found = estimate(plan, llms[0], folder)
        return found.answer_tokens, found.dollars

    assert estimated({}) == (20, 20)
    assert estimated({"max_tokens": None, "max_completion_tokens": 50}) == (100, 100)
    assert estimated({"max_tokens": None}) == (None, None)


def test_a_plan_of_ten_million_requests_takes_no_room():
    plan = Plan(questions(10), [llm("a", "http://a")], Sampling(samples=333_334))
    assert plan.count(plan.llms[0]) == 10_000_020
    assert next(plan.of(plan.llms[0])).sample == 0


def test_an_estimate_counts_what_is_not_answered_yet(tmp_path):
    llms = [llm("a", "http://a", dollars_per_million_prompt_tokens=1e6, dollars_per_million_answer_tokens=2e6)]
    plan = Plan(questions(2, ("eng",)), llms, Sampling(max_tokens=10))
    with AnswerFolder(tmp_path) as folder:
        # "eng 0: may one lie?" has 19 characters, 5 tokens at 4 characters each: 2 x 5 + 2 x 2 x 10 dollars.
        found = estimate(plan, llms[0], folder)
        assert (found.requests, found.prompt_tokens, found.answer_tokens, found.dollars) == (2, 10, 20, 50)
        assert not found.counted
        folder.answered.add([next(plan.of(llms[0])).request.request_id])
        assert estimate(plan, llms[0], folder).requests == 1


def test_a_price_is_unknown_only_where_neither_part_of_it_is_given(tmp_path):
    assert llm("a", "http://a").dollars(10, 10) is None
    assert llm("a", "http://a", dollars_per_million_prompt_tokens=0).dollars(10, 10) == 0
    assert llm("a", "http://a", dollars_per_million_answer_tokens=1e6).dollars(10, 10) == 10
    plan = Plan(questions(2, ("eng",)), [llm("a", "http://a")], Sampling())
    with AnswerFolder(tmp_path) as folder:
        assert estimate(plan, plan.llms[0], folder).dollars is None


def test_an_estimate_leaves_out_what_was_refused_for_good(tmp_path):
    llms = [llm("a", "http://a")]
    plan = Plan(questions(3, ("eng",)), llms, Sampling())
    first, *_ = (planned.request.request_id for planned in plan.of(llms[0]))
    with AnswerFolder(tmp_path) as folder:
        folder.append_failure({"request_id": first, "model": "a", "error": "HTTP 400 (too long)"})
    with AnswerFolder(tmp_path) as folder:
        assert estimate(plan, llms[0], folder).requests == 2


# Answers


def test_every_answer_is_kept_once_with_how_it_came_about(tmp_path):
    with serving(lambda prompt, _: f"To {prompt}: no.") as server:
        llms = [llm("a", server.url, model="a-7b", top_k=50, system="Be brief."), llm("b", server.url)]
        plan = Plan(questions(), llms, Sampling(samples=2, temperature=0.7))
        progress = ask(plan, tmp_path)
    found = rows(tmp_path)
    assert len(found) == len({row["request_id"] for row in found}) == 48
    assert Counter((row["model"], row["lang"], row["sample"]) for row in found) == {
        (model, lang, sample): 4 for model in "ab" for lang in LANGUAGES for sample in (0, 1)
    }
    row = next(row for row in found if row["model"] == "a" and row["lang"] == "fra")
    assert row["answer"] == f"To {row['question']}: no."
    assert (row["served_model"], row["finish_reason"], row["prompt_tokens"]) == ("served-a-7b", "stop", 5)
    assert (row["top_k"], row["system"], row["max_tokens"]) == (50, "Be brief.", 512)
    assert row["temperature"] == pytest.approx(0.7)
    request = next(request for request in server.asked if request["model"] == "a-7b")
    assert request["top_k"] == 50
    assert request["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (progress["a"].done, progress["a"].sent, progress["a"].answer_tokens) == (24, 24, 72)


def test_what_was_sent_is_kept_with_the_answer(tmp_path):
    changes = {"max_tokens": None, "max_completion_tokens": 512, "seed": None, "temperature": 0.5, "effort": "low"}
    with serving(lambda _prompt, _number: "No.") as server:
        llms = [llm("a", server.url, request=changes), llm("b", server.url)]
        ask(Plan(questions(1, ("eng",)), llms, Sampling()), tmp_path)
    first, second = sorted(rows(tmp_path), key=lambda row: row["model"])
    columns = ("max_tokens", "temperature", "top_p", "seed", "request")
    text = '{"effort": "low", "max_completion_tokens": 512, "max_tokens": null, "seed": null, "temperature": 0.5}'
    assert [first[name] for name in columns] == [512, 0.5, pytest.approx(0.95), None, text]
    assert [second[name] for name in columns] == [512, 1.0, pytest.approx(0.95), 0, None]
    sent = next(request for request in server.asked if request["model"] == "a")
    assert {name: sent.get(name) for name in changes} == {**changes, "max_tokens": None}
    assert "max_tokens" not in sent
    assert "seed" not in sent


def test_thoughts_are_kept_apart_and_what_is_no_answer_is_counted(tmp_path):
    said = [
        "<think>Hm.</think>No.",
        Answer("<think>Hm", finish_reason="length"),
        Answer("", finish_reason="length"),
        Answer("So", finish_reason="content_filter"),
        Answer(""),
    ]
    with serving(lambda prompt, _: said[int(prompt.split(":")[0].split()[1])]) as server:
        found = ask(Plan(questions(5, ("eng",)), [llm("a", server.url)], Sampling()), tmp_path)["a"]
    assert found.done == 5
    assert found.against == {"only reasoning": 2, "filtered": 1, "empty": 1}
    kept = {row["question_id"]: (row["answer"], row["answer_eng"], row["reasoning"]) for row in rows(tmp_path)}
    assert kept["tact-00"] == ("No.", "No.", "Hm.")
    assert kept["tact-01"] == ("", "", "Hm")


def test_a_folder_of_an_earlier_version_is_continued_and_read(tmp_path):
    """Its shards and its pending lines have no columns for thoughts and changed fields."""
    with serving(lambda _prompt, _number: "No.") as server:
        plan = Plan(questions(), [llm("a", server.url)], Sampling())
        ask(Plan(questions(2), plan.llms, plan.sampling), tmp_path)
        shard = tmp_path / "part-00000.parquet"
        old = pq.read_table(shard).drop(["reasoning", "request"])
        pq.write_table(old.slice(2), shard)
        lines = [json.dumps(row) + "\n" for row in old.slice(0, 2).to_pylist()]
        (tmp_path / ".part-00001.jsonl").write_text("".join(lines))
        assert ask(plan, tmp_path)["a"].sent == 6
    assert len(rows(tmp_path)) == len({row["request_id"] for row in rows(tmp_path)}) == 12
    # `datasets` reads a folder of shards by the columns of its first
    assert [pq.read_schema(shard).names for shard in tmp_path.glob("part-*.parquet")] == [ANSWERS.names] * 2
    assert [record.reasoning for record in read_corpus(tmp_path)] == [None] * 12


def test_a_reply_that_always_ends_in_an_error_fails_and_the_others_do_not(tmp_path):
    broken = Answer("So", finish_reason="error")
    with serving(lambda prompt, _: broken if prompt.startswith("fra 2") else "No.") as server:
        found = ask(Plan(questions(), [llm("a", server.url)], Sampling()), tmp_path)["a"]
    assert (found.done, found.failed, found.stopped) == (11, 1, None)
    assert found.errors == {"error": 6}
    assert "finish_reason error" in (tmp_path / ".failures.jsonl").read_text()


def test_one_model_under_several_names_is_told(tmp_path):
    def one(request_model):
        choice = {"index": 0, "message": {"role": "assistant", "content": "No."}, "finish_reason": "stop"}
        return Answer(body=json.dumps({"model": request_model, "choices": [choice]}).encode())

    with serving(lambda _prompt, _number: one("llama-8b")) as server, serving(lambda *_: one("aya")) as other:
        llms = [
            llm("large", server.url, model="llama-70b"),
            llm("small", server.url, model="llama-8b"),
            llm("aya", other.url),
            llm("aya, brief", other.url, model="aya", system="Be brief."),  # which is meant
        ]
        ask(Plan(questions(1), llms, Sampling()), tmp_path)
    assert same_served(tmp_path, llms) == {"llama-8b": ["large", "small"]}
    assert same_served(tmp_path, llms[1:]) == {}


def test_the_folder_is_a_corpus(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with serving(lambda prompt, _: f"To {prompt}: no.") as server:
        ask(Plan(questions(), [llm("a", server.url)], Sampling()), tmp_path / "answers")
    records = list(read_corpus(tmp_path / "answers"))
    assert len(records) == 12
    assert {record.value for record in records} == {"tact"}
    assert datasets.load_dataset("univar-qa", "answers", data_dir=str(tmp_path / "answers"))["train"].num_rows == 12
    plain = datasets.load_dataset(str(tmp_path / "answers"))["train"]
    assert set(plain.column_names) == set(ANSWERS.names)


def test_a_second_run_asks_for_what_is_missing_alone(tmp_path):
    with serving(lambda _prompt, number: Answer("no", status=404) if number == 20 else "No.") as server:
        plan = Plan(questions(12), [llm("a", server.url, concurrency=2)], Sampling())
        first = ask(plan, tmp_path, rows_per_shard=5)["a"]
        assert first.stopped is not None
        assert "HTTP 404" in first.stopped
        assert first.done < 36
        before = len(server.asked)
        second = ask(plan, tmp_path, rows_per_shard=5)["a"]
    assert (second.done, second.sent, second.stopped) == (36, 36 - first.done, None)
    assert len(server.asked) == before + 36 - first.done
    assert len(rows(tmp_path)) == len({row["request_id"] for row in rows(tmp_path)}) == 36
    assert not list(tmp_path.glob(".part-*.jsonl")) or all(not f.stat().st_size for f in tmp_path.glob(".part-*.jsonl"))


def test_a_server_that_is_down_holds_up_no_other(tmp_path):
    with serving(lambda _prompt, _number: "No.") as server:
        dead = llm("dead", "http://127.0.0.1:1", concurrency=2)
        plan = Plan(questions(), [dead, llm("alive", server.url)], Sampling())
        progress = ask(plan, tmp_path)
    assert (progress["alive"].done, progress["alive"].stopped) == (12, None)
    assert progress["dead"].done == 0
    assert "is a server running there" in (progress["dead"].stopped or "")
    assert {row["model"] for row in rows(tmp_path)} == {"alive"}


def test_a_slow_server_holds_up_no_other(tmp_path):
    def slow(_prompt, _number):
        time.sleep(0.3)
        return "No."

    done_when_fast_was = []
    with serving(slow) as tortoise, serving(lambda _prompt, _number: "No.") as hare:
        plan = Plan(questions(), [llm("slow", tortoise.url, concurrency=2), llm("fast", hare.url)], Sampling())

        def watch(progress):
            if progress["fast"].done == 12:
                done_when_fast_was.append(progress["slow"].done)

        with AnswerFolder(tmp_path) as folder:
            elicit(plan, folder, watch=watch)
    assert done_when_fast_was[0] < 12
    assert len(rows(tmp_path)) == 24


@pytest.mark.parametrize("number", [4, 40])
def test_a_server_that_refuses_all_is_left_for_the_next_run(tmp_path, number):
    with serving(lambda _prompt, _number: Answer("no such parameter: seed", status=400)) as server:
        plan = Plan(questions(number, ("eng",)), [llm("a", server.url, concurrency=2)], Sampling())
        found = ask(plan, tmp_path)["a"]
    assert (found.done, found.failed) == (0, 0)
    assert "no such parameter: seed" in found.stopped
    assert "refused all" in found.stopped
    assert len(server.asked) <= 30  # of which 20 are the first, and some were under way
    with serving(lambda _prompt, _number: "No.") as server:
        plan = Plan(questions(number, ("eng",)), [llm("a", server.url)], Sampling())
        assert ask(plan, tmp_path)["a"].done == number


def test_answers_that_come_after_many_refusals_are_waited_for(tmp_path):
    def answer(_prompt, number):
        if number % 2:
            return Answer("filtered", status=400)
        time.sleep(0.3)
        return "No."

    with serving(answer) as server:
        plan = Plan(questions(120, ("eng",)), [llm("a", server.url, concurrency=64)], Sampling())
        found = ask(plan, tmp_path)["a"]
    assert found.stopped is None
    assert found.done + found.failed == found.planned
    assert found.failed >= 40


def test_a_request_that_is_refused_for_good_is_told_and_not_asked_again(tmp_path):
    def answer(prompt, _number):
        return Answer("context too long", status=400) if prompt.startswith("fra 2") else "No."

    with serving(answer) as server:
        plan = Plan(questions(), [llm("a", server.url)], Sampling())
        first = ask(plan, tmp_path)["a"]
        second = ask(plan, tmp_path)["a"]
    assert (first.done, first.failed, second.done, second.failed, second.sent) == (11, 1, 11, 1, 0)
    (failure,) = [json.loads(line) for line in (tmp_path / ".failures.jsonl").read_text().splitlines()]
    assert "HTTP 400 (" in failure["error"]
    assert "context too long" in failure["error"]


FAULTS = (
    Answer("slow down", status=429, headers={"retry-after": "0"}),
    Answer("slow down", status=429),
    Answer("broken", status=500),
    Answer("busy", status=503),
    Answer(body=b"{ no json"),
    Answer(body=b'{"choices": []}'),
    Answer("half of it", cut=True),
    None,
)


def faulty(seed: int):
    """A fifth of the requests meet a fault."""
    lock, generator = threading.Lock(), random.Random(seed)

    def answer(prompt, _number):
        with lock:
            fault = generator.random() < 0.2
            kind = generator.choice(FAULTS)
        return kind if fault else f"To {prompt}: no."

    return answer


def test_faults_lose_and_double_nothing(tmp_path):
    with serving(faulty(0)) as server:
        plan = Plan(questions(20), [llm("a", server.url, concurrency=8)], Sampling(samples=2))
        progress = ask(plan, tmp_path)["a"]
    assert len(rows(tmp_path)) == len({row["request_id"] for row in rows(tmp_path)}) == 120
    assert all(row["answer"] == f"To {row['question']}: no." for row in rows(tmp_path))
    assert progress.sent == len(server.asked) == 120 + progress.errors.total()


# Models files

GOOD = """
models:
  - {name: aya, endpoint: "http://127.0.0.1:8000", languages: [en, fra], concurrency: 4}
  - {name: solar, endpoint: "https://example.org/v1", languages: [eng], dollars_per_million_answer_tokens: 0.6}
"""


def test_models_are_read(tmp_path):
    (tmp_path / "m.yaml").write_text(GOOD)
    first, second = read_models(tmp_path / "m.yaml")
    assert (first.name, first.languages, first.concurrency) == ("aya", ("en", "fra"), 4)
    assert second.dollars(0, 1_000_000) == pytest.approx(0.6)
    assert (first.request, second.request) == ({}, {})
    (tmp_path / "m.yaml").write_text(GOOD.replace("concurrency: 4", "request: {seed: null, effort: {a: [1]}}"))
    assert read_models(tmp_path / "m.yaml")[0].request == {"seed": None, "effort": {"a": [1]}}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: solar, ", "", "models.1.name: "),
        ("name: solar", "name: aya", "different names"),
        ("[eng]", "[xyzzy]", "solar: unknown language 'xyzzy'"),
        ("concurrency: 4", "concurrency: 0", "models.0.concurrency: Input should be greater than 0"),
        ("concurrency: 4", "api_key: sk-1", "models.0.api_key: no such field, there are name, endpoint, [^-]*$"),
        (
            "endpoint:",
            "endpont:",
            "models.0.endpoint: Field req.*; models.0.endpont: no such field, did you mean endp",
        ),
        ('"https://example.org/v1"', "localhost", "solar: endpoint 'localhost' is no URL"),
        (
            "concurrency: 4",
            "request: {stream: true}",
            "models.0.request: stream cannot be given here: replies are read",
        ),
        (
            "concurrency: 4",
            "request: {on: 1}",
            "models.0.request: the name of a field is text, not True; put it in quot",
        ),
        ("concurrency: 4", "request: {a: 2026-01-01}", "models.0.request: a: it is no JSON, got datetime"),
        ("concurrency: 4", "request: [seed]", "models.0.request: no mapping of fields"),
        ("models:", "llms:", "no YAML with a list under `models`"),
    ],
)
def test_what_is_wrong_with_a_models_file_is_named(tmp_path, old, new, message):
    assert old in GOOD
    (tmp_path / "m.yaml").write_text(GOOD.replace(old, new))
    with pytest.raises(ElicitationError, match=message):
        read_models(tmp_path / "m.yaml")


# Slots and rates


def taken_and_given(slots: Slots, *seconds: float) -> list[float]:
    """The limit after each of some answers, one after the other."""

    async def run() -> list[float]:
        limits = []
        for each in seconds:
            slots.give(await slots.take(), seconds=each, overloaded=False)
            limits.append(slots.limit)
        return limits

    return asyncio.run(run())


def test_slots_begin_with_two_double_until_the_server_is_overloaded_and_then_grow_by_one_a_round():
    async def overload() -> None:
        era, same = await slots.take(), await slots.take()
        slots.give(era, seconds=None, overloaded=True)
        slots.give(same, seconds=None, overloaded=True)  # sent before the decrease: says nothing new

    slots = Slots(16, timeout=10)
    assert slots.limit == 2
    # Rounds: 2 answers at a limit of 2, 4 at one of 4, 8 at one of 8; and never more than there may be.
    assert taken_and_given(slots, *[0.1] * 15)[1:14:4] == [4, 8, 12, 16]
    assert slots.limit == 16
    asyncio.run(overload())
    assert slots.limit == 8
    assert taken_and_given(slots, *[0.1] * 8)[-1] == pytest.approx(9, abs=0.1)


def test_a_server_whose_answers_become_slow_is_not_given_more_until_it_is_overloaded():
    """With a timeout of 10 s, 1 s is quick in any case, and with answers that take more than 5 s there are enough."""
    slots = Slots(64, timeout=10)
    assert taken_and_given(slots, *[0.2] * 8)[-1] == 10
    assert taken_and_given(slots, 1.0, 1.1, 5.0) == pytest.approx([11, 11 + 1 / 11, 11 + 1 / 11 + 11 / 122], abs=0.001)
    assert len(set(taken_and_given(slots, 5.1, 9.0))) == 1


def test_an_llm_that_always_takes_its_time_is_given_more():
    """Answers of 2 s where 1 s is quick in any case: twice what the first 8 took, 4 s, is quick too, and 4.1 s not."""
    slots = Slots(64, timeout=10)
    assert taken_and_given(slots, *[2.0] * 8)[-1] == 10
    assert taken_and_given(slots, 4.0, 4.1) == [11, pytest.approx(11 + 1 / 11)]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_slots_are_never_more_than_there_may_be(most):
    assert max(taken_and_given(Slots(most, timeout=1), *[0.0] * 9)) == most


def test_a_small_server_is_asked_gently_and_no_request_times_out(tmp_path):
    """It answers one request each 20 ms, so that 64 at once, as many as the models file allows, would take 1.28 s."""
    one_by_one, under_way, at_answers = threading.Lock(), Counter(), []

    def answer(_prompt, _number):
        under_way["now"] += 1
        with one_by_one:
            time.sleep(0.02)
            at_answers.append(under_way["now"])
            under_way["now"] -= 1
        return "No."

    with serving(answer) as server:
        plan = Plan(questions(90, ("eng",)), [llm("a", server.url, concurrency=64, timeout=1)], Sampling())
        found = ask(plan, tmp_path)["a"]
    assert (found.done, found.sent, found.errors) == (90, 90, Counter())
    assert at_answers[0] <= 2
    assert 4 < max(at_answers) <= 50  # it has grown, and to no more than are answered in time


def test_slots_are_given_in_turn_and_never_more_than_there_are():
    async def run() -> tuple[list[int], int]:
        slots, order, most = Slots(2, timeout=1), [], 0

        async def work(number: int) -> None:
            nonlocal most
            era = await slots.take()
            most = max(most, slots.under_way)
            order.append(number)
            await asyncio.sleep(0.001)
            slots.give(era, seconds=0.001, overloaded=False)

        await asyncio.gather(*(work(number) for number in range(10)))
        return order, most

    assert asyncio.run(run()) == (list(range(10)), 2)


def test_rates_spread_requests_over_time():
    async def run() -> float:
        rate, began = Rate(1200), asyncio.get_running_loop().time()  # one every 50 ms
        for _ in range(5):
            await rate.wait()
        return asyncio.get_running_loop().time() - began

    assert 0.2 <= asyncio.run(run()) < 1


def test_a_rate_of_none_waits_for_nothing():
    async def run() -> float:
        began = asyncio.get_running_loop().time()
        await Rate(None).wait(10**9)
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(run()) < 1
