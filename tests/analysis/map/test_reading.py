"""Projection, centring, uncertainty and words of the value map."""

import logging
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import pdist

from univar.analysis.map.reading import build_map, project
from univar.analysis.map.results import (
    FloatArray,
    ValueMap,
    caption,
    colour_groups,
    ellipse_outline,
    frame,
    outside,
)
from univar.analysis.names import distinct_names, printable, short_names, shortened
from univar.corpus.records import Identity, QARecord


def record(model: str, question: str, *, lang: str = "eng", sample: int = 0) -> QARecord:
    return QARecord(question, f"Is {question} good?", f"{model} on {question}.", model, lang, sample=sample)


def corpus(models: Sequence[str], questions: int) -> list[QARecord]:
    """Every model answers every question, model by model."""
    return [record(model, f"thing {number}") for model in models for number in range(questions)]


def simulated(m: int, questions: int, *, apart: float, width: int = 64) -> tuple[list[QARecord], FloatArray]:
    """Identities `apart` standard deviations of their answers, under topics that are much louder."""
    rng = np.random.default_rng(0)
    topics, values = 5 * rng.normal(size=(questions, width)), apart * rng.normal(size=(m, width))
    noise = rng.normal(size=(m, questions, width))
    vectors = topics[None] + values[:, None] + noise
    return corpus([f"model-{number:02}" for number in range(m)], questions), vectors.reshape(-1, width)


def distances_squared(value_map: ValueMap, point: FloatArray) -> FloatArray:
    """Of a point from each centroid, in units of the centroid's own uncertainty."""
    offsets = value_map.centroids - point
    return np.einsum("mi,mij,mj->m", offsets, np.linalg.inv(value_map.covariances), offsets)


# Projection


def test_pca_of_a_cross_keeps_its_arms():
    # Arms of 2 and 1 along the second and third dimension: these are the components, and nothing is lost.
    cross = np.array([[7, 2, 0], [7, -2, 0], [7, 0, 1], [7, 0, -1]])
    places = project(cross, method="pca")
    assert np.abs(places) == pytest.approx(np.array([[2, 0], [2, 0], [0, 1], [0, 1]]), abs=1e-6)


@given(arrays(np.float64, (7, 4), elements=st.floats(-10, 10, width=32)))
def test_pca_never_stretches_a_distance(vectors: FloatArray):
    places = project(vectors)
    assert (pdist(places) <= pdist(vectors) + 1e-6).all()
    assert places.mean(axis=0) == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.parametrize("method", ["pca", "tsne"])
@pytest.mark.parametrize("n", [2, 3, 4, 12])
def test_few_rows_have_places(method: str, n: int):
    vectors = np.random.default_rng(0).normal(size=(n, 5))
    places = project(vectors, method=method)
    assert places.shape == (n, 2)
    assert np.isfinite(places).all()
    assert np.ptp(places, axis=0).max() > 0


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_same_input_same_places(method: str):
    vectors = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    assert np.array_equal(project(vectors, method=method, seed=3), project(vectors.copy(), method=method, seed=3))


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_equal_rows_lie_on_the_origin(method: str):
    assert (project(np.ones((5, 3)), method=method) == 0).all()


def test_tsne_keeps_two_groups_apart():
    rng = np.random.default_rng(0)
    vectors = np.concatenate([rng.normal(size=(20, 6)), 30 + rng.normal(size=(20, 6))])
    places = project(vectors, method="tsne")
    inside = max(pdist(places[:20]).max(), pdist(places[20:]).max())
    assert np.linalg.norm(places[:20].mean(axis=0) - places[20:].mean(axis=0)) > inside


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.zeros((1, 4)), r"n >= 2 and d >= 2, got shape \(1, 4\)"),
        (np.zeros((4, 1)), r"got shape \(4, 1\)"),
        (np.zeros(4), r"got shape \(4,\)"),
        (np.array([[1, np.nan], [0, 1], [np.inf, 0]]), "2 of 3 embeddings are not finite"),
    ],
)
def test_unusable_embeddings_are_named(vectors: FloatArray, message: str):
    with pytest.raises(ValueError, match=message):
        project(vectors)


def test_unknown_method_is_named():
    with pytest.raises(ValueError, match="unknown method 'umap'; allowed: pca, tsne"):
        project(np.eye(3), method="umap")


# The map


def test_what_is_left_of_an_embedding_is_the_identity():
    # Topics at +-10 on the first axis, identities at +-1 on the second: with the topic gone every QA lies at
    # +-1 on the first component, which shows everything.
    records = corpus(["a", "b"], 2)
    vectors = np.array([[10, 1, 0], [-10, 1, 0], [10, -1, 0], [-10, -1, 0]])
    value_map = build_map(records, vectors)
    assert value_map.question_centred
    assert np.abs(value_map.centroids) == pytest.approx(np.array([[1, 0], [1, 0]]), abs=1e-6)
    assert value_map.centroids[0, 0] == pytest.approx(-value_map.centroids[1, 0])
    assert value_map.explained_variance == pytest.approx((1, 0), abs=1e-6)
    assert value_map.explained_between == pytest.approx(1)
    assert value_map.covariances == pytest.approx(np.zeros((2, 2, 2)), abs=1e-9)


def test_without_centring_topics_stay():
    vectors = np.array([[10, 1, 0], [-10, 1, 0], [10, -1, 0], [-10, -1, 0]])
    value_map = build_map(corpus(["a", "b"], 2), vectors, centre_questions=False)
    assert not value_map.question_centred
    # Variances 100 and 1 along the axes.
    assert value_map.explained_variance == pytest.approx((100 / 101, 1 / 101))


def test_unanswered_questions_do_not_move_an_identity():
    # Topic + identity without noise, but b skips the question on which a's and c's topic is far out. The
    # question's mean would now be that of a and c; the joint fit still finds the differences: -3, 0 and 6.
    topics, values = {"x": 0.0, "y": 5.0, "z": 90.0}, {"a": -3.0, "b": 0.0, "c": 6.0}
    answered = [(model, topic) for model in values for topic in topics if (model, topic) != ("b", "z")]
    vectors = np.array([[topics[topic] + values[model], 0.5] for model, topic in answered])
    value_map = build_map([record(model, topic) for model, topic in answered], vectors)
    first = value_map.centroids[:, 0] - value_map.centroids[1, 0]
    assert np.abs(first) == pytest.approx([3, 0, 6], abs=1e-5)
    assert first[2] == pytest.approx(-2 * first[0])


def test_questions_of_one_identity_are_left_out():
    records = [*corpus(["a", "b"], 3), record("a", "own")]
    value_map = build_map(records, np.random.default_rng(0).normal(size=(7, 4)))
    assert value_map.question_centred
    assert value_map.counts.tolist() == [3, 3]
    assert value_map.total == 7
    assert 6 not in value_map.rows
    assert caption(value_map).startswith("6 of 7 QAs by 2 identities")


def test_unconnected_identities_are_not_centred(caplog: pytest.LogCaptureFixture):
    pairs = [("a", "x"), ("b", "x"), ("c", "y"), ("d", "y")]
    records, vectors = [record(*pair) for pair in pairs], np.eye(4)
    with caplog.at_level(logging.WARNING):
        assert not build_map(records, vectors).question_centred
    assert "topics as well as identities" in caplog.text
    with pytest.raises(ValueError, match="cannot centre questions: the identities are not connected"):
        build_map(records, vectors, centre_questions=True)


def test_languages_meet_in_the_english_question():
    asked = {"eng": "Is thrift good?", "deu": "Ist Sparsamkeit gut?"}
    records = [
        QARecord("q", question, "Ja.", model, lang, question_eng="Is thrift good?")
        for model in ("a", "b")
        for lang, question in asked.items()
    ]
    value_map = build_map(records, np.random.default_rng(0).normal(size=(4, 3)))
    assert value_map.question_centred
    assert value_map.question_counts.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("precision", [np.float16, np.float32, np.float64])
def test_equal_answers_make_no_picture(precision):
    topics = np.random.default_rng(0).normal(size=(4, 6)).astype(precision)
    value_map = build_map(corpus(["a", "b", "c"], 4), np.tile(topics, (3, 1)))
    assert (value_map.points == 0).all()
    assert value_map.explained_variance is None


def test_identities_that_do_not_differ_are_not_drawn_apart():
    # All means are the origin. A 95 % ellipse misses it once in twenty; axes fitted on the means would make
    # half of them miss.
    value_map = build_map(*simulated(30, 30, apart=0))
    assert (distances_squared(value_map, np.zeros(2)) < 5.99).mean() >= 0.8


def test_identities_that_differ_are_told_apart():
    value_map = build_map(*simulated(5, 30, apart=2))
    near = np.linalg.norm(value_map.points[:, None] - value_map.centroids[None], axis=2).argmin(axis=1)
    assert (near == value_map.identity_index).mean() > 0.95


def test_drawn_qas_are_shared_out_evenly():
    records = [*corpus(["few"], 4), *corpus(["many"], 50), *corpus(["more"], 30)]
    vectors = np.random.default_rng(0).normal(size=(84, 5))
    value_map = build_map(records, vectors, max_points=24, centre_questions=False)
    assert np.bincount(value_map.identity_index).tolist() == [4, 10, 10]
    assert value_map.counts.tolist() == [4, 50, 30]
    assert [records[row].model for row in value_map.rows] == [
        value_map.identities[index].model for index in value_map.identity_index
    ]
    assert value_map.texts == tuple(records[row].text for row in value_map.rows)
    assert "Dots: 24 of the QAs." in caption(value_map)


def test_the_seed_chooses_what_is_drawn():
    records, vectors = simulated(3, 40, apart=1)
    maps = [build_map(records, vectors, max_points=30, seed=seed) for seed in (0, 0, 1)]
    assert np.array_equal(maps[0].points, maps[1].points)
    assert np.array_equal(maps[0].covariances, maps[1].covariances)
    assert set(maps[0].rows) != set(maps[2].rows)
    assert np.array_equal(maps[0].centroids, maps[2].centroids)


def test_tsne_rests_on_the_drawn_qas_alone():
    value_map = build_map(*simulated(3, 30, apart=2), method="tsne", max_points=45)
    assert value_map.counts.tolist() == [15, 15, 15]
    for number, centroid in enumerate(value_map.centroids):
        own = value_map.points[value_map.identity_index == number]
        assert centroid == pytest.approx(own.mean(axis=0), abs=1e-4)
    assert value_map.explained_variance is None
    assert caption(value_map).startswith("45 of 90 QAs")
    assert "gaps between clusters mean nothing" in caption(value_map)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (3, {}, "4 records but 3 embeddings"),
        (4, {"max_points": 1}, r"one an identity \(2\), got 1"),
        (4, {"method": "mds"}, "unknown method 'mds'"),
    ],
)
def test_unusable_input_is_named(rows: int, options: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        build_map(corpus(["a", "b"], 2), np.random.default_rng(0).normal(size=(rows, 4)), **options)


# Uncertainty


def test_two_questions():
    # One QA each at -1 and 1: two draws give the means -1, 0, 0, 1, with variance 1/2. The ellipse then reaches
    # sqrt(5.99 / 2) = 1.73 along the axis and nowhere across it.
    value_map = build_map([record("a", "x"), record("a", "y")], np.array([[-1.0, 0], [1, 0]]))
    assert value_map.covariances[0] == pytest.approx(np.array([[0.5, 0], [0, 0]]), rel=0.1)
    outline = ellipse_outline(value_map, 0)
    assert outline.max(axis=0) == pytest.approx([np.sqrt(5.99 * value_map.covariances[0, 0, 0]), 0], abs=1e-3)
    assert outline[0] == pytest.approx(outline[-1])


def test_samples_of_one_question_are_not_independent():
    # Ten samples of each of two answers say no more about other questions than one sample.
    once = build_map([record("a", "x"), record("a", "y")], np.array([[-1.0, 0], [1, 0]]))
    records = [record("a", question, sample=sample) for question in "xy" for sample in range(10)]
    often = build_map(records, np.repeat([[-1.0, 0], [1, 0]], 10, axis=0))
    assert often.covariances == pytest.approx(once.covariances)


def test_a_single_question_has_no_ellipse():
    value_map = build_map(corpus(["a", "b"], 1), np.eye(2))
    assert np.isnan(ellipse_outline(value_map, 0)).all()
    assert "none for 2 with one question" in caption(value_map)
    assert np.isfinite(np.concatenate(frame(value_map))).all()


def test_the_ellipse_covers_the_truth_as_often_as_it_says():
    # 300 identities with the true mean 0, 40 questions each: 95 % is 285; three standard errors are 11.
    records = [record(f"m{m:03}", f"{m}-{q}") for m in range(300) for q in range(40)]
    vectors = np.random.default_rng(1).normal(size=(12_000, 2)) * [3, 1]
    value_map = build_map(records, vectors, centre_questions=False)
    # `project` moves the grand mean to the origin; the truth moves with it.
    truth = project(np.vstack([vectors, [[0.0, 0.0]]]))[-1]
    assert 265 <= (distances_squared(value_map, truth) < 5.99).sum() <= 296


# Words


@pytest.mark.parametrize(
    ("models", "names"),
    [
        (["openai/gpt-4o-2024-11-20", "qwen/qwen-max"], ["gpt-4o", "qwen-max"]),
        (["anthropic/claude-3-5-sonnet-20241022"], ["claude-3-5-sonnet"]),
        # The dates are all that tells them apart.
        (["o/gpt-4o-2024-08-06", "o/gpt-4o-2024-11-20"], ["gpt-4o-2024-08-06", "gpt-4o-2024-11-20"]),
        (["o/gpt-4o", "o/gpt-4o-2024-11-20"], ["gpt-4o", "gpt-4o-2024-11-20"]),
        # So is the organisation.
        (["a/base", "b/base", "b/other"], ["a/base", "b/base", "other"]),
        # Versions that only look like a date.
        (["deepseek-chat-v3-0324", "gpt-4-1106-preview"], ["deepseek-chat-v3-0324", "gpt-4-1106-preview"]),
        (["./runs/mine/"], ["mine"]),
        (["/"], ["/"]),
        (["x" * 20 + "-middle-" + "y" * 20], ["x" * 16 + "…" + "y" * 15]),
    ],
)
def test_names_are_short_and_differ(models: list[str], names: list[str]):
    assert short_names([Identity(model, "eng") for model in models]) == names


def test_names_carry_the_language_where_there_are_several():
    identities = [Identity("o/m", "eng"), Identity("o/m", "fra"), Identity("n", "eng")]
    assert short_names(identities) == ["m (eng)", "m (fra)", "n (eng)"]


@pytest.mark.parametrize(
    ("models", "names"),
    [
        (["o/gemma-small-instruct", "o/gemma-large-instruct"], ["small", "large"]),
        # A digit would stand in front, and nothing else tells them apart.
        (["llama-3-8b-chat", "llama-3-70b-chat"], ["llama-3-8b", "llama-3-70b"]),
        # One is all that they share.
        (["gemma-chat", "gemma-chat-fr"], ["chat", "chat-fr"]),
        (["gemma", "gemma-chat"], ["gemma", "gemma-chat"]),
        (["ada", "bob"], ["ada", "bob"]),
        (["gemma-chat"], ["gemma-chat"]),
        (["a/base-x", "b/base-x"], ["a", "b"]),
    ],
)
def test_what_all_names_share_is_dropped(models: list[str], names: list[str]):
    assert distinct_names([Identity(model, "eng") for model in models]) == names
    assert distinct_names([Identity(model, lang) for model in models for lang in ("eng", "fra")]) == [
        f"{name} ({lang})" for name in names for lang in ("eng", "fra")
    ]


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=12), min_size=1, max_size=6, unique=True))
def test_names_without_what_they_share_still_differ(models: list[str]):
    identities = [Identity(model, "eng") for model in models]
    assert len(set(distinct_names(identities))) >= len(set(short_names(identities)))


def test_the_frame_leaves_out_the_hundredth_furthest_out():
    # Of 300 QAs three lie a hundred times as far out as any other, in one direction: 3 is a hundredth.
    vectors = np.random.default_rng(0).uniform(-1, 1, size=(300, 2)) * [2, 1]
    vectors[:3, 0] = 200
    value_map = build_map(corpus(["a"], 300), vectors)
    low, high = frame(value_map)
    assert (high - low).max() < 20
    assert outside(value_map, low, high) == 3


def test_groups():
    few = [Identity("o/a", "eng"), Identity("o/b", "eng")]
    assert colour_groups(few) == ["a", "b"]
    assert colour_groups(few, "lang") == ["eng", "eng"]
    assert colour_groups([*few, Identity("o/a", "fra")]) == ["eng", "eng", "fra"]
    assert colour_groups([*few, Identity("o/a", "fra")], "model") == ["a", "b", "a"]
    many = [*(Identity(f"qwen/{number}", "eng") for number in range(9)), Identity("gpt-4", "eng")]
    assert colour_groups([*many, Identity("4-bit", "eng")]) == ["qwen"] * 9 + ["gpt", "4-bit"]
    with pytest.raises(ValueError, match="unknown color_by 'size'; allowed: auto, lang, model"):
        colour_groups(few, "size")


def test_the_caption_tells_n_method_and_seed():
    value_map = build_map(*simulated(3, 10, apart=1), seed=7)
    words = caption(value_map)
    assert words.startswith("30 QAs by 3 identities, each n = 10 QAs to 10 questions, in eng.")
    assert "95\u00a0% ellipse (bootstrap over questions, 1,000 resamples, seed 7)" in words
    assert "Each question's share of the embeddings is removed" in words
    assert "PCA of the QAs, blind to who answered" in words


def test_control_characters_and_reversals_are_replaced():
    assert printable("a\tb\nc\r\n  d") == "a b c d"
    assert printable("\x1b[31m\u202egnp\ud800\x00") == "\ufffd[31m\ufffdgnp\ufffd\ufffd"
    # Joiners are letters of Persian and of Indian scripts.
    assert printable("\u0645\u06cc\u200c\u062e") == "\u0645\u06cc\u200c\u062e"


@given(st.text(max_size=80), st.integers(2, 40))
def test_shortened_text_keeps_its_ends(text: str, limit: int):
    short = shortened(text, limit)
    assert len(short) <= limit
    assert short == text or (short[0] == text[0] and "…" in short)
