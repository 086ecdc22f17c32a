# ruff: noqa: RUF001
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from univar.corpus.reasoning import Parted, split_reasoning

HARMONY = "<|channel|>analysis<|message|>They ask."


@pytest.mark.parametrize(
    "reply",
    [
        "<think>They ask.</think>No.",
        "<think>\nThey ask.\n</think>\n\nNo.",
        "\n<think>They ask.</think>\n\nNo.\n",
        "<thinking>They ask.</thinking>\nNo.",
        "<THINK>They ask.</THINK>\nNo.",
        "<reasoning>They ask.</reasoning>\nNo.",
        "<thought>They ask.</thought>\nNo.",
        "<seed:think>They ask.</seed:think>No.",
        "◁think▷They ask.◁/think▷No.",
        "[THINK]They ask.[/THINK]No.",
        "<|channel>thought\nThey ask.<channel|>No.<turn|>",
        "<|inner_prefix|>They ask.<|inner_suffix|>No.<|assistant_end|>",
        "<|START_THINKING|>They ask.<|END_THINKING|><|START_RESPONSE|>No.<|END_RESPONSE|><|END_OF_TURN_TOKEN|>",
        f"{HARMONY}<|end|><|start|>assistant<|channel|>final<|message|>No.<|return|>",
        f"{HARMONY}<|start|>assistant<|channel|>final<|message|>No.",
        "analysisThey ask.assistantfinalNo.",
        "Here is my thought process:\nThey ask.\nHere is my response:\nNo.",
        "<|im_start|>assistant\n<think>They ask.</think>\nNo.<|im_end|>",
        "<think>They ask.</think>\n<answer>\nNo.\n</answer>",
        # the chat template opened the block
        "They ask.\n</think>\n\nNo.",
        "They ask.</think>No.",
        "They ask. </think> No.",
        "They ask.◁/think▷No.",
        "They ask.<|end|><|start|>assistant<|channel|>final<|message|>No.",
        # closed by the mark of another family, or twice
        "<think>They ask.</thinking>\nNo.",
        "<think>They ask.</think>\n</think>\nNo.",
    ],
)
def test_thoughts_and_answer_are_parted(reply):
    assert split_reasoning(reply) == Parted("No.", "They ask.")


@pytest.mark.parametrize(
    "reply",
    ["<think>They ask", "<think>\nThey ask", "They ask\n</think>", "◁think▷They ask", "analysisThey ask",
     "[THINK]They ask", "<|channel|>analysis<|message|>They ask", "<think>They ask<|im_end|>"],
)  # fmt: skip
def test_thoughts_that_were_cut_off_leave_no_answer(reply):
    assert split_reasoning(reply) == Parted("", "They ask")


@pytest.mark.parametrize(
    ("reply", "answer", "reasoning"),
    [
        ("Well.\n<think>Is it?</think>\nNo.", "Well.\nNo.", "Is it?"),
        ("Well.\n\n<think>\nIs it", "Well.", "Is it"),
        ("<think>One.</think>\n<think>Two.</think>\nNo.", "No.", "One.\n\nTwo."),
        ("<think></think>\n\nNo.", "No.", None),
        ("</think>\n\nNo.", "No.", None),
        ('<think>They say "</think>" to me.</think>No.', "No.", 'They say "</think>" to me.'),
        ("They want `<think>` explained.\n</think>\n\nIt opens.", "It opens.", "They want `<think>` explained."),
    ],
)
def test_blocks_anywhere_are_parted(reply, answer, reasoning):
    assert split_reasoning(reply) == (answer, reasoning)


@pytest.mark.parametrize(
    "answer",
    [
        "No.",
        " No.\n",
        "a < b and c > d, <b>boldly</b>, [1]",
        "Wrap it in <think> and </think>, as R1 does.",
        "The mark </think> ends it.",
        "It ends with `</think>`.",
        'It ends with "</think>".',
        "R1 writes:\n```\n<think>\nHm.\n</think>\nNo.\n```\nThat is all.",
        "R1 writes:\n\n    <think>\n    Hm.\n    </think>\n\nThat is all.",
        "- <think>: opens\n- </think>: closes",
        "> <think>Hm.</think>",
        "Put this in front:\n<think> and what you think after it. The rest is mine.",
        "I [think] not. [THINK] about it, <thought> is free.",
        "The token <|im_end|> ends a turn, <|im_start|> begins one.",
        "```\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n```",
        "<s>Never</s> and seldom, said <s>he</s>",
        "analysis assistantfinal",
        "Here is my thought process: I would not.",
    ],
)
def test_an_answer_that_speaks_of_marks_is_left_as_it_is(answer):
    assert split_reasoning(answer) == Parted(answer, None)


@pytest.mark.parametrize(
    "end",
    ["<|im_end|>", "<|eot_id|>", "</s>", "<|endoftext|>", "<end_of_turn>", "<｜end▁of▁sentence｜>", " [/INST]",
     "</s></s>\n"],
)  # fmt: skip
def test_marks_of_turns_are_no_part_of_an_answer(end):
    assert split_reasoning(f"No.{end}") == Parted("No.", None)


def test_another_turn_is_no_part_of_an_answer():
    ran_on = "No.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\nSo."
    assert split_reasoning(ran_on) == Parted("No.", None)


def test_thoughts_that_came_apart_go_first_and_are_not_doubled():
    assert split_reasoning("No.", "They ask.") == Parted("No.", "They ask.")
    assert split_reasoning("<think>More.</think>No.", "They ask.") == Parted("No.", "They ask.\n\nMore.")
    assert split_reasoning("<think>They ask.</think>No.", " They ask.\n") == Parted("No.", "They ask.")
    assert split_reasoning("No.", " ") == Parted("No.", None)


@given(st.text(st.characters(exclude_characters="<[◁")))
def test_text_without_marks_comes_out_unchanged(text):
    said = f"I say: {text}"  # so that it begins with no words that mean thoughts
    assert split_reasoning(said) == Parted(said, None)


MARKS = [
    *("<think>", "</think>", "<THINKING>", "</thinking>", "◁think▷", "◁/think▷", "[THINK]", "[/THINK]", "<|think|>"),
    *("<|channel|>analysis<|message|>", "<|channel|>final<|message|>", "<|end|>", "<|start|>assistant", "<|return|>"),
    *("<|START_THINKING|>", "<|END_THINKING|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>", "</s>", "<s>", "[/INST]"),
    *("<|im_end|>", "<|im_start|>user", "<|im_start|>assistant", "<|user|>", "<answer>", "</answer>", "<", "|>"),
    *("analysis", "assistantfinal", "Here is my thought process:", "Here is my response:", "`", "```", '"', "(", "> "),
    *("\n", "\n\n", " ", "    ", "\t", "word", "A sentence. "),
]


@given(st.lists(st.sampled_from(MARKS), max_size=14).map("".join))
def test_parting_twice_changes_nothing(reply):
    answer = split_reasoning(reply).answer
    assert split_reasoning(answer) == Parted(answer, None)


@given(st.text(), st.text(st.characters(exclude_characters="<[◁`\"'")))
def test_no_thought_is_in_an_answer(said, thought):
    found = split_reasoning(f"<think>{thought}</think>I say: {said}")
    assert found.answer.startswith("I say:")
    assert found.reasoning == (thought.strip() or None)


@pytest.mark.parametrize(
    "part",
    [
        "<think>",
        "\n<think> x",
        "</think>",
        "</think> ",
        '"</think>"',
        "<|im_end|> ",
        "x <think> ",
        "\n<think>\n</think>",
    ],
)
def test_a_hostile_answer_takes_no_long_time(part):
    began = time.perf_counter()
    split_reasoning(part * (200_000 // len(part)))
    assert time.perf_counter() - began < 5  # half a second at the most, and minutes if it were quadratic
