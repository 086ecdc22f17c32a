import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipes.restyling import plain, restyle, sentences, without_openers

WORDS = st.lists(st.text("abcdefgh", min_size=1, max_size=6), min_size=1, max_size=8).map(" ".join)
ANSWERS = st.lists(WORDS.map(lambda words: words.capitalize() + "."), min_size=1, max_size=6).map(" ".join)


def test_markdown_goes_and_its_words_stay():
    listed = "## On thrift\n\n1. **Save** first, *then* spend.\n2. See [the table](https://example.org):\n\n"
    answer = listed + "| a | b |\n|---|---|\n| c | d |"
    assert plain(answer) == ["On thrift", "Save first, then spend.", "See the table:", "a", "b", "c", "d"]


def test_code_is_no_sentence():
    assert sentences("Say it. Then:\n\n```\nprint('x')\n```\n") == ["Say it.", "Then:"]


@pytest.mark.parametrize(
    "opener",
    ["Certainly!", "As an AI language model, I hold no views.", "I hope this helps!", "It's important to note that."],
)
def test_stock_openers_go(opener):
    assert without_openers(sentences(f"{opener} Thrift is a virtue.")) == ["Thrift is a virtue."]


def test_an_answer_of_openers_alone_stays():
    assert without_openers(["Certainly!"]) == ["Certainly!"]


@given(ANSWERS, st.integers(0, 2**16))
def test_a_restyled_answer_has_no_new_words_and_is_never_empty(answer, seed):
    restyled = restyle(answer, random.Random(seed))
    assert restyled
    assert set(restyled.lower().replace(".", "").split()) <= set(answer.lower().replace(".", "").split())


@given(st.integers(0, 2**16))
def test_what_a_stance_hangs_on_stays(seed):
    kept = set(
        restyle("The rich must not, and should never, decide for all of us.", random.Random(seed)).lower().split()
    )
    assert {"must", "should", "decide", "rich", "all"} <= {word.strip(",.") for word in kept}
    assert {"not", "never"} <= {word.strip(",.") for word in kept}


def test_styles_differ_and_a_seed_gives_one():
    answer = "The first thing is trust. The second thing is work. The third thing, by far, is luck."
    assert restyle(answer, random.Random(3)) == restyle(answer, random.Random(3))
    assert len({restyle(answer, random.Random(seed)) for seed in range(40)}) > 20


@pytest.mark.parametrize("answer", ["", "   ", "```\ncode\n```", "**", "|"])
def test_what_holds_no_sentence_is_left_as_it_is(answer):
    assert restyle(answer, random.Random(0)) == answer
