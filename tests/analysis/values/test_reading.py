"""Readings of values on vectors whose stances are known: what is said, counted, kept, refused."""

import json
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

import univar
from benchmarks.calibration_values import Scene, World, calibration, world
from univar.analysis.results import Result
from univar.analysis.values.profile import members
from univar.analysis.values.reading import ValuesError, check_values
from univar.corpus.questions.bank import control_questions
from univar.corpus.questions.poles import poles
from univar.corpus.records import Identity, QARecord
from univar.corpus.simulation import simulate
from univar.model.embedded import EmbeddedCorpus, EmbeddedCorpusError
from univar.model.encoding import Provenance

MADE = Provenance("planted", "0" * 64, None)
SCENE = Scene(values=87, questions=4, others=2, noise=0.8, voice=0.2, varying=0.1)
FOR, AGAINST, NEITHER = "thrift", "obedience", "honesty"


def corpus_of(made: World, rows: slice = slice(None)) -> EmbeddedCorpus:
    return EmbeddedCorpus(tuple(made.records[rows]), made.vectors[rows].astype(np.float32), MADE)


def poles_of(made: World) -> EmbeddedCorpus:
    return EmbeddedCorpus(tuple(pole.record for pole in made.poles), made.pole_vectors.astype(np.float32), MADE)


@pytest.fixture(scope="module")
def made() -> World:
    """Two LLMs: the first for thrift, against obedience, without a stance on the rest; the second the other way."""
    names = list(dict.fromkeys(str(pole.question.value) for pole in poles()))
    stances = np.zeros((2, 87))
    stances[0, names.index(FOR)], stances[0, names.index(AGAINST)] = 1, -1
    stances[1] = -stances[0]
    return world(SCENE, stances, 3)


@pytest.fixture(scope="module")
def found(made: World) -> univar.ValueProfiles:
    return univar.values(corpus_of(made), poles=poles_of(made))


@pytest.fixture(scope="module")
def alone(made: World) -> univar.ValueProfiles:
    return univar.values(corpus_of(made, slice(len(made.records) // 2)), poles=poles_of(made))


def test_what_was_planted_is_said_in_a_sentence(found, alone):
    assert str(alone) == (
        "m0 (eng) stands for thrift, against obedience; 87 of 87 values readable, n = 522 answers to 522 questions "
        "(by 95 % intervals, and Holm's rule over values)."
    )
    assert "m1 (eng) stands for obedience, against thrift" in str(found)
    first = found.reading("m0", FOR)
    assert first.interval.low < 1 < first.interval.high
    assert first.how == "poles and axis"
    assert (first.n, first.questions) == (6, 6)
    assert not found.reading(Identity("m0", "eng"), NEITHER).differs


def test_a_reading_does_not_depend_on_who_else_is_read(found, alone):
    assert alone.profiles[0] == found.profiles[0]


def test_it_is_a_result(found):
    assert isinstance(found, Result)
    frame = found.to_pandas()
    assert set(frame["level"]) == {"value", "family", "schwartz"}
    assert list(frame.columns)[:7] == ["model", "lang", "level", "name", "title", "stance", "low"]
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["profiles"][0]["readings"]["value"][0]["n"] == 6
    table = found.to_markdown().splitlines()
    assert len({line.count("|") for line in table if line.startswith("|")}) == 1
    assert sum(line.startswith("| m0") for line in table) == 87


def test_families_and_schwartz_are_means_of_their_values(made, found):
    # Each value counts by how far its poles lie apart, and those of one value lie within.
    own = {one.name: one for one in found.profiles[0].readings["value"]}
    for level in ("family", "schwartz"):
        for name, _, of in members(level):
            (one,) = [one for one in found.profiles[0].readings[level] if one.name == name]
            assert one.values == len(of)
            assert (
                min(own[value].stance for value in of) - 0.1 < one.stance < max(own[value].stance for value in of) + 0.1
            )
            assert one.n == sum(own[value].n for value in of)
    assert len(members("schwartz")) == 10
    assert sum(len(of) for _, _, of in members("schwartz")) == 31
    by = univar.values(corpus_of(made), poles=poles_of(made), by="schwartz")
    assert "10 of 10 Schwartz values readable" in str(by)
    assert by.reading("m0", "conformity").values == 5
    # 31 values of 87, each with six answers by two LLMs.
    assert str(by.counts) == "372 of 1,044 answers were read; 672 of values that belong to none of these"


def test_the_most_telling_answers_are_kept(found):
    told = found.telling("m0", FOR)
    assert [one.stance for one in told if one.stance > 0] == sorted(
        [t.stance for t in told if t.stance > 0], reverse=True
    )
    assert 3 <= len(told) <= 6
    assert told[0].answer.startswith("Said at +")
    family = next(one for one in found.profiles[0].readings["family"] if one.name == "rokeach")
    assert len(family.telling) == 6
    assert family.telling[0].stance >= max(one.stance for one in found.telling("m0", NEITHER))


def test_long_answers_are_kept_in_part(made):
    corpus = corpus_of(made, slice(6))
    long = [replace(record, answer="so \x1b" * 2000) for record in corpus.records]
    told = univar.values(replace(corpus, records=tuple(long)), poles=poles_of(made), only=None)
    text = told.profiles[0].readings["value"][0].telling[0].answer
    assert len(text) == 400


def test_values_named_beforehand_are_tested_alone(made):
    found = univar.values(corpus_of(made), poles=poles_of(made), only=[FOR, NEITHER])
    assert [one.name for one in found.profiles[0].readings["value"]] == [NEITHER, FOR]
    one = found.reading("m0", FOR)
    assert one.p_holm == pytest.approx(2 * one.p)


def test_what_does_not_carry_is_not_readable_in_words(made):
    # Poles and answers of one value without any stance in them, as an encoder that is blind to it makes them.
    blind = np.array([pole.question.value == FOR for pole in made.poles])
    vectors = made.pole_vectors.copy()
    vectors[blind] = np.random.default_rng(0).normal(size=(blind.sum(), vectors.shape[1]))
    known = replace(poles_of(made), embeddings=vectors.astype(np.float32))
    found = univar.values(corpus_of(made), poles=known)
    one = found.reading("m0", FOR)
    assert (one.stance, one.interval, one.p_holm, one.telling) == (None, None, None, ())
    assert one.why == "not readable: its poles are not told apart in voices that no ruler was made of"
    assert "86 of 87 values readable" in str(found)
    assert "12 of what is not readable" in str(found.counts)
    assert any(
        "Not readable of m0 (eng): thrift (its poles are not" in line for line in found.to_markdown().splitlines()
    )
    assert found.to_dict()["profiles"][0]["readings"]["value"][-1]["how"] is not None
    assert len(found.plot().data[0].z) > 87


def test_answers_of_no_value_are_counted_and_said(made):
    corpus = corpus_of(made, slice(4))
    one = corpus.records[0]
    more = [
        replace(one, question="Is rain wet?", question_id="x", value=None),
        replace(one, question=control_questions()[0].question, value=None),
        replace(one, question="Mine?", value="punctuality"),
    ]
    embeddings = np.concatenate([corpus.embeddings, corpus.embeddings[:3]])
    found = univar.values(
        replace(corpus, records=(*corpus.records, *more), embeddings=embeddings), poles=poles_of(made)
    )
    assert str(found.counts) == (
        "4 of 7 answers were read; 1 to control questions, 1 to no known question and of no value, "
        "1 of other values than the 87 (punctuality)"
    )
    assert f"{found.counts}." in found.notes()


def test_one_answer_alone_has_no_interval_and_is_not_shown(made):
    found = univar.values(corpus_of(made, slice(1)), poles=poles_of(made))
    (one,) = found.profiles[0].readings["value"]
    assert one.why == "not readable: one question, and nothing to say how far another would lie from it"
    assert str(found) == (
        "m0 (eng): none of 1 values is readable, n = 1 answers (by 95 % intervals, and Holm's rule over values)."
    )
    assert isinstance(found.plot(), go.Figure)


def test_one_question_a_value_takes_the_spread_between_values(made):
    firsts = {record.value: row for row, record in reversed(list(enumerate(made.records[:522])))}
    rows = sorted(firsts.values())
    corpus = EmbeddedCorpus(tuple(made.records[row] for row in rows), made.vectors[rows].astype(np.float32), MADE)
    found = univar.values(corpus, poles=poles_of(made))
    assert len(found.profiles[0].readable()) == 87


def test_equal_answers_are_read(made):
    # All the same vector: the readings differ by the middles of the questions alone, and nothing breaks.
    corpus = corpus_of(made, slice(60))
    flat = replace(corpus, embeddings=np.ones_like(corpus.embeddings))
    assert len(univar.values(flat, poles=poles_of(made)).profiles[0].readable()) == 10


def test_bars_for_one_and_a_heat_map_for_several(found, alone):
    assert {type(trace) for trace in alone.plot().data} == {go.Bar}
    # Names cut to the width of a phone stay apart: a bar a value.
    assert len({label for trace in alone.plot().data for label in trace.y}) == 87
    drawn, veil = found.plot().data
    assert isinstance(drawn, go.Heatmap)
    # What may be none is veiled, and nothing else.
    unsure = sum(one.stance is not None and not one.differs for of in found.profiles for one in of.readings["value"])
    assert sum(cell is not None for row in veil.z for cell in row) == unsure > 0
    # 87 values under the names of four families: those of the fifth, the refined theory, stand under Schwartz's ten.
    assert len(drawn.y) == 91
    assert all(reading is None or -2 < reading < 2 for row in drawn.z for reading in row)


def test_many_of_whom_none_shows_anything_are_said_in_one_clause(found):
    one = found.profiles[0]
    unsure = tuple(replace(reading, p_holm=1.0) for reading in one.readings["value"] if reading.stance is not None)
    quiet = replace(one, readings={**one.readings, "value": unsure})
    several = replace(found, profiles=(quiet,) * 6)
    assert str(several).startswith(
        f"None of 6 identities shows a stance that differs from none; at most {len(unsure)} of"
    )
    assert str(replace(several, profiles=(one, *(quiet,) * 5))).startswith(str(one.identity))


def test_names_of_others_are_escaped_in_pictures(found):
    profiles = [replace(one, identity=Identity(f"<b>{one.identity.model}", "eng")) for one in found.profiles]
    for shown in (profiles, profiles[:1]):
        figure = replace(found, profiles=tuple(shown)).plot()
        texts = json.dumps(figure.to_dict(), default=lambda one: np.asarray(one).tolist())
        assert "<b>m" not in texts
        assert "&lt;b&gt;m" in texts


def test_answers_are_embedded_by_the_model_of_the_poles(tiny_model):
    # Random vectors for poles: nothing carries. Of the simulation's values ten are reference values too.
    simulated = simulate(2, 48, seed=2).records
    noise = np.random.default_rng(0).normal(size=(len(poles()), 16)).astype(np.float32)
    known = EmbeddedCorpus(tuple(pole.record for pole in poles()), noise, Provenance.of(tiny_model, "tiny", ()))
    found = univar.values(simulated, tiny_model, poles=known)
    assert len(found.profiles) == 2
    assert found.counts.answers == 96
    assert dict(found.counts.other_values)["free speech"] == 4
    assert found.counts.read + found.counts.not_readable == 40
    assert "readable, n = " in str(found)


def test_answers_without_values_are_refused(made):
    records = tuple(QARecord("1", "Is rain wet?", "Yes.", "m", "eng") for _ in range(3))
    with pytest.raises(
        ValuesError, match="none of 3 answers is to a question of the bank or names one of the 87 values; ask"
    ):
        univar.values(replace(corpus_of(made, slice(3)), records=records), poles=poles_of(made))


def test_what_is_not_there_is_refused_by_name(made, found):
    with pytest.raises(ValuesError, match="by must be one of value, family, schwartz, got 'kind'"):
        univar.values(corpus_of(made), poles=poles_of(made), by="kind")
    with pytest.raises(ValuesError, match="'thrifty' is none of the 87 values; did you mean thrift"):
        check_values(["thrifty"])
    with pytest.raises(KeyError, match="no identity gpt; give one of m0"):
        found.telling("gpt", FOR)
    with pytest.raises(KeyError, match="was asked nothing about 'punctuality'"):
        found.telling("m0", "punctuality")


def test_poles_by_another_model_are_refused(made):
    other = replace(poles_of(made), provenance=Provenance("other", "f" * 64, None))
    with pytest.raises(EmbeddedCorpusError, match=r"poles are embedded by other \(f{12}…\), the answers by planted"):
        univar.values(corpus_of(made), poles=other)


@pytest.mark.parametrize(
    "scene",
    [
        Scene(values=8, questions=2),
        Scene(values=8, questions=0, others=6),
        Scene(values=8, contested=0.9, voice=1.0),
    ],
)
def test_intervals_hold_the_truth_and_nothing_is_seldom_called_something(scene):
    # benchmarks/calibration_values.py does this for 500 corpora; with 20 the standard error is about 1.5 points.
    found = calibration(scene, 20)
    assert found["readable"] > 0.9
    assert found["values"] > 0.91
    assert found["family"] > 0.88
    assert found["false"] < 0.12
    assert abs(found["bias"]) < 0.1
