"""Nearest references in words and pictures."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from univar.analysis.map.results import CAVEAT
from univar.analysis.pictures.placement_figure import _labels, bar_plot, place_plot
from univar.analysis.placement import in_words, nearest
from univar.analysis.reference import Recognition, Reference
from univar.corpus.records import Identity


@pytest.fixture
def reference() -> Reference:
    return Reference(
        identities=(Identity("org/<b>a", "eng"), Identity("beta", "eng"), Identity("gamma", "eng")),
        corpora=("<i>one</i>", "<i>one</i>", "two"),
        counts=np.array([30, 30, 30]),
        centroids=np.eye(3, dtype=np.float32),
        centre=np.zeros(3, dtype=np.float32),
        whitening=np.eye(3, dtype=np.float32),
        recognitions=(Recognition("<i>one</i>", 1, 40, 30, 0.7, 20), Recognition("<i>one</i>", 20, 40, 40, 0.9, 10)),
        weights="0" * 64,
    )


def words(reference: Reference, qa: list[float], n: int) -> list[str]:
    embeddings = np.tile(qa, (n, 1)) / np.linalg.norm(qa)
    return in_words(reference, nearest(reference, embeddings), n)


def test_qas_as_near_as_those_of_known_authors_are_named_with_how_sure_that_is(reference: Reference) -> None:
    heading, finding, sureness, limits = words(reference, [1.0, 0.1, 0.1], 20)
    assert heading == "Nearest is org/<b>a (eng) as it answered <i>one</i>"
    # 1 / sqrt 1.02
    assert finding.startswith(
        "Similarity 0.99 (95\u00a0% interval 0.99 to 0.99, by bootstrap over questions), n = 20 QAs;"
    )
    assert "first in 100\u00a0% of 1,000 draws" in finding
    assert "Of 40 sets of 20 QAs by known LLMs" in sureness
    # Wilson's interval of 40 in 40 begins at 40 / (40 + 1.96 ** 2).
    assert "100\u00a0% (95\u00a0% interval 91\u00a0% to 100\u00a0%) had their author first" in sureness
    assert "taken out of the references, 25\u00a0% (95\u00a0% interval 14\u00a0% to 40\u00a0%) still come" in sureness
    assert "over sets of QAs by the same LLMs; LLMs differ by more" in sureness
    assert "few" not in sureness
    assert CAVEAT in limits
    assert "Style" in limits


def test_an_interval_over_llms_says_so(reference: Reference) -> None:
    known = Recognition("<i>one</i>", 20, 40, 20, 0.9, 10, ((20, 20, 5), (20, 0, 5)))
    sureness = words(dataclasses.replace(reference, recognitions=(known,)), [1.0, 0.1, 0.1], 20)[2]
    assert "50\u00a0% (95\u00a0% interval 0\u00a0% to 100\u00a0%) had their author first" in sureness
    assert sureness.endswith("These intervals are by bootstrap over the LLMs that were tried.")


def test_qas_further_away_than_those_of_known_authors_are_said_to_be_near_nothing(reference: Reference) -> None:
    heading, finding, sureness, _ = words(reference, [1.0, 0.9, 0.0], 20)
    assert heading == "No reference is near"
    assert finding.startswith("The nearest is org/<b>a (eng) as it answered <i>one</i>: similarity 0.74")
    assert "reach 0.90" in sureness
    assert "the order of the references then says little" in sureness


def test_few_qas_are_called_few(reference: Reference) -> None:
    assert "19 QAs are few: give 20 or more." in words(reference, [1.0, 0.1, 0.1], 19)[2]
    _, finding, sureness, _ = words(reference, [1.0, 0.1, 0.1], 1)
    assert finding == "Similarity 0.99, n = 1 QA."
    assert "40 sets of 1 QA by" in sureness
    assert "75\u00a0% (" in sureness
    assert "1 QA is few" in sureness


def test_what_was_not_measured_is_not_claimed(reference: Reference) -> None:
    heading, _, sureness, _ = words(reference, [0.0, 0.0, 1.0], 20)
    assert heading == "Nearest is gamma (eng) as it answered two"
    assert sureness == "How far this can be trusted was not measured: the reference has too few questions."


def test_pictures_escape_names(reference: Reference) -> None:
    embeddings = np.eye(3)
    figures = [bar_plot(nearest(reference, embeddings)), place_plot(reference, embeddings)]
    for figure in figures:
        drawn = str(json.loads(figure.to_json()))
        assert "<b>" not in drawn
        assert "<i>" not in drawn
        assert "&lt;b&gt;a" in drawn
        assert "&lt;i&gt;one&lt;/i&gt;" in drawn


def test_bars_are_in_order_with_their_intervals(reference: Reference) -> None:
    neighbours = nearest(reference, [[0.6, 0.8, 0.0], [0.8, 0.6, 0.0]])
    figure = bar_plot(neighbours)
    bars = {place: (x, plus, minus) for trace in figure.data for place, x, plus, minus in zip(
        trace.y, trace.x, trace.error_x.array, trace.error_x.arrayminus, strict=True)}  # fmt: skip
    for place, neighbour in enumerate(neighbours):
        similarity, plus, minus = bars[place]
        assert similarity == pytest.approx(neighbour.similarity)
        assert similarity + plus == pytest.approx(neighbour.high)
        assert similarity - minus == pytest.approx(neighbour.low)


def test_the_qas_have_no_say_in_the_axes_of_the_map(reference: Reference) -> None:
    def places(embeddings: np.ndarray) -> dict[str, np.ndarray]:
        figure = place_plot(reference, embeddings)
        return {trace.name: np.column_stack([trace.x, trace.y]) for trace in figure.data if trace.name}

    one, other = places(np.eye(3)), places(np.eye(3)[[2, 2, 1]])
    assert one.keys() == other.keys() == {"&lt;i&gt;one&lt;/i&gt;", "two", "your QAs"}
    assert one["two"] == pytest.approx(other["two"])
    assert one["your QAs"] != pytest.approx(other["your QAs"])


def test_a_map_of_one_corpus_shows_its_references_only(reference: Reference) -> None:
    figure = place_plot(reference, np.eye(3), corpus="<i>one</i>")
    assert {trace.name for trace in figure.data if trace.name} == {"&lt;i&gt;one&lt;/i&gt;", "your QAs"}
    with pytest.raises(ValueError, match="'two' has 1; corpora: <i>one</i>, two"):
        place_plot(reference, np.eye(3), corpus="two")
    assert place_plot(dataclasses.replace(reference, recognitions=()), np.eye(3)[:1]).data


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=40))
def test_labels_never_cover_each_other(places: list[tuple[float, float]]) -> None:
    points = np.array(places)
    labels = _labels(points, [f"model {number}" for number in range(len(points))])
    assert labels[0].text == "model 0"
    boxes = [label.box for label in labels if label.text]
    for number, one in enumerate(boxes):
        for other in boxes[:number]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
