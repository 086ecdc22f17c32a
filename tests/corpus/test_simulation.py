import itertools
import random
import re
from collections import Counter

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from univar.corpus import simulation as module
from univar.corpus.records import identity_labels
from univar.corpus.simulation import (
    LEVELS,
    STYLE_FEATURES,
    Simulation,
    draw_identities,
    question_bank,
    simulate,
    simulate_controls,
    simulated_records,
    stance_distances,
    style_distances,
    value_names,
)

PLAIN = np.array([float(feature in ("formality", "directness")) for feature in STYLE_FEATURES])
"""The style of an answer that is its claim and nothing else: every other feature never happens."""


def wordings(template: str) -> set[str]:
    """Every sentence that a template stands for."""
    parts = re.split(r"\(([^()]*\|[^()]*)\)", template)  # fixed texts and choices take turns
    return {"".join(p) for p in itertools.product(*(x.split("|") if i % 2 else [x] for i, x in enumerate(parts)))}


def value_entries() -> list[dict]:
    folder = module.files("univar") / "assets" / "simulation" / "values"
    return [yaml.safe_load(file.read_text("utf-8")) for file in folder.iterdir()]


def sentences(entry: dict) -> list[str]:
    templates = [*entry["reasons"]["for"], *entry["reasons"]["against"], *itertools.chain(*entry["stances"].values())]
    return [s for template in templates for s in wordings(template)]


def level_of(answer: str, value: str) -> str:
    """The one level whose wordings the plain answer is among."""
    stances = module._values()[value]["stances"]
    (level,) = [level for level in LEVELS if any(answer in wordings(template) for template in stances[level])]
    return level


# The sentences


def test_the_bank_has_values_questions_and_wordings_enough():
    entries = value_entries()
    assert 16 <= len(entries) <= 24
    for entry in entries:
        assert len(set(entry["questions"])) >= 14, entry["value"]
        assert tuple(entry["stances"]) == LEVELS
        for level, templates in entry["stances"].items():
            assert len(set().union(*map(wordings, templates))) >= 8, (entry["value"], level)


def test_no_wording_says_two_things():
    owners = Counter(
        sentence
        for entry in value_entries()
        for level in LEVELS
        for sentence in set().union(*map(wordings, entry["stances"][level]))
    )
    assert [sentence for sentence, count in owners.items() if count > 1] == []


@pytest.mark.parametrize("entry", value_entries(), ids=lambda entry: entry["value"])
def test_every_wording_is_a_sentence_that_can_follow_any_phrase(entry):
    for sentence in [*sentences(entry), *entry["background"]]:
        assert re.fullmatch(r"[A-Z][^()|]*[a-z]\.", sentence), sentence
        assert "  " not in sentence, sentence
        assert " ," not in sentence, sentence
        # It loses its capital after "I would say that", and gains contractions by our table, not by hand.
        assert not re.match(r"I\b", sentence), sentence
        assert not re.search(r"\w'(t|re|ll|ve|m)\b", sentence), sentence
    assert all(question.endswith("?") for question in entry["questions"])


def test_phrases_of_style_name_no_value_and_take_no_side():
    def leaves(node: object) -> list[str]:
        if isinstance(node, str):
            return [node]
        return [leaf for child in (node.values() if isinstance(node, dict) else node) for leaf in leaves(child)]

    words = set(re.findall(r"[a-z]+", " ".join(leaves(module._asset("style"))).lower()))
    topics = {word for value in value_names() for word in value.split() if word != "free"}  # "feel free to ask"
    assert words & topics == set()
    assert words & {"agree", "disagree", "essential", "harmful", "wrong", "good", "bad", "never", "always"} == set()


# The truth


def test_a_plain_answer_says_the_level_of_its_stance():
    for value, (stance, level) in itertools.product(value_names(), zip(np.linspace(-1, 1, 5), LEVELS, strict=True)):
        answer, said = module._value_answer(value, float(stance), PLAIN, random.Random(f"{value}{stance}"))
        assert (level_of(answer, value), said) == (level, stance)


def test_the_claim_can_be_read_in_every_style():
    generator = np.random.default_rng(0)
    for seed in range(500):
        value = value_names()[seed % len(value_names())]
        style = generator.random(len(STYLE_FEATURES)).round()  # every feature always or never
        level = LEVELS[seed % 5]
        answer = module._value_answer(value, LEVELS.index(level) / 2 - 1, style, random.Random(seed))[0].lower()
        said = {
            spoken
            for template in module._values()[value]["stances"][level]
            for wording in wordings(template)
            for spoken in (wording.lower(), module._contracted(wording).lower())
            if spoken in answer
        }
        assert said, answer


def test_the_mean_level_of_many_answers_is_the_stance():
    # A stance of 0.3 lies between the levels 0 and 0.5: 40 % mixed and 60 % for. The share of n = 2,000 draws has a
    # standard error of sqrt(0.24 / 2000) = 0.011.
    generator = random.Random(0)
    said = Counter(level_of(module._value_answer("thrift", 0.3, PLAIN, generator)[0], "thrift") for _ in range(2000))
    assert set(said) == {"mixed", "for"}
    assert said["for"] / 2000 == pytest.approx(0.6, abs=0.04)


def test_stances_are_two_sided_and_independent_of_style():
    stances, styles = draw_identities(600, seed=3)
    assert stances.shape == (600, len(value_names()))
    assert styles.shape == (600, len(STYLE_FEATURES))
    assert -1 <= stances.min() < -0.99 < 0.99 < stances.max() <= 1
    assert 0 <= styles.min() < 0.01 < 0.99 < styles.max() <= 1
    # The arcsine distribution on [-1, 1] has mean 0 and variance 1/2; families leave that as it is.
    assert stances.mean() == pytest.approx(0, abs=0.05)
    assert stances.var() == pytest.approx(0.5, abs=0.05)
    between = np.corrcoef(stances.T, styles.T)[: len(value_names()), len(value_names()) :]
    assert abs(between).max() < 0.25


def test_some_identities_are_near_each_other_and_most_are_far():
    distances = stance_distances(simulate(12, 1, seed=0))
    assert distances.shape == (66,)
    # Two strangers differ by sqrt(24 * 2 * 1/2) = 4.9 on average (root mean square); relatives by less.
    assert distances.min() < 3 < 4.4 < np.median(distances) < 5.4


def test_distances_of_a_hand_made_simulation():
    # Opposite on both values: sqrt(2² + 2²); a 3-4-5 triangle in style, a tenth of the size.
    simulation = Simulation(
        [], [], ["a", "b"], np.array([[1.0, -1.0], [-1.0, 1.0]]), np.array([[0.0, 0.4], [0.3, 0.0]])
    )
    np.testing.assert_allclose(stance_distances(simulation), [np.sqrt(8)])
    np.testing.assert_allclose(style_distances(simulation), [0.5])


# The corpus


def test_records_are_complete_and_in_the_order_of_the_rows():
    simulation = simulate(11, 26, seed=5, samples=2)
    assert len(simulation.records) == 11 * 26 * 2
    assert identity_labels(simulation.records)[0] == simulation.identities
    assert simulation.identities == sorted(simulation.identities)
    assert {(r.lang, r.source) for r in simulation.records} == {("eng", "simulated")}
    assert {r.value for r in simulation.records} == set(simulation.values) == set(value_names())
    keys = [(r.question_id, r.model, r.sample) for r in simulation.records]
    assert len(set(keys)) == len(keys)


def test_the_stance_of_a_record_is_what_its_answer_says():
    simulation = simulate(4, 96, seed=2, samples=3)
    rows = {identity: row for row, identity in enumerate(simulation.identities)}
    for record in simulation.records:
        latent = simulation.stances[rows[record.identity], simulation.values.index(record.value)]
        # One of the two levels, half a step apart, between which the latent stance lies.
        assert abs(record.stance - latent) < 0.5
        assert 2 * record.stance in range(-2, 3)
    assert {record.stance for record in simulate_controls(simulation, 5)} == {None}


def test_identities_keep_their_order_beyond_ninety_nine():
    simulation = simulate(101, 1)
    assert simulation.identities == sorted(simulation.identities)


@given(st.integers(1, 400), st.integers(0, 50))
def test_questions_are_distinct_and_spread_evenly(count, seed):
    asked = module._pick(question_bank(), count, seed)
    assert len({q.text for q in asked}) == len({q.id for q in asked}) == count
    per_value = Counter(dict.fromkeys(value_names(), 0))
    per_value.update(q.value for q in asked)
    assert max(per_value.values()) - min(per_value.values()) <= 1


def test_a_thousand_questions_and_more_are_distinct():
    asked = [record.question for record in simulated_records(1, 1500)]
    assert len(set(asked)) == 1500


def test_a_question_id_always_names_the_same_text():
    first, second = ({r.question_id: r.question for r in simulated_records(1, 384, seed=seed)} for seed in (0, 1))
    assert first.keys() == second.keys()
    assert first == second


def test_the_same_seed_gives_the_same_corpus_and_another_seed_another():
    first, again, other = (simulate(4, 30, seed=seed) for seed in (7, 7, 8))
    assert first.records == again.records
    np.testing.assert_array_equal(first.stances, again.stances)
    assert not np.allclose(first.stances, other.stances)
    assert {r.answer for r in first.records}.isdisjoint({r.answer for r in other.records if len(r.answer) > 300})


def test_a_smaller_corpus_is_part_of_a_larger_one():
    small, large = simulate(3, 20, seed=2), simulate(6, 60, seed=2)
    np.testing.assert_array_equal(small.stances, large.stances[:3])
    np.testing.assert_array_equal(small.styles, large.styles[:3])
    assert set(small.records) <= set(large.records)


def test_two_answers_to_one_question_differ_in_their_words():
    records = list(simulated_records(6, 60, samples=4, style="redrawn"))
    assert len({r.answer for r in records}) > 0.97 * len(records)


def test_records_are_made_as_they_are_asked_for():
    # All of them would be 2.3 million and take minutes.
    stream = simulated_records(400, len(question_bank()))
    assert len(list(itertools.islice(stream, 5))) == 5


def share_with_markdown(records, model):
    answers = [r.answer for r in records if r.model == model]
    return np.mean(["**" in answer or "###" in answer for answer in answers])


def test_an_identity_keeps_its_style_unless_styles_are_redrawn():
    own, redrawn = (simulate(10, 150, seed=1, style=style) for style in ("identity", "redrawn"))
    np.testing.assert_array_equal(own.stances, redrawn.stances)
    chance = own.styles[:, STYLE_FEATURES.index("markdown")]
    for row, (model, _) in enumerate(own.identities):
        # n = 150: standard errors of 0.04 at most.
        assert share_with_markdown(own.records, model) == pytest.approx(chance[row], abs=0.15)
        assert share_with_markdown(redrawn.records, model) == pytest.approx(0.5, abs=0.15)


def test_length_says_nothing_of_the_stance():
    lengths = {level: [] for level in LEVELS}
    generator = random.Random(0)
    for value, (stance, level) in itertools.product(value_names(), zip(np.linspace(-1, 1, 5), LEVELS, strict=True)):
        for _ in range(20):
            lengths[level].append(len(module._value_answer(value, float(stance), np.full(9, 0.5), generator)[0]))
    means = [np.mean(lengths[level]) for level in ("strongly against", "against", "for", "strongly for")]
    assert max(means) < 1.12 * min(means)


# The controls


def test_controls_carry_the_style_of_their_identity_and_no_value():
    simulation = simulate(8, 1, seed=4)
    controls = simulate_controls(simulation, 200, samples=1)
    assert len(controls) == 1600
    assert {(r.value, r.source, r.lang) for r in controls} == {(None, "simulated-control", "eng")}
    assert identity_labels(controls)[0] == simulation.identities
    assert {r.question for r in controls}.isdisjoint({q.text for q in question_bank()})
    chance = simulation.styles[:, STYLE_FEATURES.index("markdown")]
    for row, (model, _) in enumerate(simulation.identities):
        assert share_with_markdown(controls, model) == pytest.approx(chance[row], abs=0.15)


def test_controls_answer_their_question():
    simulation = simulate(3, 1)
    controls = simulate_controls(simulation, 42)
    assert len({r.question_id for r in controls}) == 42
    capital = [r.answer for r in controls if r.question == "What is the capital of Australia?"]
    assert len(capital) == 3
    assert all("Canberra" in answer for answer in capital)


# Wrong arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"identities": 0}, "identities must be at least 1.*got 0"),
        ({"questions": 0}, "questions must be 1 to 5,760.*got 0"),
        ({"questions": 10**6}, "questions must be 1 to 5,760.*got 1000000"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"samples": 0}, "samples must be at least 1, got 0"),
        ({"identities": "3"}, "identities must be at least 1 and a whole number, got '3'"),
        ({"identities": True}, "identities must be at least 1 and a whole number, got True"),
        ({"questions": 2.5}, "questions must be 1 to 5,760 and a whole number, got 2.5"),
        ({"seed": None}, "seed must be at least 0 and a whole number, got None"),
        ({"style": "baroque"}, "style must be one of identity, redrawn, got 'baroque'"),
    ],
)
def test_arguments_out_of_range_are_refused_before_the_first_record(arguments, message):
    with pytest.raises(ValueError, match=message):
        simulated_records(**arguments)


def test_control_arguments_out_of_range_are_refused():
    simulation = simulate(2, 1)
    with pytest.raises(ValueError, match="questions must be 1 to 630"):
        simulate_controls(simulation, 631)
    with pytest.raises(ValueError, match="samples must be at least 1"):
        simulate_controls(simulation, samples=0)


def test_phrases_join_sentences_and_contractions_spare_the_end():
    assert module._joined("In short,", "Thrift is wise.") == "In short, thrift is wise."
    assert module._joined("In short,", "I guess thrift is wise.") == "In short, I guess thrift is wise."
    assert module._contracted("It is not right and cannot last.") == "It isn't right and can't last."
    assert module._contracted("One asks for what it is.") == "One asks for what it is."
