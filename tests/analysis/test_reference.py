"""References: what they are built from, how similarity is measured, and that they belong to one model's weights."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from onnx import TensorProto, numpy_helper
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import AutoTokenizer, T5Config, T5EncoderModel

from univar.analysis.placement import nearest, recognition_of, view_of
from univar.analysis.reference import (
    SHIPPED_REFERENCE,
    Recognition,
    Reference,
    _recognition,
    build_reference,
    read_reference,
    write_reference,
)
from univar.corpus.records import Identity, QARecord, question_hash
from univar.model import weights
from univar.model.export import export_model
from univar.model.modeling import UniVaR, weights_sha256
from univar.model.onnx_encoder import GRAPH_FILE, OnnxEncoder


@pytest.fixture
def plain() -> Reference:
    """Two identities on the axes of a plane; nothing to centre, nothing to whiten."""
    return Reference(
        identities=(Identity("a", "eng"), Identity("b", "eng")),
        corpora=("one", "two"),
        counts=np.array([3, 4]),
        centroids=np.array([[2.0, 0.0], [0.0, 0.5]], dtype=np.float32),
        centre=np.zeros(2, dtype=np.float32),
        whitening=np.eye(2, dtype=np.float32),
        recognitions=(Recognition("one", 1, 10, 7, 0.5, 6), Recognition("one", 5, 10, 10, 0.8, 2)),
        weights="0" * 64,
    )


def test_similarity_is_the_cosine_with_each_centroid_most_similar_first(plain: Reference) -> None:
    # (0.6, 0.8) is a unit vector, the centroids' directions are the axes: the cosines are its coordinates.
    found = nearest(plain, [[0.6, 0.8]])
    assert [(str(n.identity), n.corpus) for n in found] == [("b (eng)", "two"), ("a (eng)", "one")]
    assert [n.similarity for n in found] == pytest.approx([0.8, 0.6])


def test_similarity_is_measured_from_the_centre_after_whitening(plain: Reference) -> None:
    # Less the centre (0, 1): centroids (2, -1) and (0, -0.5), the QA (1, 0). Whitening doubles the second coordinate:
    # (2, -2), (0, -1) and (1, 0), whose cosines are 1 / sqrt 2 and 0.
    moved = dataclasses.replace(
        plain, centre=np.array([0.0, 1.0]), whitening=np.diag([1.0, 2.0]), centroids=plain.centroids.astype(float)
    )
    assert [n.similarity for n in nearest(moved, [[1.0, 1.0]])] == pytest.approx([0.5**0.5, 0.0])


def test_the_interval_draws_questions(plain: Reference) -> None:
    # Two QAs on the axes have a mean of length sqrt 0.5 and the similarity sqrt 0.5 to both. A draw takes both QAs
    # (half of the time), the first twice or the second twice: with the length held fixed its similarities are those of
    # the estimate, (sqrt 2, 0) or (0, sqrt 2), and no cosine is above 1.
    found = nearest(plain, [[1.0, 0.0], [0.0, 1.0]], seed=3)
    assert [n.similarity for n in found] == pytest.approx([0.5**0.5] * 2)
    assert [(n.low, n.high) for n in found] == [(0.0, 1.0)] * 2
    # Of equal similarities the first counts: 3 draws of 4.
    assert found[0].first == pytest.approx(0.75, abs=0.05)
    assert found[1].first == pytest.approx(0.25, abs=0.05)
    assert found == nearest(plain, [[1.0, 0.0], [0.0, 1.0]], seed=3)


@pytest.mark.parametrize(("qas", "questions"), [([[1.0, 0.0]], None), ([[1.0, 0.0], [0.6, 0.8]], ["q", "q"])])
def test_one_question_has_no_interval(plain: Reference, qas: list[list[float]], questions: list[str] | None) -> None:
    assert {(n.low, n.high, n.first) for n in nearest(plain, qas, questions=questions)} == {(None, None, None)}


def test_answers_to_one_question_are_drawn_together(plain: Reference) -> None:
    # Were the six QAs drawn one by one, the mean would hardly ever lie on an axis; two questions put half of the
    # draws there, three copies of one QA each.
    qas = [[1.0, 0.0]] * 3 + [[0.0, 1.0]] * 3
    draws = view_of(plain, qas, questions=["p"] * 3 + ["q"] * 3).draws
    assert draws is not None
    assert (np.abs(draws).min(axis=1) < 1e-9).mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("embeddings", "questions", "problem"),
    [
        ([], None, r"\(n, 2\)"),
        ([[1.0, 0.0, 0.0]], None, r"\(n, 2\)"),
        ([[float("nan"), 0.0]], None, "finite"),
        ([[1.0, 0.0]], ["p", "q"], "2 questions for 1 QAs"),
    ],
)
def test_unusable_embeddings_are_refused(
    plain: Reference, embeddings: list[list[float]], questions: list[str] | None, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        nearest(plain, embeddings, questions=questions)


def test_recognition_is_that_of_the_next_smaller_view(plain: Reference) -> None:
    assert recognition_of(plain, "one", 4) == plain.recognitions[0]
    assert recognition_of(plain, "one", 300) == plain.recognitions[1]
    assert recognition_of(plain, "two", 4) is None
    # Wilson's interval of 7 in 10.
    assert plain.recognitions[0].interval == pytest.approx((0.3968, 0.8922), abs=1e-4)


def test_a_reference_holds_the_mean_embedding_of_every_identity(tiny_model: UniVaR, records: list[QARecord]) -> None:
    reference = build_reference({"first": records, "second": records[:30]}, tiny_model)
    assert [
        (identity.model, corpus) for identity, corpus in zip(reference.identities, reference.corpora, strict=True)
    ] == [(model, corpus) for corpus in ("first", "second") for model in ("aya", "mixtral", "solar")]
    assert reference.counts.tolist() == [40] * 3 + [10] * 3
    own = tiny_model.encode([record.text for record in records if record.model == "mixtral"])
    assert reference.centroids[1] == pytest.approx(own.mean(axis=0), abs=1e-6)
    assert reference.centroids.dtype == np.float32
    # Each corpus weighs the same, though one has four times the QAs.
    assert reference.centre == pytest.approx(reference.centroids.mean(axis=0), abs=1e-6)


def test_the_author_of_a_view_comes_first(tiny_model: UniVaR, records: list[QARecord]) -> None:
    reference = build_reference({"corpus": records[:60]}, tiny_model)
    for model in ("aya", "mixtral", "solar"):
        view = [record.text for record in records[60:] if record.model == model]
        first = nearest(reference, tiny_model.encode(view))[0]
        assert first.identity.model == model
        assert first.low is not None
        assert first.high is not None
        assert first.low <= first.similarity + 1e-9
        assert first.similarity <= first.high + 1e-9


def test_what_varies_within_an_identity_does_not_decide() -> None:
    # Topics move QAs by up to 0.9 along the first axis, the author by 0.2 along the second. A QA by `low` on the topic
    # on which only `high` was much asked is nearer to `high` by plain cosine, and to `low` after whitening.
    class Fixed:
        def encode(self, texts: list[str]) -> np.ndarray:
            return np.array([json.loads(text.partition(" A: ")[2]) for text in texts])

        def state_dict(self) -> dict[str, torch.Tensor]:
            return {}

    rng = np.random.default_rng(0)
    records = [
        QARecord("", f"{model} {number}", json.dumps([topic + lean, side + rng.normal(0, 0.01), 1.0]), model, "eng")
        for model, side, lean in (("low", -0.1, -0.3), ("high", 0.1, 0.3))
        for number, topic in enumerate(np.linspace(-0.6, 0.6, 40))
    ]
    reference = build_reference({"corpus": records}, Fixed())  # type: ignore[arg-type]
    qa = np.array([0.5, -0.1, 1.0])
    plain = reference.centroids / np.linalg.norm(reference.centroids, axis=1, keepdims=True) @ qa
    assert reference.identities[int(plain.argmax())].model == "high"
    assert nearest(reference, [qa])[0].identity.model == "low"


def test_recognition_tries_views_of_questions_that_were_kept_apart(tiny_model: UniVaR, records: list[QARecord]) -> None:
    # 40 questions in halves of 20, three identities, both ways: 120 QAs, 4 * 3 * 2 views of five, 3 * 2 of twenty,
    # and none of eighty.
    reference = build_reference({"corpus": records}, tiny_model)
    assert [(row.corpus, row.qas, row.views) for row in reference.recognitions] == [
        ("corpus", 1, 120),
        ("corpus", 5, 24),
        ("corpus", 20, 6),
    ]
    # The identities use words of their own and nobody else's.
    assert all(row.right == row.views for row in reference.recognitions)
    assert all(0 < row.floor <= 1 for row in reference.recognitions)
    assert reference.recognitions == build_reference({"corpus": records}, tiny_model).recognitions


def test_without_questions_to_spare_nothing_is_claimed(tiny_model: UniVaR, records: list[QARecord]) -> None:
    one_question = [dataclasses.replace(record, question="is it right") for record in records]
    assert build_reference({"corpus": one_question}, tiny_model).recognitions == ()


def test_questions_the_model_was_trained_on_are_left_out(tiny_model: UniVaR, records: list[QARecord]) -> None:
    tiny_model.training_record = {"questions": [question_hash(record.question) for record in records[:90]]}
    assert build_reference({"corpus": records}, tiny_model).counts.tolist() == [10, 10, 10]
    assert build_reference({"corpus": records}, tiny_model, held_out=False).counts.tolist() == [40, 40, 40]
    with pytest.raises(ValueError, match=r"no QA of corpus is left.*all questions of its 60 QAs.*held_out=False"):
        build_reference({"corpus": records[:60]}, tiny_model)


def test_a_reference_needs_two_identities_of_two_qas(tiny_model: UniVaR, records: list[QARecord]) -> None:
    alone = [record for record in records if record.model == "aya"]
    with pytest.raises(ValueError, match="got 1 identities"):
        build_reference({"corpus": alone}, tiny_model)
    with pytest.raises(ValueError, match=r"corpus solar eng\) with 1"):
        build_reference({"corpus": [*alone, records[2]]}, tiny_model)


def test_a_written_reference_is_read_again(tmp_path: Path, tiny_model: UniVaR, records: list[QARecord]) -> None:
    written = build_reference({"corpus": records}, tiny_model)
    write_reference(written, tmp_path / "deep" / "reference.parquet")
    read = read_reference(tmp_path / "deep" / "reference.parquet", model=tiny_model)
    for field in dataclasses.fields(Reference):
        found, expected = getattr(read, field.name), getattr(written, field.name)
        same = found == expected if isinstance(expected, tuple) else np.array_equal(found, expected)
        assert same, field.name


def test_a_reference_file_holds_no_text_of_answers(tmp_path: Path, tiny_model: UniVaR, records: list[QARecord]) -> None:
    write_reference(build_reference({"corpus": records}, tiny_model), tmp_path / "reference.parquet")
    table = pq.read_table(tmp_path / "reference.parquet")
    texts = {name: set(table[name].to_pylist()) for name in ("kind", "corpus", "model", "lang")}
    assert texts == {
        "kind": {"identity", "centre", "whitening"},
        "corpus": {"corpus", None},
        "model": {"aya", "mixtral", "solar", None},
        "lang": {"eng", None},
    }
    assert set(table.column_names) == {*texts, "qas", "vector"}


def test_other_weights_are_refused(tmp_path: Path, tiny_model: UniVaR, records: list[QARecord]) -> None:
    write_reference(build_reference({"corpus": records}, tiny_model), tmp_path / "reference.parquet")
    with torch.no_grad():
        next(tiny_model.parameters()).add_(1e-3)
    with pytest.raises(ValueError, match=r"belongs to weights with sha256 \w{12}….*build one with build_reference"):
        read_reference(tmp_path / "reference.parquet", model=tiny_model)


def test_shipped_weights_are_known_by_the_hash_of_their_file(shipped: UniVaR, tmp_path: Path) -> None:
    published = shipped.training_record["adapter_sha256"]
    model = UniVaR("univar", device="cpu")
    model.save_pretrained(str(tmp_path / "saved"))
    for same in (model, UniVaR(str(tmp_path / "saved"), device="cpu"), UniVaR("univar", device="cpu").half()):
        assert weights_sha256(same) == published


def test_shipped_weights_that_were_changed_are_others(shipped: UniVaR, tmp_path: Path) -> None:
    model = UniVaR("univar", device="cpu")
    with torch.no_grad():
        model.encoder.encoder.layer[1].output.dense.weight[0, 0] += 1e-3
    changed = weights_sha256(model)
    model.save_pretrained(str(tmp_path / "saved"))
    assert changed != shipped.training_record["adapter_sha256"]
    assert weights_sha256(UniVaR(str(tmp_path / "saved"), device="cpu")) == changed


@pytest.mark.usefixtures("shipped")
def test_a_record_of_weights_that_are_not_here_proves_nothing(tiny_model: UniVaR) -> None:
    own = weights_sha256(tiny_model)
    tiny_model.training_record = {"adapter_sha256": "ab" * 32}
    assert weights_sha256(tiny_model) == own


def test_the_weights_of_an_export_are_those_of_its_graph(tiny_model: UniVaR, tmp_path: Path) -> None:
    for name in ("first", "again"):
        export_model(tiny_model, tmp_path / name, "onnx")
    first, again = (weights_sha256(OnnxEncoder(tmp_path / name)) for name in ("first", "again"))
    assert first == again != weights_sha256(tiny_model)
    file = tmp_path / "again" / GRAPH_FILE
    graph = onnx.load(file)
    weight = next(tensor for tensor in graph.graph.initializer if tensor.data_type == TensorProto.FLOAT)
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) + np.float32(0.1), weight.name))
    onnx.save(graph, file)
    assert weights_sha256(OnnxEncoder(tmp_path / "again")) != first


def test_a_reference_is_built_by_an_encoder_that_shares_tensors(
    tiny_encoder_folder: Path, records: list[QARecord], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    T5EncoderModel(T5Config(vocab_size=64, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)).save_pretrained(
        tmp_path
    )
    AutoTokenizer.from_pretrained(tiny_encoder_folder).save_pretrained(tmp_path)
    model = SentenceTransformer(modules=[Transformer(str(tmp_path)), Pooling(16)], device="cpu")
    names = [name for name in model.state_dict() if "embed_tokens" in name or "shared" in name]
    assert len(names) == 2  # one tensor under two names
    assert len(build_reference({"corpus": records[:30]}, model).weights) == 64


def test_a_file_that_is_no_reference_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no reference at .*build_reference"):
        read_reference(tmp_path / "none.parquet")
    (tmp_path / "noise.parquet").write_bytes(b"noise")
    pq.write_table(pa.table({"kind": ["identity"]}), tmp_path / "other.parquet")
    for name in ("noise.parquet", "other.parquet"):
        with pytest.raises(ValueError, match=rf"{name} is no reference"):
            read_reference(tmp_path / name)


@pytest.mark.skipif(not SHIPPED_REFERENCE.is_file(), reason="no reference ships yet")
def test_the_shipped_reference_belongs_to_the_shipped_weights() -> None:
    reference = read_reference(model=UniVaR("univar", device="cpu"))
    assert reference.weights == weights.shipped_record()["adapter_sha256"]
    assert {row.corpus for row in reference.recognitions} == set(reference.corpora)


def test_what_a_recognition_counts() -> None:
    # The nearest reference of 20 views is 0.1, 0.2, ... 2.0 near: the 5 % quantile lies 0.95 of the way from the first
    # to the second. The author is 0.05 nearer than the next but in the last view; without the author, the third view
    # (0.25) and all after it reach 0.195.
    author = np.arange(1, 21) / 10
    others = author - 0.05
    others[-1], author[-1] = author[-1], others[-1]
    found = _recognition("corpus", 5, author, others, np.arange(20) % 2)
    assert (found.corpus, found.qas, found.views, found.right) == ("corpus", 5, 20, 19)
    assert found.floor == pytest.approx(0.195)
    assert found.strangers == 18
    # Views 0, 2, ... 18 are by one author, who lacks the first stranger; the last view is by the other.
    assert found.by_identity == ((10, 10, 9), (10, 9, 9))


def test_the_interval_of_a_recognition_is_over_identities() -> None:
    # Two identities of 50 views, one always right, one never: drawn again, both are the same one half of the time, so
    # that the interval reaches from 0 to 1. Over 100 views it would be from 0.4 to 0.6.
    found = Recognition("one", 1, 100, 50, 0.5, 20, ((50, 50, 10), (50, 0, 10)))
    assert found.over_identities
    assert found.interval == (0.0, 1.0)
    # Both identities have one stranger in five, as every draw of them: what is left is Wilson's interval of 20 in 100.
    assert found.strangers_interval == pytest.approx((0.133, 0.289), abs=1e-3)
    assert not found._replace(by_identity=()).over_identities
    assert found._replace(by_identity=()).interval == pytest.approx((0.404, 0.596), abs=1e-3)
