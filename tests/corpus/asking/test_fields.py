import datetime
import json

import pytest

from univar.corpus.asking.fields import as_text, checked_fields, mended, sent_fields, token_limit

SENT = {"max_tokens": 128, "temperature": 1.0, "top_p": 0.95, "seed": 0}


def test_fields_are_renamed_left_out_and_added():
    changes = checked_fields(
        {"max_tokens": None, "max_completion_tokens": 512, "provider": {"order": ["a"], "allow_fallbacks": False}}
    )
    assert sent_fields(SENT, changes) == {
        "temperature": 1.0, "top_p": 0.95, "seed": 0, "max_completion_tokens": 512,
        "provider": {"order": ["a"], "allow_fallbacks": False},
    }  # fmt: skip
    assert checked_fields(None) == {}
    assert checked_fields({"logit_bias": {50256: -100}}) == {"logit_bias": {"50256": -100}}  # as JSON has it


def test_the_same_changes_are_the_same_text():
    assert as_text({"b": 1, "a": {"d": 1, "c": "é"}}) == '{"a": {"c": "é", "d": 1}, "b": 1}'
    assert as_text({}) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([1], "no mapping of fields to values"),
        ({True: 1}, "the name of a field is text, not True"),
        ({"": 1}, "the name of a field is text, not ''"),
        ({"messages": []}, "messages cannot be given here: they are the question and the system prompt"),
        ({"model": "b"}, "model cannot be given here: it has an entry of its own"),
        ({"stream": True}, "stream cannot be given here: replies are read whole"),
        ({"n": 2}, "n cannot be given here: .*--samples"),
        ({"seed": 1}, "seed: every sample has a seed of its own.*null leaves it out, got 1"),
        ({"max_tokens": "many"}, "max_tokens: expected a whole number above 0, or null, got 'many'"),
        ({"max_completion_tokens": 0}, "max_completion_tokens: expected a whole number above 0"),
        ({"max_tokens": 2**31}, "max_tokens: expected a whole number above 0"),
        ({"temperature": "hot"}, "temperature: expected a number, or null, got 'hot'"),
        ({"top_p": float("nan")}, "top_p: expected a number"),
        ({"top_k": 1.5}, "top_k: expected a whole number"),
        ({"until": datetime.date(2026, 1, 1)}, "until: it is no JSON, got datetime"),
        ({"penalty": float("inf")}, "penalty: it is no JSON, got inf"),
        ({"provider": {"order": [{"a": None}]}}, "provider: null inside a value cannot be sent"),
    ],
)
def test_what_is_wrong_with_fields_is_named(fields, message):
    with pytest.raises(ValueError, match=message):
        checked_fields(fields)


def test_the_limit_is_found_under_either_name():
    assert token_limit(128, {}) == 128
    assert token_limit(128, {"max_tokens": 64}) == 64
    assert token_limit(128, {"max_tokens": None, "max_completion_tokens": 512}) == 512
    assert token_limit(128, {"max_completion_tokens": 512}) == 512
    assert token_limit(128, {"max_tokens": None}) is None


def openai(message: str, param: str | None = None) -> str:
    return json.dumps({"error": {"message": message, "type": "invalid_request_error", "param": param, "code": None}})


@pytest.mark.parametrize(
    ("said", "changes"),
    [
        # As OpenAI, Anthropic, FastAPI and Mistral servers word it.
        (
            openai("Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."),
            {"max_tokens": None, "max_completion_tokens": 128},
        ),
        (openai("Unsupported value: 0.7 is not supported with this model.", "temperature"), {"temperature": None}),
        (openai("`temperature` and `top_p` cannot both be specified for this model."), {"top_p": None}),
        (json.dumps({"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}), {"seed": None}),
        (
            json.dumps({"detail": [{"loc": ["body", name], "msg": "Extra inputs"} for name in ("seed", "top_p")]}),
            {"top_p": None, "seed": None},
        ),
        ("no such parameter: seed", {"seed": None}),
        # what is no matter of the field, or of no field
        (openai("max_tokens is too large: 128. This model's maximum context length is 64 tokens."), None),
        ("the prompt was filtered", None),
        ("[" * 10_000, None),
        ("seeds and max_tokens_total", None),
    ],
)
def test_a_refusal_of_a_field_is_mended(said, changes):
    assert mended(said, SENT, {}) == changes


def test_what_mends_a_refusal_keeps_the_changes_that_are_there():
    changes = {"reasoning_effort": "low", "top_p": None}
    sent = sent_fields(SENT, changes)
    assert mended("no seed here", sent, changes) == {**changes, "seed": None}
    assert mended("reasoning_effort?", sent, changes) == {"reasoning_effort": None, "top_p": None}
