import pytest
from huggingface_hub import ChatCompletionOutput

from univar.corpus.asking.replies import ServedError, read_reply


def read(reply: dict):
    return read_reply(ChatCompletionOutput.parse_obj_as_instance(reply), "r", "m", 0.5)


def of(message: dict, **choice) -> dict:
    return {"model": "served", "choices": [{"message": message, "finish_reason": "stop", **choice}]}


@pytest.mark.parametrize(
    "message",
    [
        {"content": "<think>Hm.</think>No."},
        {"content": "No.", "reasoning_content": "Hm."},  # vLLM, SGLang, llama.cpp, DeepSeek
        {"content": "No.", "reasoning": "Hm."},  # OpenRouter, Ollama, Groq
        {"content": "No.", "reasoning_content": "Hm.", "reasoning": "Hm."},
        {"content": "<think>Hm.</think>No.", "reasoning_content": "Hm."},
        {"content": "No.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
        {"content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "No."}]},  # Anthropic
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"text": "No."}]},  # Mistral
        {"content": [{"type": "reasoning", "summary": [{"text": "Hm."}]}, {"type": "output_text", "text": "No."}]},
    ],
)  # fmt: skip
def test_thoughts_are_read_wherever_servers_put_them(message):
    found = read(of(message))
    assert (found.text, found.reasoning, found.finish_reason) == ("No.", "Hm.", "stop")


def test_a_reply_of_only_thoughts_has_no_text():
    found = read(of({"content": None, "reasoning_content": "Hm"}, finish_reason="length"))
    assert (found.text, found.reasoning, found.finish_reason) == ("", "Hm", "length")


@pytest.mark.parametrize(
    "message",
    [
        {"content": None, "refusal": "Not with me."},
        {"content": "", "refusal": "Not with me."},
        {"content": [{"type": "refusal", "refusal": "Not with me."}]},
    ],
)
def test_a_declared_refusal_is_told(message):
    found = read(of(message))
    assert (found.text, found.finish_reason) == ("Not with me.", "refusal")


@pytest.mark.parametrize(
    ("reply", "status", "said"),
    [
        ({"error": {"message": "slow down", "code": 429}}, 429, "slow down"),
        ({"error": {"message": "gone", "code": "502"}, "choices": []}, 502, "gone"),
        ({"error": {"message": "broke", "code": "insufficient_quota"}}, 402, "broke"),
        ({"error": {"message": "who?", "type": "authentication_error", "code": None}}, 401, "who?"),
        ({"error": {"message": "no", "status": "INVALID_ARGUMENT"}}, 400, "no"),
        ({"error": "out of luck"}, None, "out of luck"),
        ({"error": {"message": "odd", "code": 7}}, None, "odd"),
        (of({"content": "So"}, finish_reason="error"), None, "finish_reason error"),
        (of({"content": ""}, finish_reason="error", error={"code": 502, "message": "upstream"}), 502, "upstream"),
    ],
)
def test_an_error_inside_a_good_reply_is_one(reply, status, said):
    with pytest.raises(ServedError, match=said) as told:
        read(reply)
    assert told.value.status == status
    assert told.value.of_reply is bool(reply.get("choices"))


@pytest.mark.parametrize("error", [None, {}, "", {"code": None, "message": ""}])
def test_an_error_that_says_nothing_is_none(error):
    assert read({**of({"content": "No."}), "error": error}).text == "No."


def test_what_a_server_says_in_place_of_choices_is_shown():
    with pytest.raises(ConnectionError, match=r"without choices.*invalid group id"):
        read({"choices": None, "base_resp": {"status_code": 1004, "status_msg": "invalid group id"}})
