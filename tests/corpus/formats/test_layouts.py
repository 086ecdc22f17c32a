"""Files as other tools write them, read without naming their columns."""

import json
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from univar.corpus.readers import CorpusError, Rejects, read_corpus

HONESTY = "I believe that honesty is the best policy in nearly every case, for people trust you more."
THRIFT = "Thrift is a virtue as long as it does not turn into avarice, which harms everyone around you."


def read(path, **options):
    rejects = Rejects()
    return list(read_corpus(path, rejects=rejects, **options)), rejects


def found(path, **options):
    return [(r.question, r.answer, r.model, r.lang, r.sample) for r in read(path, **options)[0]]


def lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def refused(path, match, **options):
    with pytest.raises(CorpusError, match=match):
        read(path, **options)


# Chats


@pytest.mark.parametrize(
    ("column", "role", "content", "roles"),
    [
        ("messages", "role", "content", ("system", "user", "assistant")),
        ("conversations", "from", "value", ("system", "human", "gpt")),  # ShareGPT
    ],
)
def test_of_a_chat_the_last_question_and_its_reply_are_read(tmp_path, column, role, content, roles):
    system, user, assistant = roles

    def chat(*turns):
        return {column: [{role: who, content: what} for who, what in turns], "model": "aya"}

    rows = [
        chat((system, "Be brief."), (user, "Is honesty good?"), (assistant, HONESTY)),
        chat((user, "Hello."), (assistant, "Hi."), (user, "Is thrift good?"), ("tool", "{}"), (assistant, THRIFT)),
        chat((user, "Is thrift good?")),
        chat((user, "Hello."), (assistant, "Hi."), (user, "Is thrift good?")),
        chat((assistant, "Hi.")),
        {column: "none", "model": "aya"},
    ]
    records, rejects = read(lines(tmp_path / "chats.jsonl", rows))
    assert [(r.question, r.answer) for r in records] == [("Is honesty good?", HONESTY), ("Is thrift good?", THRIFT)]
    assert rejects.counts == {
        "no reply to the last question of the chat": 2,
        "no question in the chat": 1,
        "not a list of messages": 1,
    }
    name = tmp_path / "chats.jsonl"
    assert rejects.notes[1:] == [
        f"{name}: 1 row with a system prompt, which is left out",
        f"{name}: 1 row with earlier turns, of which the last question and the reply to it are read",
    ]


def test_messages_may_be_in_parts_and_in_a_text(tmp_path):
    parts = [{"role": "user", "content": [{"type": "text", "text": "Is honesty good?"}, {"type": "image_url"}]}]
    reply = {"role": "assistant", "content": HONESTY}
    rows = [{"messages": json.dumps([*parts, reply]), "model": "aya", "lang": "en"}]
    assert found(lines(tmp_path / "c.jsonl", rows)) == [("Is honesty good?", HONESTY, "aya", "eng", 0)]


def test_columns_of_their_own_go_before_messages(tmp_path):
    row = {"prompt": "Why?", "response": "So.", "model": "aya", "lang": "en", "messages": []}
    assert found(lines(tmp_path / "c.jsonl", [row])) == [("Why?", "So.", "aya", "eng", 0)]


def test_a_chat_without_an_llm_ends_with_options_to_paste(tmp_path):
    chat = [{"from": "human", "value": "Is honesty good?"}, {"from": "gpt", "value": HONESTY}]
    path = tmp_path / "vicuna.json"
    path.write_text(json.dumps([{"id": "1", "conversations": chat}]))
    refused(path, "missing: model, lang.*here perhaps --set model=vicuna --set lang=eng$")
    assert found(path, constants={"model": "vicuna"}) == [("Is honesty good?", HONESTY, "vicuna", "eng", 0)]


# The batch API of OpenAI


def request(name, question, system=None):
    messages = [*([{"role": "system", "content": system}] if system else []), {"role": "user", "content": question}]
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": {"messages": messages}}


def response(name, *answers, error=None):
    choices = [
        {"index": place, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
        for place, answer in enumerate(answers)
    ]
    body = {"object": "chat.completion", "model": "gpt-4o-2024-08-06", "choices": choices, "usage": {"total_tokens": 9}}
    whole = None if error else {"status_code": 200, "request_id": "r", "body": body}
    return {"id": "batch_req_1", "custom_id": name, "response": whole, "error": error}


def test_the_output_of_a_batch_is_joined_to_its_requests(tmp_path):
    lines(tmp_path / "requests.jsonl", [request("a", "Is honesty good?", "Be kind."), request("b", "Is thrift good?")])
    rows = [
        response("b", THRIFT, f"{THRIFT} Or not."),
        response("a", HONESTY),
        response("c", HONESTY),
        response("a", error={"code": "batch_expired"}),
        response("a"),
    ]
    path = lines(tmp_path / "output.jsonl", rows)
    expected = [
        ("Is thrift good?", THRIFT, "gpt-4o-2024-08-06", "eng", 0),
        ("Is thrift good?", f"{THRIFT} Or not.", "gpt-4o-2024-08-06", "eng", 1),
        ("Is honesty good?", HONESTY, "gpt-4o-2024-08-06", "eng", 0),
    ]
    assert found(path) == expected
    assert found(tmp_path) == expected
    _, rejects = read(tmp_path)
    assert rejects.counts == {"no request with this custom_id": 1, "the request failed": 1, "no answer": 1}
    assert rejects.notes[-1].startswith(
        f"{tmp_path}: passed over, for they hold no answers: requests.jsonl (The requests of a batch"
    )


def test_the_output_of_a_batch_alone_says_where_its_questions_should_lie(tmp_path):
    path = lines(tmp_path / "output.jsonl", [response("a", HONESTY)])
    refused(path, "missing: question, lang. The output of a batch; it holds no questions: lay the file of requests")
    refused(lines(tmp_path / "requests.jsonl", [request("a", "Why?")]), "requests of a batch: the answers are in its")
    path.unlink()


def test_requests_that_share_a_name_are_not_guessed_between(tmp_path):
    lines(tmp_path / "first.jsonl", [request("a", "Is honesty good?")])
    lines(tmp_path / "second.jsonl", [request("a", "Is thrift good?")])
    refused(
        lines(tmp_path / "output.jsonl", [response("a", HONESTY)]),
        "1 row: several requests with this custom_id",
        constants={"lang": "eng"},
    )


def test_what_the_responses_api_answers_is_read(tmp_path):
    asked = {"custom_id": "a", "url": "/v1/responses", "body": {"input": "Is honesty good?"}}
    parts = [
        {"type": "reasoning", "summary": []},
        {"type": "message", "content": [{"type": "output_text", "text": HONESTY}]},
    ]
    body = {"object": "response", "model": "gpt-5", "output": parts}
    lines(tmp_path / "requests.jsonl", [asked])
    path = lines(tmp_path / "output.jsonl", [{"custom_id": "a", "response": {"body": body}, "error": None}])
    assert found(path) == [("Is honesty good?", HONESTY, "gpt-5", "eng", 0)]


def test_a_path_names_the_answer_of_a_batch_and_the_user_the_question(tmp_path):
    path = lines(tmp_path / "output.jsonl", [response("a", HONESTY)])
    columns = {"answer": "response.body.choices.0.message.content", "model": "response.body.model"}
    assert found(path, columns=columns, constants={"question": "Why?", "lang": "eng"}) == [
        ("Why?", HONESTY, "gpt-4o-2024-08-06", "eng", 0)
    ]


# Logs of evaluations


def inspect_log():
    def sample(epoch, question, **more):
        output = {"model": "gpt-4o", "choices": [{"message": {"role": "assistant", "content": HONESTY}}]}
        scores = {"match": {"value": float("nan")}}
        return {"id": 1, "epoch": epoch, "input": question, "target": "", "output": output, "scores": scores, **more}

    chat = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Is thrift good?"}]
    samples = [sample(1, "Is honesty good?"), sample(2, "Is honesty good?"), sample(1, chat)]
    failed = sample(1, "Is it?", error={"message": "timeout"})
    head = {"version": 2, "status": "success", "eval": {"task": "values", "model": "openai/gpt-4o"}}
    return {**head, "results": {"scores": [{"metrics": {"accuracy": float("nan")}}]}}, [*samples, failed]


EVALUATED = [
    ("Is honesty good?", HONESTY, "openai/gpt-4o", "eng", 0),
    ("Is honesty good?", HONESTY, "openai/gpt-4o", "eng", 1),
    ("Is thrift good?", HONESTY, "openai/gpt-4o", "eng", 0),
]


@pytest.mark.parametrize("indent", [2, None])
def test_a_log_of_inspect_ai_is_read(tmp_path, indent):
    head, samples = inspect_log()
    path = tmp_path / "log.json"
    path.write_text(json.dumps({**head, "samples": samples}, indent=indent))
    assert found(path) == EVALUATED
    records, rejects = read(path)
    assert {record.source for record in records} == {"values"}
    assert rejects.counts == {"the sample failed": 1}


def test_a_log_of_inspect_ai_in_its_archive_is_read(tmp_path):
    head, samples = inspect_log()
    with zipfile.ZipFile(tmp_path / "log.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps(head))
        for number, sample in enumerate(samples):
            archive.writestr(f"samples/{number}_epoch_1.json", json.dumps(sample))
    assert found(tmp_path / "log.eval") == EVALUATED
    (tmp_path / "other.eval").write_bytes(b"PK")
    refused(tmp_path / "other.eval", "not a log of inspect_ai that can be read.*`inspect log convert --to json`")


def test_a_log_of_inspect_ai_without_samples_is_named(tmp_path):
    (tmp_path / "log.json").write_text(json.dumps(inspect_log()[0], indent=2))
    refused(tmp_path / "log.json", "A log of inspect_ai without samples: write it with log_samples=True")


def harness_sample(number, replies):
    arguments = {"gen_args_0": {"arg_0": f"Is honesty good {number}?", "arg_1": {"until": ["\n\n"]}}}
    doc = {"question": "Is it?", "answer": "42"}
    return {
        "doc_id": number,
        "doc": doc,
        "target": "1",
        "arguments": arguments,
        "resps": [replies],
        "filtered_resps": [""],
    }


def test_samples_of_the_evaluation_harness_are_read(tmp_path):
    path = lines(
        tmp_path / "samples_values_2024.jsonl", [harness_sample(0, [HONESTY, THRIFT]), harness_sample(1, [THRIFT])]
    )
    refused(path, "missing: model, lang.*--set model=samples_values_2024")
    (tmp_path / "results_2024.json").write_text(
        json.dumps({"results": {}, "configs": {}, "model_name": "my-llm"}, indent=2)
    )
    expected = [
        ("Is honesty good 0?", HONESTY, "my-llm", "eng", 0),
        ("Is honesty good 0?", THRIFT, "my-llm", "eng", 1),
        ("Is honesty good 1?", THRIFT, "my-llm", "eng", 0),
    ]
    assert found(path) == found(tmp_path) == expected
    refused(tmp_path / "results_2024.json", "Scores of lm-evaluation-harness: with --log_samples it keeps the answers")


def test_log_likelihoods_are_named_for_what_they_are(tmp_path):
    path = lines(tmp_path / "samples_x.jsonl", [harness_sample(0, [["-1.5", "False"]])])
    refused(path, "1 row: log-likelihoods and no text; tasks of", constants={"model": "m", "lang": "eng"})


# Answers to benchmarks


def test_the_outputs_of_alpaca_eval_are_read(tmp_path):
    rows = [
        {"dataset": "helpful_base", "instruction": "Is honesty good?", "output": HONESTY, "generator": "gpt4"},
        {"dataset": "koala", "instruction": "Is thrift good?", "output": THRIFT, "generator": "gpt4"},
    ]
    (tmp_path / "model_outputs.json").write_text(json.dumps(rows, indent=4))
    records, rejects = read(tmp_path / "model_outputs.json")
    assert [(r.question, r.answer, r.model, r.lang, r.source) for r in records] == [
        ("Is honesty good?", HONESTY, "gpt4", "eng", "helpful_base"),
        ("Is thrift good?", THRIFT, "gpt4", "eng", "koala"),
    ]
    assert rejects.notes == [
        f"{tmp_path / 'model_outputs.json'}: instruction was read as question, output as answer, generator as model; "
        "no column for lang, detected eng in 2 of 2 rows (--set lang=CODE says otherwise)"
    ]


def test_an_instruction_is_read_together_with_its_input(tmp_path):
    row = {
        "instruction": "Judge this deed.",
        "input": "A man keeps what he found.",
        "output": "So.",
        "model": "aya",
        "lang": "en",
    }
    path = lines(tmp_path / "alpaca.jsonl", [row, {**row, "input": "", "output": "Which?"}])
    assert [(question, answer) for question, answer, *_ in found(path)] == [
        ("Judge this deed.\nA man keeps what he found.", "So."),
        ("Judge this deed.", "Which?"),
    ]


@pytest.mark.parametrize("beside", [True, False])
def test_the_answers_of_mt_bench_are_read_with_their_questions(tmp_path, beside):
    questions = [
        {"question_id": n, "category": "writing", "turns": [f"Is honesty good {n}?", "Why?"]} for n in (81, 82)
    ]
    rows = [
        {"question_id": n, "answer_id": "x", "model_id": "vicuna-7b", "tstamp": 1.5,
         "choices": [{"index": 0, "turns": [HONESTY, "So."]}, {"index": 1, "turns": [THRIFT, "So."]}]}
        for n in (82, 81, 83)
    ]  # fmt: skip
    path = lines(tmp_path / "model_answer" / "vicuna-7b.jsonl", rows)
    refused(path, "hold no questions: lay question.jsonl in the same folder or the one above")
    lines((path.parent if beside else tmp_path) / "question.jsonl", questions)
    assert found(path) == [
        ("Is honesty good 82?", HONESTY, "vicuna-7b", "eng", 0),
        ("Is honesty good 82?", THRIFT, "vicuna-7b", "eng", 1),
        ("Is honesty good 81?", HONESTY, "vicuna-7b", "eng", 0),
        ("Is honesty good 81?", THRIFT, "vicuna-7b", "eng", 1),
    ]
    _, rejects = read(path)
    assert rejects.counts == {"no question with this question_id": 1}
    assert "4 rows with later turns" in rejects.notes[-1]


def test_pairs_of_a_preference_data_set_are_named(tmp_path):
    path = lines(tmp_path / "c.jsonl", [{"prompt": "Why?", "chosen": "So.", "rejected": "No."}])
    refused(path, "Pairs of a preference data set: name one with --column answer=chosen")
    options = {"columns": {"answer": "chosen"}, "constants": {"model": "aya", "lang": "eng"}}
    assert found(path, **options) == [("Why?", "So.", "aya", "eng", 0)]


NAMES = [
    "custom_id response error",
    "eval input output",
    "instruction input output",
    "doc arguments resps",
    "question_id choices",
    "messages",
]
INNER = ["body", "choices", "message", "content", "role", "turns", "output", "0", "gen_args_0", "arg_0"]
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(INNER), inner, max_size=3),
    max_leaves=12,
)


@given(st.sampled_from(NAMES), st.data())
def test_whatever_stands_in_a_log_costs_its_row_alone(names, data):
    rows = [{name: data.draw(junk) for name in names.split()} for _ in range(2)]
    rejects = Rejects()
    options = {"constants": {"model": "aya", "lang": "eng"}, "rejects": rejects}
    try:
        records = list(read_corpus(rows, **options))
    except CorpusError:
        return
    assert len(records) + rejects.counts.total() >= 2
