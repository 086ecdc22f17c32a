import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from univar.model.stance_loss import StanceLoss, rank_n_contrast


def places(*degrees: float) -> torch.Tensor:
    """Unit vectors at angles in a plane."""
    angles = torch.tensor(degrees).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def softplus(number: float) -> float:
    return math.log1p(math.exp(number))


# Values by hand


def test_of_two_sides_it_is_info_nce_against_the_other_side_of_the_group():
    # For at 0 and 60 degrees, against at 90: similarities 1/2, 0 and cos 30. Each of the first two is ranked against
    # the third: softplus(0 - 1/2) and softplus(cos 30 - 1/2). The third has nobody of its side.
    embeddings, group, stances = places(0, 60, 90), torch.zeros(3), torch.tensor([1.0, 1.0, -1.0])
    by_hand = (softplus(0 - 0.5) + softplus(math.cos(math.radians(30)) - 0.5)) / 2
    assert rank_n_contrast(embeddings, group, stances, 1.0, 0.15).item() == pytest.approx(by_hand, rel=1e-6)


def test_graded_stances_are_ranked_by_their_distance():
    # Stances 1, 0.5 and 0 at 0, 60 and 90 degrees. The anchor at 0 has the second before the third: softplus(0 - 1/2).
    # The third has the second before the first: softplus(0 - cos 30). The second is as far from both: no anchor.
    by_hand = (softplus(0 - 0.5) + softplus(0 - math.cos(math.radians(30)))) / 2
    stances = torch.tensor([1.0, 0.5, 0.0])
    assert rank_n_contrast(places(0, 60, 90), torch.zeros(3), stances, 1.0, 0.15).item() == pytest.approx(by_hand)


def test_distances_that_differ_by_no_more_than_the_margin_are_not_ranked():
    # Stances 1, 0.5 and 0.4: from 1 they are 0.5 and 0.6 away, from 0.5 they are 0.5 and 0.1, from 0.4 they are 0.6 and
    # 0.1. With a margin of 0.15 the anchor 1 ranks nothing, the others each other before 1.
    embeddings, stances = places(0, 60, 90), torch.tensor([1.0, 0.5, 0.4])
    near = math.cos(math.radians(30))
    by_hand = (softplus(0.5 - near) + softplus(0 - near)) / 2
    assert rank_n_contrast(embeddings, torch.zeros(3), stances, 1.0, 0.15).item() == pytest.approx(by_hand)
    # With 0.05 the first ranks the second before the third too.
    all_three = (softplus(0 - 0.5) + 2 * by_hand) / 3
    assert rank_n_contrast(embeddings, torch.zeros(3), stances, 1.0, 0.05).item() == pytest.approx(all_three)


def test_groups_are_not_compared_and_count_by_their_anchors():
    # Group 7 is the one of the first test; group 9 has two on one side at 30 degrees from each other and two opposite,
    # at right angles and more. With a temperature of 1/2 every similarity counts twice.
    embeddings, groups = places(0, 60, 90, 0, 30, 90, 180), torch.tensor([7, 7, 7, 9, 9, 9, 9])
    stances = torch.tensor([1.0, 1.0, -1.0, 1.0, 1.0, -1.0, -1.0])
    near, half = 2 * math.cos(math.radians(30)), 2 * 0.5

    def against(own: float, *others: float) -> float:
        return softplus(math.log(sum(map(math.exp, others))) - own)

    of_nine = [
        against(near, 0, -2),  # at 0: others at 90 and 180
        against(near, half, -near),  # at 30: others at 60 and 150 from it
        against(0, 0, half),  # at 90: its own at 180, others at 90 and 60 from it
        against(0, -2, -near),  # at 180: its own at 90, others at 180 and 150 from it
    ]
    of_seven = [softplus(0 - half), softplus(near - half)]
    by_hand = sum(of_seven + of_nine) / 6
    assert rank_n_contrast(embeddings, groups, stances, 0.5, 0.15).item() == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize(
    ("groups", "stances"), [([0, 0], [1.0, -1.0]), ([0, 1, 2], [1.0, 1.0, -1.0]), ([0, 0, 0], [0.5, 0.5, 0.5])]
)
def test_where_there_is_nothing_to_rank_it_is_0_with_a_gradient(groups, stances):
    embeddings = places(*range(0, 30 * len(groups), 30)).requires_grad_()
    loss = rank_n_contrast(embeddings, torch.tensor(groups), torch.tensor(stances), 0.05, 0.15)
    loss.backward()
    assert loss.item() == 0
    assert embeddings.grad.abs().sum() == 0


# What holds for all batches


def by_the_definition(embeddings, groups, stances, temperature, margin):
    costs = []
    for i, anchor in enumerate(embeddings):

        def away(other: int, i: int = i) -> float:
            return abs(stances[i] - stances[other])

        members = [j for j in range(len(groups)) if groups[j] == groups[i]]
        ranked = []
        for j in members:
            behind = [embeddings[k] @ anchor / temperature for k in members if away(k) > away(j) + margin]
            if j != i and behind:
                ranked.append(
                    functional.softplus(torch.stack(behind).logsumexp(0) - embeddings[j] @ anchor / temperature)
                )
        if ranked:
            costs.append(torch.stack(ranked).mean())
    return torch.stack(costs).mean() if costs else embeddings.sum() * 0


answers = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0])), min_size=1, max_size=9)


@given(answers, st.integers(0, 1000), st.sampled_from([None, 1, 4]))
def test_it_is_its_definition_for_any_batch_and_in_any_parts(batch, seed, at_once):
    groups, stances = (torch.tensor(part) for part in zip(*batch, strict=True))
    found = []
    for function in (by_the_definition, lambda *given: rank_n_contrast(*given, anchors_at_once=at_once)):
        raw = torch.randn(len(batch), 4, generator=torch.Generator().manual_seed(seed)).requires_grad_()
        loss = function(functional.normalize(raw, dim=1), groups, stances, 0.1, 0.15)
        loss.backward()
        found.append((loss.detach(), raw.grad))
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)


# The module

VIEWS = ([["q yes"], ["q always right i think"], ["q save"]], [["q no"], ["q never"], ["q thrift law law"]])
LABELS = torch.tensor([[0.0, 1.0, -1.0], [0.0, 1.0, -0.5], [4.0, -1.0, 1.0]])


def sides(model):
    return [model.preprocess(side) for side in VIEWS]


def test_the_module_adds_the_cross_entropy_of_the_sides_along_its_direction(tiny_model):
    module = StanceLoss(tiny_model, temperature=0.1, margin=0.2, direction_weight=0.5)
    loss = module(sides(tiny_model), LABELS)
    embeddings = torch.cat([tiny_model.encode(side, convert_to_tensor=True) for side in VIEWS]).clone()
    groups, stances = torch.tensor([0, 0, 4, 0, 0, 4]), torch.tensor([1.0, 1.0, -1.0, -1.0, -0.5, 1.0])
    ranked = rank_n_contrast(embeddings, groups, stances, 0.1, 0.2).item()
    weight, bias = module.direction.weight[0], module.direction.bias[0]
    log_odds = [(8 * (row @ weight) + bias).item() for row in embeddings]
    # An answer that stands fully for it is certainly one, one of -0.5 is one in four.
    sure = [1.0, 1.0, 0.0, 0.0, 0.25, 1.0]
    crossed = [p * softplus(-x) + (1 - p) * softplus(x) for p, x in zip(sure, log_odds, strict=True)]
    assert loss.item() == pytest.approx(ranked + 0.5 * sum(crossed) / 6, rel=1e-4)
    assert module.measured["stance_rank_loss"].item() == pytest.approx(ranked, rel=1e-4)
    right = sum((x > 0) == (s > 0) for x, s in zip(log_odds, stances.tolist(), strict=True))
    assert module.measured["stance_signs_right"].item() == pytest.approx(right / 6)
    assert module.get_config_dict()["direction_weight"] == 0.5


@pytest.mark.parametrize("mini_batch", [1, 2, 100])
def test_caching_gives_the_loss_and_the_gradients_of_the_whole_batch(tiny_model, mini_batch):
    found = []
    for size in (None, mini_batch):
        torch.manual_seed(0)
        module = StanceLoss(tiny_model, temperature=0.1, mini_batch=size)
        module.zero_grad()
        loss = module(sides(tiny_model), LABELS)
        loss.backward()
        gradients = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
        found.append({"loss": loss.detach(), **module.measured, **gradients})
    assert {"direction.weight", "direction.bias"} < found[0].keys()
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0}, "temperature must be a number above 0, got 0"),
        ({"margin": -0.1}, "margin must not be negative, got -0.1"),
        ({"margin": math.nan}, "margin must not be negative, got nan"),
        ({"direction_weight": -1}, "direction_weight must not be negative, got -1"),
        ({"mini_batch": 0}, "mini_batch must be at least 1, or None"),
    ],
)
def test_numbers_out_of_range_are_errors(tiny_model, options, message):
    with pytest.raises(ValueError, match=message):
        StanceLoss(tiny_model, **options)
