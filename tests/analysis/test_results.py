"""Every reading answers in one protocol."""

import dataclasses
import json

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

import univar
from univar.analysis.geometry import GeometryAgreement, geometry_agreement
from univar.analysis.identification import Identification
from univar.analysis.names import printable
from univar.analysis.placement import Placement
from univar.analysis.reference import build_reference
from univar.analysis.results import Result, markdown_table, percent
from univar.analysis.shift_ratio import ShiftRatio, shift_ratio
from univar.corpus.simulation import simulate

DRAWN = (
    univar.Comparison,
    univar.Distances,
    univar.DistancesPlan,
    univar.PeopleComparison,
    univar.StanceComparison,
    univar.ValueMap,
    Placement,
)


def sided(corpus: univar.EmbeddedCorpus) -> univar.EmbeddedCorpus:
    """The same QAs, every other one for and against."""
    records = [dataclasses.replace(one, stance=1.0 - 2 * (row % 2)) for row, one in enumerate(corpus.records)]
    return dataclasses.replace(corpus, records=tuple(records))


@pytest.fixture(scope="module")
def results() -> list[Result]:
    simulation = simulate(identities=4, questions=20, seed=1)
    vectors = np.random.default_rng(0).normal(size=(len(simulation.records), 8)).astype(np.float32)
    made = univar.model.encoding.Provenance("mine", "0" * 64, None)
    corpus = univar.EmbeddedCorpus(tuple(simulation.records), vectors, made)
    comparison = univar.compare(corpus, control=corpus)
    owners = [simulation.identities.index(record.identity) for record in simulation.records]
    values = [record.value for record in simulation.records]

    class Stored:
        def encode(self, texts):
            return vectors[: len(texts)]

        def state_dict(self):
            return {}

    reference = dataclasses.replace(build_reference({"mine": simulation.records}, Stored()), weights="0" * 64)
    return [
        comparison,
        comparison.rows[0].knn,
        univar.compare_stances(sided(corpus)),
        univar.value_map(corpus),
        univar.people(spoken(corpus)),
        univar.place(corpus, reference=reference),
        geometry_agreement(vectors, owners, values, simulation),
        shift_ratio(vectors, [record.question_id for record in simulation.records], *_crossed(owners)),
        univar.distances(corpus, corpus),
        univar.plan_distances(corpus),
    ]


def spoken(corpus: univar.EmbeddedCorpus) -> univar.EmbeddedCorpus:
    """The same QAs by one LLM, each identity in a language of its own."""
    owners = sorted({record.identity for record in corpus.records})
    langs = dict(zip(owners, ("deu", "eng", "jpn", "swe"), strict=True))
    records = [dataclasses.replace(one, model="one", lang=langs[one.identity]) for one in corpus.records]
    return dataclasses.replace(corpus, records=tuple(records))


def _crossed(owners: list[int]) -> tuple[list[str], list[str]]:
    """The four identities as two factors of two levels."""
    return [f"values {owner // 2}" for owner in owners], [f"style {owner % 2}" for owner in owners]


def test_all_are_frozen_results(results):
    assert [type(one) for one in results] == [
        univar.Comparison,
        Identification,
        univar.StanceComparison,
        univar.ValueMap,
        univar.PeopleComparison,
        Placement,
        GeometryAgreement,
        ShiftRatio,
        univar.Distances,
        univar.DistancesPlan,
    ]
    for one in results:
        assert isinstance(one, Result)
        assert dataclasses.is_dataclass(one)
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(one, dataclasses.fields(one)[0].name, None)


def test_all_are_tables_json_markdown_and_a_sentence(results):
    for one in results:
        frame = one.to_pandas()
        assert isinstance(frame, pd.DataFrame)
        assert len(frame)
        assert "n" in frame
        assert json.loads(json.dumps(one.to_dict(), allow_nan=False)) is not None
        table = one.to_markdown().splitlines()
        assert len({line.count("|") for line in table if line.startswith("|")}) == 1
        assert set(table[1]) <= set("|-: ")
        said = str(one)
        assert said.endswith(".")
        assert "\n" not in said
        assert any(mark in said for mark in ("interval", "ellipse"))
        assert any(character.isdigit() for character in said)


def test_those_that_make_sense_as_a_picture_are_drawn(results):
    for one in results:
        assert hasattr(one, "plot") == isinstance(one, DRAWN)
        if isinstance(one, DRAWN):
            figure = one.plot()
            assert isinstance(figure, go.Figure)
            assert figure.data


def test_a_map_of_one_qa_is_refused_in_plain_words():
    one = univar.QARecord("q", "Why?", "So.", "me", "eng")
    made = univar.model.encoding.Provenance("mine", "0" * 64, None)
    corpus = univar.EmbeddedCorpus((one,), np.eye(1, 4, dtype=np.float32), made)
    with pytest.raises(ValueError, match="a map needs two QAs or more, got 1; add answers"):
        univar.value_map(corpus)


def test_names_of_others_are_escaped_in_pictures(results):
    for comparison in (one for one in results if isinstance(one, univar.Comparison | univar.StanceComparison)):
        rows = [dataclasses.replace(row, representation="<b>mine</b>") for row in comparison.rows]
        drawn = json.dumps(dataclasses.replace(comparison, rows=tuple(rows)).plot().to_dict(), default=str)
        assert "<b>" not in drawn
        assert "&lt;b&gt;" in drawn


def test_a_table_keeps_its_cells_apart():
    assert markdown_table(["a|b", "n"], [["x\ny\\", "1"]]) == "| a\\|b | n |\n| --- | ---: |\n| x y\\\\ | 1 |\n"
    assert (percent(0.1234), percent(None)) == ("12.3", "-")
    assert printable("a\x1bb") == "a\ufffdb"
