import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from univar.model.modules import MultiViewPooling, ViewTransformer, parts_of_tokens

RANDOM = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))


def features(qas: list[list[float]], view_ids: list[int]) -> dict[str, torch.Tensor]:
    return {"sentence_embedding": torch.tensor(qas), "view_ids": torch.tensor(view_ids)}


def pooled(pooling: MultiViewPooling, qas: list[list[float]], view_ids: list[int]) -> torch.Tensor:
    return pooling(features(qas, view_ids))["sentence_embedding"]


def attentive(weights: list[float]) -> MultiViewPooling:
    pooling = MultiViewPooling(len(weights), "attention")
    pooling.score.weight.data = torch.tensor([weights])
    return pooling


# Pooling


def test_a_view_is_the_mean_of_its_qas():
    # View 0 holds (1, 0) and (0, 1), whose mean is (0.5, 0.5); view 1 holds (0, 1) alone.
    result = pooled(MultiViewPooling(2), [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], [0, 0, 1])
    assert result.tolist() == [[0.5, 0.5], [0.0, 1.0]]


def test_every_qa_has_one_vote_whatever_its_length():
    assert pooled(MultiViewPooling(2), [[300.0, 0.0], [0.0, 0.1]], [0, 0]).tolist() == [[0.5, 0.5]]


def test_attention_weighs_qas_by_a_softmax_over_their_view():
    # Scores ln 3 and 0 in view 0: weights 3/4 and 1/4. In view 1 a single QA has weight 1 whatever its score.
    result = pooled(attentive([math.log(3), 0.0]), [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [0, 0, 1])
    torch.testing.assert_close(result, torch.tensor([[0.75, 0.25], [1.0, 0.0]]))


def test_attention_starts_as_the_mean():
    qas, view_ids = RANDOM.tolist(), [0, 0, 0, 1, 1, 2]
    torch.testing.assert_close(
        pooled(MultiViewPooling(8, "attention"), qas, view_ids), pooled(MultiViewPooling(8), qas, view_ids)
    )


@pytest.mark.parametrize("dimension", [0, "3", None])
def test_a_dimension_that_is_none_is_an_error(dimension):
    with pytest.raises(ValueError, match=f"embedding_dimension must be a whole number, at least 1, got {dimension!r}"):
        MultiViewPooling(dimension)


def test_large_scores_do_not_overflow():
    # Scores 1000 and -1000: all the weight on the first.
    assert pooled(attentive([1000.0]), [[1.0], [-1.0]], [0, 0]).tolist() == [[1.0]]


@given(order=st.permutations(range(7)), seed=st.integers(0, 100), mode=st.sampled_from(["mean", "attention"]))
def test_the_order_of_qas_does_not_matter(order, seed, mode):
    generator = torch.Generator().manual_seed(seed)
    qas, view_ids = torch.randn(7, 3, generator=generator), torch.tensor([0, 0, 0, 0, 1, 1, 2])
    pooling = attentive([1.0, -2.0, 3.0]) if mode == "attention" else MultiViewPooling(3)
    shuffled = {"sentence_embedding": qas[list(order)], "view_ids": view_ids[list(order)]}
    torch.testing.assert_close(
        pooling(shuffled)["sentence_embedding"],
        pooling({"sentence_embedding": qas, "view_ids": view_ids})["sentence_embedding"],
    )


@pytest.mark.parametrize("mode", ["mean", "attention"])
def test_a_view_of_one_qa_is_that_qa(mode):
    pooling = attentive([2.0] * 8) if mode == "attention" else MultiViewPooling(8)
    result = pooling({"sentence_embedding": RANDOM, "view_ids": torch.arange(6)})["sentence_embedding"]
    torch.testing.assert_close(result, functional.normalize(RANDOM, dim=1))


def test_forward_twice_gives_the_same_and_leaves_its_input():
    given_features = features([[3.0, 4.0], [1.0, 0.0]], [0, 0])
    before = {name: value.clone() for name, value in given_features.items()}
    pooling = MultiViewPooling(2)
    first, second = (pooling(given_features)["sentence_embedding"] for _ in range(2))
    assert torch.equal(first, second)
    assert given_features.keys() == before.keys()
    assert all(torch.equal(given_features[name], before[name]) for name in before)


def test_gradients_reach_every_qa_and_the_score():
    pooling = MultiViewPooling(2, "attention")
    qas = torch.tensor([[1.0, 0.5], [0.2, 1.0], [0.3, 0.9]], requires_grad=True)
    view = pooling({"sentence_embedding": qas, "view_ids": torch.tensor([0, 0, 1])})["sentence_embedding"]
    view[:, 0].sum().backward()
    assert (qas.grad.norm(dim=1) > 0).all()
    assert pooling.score.weight.grad.norm() > 0


@pytest.mark.parametrize("mode", ["mean", "attention"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_half_precision(mode, dtype):
    pooling = MultiViewPooling(2, mode).to(dtype)
    qas = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=dtype)
    result = pooling({"sentence_embedding": qas, "view_ids": torch.tensor([0, 0])})["sentence_embedding"]
    assert result.dtype == dtype
    assert result.tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize("mode", ["mean", "attention"])
def test_pooling_works_under_autocast(mode):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = pooled(MultiViewPooling(2, mode), [[1.0, 0.0], [0.0, 1.0]], [0, 0])
    assert result.tolist() == [[0.5, 0.5]]


def test_features_of_single_qas_go_no_further_than_single_qas():
    tokens = torch.zeros(2, 3, 4)
    single = MultiViewPooling(2)({**features([[1.0, 0.0], [0.0, 1.0]], [0, 1]), "token_embeddings": tokens})
    view = MultiViewPooling(2)({**features([[1.0, 0.0], [0.0, 1.0]], [0, 0]), "token_embeddings": tokens})
    assert single["token_embeddings"] is tokens
    assert view.keys() == {"sentence_embedding", "view_ids"}


def test_missing_view_ids_are_an_error_that_says_where_they_come_from():
    with pytest.raises(KeyError, match=r"view_ids.*ViewTransformer\.preprocess"):
        MultiViewPooling(2)({"sentence_embedding": torch.ones(1, 2)})


def test_an_unknown_pooling_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match="must be one of mean, attention, concat, got 'max'"):
        MultiViewPooling(2, "max")


def test_attention_survives_saving_and_the_mean_writes_no_weights(tmp_path):
    attention, mean = attentive([1.0, -2.0, 3.0]), MultiViewPooling(3)
    attention.save(str(tmp_path / "attention"))
    mean.save(str(tmp_path / "mean"))
    loaded = MultiViewPooling.load(str(tmp_path / "attention"))
    assert torch.equal(loaded.score.weight, attention.score.weight)
    assert MultiViewPooling.load(str(tmp_path / "mean")).pooling_mode == "mean"
    assert [file.name for file in (tmp_path / "mean").iterdir()] == ["config.json"]
    config = json.loads((tmp_path / "attention" / "config.json").read_text())
    assert config == {"embedding_dimension": 3, "pooling_mode": "attention"}


# Preprocessing


@pytest.fixture
def transformer(tiny_model) -> ViewTransformer:
    return tiny_model[0]


def test_views_are_flattened_into_their_qas(transformer):
    views = transformer.preprocess(["q yes", ["q no", "q always", "q never"], ("q law",)])
    flat = transformer.preprocess(["q yes", "q no", "q always", "q never", "q law"])
    assert views["view_ids"].tolist() == [0, 1, 1, 1, 2]
    assert flat["view_ids"].tolist() == [0, 1, 2, 3, 4]
    assert torch.equal(views["input_ids"], flat["input_ids"])


def test_joined_views_are_one_text_each(transformer):
    transformer.joins_views = True
    views = transformer.preprocess(["q yes", ["q no", "q always"], ("q law",)])
    written = transformer.preprocess(["q yes", "q no\nq always", "q law"])
    assert views["view_ids"].tolist() == [0, 1, 2]
    assert torch.equal(views["input_ids"], written["input_ids"])


def test_a_prompt_stands_before_every_qa(transformer):
    prompted = transformer.preprocess([["yes", "no"]], prompt="honest ")
    written = transformer.preprocess([["honest yes", "honest no"]])
    assert torch.equal(prompted["input_ids"], written["input_ids"])


def test_an_empty_batch_has_no_features(transformer):
    assert transformer.preprocess([]) == {}


def test_an_empty_view_is_an_error_that_says_which(transformer):
    with pytest.raises(ValueError, match="view 1 is empty; a view holds at least one QA"):
        transformer.preprocess(["q yes", []])


@pytest.mark.parametrize("wrong", [None, 3, {"question": "q"}, ["q", None], [["q"]]])
def test_what_is_no_qa_is_an_error_that_says_which_and_what_to_give(transformer, wrong):
    with pytest.raises(TypeError, match=r"^view 1: .* is no QA; give a text as univar\.qa_text"):
        transformer.preprocess(["q yes", wrong])


def test_adopting_an_encoder_shares_its_weights_and_pads_its_batches(tiny_encoder_folder):
    from sentence_transformers import SentenceTransformer

    stock = SentenceTransformer(str(tiny_encoder_folder), device="cpu")[0]
    stock.can_flatten_inputs = True  # as with flash attention
    adopted = ViewTransformer.adopt(stock)
    assert isinstance(adopted, ViewTransformer)
    assert adopted.auto_model is stock.auto_model
    assert adopted.preprocess(["q yes", "q"])["input_ids"].shape[0] == 2


# QAs in parts


@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.integers(1, 60))
def test_parts_hold_no_more_tokens_than_asked_and_all_qas_in_order(lengths, most):
    lengths.sort(reverse=True)
    mask = torch.tensor([[1] * length + [0] * (lengths[0] - length) for length in lengths])
    features = {"attention_mask": mask, "input_ids": mask * 7, "view_ids": torch.arange(len(lengths)), "other": "kept"}
    found = list(parts_of_tokens(features, most))
    assert torch.cat([part["view_ids"] for part in found]).tolist() == list(range(len(lengths)))
    for part in found:
        assert part["other"] == "kept"
        assert part["input_ids"].shape == part["attention_mask"].shape
        assert part["input_ids"].numel() <= most or len(part["view_ids"]) == 1
        assert part["attention_mask"][0].all()  # cut to its longest
