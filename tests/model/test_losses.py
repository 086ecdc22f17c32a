import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from univar.model.losses import MultiViewInfoNCELoss, multi_view_info_nce, multi_view_sup_con

SCALES = [1.0, 20.0, 50.0]


def one_hot(*places: int, size: int = 3) -> torch.Tensor:
    return functional.one_hot(torch.tensor(places), size).float()


def unit_rows(rows: int, seed: int) -> torch.Tensor:
    return functional.normalize(torch.randn(rows, 4, generator=torch.Generator().manual_seed(seed)), dim=1)


# Values by hand


@pytest.mark.parametrize("scale", SCALES)
def test_two_orthogonal_identities(scale):
    # Every anchor: -log(e^s / (e^s + e^0)) = log(1 + e^-s).
    views = one_hot(0, 1)
    loss = multi_view_info_nce(views, views, torch.tensor([0, 1]), 1 / scale)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-scale)), abs=1e-6)


@pytest.mark.parametrize("scale", SCALES)
def test_an_identity_that_is_twice_in_the_batch_is_no_negative_of_itself(scale):
    # Labels 0, 1, 1. The anchor of 0 has two negatives: log(1 + 2e^-s). The anchors of 1 have one, since the other 1
    # is left out: log(1 + e^-s). Were it left in, they would cost more than log 2.
    views = one_hot(0, 1, 1)
    loss = multi_view_info_nce(views, views, torch.tensor([0, 1, 1]), 1 / scale)
    by_hand = (math.log(1 + 2 * math.exp(-scale)) + 2 * math.log(1 + math.exp(-scale))) / 3
    assert loss.item() == pytest.approx(by_hand, abs=1e-6)


def test_a_batch_of_one_identity_costs_nothing():
    assert multi_view_info_nce(unit_rows(4, 0), unit_rows(4, 1), torch.tensor([7, 7, 7, 7]), 0.05).item() == 0


@pytest.mark.parametrize("batch", [2, 24])
def test_embeddings_that_tell_nothing_cost_the_logarithm_of_the_batch(batch):
    same = one_hot(*[0] * batch)
    loss = multi_view_info_nce(same, same, torch.arange(batch), 0.05)
    assert loss.item() == pytest.approx(math.log(batch), abs=1e-5)


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_views_of_two_identities_swapped(temperature):
    # Every anchor is orthogonal to its own view and equal to the other one: log(1 + e^s).
    loss = multi_view_info_nce(one_hot(0, 1), one_hot(1, 0), torch.tensor([0, 1]), temperature)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(1 / temperature)), rel=1e-6)


@pytest.mark.parametrize("scale", SCALES)
def test_all_views_of_an_identity_as_positives(scale):
    # Labels 0, 1, 1, two views each. Anchors of 0 have one positive at s and four negatives at 0: log(1 + 4e^-s).
    # Anchors of 1 have three positives at s and two negatives: each costs log(3e^s + 2) - s = log(3 + 2e^-s).
    views = one_hot(0, 1, 1)
    loss = multi_view_sup_con(views, views, torch.tensor([0, 1, 1]), 1 / scale)
    by_hand = (2 * math.log(1 + 4 * math.exp(-scale)) + 4 * math.log(3 + 2 * math.exp(-scale))) / 6
    assert loss.item() == pytest.approx(by_hand, abs=1e-5)


@pytest.mark.parametrize("labels", [[0, 1], [0, 0], [0, 0, 1]])
def test_with_all_views_embeddings_that_tell_nothing_cost_the_logarithm_of_the_other_views(labels):
    same = one_hot(*[0] * len(labels))
    loss = multi_view_sup_con(same, same, torch.tensor(labels), 0.05)
    assert loss.item() == pytest.approx(math.log(2 * len(labels) - 1), abs=1e-5)


# What holds for all batches

both = pytest.mark.parametrize("function", [multi_view_info_nce, multi_view_sup_con])

batches = st.tuples(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.integers(0, 1000))


@both
@given(batches)
def test_the_loss_is_symmetric_in_its_views(function, batch):
    labels, seed = batch
    a, b = unit_rows(len(labels), seed), unit_rows(len(labels), seed + 1)
    labels = torch.tensor(labels)
    torch.testing.assert_close(function(a, b, labels, 0.05), function(b, a, labels, 0.05))


@both
@given(batches, st.randoms(use_true_random=False))
def test_neither_order_nor_names_of_identities_matter(function, batch, generator):
    labels, seed = batch
    a, b = unit_rows(len(labels), seed), unit_rows(len(labels), seed + 1)
    order = generator.sample(range(len(labels)), len(labels))
    renamed = torch.tensor([100 - labels[index] for index in order])
    torch.testing.assert_close(
        function(a[order], b[order], renamed, 0.05),
        function(a, b, torch.tensor(labels), 0.05),
    )


@both
@given(batches)
def test_the_loss_and_its_gradients_are_finite_and_it_is_not_negative(function, batch):
    labels, seed = batch
    a, b = unit_rows(len(labels), seed).requires_grad_(), unit_rows(len(labels), seed + 1)
    loss = function(a, b, torch.tensor(labels), 0.01)
    loss.backward()
    assert loss.isfinite()
    assert loss >= 0
    assert a.grad.isfinite().all()


def test_labels_are_left_as_they_were():
    labels = torch.tensor([0, 1, 1])
    multi_view_info_nce(unit_rows(3, 0), unit_rows(3, 1), labels, 0.05)
    assert labels.tolist() == [0, 1, 1]


def test_gradients_pull_views_of_an_identity_together_and_spare_its_other_pairs():
    # At temperature 1, anchor a0 = (1, 0, 0) with own view b0 = (0, 1, 0); b1 = (0, 0, 1) is of the same identity.
    a = one_hot(0, 0, 2).requires_grad_()
    b = one_hot(1, 2, 2).requires_grad_()
    multi_view_info_nce(a, b, torch.tensor([0, 0, 1]), 1.0).backward()
    assert a.grad[0] @ b[0].detach() < 0  # a step against the gradient nears b0
    # b1 enters with a1 (its own pair) and a2 (another identity) only: its gradient has no part along a0 beyond a1's.
    alone = one_hot(1, 2, 2).requires_grad_()
    changed = one_hot(1, 0, 2)  # a0 moved elsewhere
    multi_view_info_nce(changed, alone, torch.tensor([0, 0, 1]), 1.0).backward()
    torch.testing.assert_close(alone.grad[1], b.grad[1])


# The module


def pair(model, *views) -> list[dict[str, torch.Tensor]]:
    return [model.preprocess(side) for side in views]


VIEWS = ([["q yes", "q always"], ["q no"]], [["q honest"], ["q never", "q save"]])


@pytest.mark.parametrize(("positives", "function"), [("pair", multi_view_info_nce), ("identity", multi_view_sup_con)])
def test_the_module_gives_the_loss_of_encoded_views(tiny_model, positives, function):
    loss = MultiViewInfoNCELoss(tiny_model, 0.1, positives=positives)(pair(tiny_model, *VIEWS), torch.tensor([0, 1]))
    a, b = (tiny_model.encode(side, convert_to_tensor=True) for side in VIEWS)
    assert loss.item() == pytest.approx(function(a, b, torch.tensor([0, 1]), 0.1).item(), rel=1e-4)


def test_gradients_reach_the_encoder_and_not_a_fixed_temperature(tiny_model):
    loss = MultiViewInfoNCELoss(tiny_model)
    loss(pair(tiny_model, *VIEWS), torch.tensor([0, 1])).backward()
    assert all(p.grad.norm() > 0 for n, p in tiny_model.named_parameters() if n.endswith("query.weight"))
    assert loss.log_temperature.grad is None
    assert loss.temperature.item() == pytest.approx(0.05)
    assert loss.get_config_dict() == {
        "temperature": pytest.approx(0.05),
        "learn_temperature": False,
        "positives": "pair",
    }


def test_a_temperature_can_be_learned(tiny_model):
    loss = MultiViewInfoNCELoss(tiny_model, 0.5, learn_temperature=True)
    loss(pair(tiny_model, *VIEWS), torch.tensor([0, 1])).backward()
    assert loss.log_temperature.grad.abs() > 0
    assert loss.get_config_dict()["learn_temperature"] is True


@pytest.mark.parametrize(
    ("start", "learned", "used"),
    [
        (0.05, 0.001, 0.01),  # held at CLIP's bound
        (0.05, 0.02, 0.02),  # free above it
        (0.005, 0.005, 0.005),  # a lower start lowers the bound
        (0.005, 0.001, 0.005),
    ],
)
def test_a_learned_temperature_stops_at_its_bound_and_can_come_back(tiny_model, start, learned, used):
    loss = MultiViewInfoNCELoss(tiny_model, start, learn_temperature=True)
    loss.log_temperature.data.fill_(math.log(learned))
    loss(pair(tiny_model, *VIEWS), torch.tensor([0, 1])).backward()
    assert loss.temperature.item() == pytest.approx(used, rel=1e-5)
    assert loss.log_temperature.grad.abs() > 0


@pytest.mark.parametrize("wrong", [0, -0.05, math.nan])
def test_a_temperature_that_is_not_above_0_is_an_error(tiny_model, wrong):
    with pytest.raises(ValueError, match=f"temperature must be above 0, got {wrong}"):
        MultiViewInfoNCELoss(tiny_model, wrong)


def test_unknown_positives_are_an_error_that_names_the_known_ones(tiny_model):
    with pytest.raises(ValueError, match="positives must be one of pair, identity, got 'all'"):
        MultiViewInfoNCELoss(tiny_model, positives="all")
