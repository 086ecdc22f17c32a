"""What the encoder of stances learns from: nothing of what it is measured on."""

import json
from pathlib import Path

import pandas as pd
import pytest

from recipes.stance_corpora import FEW_TOPICS, MEASURED_ONLY, PEOPLE, held_out, part_of, stance_corpora
from recipes.stances import recipe_of
from univar.corpus.records import normalised_question
from univar.corpus.stances import stances_of
from univar.model.recipes import read_recipe

TOPICS = [f"Town number {number} should have a tram" for number in range(40)]
MEASURED = "Cats should be taxed"


def sided(topics: list[str], words: str) -> pd.DataFrame:
    """For and against each topic, two texts each."""
    rows = [
        {
            "topic": topic,
            "text": f"{words} {topic} {label} {n}",
            "label": label,
            "lang": "en",
            "author": "",
            "extra": "{}",
        }
        for topic in topics
        for label in (-1, 1)
        for n in range(2)
    ]
    return pd.DataFrame(rows)


def answers(name: str, rating: object, questions: list[str]) -> pd.DataFrame:
    """An answer of two LLMs to each question, with a rating in its extra column."""
    answer = "I agree with that. Everybody gains by it in the end, as I have always said and say again, and so do I:"
    rows = [
        {
            "question_id": f"q{n}",
            "question": question,
            "answer": f"{answer} {question}, {model}.",
            "model": model,
            "lang": "eng",
            "sample": 0,
            "extra": json.dumps({name: rating}),
        }
        for n, question in enumerate(questions)
        for model in ("a", "b")
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small files with the columns of the public ones."""
    data = tmp_path_factory.mktemp("data")
    stance = data / "stance"
    stance.mkdir()
    for name in (*PEOPLE, "habermas_statements"):
        table = sided([*TOPICS, MEASURED], name)
        table.to_parquet(stance / f"{name}.parquet")
    for name in MEASURED_ONLY:
        sided([MEASURED], name).to_parquet(stance / f"{name}.parquet")
    # A text of the measured values that stands for a topic of train, too.
    repeated = sided(TOPICS, "perspectrum").text.iloc[0]
    values = pd.DataFrame({"text_id": ["1"], "text": [repeated], "context": [TOPICS[0]], "value": ["Face"]})
    values.to_parquet(stance / "valueeval23_val_test.parquet")
    labelled = pd.DataFrame(
        {
            "text_id": TOPICS,
            "text": [f"It is only fair {topic}" for topic in TOPICS],
            "context": TOPICS,
            "value": "Face",
        }
    )
    labelled.to_parquet(stance / "valueeval23_train.parquet")
    persona = pd.DataFrame(
        {"text_id": ["1", "2"], "text": ["I do", "I do not"], "value": "curious", "label": [1.0, -1.0]}
    )
    persona.to_parquet(stance / "persona_statements.parquet")
    answers("llm_rating", "7", TOPICS).to_parquet(data / "valuebench.parquet")
    answers("rating", "nan", TOPICS).to_parquet(data / "moral_vignettes.parquet")
    answers("score", "-2.5", TOPICS).to_parquet(data / "sycobench.parquet")
    answers("none", None, TOPICS).to_parquet(data / "political_compass.parquet")
    return data


def test_nothing_that_is_measured_is_learned_from(folder):
    held, corpora = held_out(folder), stance_corpora(folder)
    measured = {topic for topic in TOPICS if part_of(topic, few=True) != "train"}
    assert 0 < len(measured) < len(TOPICS) < FEW_TOPICS
    of_people = [record for name in (*PEOPLE, "human_values") for record in corpora[name]]
    topics = {record.claim for record in of_people}
    assert topics
    assert not topics & {*measured, MEASURED}
    assert not {normalised_question(record.answer) for record in of_people} & held.texts


def test_every_corpus_has_its_share_of_the_training(folder):
    recipe = recipe_of(read_recipe("minilm-stance"), seed=3, pairs=1000)
    assert {*recipe.corpus_weights, *(recipe.identities_of or ())} == set(stance_corpora(folder))
    assert recipe.seed == 3


def test_ratings_become_stances(folder):
    corpora = stance_corpora(folder)
    # 7 of 10 is 7 / 5 - 1, and -2.5 of 5 a half; a rating that is no number is none.
    assert {round(record.stance, 9) for record in corpora["valuebench"]} == {0.4}
    assert {record.stance for record in corpora["sycobench"]} == {-0.5}
    assert corpora["moral_vignettes"] == []


def test_spoken_stances_are_read_and_mostly_taken_out(folder):
    spoken = stance_corpora(folder)["political_compass"]
    assert {record.stance for record in spoken} == {1.0}
    without = ["I agree" not in record.answer for record in spoken]
    assert 0.3 < sum(without) / len(without) < 1
    assert {part_of(str(record.claim), few=True) for record in spoken} == {"train"}


def test_poles_of_train_have_both_ends(folder):
    poles = stance_corpora(folder)["poles"]
    found = stances_of(poles)
    assert found.sides["for"] == found.sides["against"] > 900
    assert found.warning is None  # every voice says both
