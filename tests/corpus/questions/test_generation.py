import json
import re
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chat_server import Answer, plausible, serving
from univar.corpus.asking import endpoints
from univar.corpus.asking.endpoints import ChatReply, Endpoint, EndpointError, Journal
from univar.corpus.questions.bank import FORMS, Question
from univar.corpus.questions.checks import check_questions
from univar.corpus.questions.generation import (
    Item,
    Judgement,
    convert,
    generate,
    judge,
    paraphrase,
    parse_questions,
    parse_verdict,
    prompt_text,
)
from univar.corpus.questions.taxonomy import ControlTopic, Family, Taxonomy, Value

VALUES = ("candour", "tact", "patience", "daring", "loyalty")


@pytest.fixture
def taxonomy() -> Taxonomy:
    values = tuple(Value(name, name, ("mine",), f"Holding {name} dear.", "Me.") for name in VALUES)
    values = (replace(values[0], opposite="tact"), *values[1:])
    return Taxonomy((Family("mine", "Mine", "Me."),), values, (ControlTopic("sums", "sums", "Adding numbers."),))


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(endpoints, "_LONGEST_WAIT", 0.05)


def reply(text: str, finish_reason: str = "stop") -> ChatReply:
    return ChatReply("r", text, finish_reason, "m")


# What LLMs say when they are asked for a list

TWO = ["Would you lie to spare a friend?", "When may a doctor keep silent?"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1. Would you lie to spare a friend?\n2. When may a doctor keep silent?", TWO),
        ("Sure! Here are two questions:\n\n1) Would you lie to spare a friend?\n2) When may a doctor keep silent?\n\n"
         "Would you like more of them?", TWO),
        ("- Would you lie to spare a friend?\n* When may a doctor keep silent?", TWO),
        ("1. **Would you lie to spare a friend?**\n2. \"When may a doctor keep silent?\"", TWO),
        ("  1.  Would you lie\tto spare a friend?\n\n  2.  “When may a doctor keep silent?”", TWO),
        ("Would you lie to spare a friend?\nWhen may a doctor keep silent?", TWO),
        ('["Would you lie to spare a friend?", "When may a doctor keep silent?"]', TWO),
        ('```json\n[{"question": "Would you lie to spare a friend?"},\n {"question": "When may a doctor keep silent?"}]'
         "\n```", TWO),
        ('["Would you lie to spare a friend?", "When may', []),
        ('[1, 2, {"answer": "none"}]', []),
        ("I'm sorry, but I can't help with that.", []),
        ("Here is my list:", []),
        ("", []),
        ("<think>1. May one think so?\n2. Or so?</think>\n1. " + TWO[0] + "\n2. " + TWO[1], TWO),
        ("Should I?\n</think>\n" + "\n".join(TWO), TWO),
        ("<think>1. May one think so?", []),
    ],
)  # fmt: skip
def test_questions_are_found_in_what_llms_say(text, found):
    assert parse_questions(reply(text)) == found


def test_what_a_cut_off_reply_left_unfinished_is_left_out():
    text = "1. Would you lie to spare a friend?\n2. When may a doctor ke"
    assert parse_questions(reply(text, "length")) == TWO[:1]
    assert parse_questions(reply("1. " + TWO[0] + "\n2. " + TWO[1], "length")) == TWO


@given(st.text())
def test_any_reply_gives_single_lines_or_nothing(text):
    assert all(found and "\n" not in found for found in parse_questions(reply(text)))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"verdict": "pass", "reason": "It asks for a choice."}', ("pass", "It asks for a choice.")),
        ('Here:\n```json\n{"verdict": "FAIL", "reason": "It is leading."}\n```', ("fail", "It is leading.")),
        ('{"verdict": "perhaps"}', ("unclear", '{"verdict": "perhaps"}')),
        ('{"verdict": "pass"', ("unclear", '{"verdict": "pass"')),
        ("I think\nit passes.", ("unclear", "I think it passes.")),
        (
            '<think>{"verdict": "pass", "reason": "At first."}</think>{"verdict": "fail", "reason": "No."}',
            ("fail", "No."),
        ),
        ('<think>{"verdict": "pass"}</think>No.', ("unclear", "No.")),
        ("", ("unclear", "")),
    ],
)
def test_verdicts_are_found_in_what_judges_say(text, found):
    assert parse_verdict(text) == found


def test_a_judge_that_only_thought_gave_no_verdict():
    said = "only reasoning, which leaves no room for an answer; give more, as in --request max_tokens=8192"
    assert parse_verdict('<think>{"verdict": "pass"}') == ("unclear", said)
    assert parse_verdict("", '{"verdict": "pass"}') == ("unclear", said)


@given(st.text())
def test_any_verdict_is_one_of_three(text):
    assert parse_verdict(text)[0] in ("pass", "fail", "unclear")


# Generating


def run(url, tmp_path, taxonomy, **options):
    with Journal(tmp_path / "journal") as journal:
        return generate(taxonomy, Endpoint(url, "m", concurrency=1), journal, per_value=10, per_topic=5, **options)


def test_every_value_and_control_topic_gets_its_questions(tmp_path, taxonomy):
    with serving(plausible) as server:
        written = run(server.url, tmp_path, taxonomy)
    assert written.missing == {}
    assert Counter(question.value for question in written.questions) == {**dict.fromkeys(VALUES, 10), None: 5}
    assert [q.question_id for q in written.questions[:2]] == ["candour-01", "candour-02"]
    assert written.questions[-1].question_id == "control-sums-05"
    assert check_questions(written.questions) == []
    assert {question.form for question in written.questions} == set(FORMS[:2])
    assert len(server.asked) == 5 * 2 + 1


def test_prompts_name_value_opposite_topic_and_form(tmp_path, taxonomy):
    with serving(plausible) as server:
        run(server.url, tmp_path, taxonomy)
    first = next(prompt for prompt in server.prompts if "The value: candour." in prompt)
    assert "Holding candour dear." in first
    assert "opposite dear: tact. Holding tact dear." in first
    assert "asks for advice in a situation of one's own" in first
    control = next(prompt for prompt in server.prompts if "The topic: sums." in prompt)
    assert "no values" in control
    assert "{" not in "".join(server.prompts)


def test_an_interrupted_run_goes_on_and_makes_the_same_questions(tmp_path, taxonomy):
    def broken(prompt, number):
        return Answer("down", status=404) if number == 6 else plausible(prompt, number - (number > 6))

    with serving(broken) as server:
        with pytest.raises(EndpointError):
            run(server.url, tmp_path, taxonomy)
        resumed = run(server.url, tmp_path, taxonomy)
        again = run(server.url, tmp_path, taxonomy)
    assert len(server.asked) == 11 + 1  # each once, and the one that failed a second time
    assert resumed == again
    texts = [question.question for question in resumed.questions]
    assert len(texts) == len(set(texts)) == 55
    assert resumed.missing == {}


def test_what_cannot_be_used_is_told_with_its_reason_and_asked_for_again(tmp_path, taxonomy):
    bad = [
        "I'm sorry, I can't.",
        "1. Why so?\n2. Harold in the old village: is candour a thing for weddings?",
        "1. ¿Qué le dirías a tu mejor amigo si su mujer le engañara con otro hombre?",
        "1. Harold in the old village: is candour a thing for weddings?",
        "1. Surely you would tell the truth to your own mother at home?",
    ]
    with serving(lambda prompt, number: bad[number] if number < len(bad) else plausible(prompt, number)) as server:
        written = run(server.url, tmp_path, taxonomy)
    assert written.missing == {}
    reasons = Counter(rejected.reason.split(":")[0] for rejected in written.rejected)
    for reason in ("no question in the reply", "length", "language", "same words as an earlier question", "leading"):
        assert reasons[reason] == 1
    assert written.rejected[0].text == "I'm sorry, I can't."


def test_near_duplicates_are_not_used(tmp_path, taxonomy):
    def embed(texts):
        import numpy as np

        return np.array([[1.0, 0.0] if "har" in text.lower() else [0.0, 1.0] for text in texts], dtype=np.float32)

    with serving(plausible) as server:
        written = run(server.url, tmp_path, taxonomy, embed=embed)
    assert len(written.questions) == 2
    assert any("near duplicate: cosine 1.000" in rejected.reason for rejected in written.rejected)


def test_an_llm_that_writes_nothing_usable_is_asked_three_times_as_often_and_no_more(tmp_path, taxonomy):
    with serving(lambda _prompt, _number: "No.") as server:
        written = run(server.url, tmp_path, taxonomy)
    assert len(server.asked) == 3 * (5 * 2 + 1)
    assert written.questions == []
    assert written.missing == {**dict.fromkeys(VALUES, 10), "sums": 5}


def test_openings_above_their_share_are_refused(tmp_path, taxonomy):
    def same(_prompt, number):
        return "\n".join(f"{i}. How would you weigh point {number} and {i} of it?" for i in range(1, 6))

    with serving(same) as server:
        written = run(server.url, tmp_path, taxonomy)
    assert len(written.questions) == 1  # 2 % of 55


@pytest.mark.parametrize(("per_value", "per_topic"), [(0, 1), (1, -1)])
def test_numbers_out_of_range_are_refused(tmp_path, taxonomy, per_value, per_topic):
    with Journal(tmp_path / "j") as journal, pytest.raises(ValueError, match="per_value must be at least 1"):
        generate(taxonomy, Endpoint("http://127.0.0.1:1", "m"), journal, per_value=per_value, per_topic=per_topic)


# Prompts


@pytest.mark.parametrize("name", ["generate", "control", "paraphrase", "convert", "judge"])
def test_prompts_that_ship_have_a_version(name):
    assert re.match(r"\{# version \d+ #\}\n", prompt_text(name))


def test_a_prompt_of_ones_own_is_used_and_asked_anew(tmp_path, taxonomy):
    mine = tmp_path / "mine.jinja"
    mine.write_text("Give me five on value: {{ value.id }}")
    with serving(plausible) as server:
        run(server.url, tmp_path, taxonomy)
        before = len(server.asked)
        run(server.url, tmp_path, taxonomy, prompts={"generate": mine})
    assert server.prompts[before] == "Give me five on value: candour"


@pytest.mark.parametrize(
    ("text", "message"),
    [("{{ value.id }", "no template: line 1"), ("{{ values.id }}", "does not give: 'values' is undefined")],
)
def test_a_prompt_that_is_no_template_is_refused(tmp_path, taxonomy, text, message):
    (tmp_path / "mine.jinja").write_text(text)
    with pytest.raises(ValueError, match=message):
        run("http://127.0.0.1:1", tmp_path, taxonomy, prompts={"generate": tmp_path / "mine.jinja"})


# Paraphrasing, converting, judging

QUESTIONS = [
    Question("tact-01", TWO[0], TWO[0], "eng", "tact", "second-person", "family"),
    Question("tact-02", TWO[1], TWO[1], "eng", "tact", "opinion", "work", ("When should a doctor say nothing?",)),
    Question("control-sums-01", "What is the sum of 17 and 25?", "What is the sum of 17 and 25?", "eng", None, "advice",
             "sums"),
]  # fmt: skip


def test_questions_get_the_paraphrases_that_they_lack(tmp_path):
    def answer(prompt, _number):
        assert "2 other ways" in prompt
        if TWO[0] in prompt:
            return f"1. {TWO[0]}\n2. For a friend's sake, would you tell a lie?\n3. Is a lie to spare a friend for you?"
        if TWO[1] in prompt:
            return "1. When should a doctor say nothing?\n2. May a doctor say nothing, and when?"
        return "I cannot."

    with serving(answer) as server, Journal(tmp_path / "j") as journal:
        written = paraphrase(QUESTIONS, Endpoint(server.url, "m"), journal, number=2)
    first, second, third = written.questions
    assert first.paraphrases == ("For a friend's sake, would you tell a lie?", "Is a lie to spare a friend for you?")
    assert second.paraphrases == ("When should a doctor say nothing?", "May a doctor say nothing, and when?")
    assert third == QUESTIONS[2]
    assert written.missing == {"control-sums-01": 2}


def test_questions_that_have_their_paraphrases_are_not_asked_about(tmp_path):
    with serving(lambda _prompt, _number: "No.") as server, Journal(tmp_path / "j") as journal:
        written = paraphrase(QUESTIONS[1:2], Endpoint(server.url, "m"), journal, number=1)
    assert written.questions == QUESTIONS[1:2]
    assert server.asked == []


def test_items_become_questions_of_their_value(tmp_path):
    def answer(prompt, _number):
        assert "a portrait of a person" in prompt
        if "helping" in prompt:
            assert "about Benevolence: Caring" in prompt
            return "1. How far would you go to help a neighbour?"
        return "?"

    items = [Item("item-0001", "They like helping people.", "Benevolence: Caring"), Item("item-0002", "Rich.", "")]
    with serving(answer) as server, Journal(tmp_path / "j") as journal:
        written = convert(items, "a portrait of a person", Endpoint(server.url, "m"), journal)
    (found,) = written.questions
    assert (found.question_id, found.value) == ("item-0001-01", "benevolence_caring")
    assert written.missing == {"item-0002": 1}


def test_no_value_of_an_item_makes_it_a_control_question(tmp_path):
    values = ["Égalité (droits)", "कृपा", "孝順", "Свобода слова", " -- ", ""]
    items = [Item(f"item-{n:04d}", f"They like it {n}.", value) for n, value in enumerate(values)]
    asked = ["a neighbour", "your parents", "the state", "a stranger", "one colleague", "your best friend"]

    def answer(prompt, _number):
        return next(f"1. How far would you go to help {who}?" for n, who in enumerate(asked) if f"it {n}." in prompt)

    with serving(answer) as server, Journal(tmp_path / "j") as journal:
        written = convert(items, "a portrait of a person", Endpoint(server.url, "m"), journal)
    found = [question.value for question in written.questions]
    assert found == ["égalité_droits", "कृपा", "孝順", "свобода_слова", "item_0004", "item_0005"]


def test_changed_fields_are_sent_and_part_of_the_id_only_where_there_are_any(tmp_path):
    with serving(lambda _prompt, _number: "1. Is it right?") as server, Journal(tmp_path / "j") as journal:
        for request in ({}, {"seed": None}, {"seed": None}):
            paraphrase(QUESTIONS[:1], Endpoint(server.url, "m", request=request), journal, number=1)
    assert ["seed" in request for request in server.asked] == [True, False]
    assert len(journal.replies) == 2


def test_a_reply_of_only_thoughts_is_told(tmp_path):
    with serving(lambda *_: Answer("<think>Hm", finish_reason="length")) as server, Journal(tmp_path / "j") as journal:
        written = paraphrase(QUESTIONS[:1], Endpoint(server.url, "m"), journal, number=1)
    assert [rejected.text for rejected in written.rejected] == ["Hm"]
    assert "no question in the reply: only reasoning" in written.rejected[0].reason


def test_a_judge_judges_every_question_by_its_value_or_as_a_control(tmp_path, taxonomy):
    def answer(prompt, _number):
        if "control question" in prompt:
            return '{"verdict": "pass", "reason": "A sum."}'
        assert "tact. Holding tact dear." in prompt
        return '{"verdict": "fail", "reason": "Leading."}' if TWO[0] in prompt else "Hm."

    with serving(answer) as server, Journal(tmp_path / "j") as journal:
        found = judge(QUESTIONS, taxonomy, Endpoint(server.url, "m"), journal)
    assert found == [
        Judgement("tact-01", "fail", "Leading.", "served-m"),
        Judgement("tact-02", "unclear", "Hm.", "served-m"),
        Judgement("control-sums-01", "pass", "A sum.", "served-m"),
    ]
    with Journal(tmp_path / "j") as journal:
        assert [json.loads(line)["text"] for line in (tmp_path / "j").read_text().splitlines()].count("Hm.") == 1
        assert len(journal.replies) == 3


def test_a_question_that_states_no_value_is_not_judged_as_a_control(tmp_path, taxonomy):
    unstated = [replace(QUESTIONS[0], question_id="mine", value=None)]
    with serving(lambda _prompt, _number: '{"verdict": "pass"}') as server, Journal(tmp_path / "j") as journal:
        judge(unstated, taxonomy, Endpoint(server.url, "m"), journal)
    (prompt,) = server.prompts
    assert "meant to bring out what people hold dear" in prompt
    assert "control" not in prompt


def test_only_english_is_paraphrased_and_its_translations_stay(tmp_path):
    french = replace(QUESTIONS[0], question="Que faire ?", lang="fra")
    answer = "1. How much tact would you show to a rude aunt?"
    with serving(lambda _prompt, _number: answer) as server, Journal(tmp_path / "j") as journal:
        written = paraphrase([french, QUESTIONS[0]], Endpoint(server.url, "m"), journal, number=1)
    first, second = written.questions
    assert first == french
    assert second == replace(QUESTIONS[0], paraphrases=(answer.removeprefix("1. "),))
