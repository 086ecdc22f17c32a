import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from univar.model import view_loss
from univar.model.losses import (
    ControlLoss,
    MultiViewInfoNCELoss,
    distance_to_targets,
    multi_view_info_nce,
    multi_view_proxies,
    multi_view_sup_con,
    mutual_information_bound,
)
from univar.model.modeling import UniVaR

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


@pytest.mark.parametrize("scale", SCALES)
def test_views_are_named_among_all_identities_of_a_corpus(scale):
    # Views of identities 0 and 1 lie in the directions of their proxies, the third is named by nobody: every view costs
    # log(1 + 2e^-s). A view of 1 that lies at 0 costs log(e^s + 2) = s + log(1 + 2e^-s).
    proxies, labels = 7 * one_hot(0, 1, 2), torch.tensor([0, 1])
    right = math.log(1 + 2 * math.exp(-scale))
    loss = multi_view_proxies(one_hot(0, 1), one_hot(0, 1), labels, proxies, 1 / scale)
    assert loss.item() == pytest.approx(right, abs=1e-6)
    loss = multi_view_proxies(one_hot(0, 0), one_hot(0, 1), labels, proxies, 1 / scale)
    assert loss.item() == pytest.approx(right + scale / 4, rel=1e-5)


def test_embeddings_that_tell_nothing_of_proxies_cost_the_logarithm_of_the_identities():
    loss = multi_view_proxies(one_hot(0, 0), one_hot(0, 0), torch.tensor([0, 3]), torch.ones(5, 3), 0.05)
    assert loss.item() == pytest.approx(math.log(5), abs=1e-6)


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


@both
@given(batches, st.integers(1, 9))
def test_anchors_in_parts_give_the_same_loss_and_gradients(function, batch, at_once):
    labels, seed = batch
    gradients = []
    for part in (None, at_once):
        a, b = unit_rows(len(labels), seed).requires_grad_(), unit_rows(len(labels), seed + 1).requires_grad_()
        temperature = torch.tensor(0.05, requires_grad=True)
        loss = function(a, b, torch.tensor(labels), temperature, anchors_at_once=part)
        loss.backward()
        gradients.append((loss.detach(), a.grad, b.grad, temperature.grad))
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-5)


# What the loss proves of the mutual information


def test_the_bound_counts_an_anchors_positive_and_the_views_of_other_identities():
    # Labels 0, 1, 1, one view a pair: the anchor of 0 has its positive and 2 negatives, those of 1 have 1: 3, 2, 2.
    # With all views as positives there are two negatives a pair: 1 + 4, 1 + 2 and 1 + 2.
    labels, loss = torch.tensor([0, 1, 1]), torch.tensor(0.5)
    pair_bound = (math.log(3) + 2 * math.log(2)) / 3 - 0.5
    assert mutual_information_bound(loss, labels).item() == pytest.approx(pair_bound)
    identity_bound = (math.log(5) + 2 * math.log(3)) / 3 - 0.5
    assert mutual_information_bound(loss, labels, positives="identity").item() == pytest.approx(identity_bound)


@pytest.mark.parametrize("positives", ["pair", "identity"])
def test_a_batch_of_one_identity_proves_nothing(positives):
    # log(1) - 0, and for SupCon of two pairs log(1) - log(3): each of 3 other views is as good as the others.
    function = multi_view_info_nce if positives == "pair" else multi_view_sup_con
    same, labels = one_hot(0, 0), torch.tensor([4, 4])
    bound = mutual_information_bound(function(same, same, labels, 0.05), labels, positives=positives)
    assert bound.item() == pytest.approx(0 if positives == "pair" else -math.log(3), abs=1e-6)


@given(st.integers(2, 12), st.floats(0.01, 1.0))
def test_views_that_tell_identities_apart_prove_all_that_a_batch_can(identities, temperature):
    # Two views of each of n identities, orthogonal to all others, carry log(n) nats; the loss is log(1 + (n - 1)e^-s).
    views, labels = torch.eye(identities), torch.arange(identities)
    bound = mutual_information_bound(multi_view_info_nce(views, views, labels, temperature), labels)
    lost = math.log(1 + (identities - 1) * math.exp(-1 / temperature))
    assert bound.item() == pytest.approx(math.log(identities) - lost, abs=1e-4)


# The module


def pair(model, *views) -> list[dict[str, torch.Tensor]]:
    return [model.preprocess(side) for side in views]


VIEWS = ([["q yes", "q always"], ["q no"]], [["q honest"], ["q never", "q save"]])


@pytest.mark.parametrize(("positives", "function"), [("pair", multi_view_info_nce), ("identity", multi_view_sup_con)])
def test_the_module_gives_the_loss_of_encoded_views(tiny_model, positives, function):
    loss = MultiViewInfoNCELoss(tiny_model, 0.1, positives=positives)(pair(tiny_model, *VIEWS), torch.tensor([0, 1]))
    a, b = (tiny_model.encode(side, convert_to_tensor=True) for side in VIEWS)
    assert loss.item() == pytest.approx(function(a, b, torch.tensor([0, 1]), 0.1).item(), rel=1e-4)


def directions(model: UniVaR, *identities: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    return [torch.randn(number, model.get_embedding_dimension(), generator=generator) for number in identities]


@pytest.mark.parametrize(("labels", "corpus"), [([2, 1], slice(0, 3)), ([3, 4], slice(3, 5))])
def test_the_module_names_views_among_the_identities_of_their_corpus(tiny_model, labels, corpus):
    module = MultiViewInfoNCELoss(tiny_model, 0.1, positives="proxy", proxies=directions(tiny_model, 3, 2))
    loss = module(pair(tiny_model, *VIEWS), torch.tensor(labels))
    a, b = (tiny_model.encode(side, convert_to_tensor=True) for side in VIEWS)
    proxies = module.proxies[corpus]
    expected = multi_view_proxies(a, b, torch.tensor(labels) - corpus.start, proxies, 0.1).item()
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    assert module.information_bound.item() == pytest.approx(math.log(len(proxies)) - expected, abs=1e-4)
    loss.backward()
    moved = module.proxies.grad.norm(dim=1) > 0
    assert moved.nonzero().flatten().tolist() == list(range(5))[corpus]


def test_the_module_contrasts_views_of_identities_beyond_the_proxies(tiny_model):
    module = MultiViewInfoNCELoss(tiny_model, 0.1, positives="proxy", proxies=directions(tiny_model, 3, 2))
    loss = module(pair(tiny_model, *VIEWS), torch.tensor([5, 6]))
    a, b = (tiny_model.encode(side, convert_to_tensor=True) for side in VIEWS)
    assert loss.item() == pytest.approx(multi_view_sup_con(a, b, torch.tensor([5, 6]), 0.1).item(), rel=1e-4)


@pytest.mark.parametrize(("positives", "corpora"), [("proxy", 0), ("pair", 1)])
def test_proxies_and_their_first_directions_come_together(tiny_model, positives, corpora):
    with pytest.raises(ValueError, match=f"got those of {corpora} corpora with '{positives}'"):
        MultiViewInfoNCELoss(tiny_model, positives=positives, proxies=directions(tiny_model, 3)[:corpora])


def test_qas_of_about_one_length_pass_together_and_nothing_else_changes(tiny_model, monkeypatch):
    # Views of 1 to 3 QAs of 1 to 20 words, 21 QAs a side.
    views = [
        [[f"q {'yes ' * ((7 * n + m) % 20 + 1)}" for m in range(n % 3 + 1)] for n in order]
        for order in (range(11),) * 2
    ]
    labels = torch.arange(11) % 4
    found, widths = [], []
    tiny_model[0].register_forward_pre_hook(lambda _, inputs: widths.append(inputs[0]["input_ids"].shape))
    for at_once in (100, 10**6):
        monkeypatch.setattr(view_loss, "_TOKENS_AT_ONCE", at_once)
        tiny_model.zero_grad()
        loss = MultiViewInfoNCELoss(tiny_model, 0.1, positives="identity")(pair(tiny_model, *views), labels)
        loss.backward()
        gradients = {n: p.grad.clone() for n, p in tiny_model.named_parameters() if p.grad is not None}
        found.append({"loss": loss.detach(), **gradients})
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-6)
    assert [rows for rows, _ in widths[-2:]] == [21, 21]  # all at once
    first = widths[: (len(widths) - 2) // 2]
    assert sum(rows for rows, _ in first) == 21
    assert all(rows * width <= 100 for rows, width in first)
    # Another QA would not have fitted.
    assert all((rows + 1) * width > 100 for rows, width in first[:-1])
    assert [width for _, width in first] == sorted((width for _, width in first), reverse=True)


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
        "mask_false_negatives": True,
        "mini_batch": None,
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


def test_the_name_of_a_model_is_none():
    with pytest.raises(TypeError, match="the model is 'univar'; give a loaded one"):
        MultiViewInfoNCELoss("univar")


@pytest.mark.parametrize("wrong", [0, -0.05, math.nan, "0.1"])
def test_a_temperature_that_is_not_above_0_is_an_error(tiny_model, wrong):
    with pytest.raises(ValueError, match=f"temperature must be a number above 0, got {wrong!r}"):
        MultiViewInfoNCELoss(tiny_model, wrong)


def test_unknown_positives_are_an_error_that_names_the_known_ones(tiny_model):
    with pytest.raises(ValueError, match="positives must be one of pair, identity, proxy, got 'all'"):
        MultiViewInfoNCELoss(tiny_model, positives="all")


@pytest.mark.parametrize("wrong", [0, -3])
def test_a_mini_batch_below_1_is_an_error(tiny_model, wrong):
    with pytest.raises(ValueError, match=f"mini_batch must be at least 1, or None for whole batches, got {wrong}"):
        MultiViewInfoNCELoss(tiny_model, mini_batch=wrong)


def test_false_negatives_where_all_views_are_positives_are_an_error(tiny_model):
    with pytest.raises(ValueError, match="mask_false_negatives=False goes with positives='pair'"):
        MultiViewInfoNCELoss(tiny_model, positives="identity", mask_false_negatives=False)


def test_false_negatives_can_be_left_in_as_the_reference_does(tiny_model):
    loss = MultiViewInfoNCELoss(tiny_model, 0.1, mask_false_negatives=False)
    value = loss(pair(tiny_model, *VIEWS), torch.tensor([5, 5]))
    a, b = (tiny_model.encode(side, convert_to_tensor=True) for side in VIEWS)
    # As if the two pairs were of two identities.
    assert value.item() == pytest.approx(multi_view_info_nce(a, b, torch.tensor([0, 1]), 0.1).item(), rel=1e-4)
    assert loss.information_bound.item() == pytest.approx(math.log(2) - value.item(), rel=1e-4)


# Gradient caching

MANY = (
    [["q yes", "q always i think one should", "q no"], ["q never"], ["q save help", "q law"], ["q honest"] * 5],
    [["q honest thrift"], ["q never", "q save"], ["q family law is it right", "a", "q to lie"], ["q thrift"]],
)
LABELS = torch.tensor([0, 1, 1, 2])


def gradients(model: UniVaR, mini_batch: int | None, positives: str = "pair") -> dict[str, torch.Tensor]:
    """The loss of `MANY`, the bound and the gradients of every parameter, in training mode."""
    model.zero_grad()
    model.train()
    loss_of = MultiViewInfoNCELoss(model, 0.1, learn_temperature=True, positives=positives, mini_batch=mini_batch)
    torch.manual_seed(7)
    loss = loss_of(pair(model, *MANY), LABELS)
    loss.backward()
    found = {name: parameter.grad for name, parameter in loss_of.named_parameters() if parameter.grad is not None}
    return {"loss": loss.detach(), "bound": loss_of.information_bound, **found}


def with_pooling(folder, pooling: str, dropout: float = 0.0) -> UniVaR:
    model = UniVaR(str(folder), view_pooling=pooling, device="cpu")
    if model.view_pooling.score is not None:
        model.view_pooling.score.weight.data.normal_(generator=torch.Generator().manual_seed(0))
    for module in model.encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    return model


@pytest.mark.parametrize("pooling", ["mean", "attention"])
@pytest.mark.parametrize("positives", ["pair", "identity"])
@pytest.mark.parametrize("mini_batch", [1, 3, 100])
def test_caching_gives_the_loss_and_the_gradients_of_the_whole_batch(
    tiny_encoder_folder, pooling, positives, mini_batch
):
    model = with_pooling(tiny_encoder_folder, pooling)
    plain, cached = (gradients(model, size, positives) for size in (None, mini_batch))
    assert len(plain) > 30  # the encoder's parameters, the temperature and the two values
    assert ("model.2.score.weight" in plain) is (pooling == "attention")
    torch.testing.assert_close(cached, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "attention"])
def test_caching_draws_the_same_dropout_in_both_passes(tiny_encoder_folder, pooling, monkeypatch):
    model = with_pooling(tiny_encoder_folder, pooling, dropout=0.3)
    cached = gradients(model, 3)

    def kept(loss, sides, labels):
        # The same parts without caching: their graphs are kept, so that there is no second pass to be wrong.
        parts = [[part for part, _ in loss.embed_minibatch_iter(side, True, False)] for side in sides]
        return loss.calculate_loss(parts, labels)

    monkeypatch.setattr(MultiViewInfoNCELoss, "forward_cached", kept)
    torch.testing.assert_close(cached, gradients(model, 3), rtol=1e-4, atol=1e-5)
    model.eval()
    assert not torch.isclose(cached["loss"], gradients(with_pooling(tiny_encoder_folder, pooling), 3)["loss"])


def test_no_more_than_a_mini_batch_passes_through_the_encoder_at_once(tiny_model):
    sizes = []
    tokens = tiny_model.encoder.get_input_embeddings()
    tokens.register_forward_pre_hook(lambda _module, inputs: sizes.append(len(inputs[0])))
    gradients(tiny_model, 3)
    # 11 and 7 QAs in parts of 3, and each part again for its gradient.
    assert sorted(sizes) == sorted(2 * [3, 3, 3, 2, 3, 3, 1])


# Control answers


def test_the_distance_to_targets_is_one_minus_the_cosine_over_all_views():
    # View a: on the target, and orthogonal to it: 0 and 1. View b: orthogonal, and opposite: 1 and 2.
    targets = one_hot(0, 1)
    distance = distance_to_targets([one_hot(0, 0), torch.stack([one_hot(2)[0], -one_hot(1)[0]])], targets)
    assert distance.item() == pytest.approx((0 + 1 + 1 + 2) / 4)


def test_the_loss_of_control_answers_is_their_weighted_distance(tiny_model):
    loss = ControlLoss(tiny_model, weight=3.0)
    sides = [tiny_model.preprocess([["is it right to lie"], ["one should help"]]) for _ in range(2)]
    assert loss.measured["control_distance"].isnan()
    targets = tiny_model(dict(sides[0]))["sentence_embedding"].detach()
    turned = torch.stack([targets[1], targets[0]])
    between = 1 - (targets[0] @ targets[1]).item()
    assert loss(sides, turned).item() == pytest.approx(3 * between, abs=1e-6)
    assert loss.measured["control_distance"].item() == pytest.approx(between, abs=1e-6)


def test_cached_gradients_of_control_answers_are_the_plain_ones(tiny_model):
    texts = [[["yes always honest"], ["no never save"], ["i think"]], [["one should"], ["help"], ["never lie never"]]]
    targets = functional.normalize(torch.randn(3, tiny_model.get_embedding_dimension()), dim=1)
    tiny_model.eval()
    found = []
    for mini_batch in (None, 2):
        tiny_model.zero_grad()
        loss = ControlLoss(tiny_model, mini_batch=mini_batch, weight=2.0)
        value = loss([tiny_model.preprocess(side) for side in texts], targets)
        value.backward()
        gradients = {n: p.grad.clone() for n, p in tiny_model.named_parameters() if p.grad is not None}
        found.append({"value": value.detach(), **gradients})
    torch.testing.assert_close(found[1], found[0], atol=1e-6, rtol=1e-4)


def test_a_weight_that_is_not_above_zero_is_refused(tiny_model):
    with pytest.raises(ValueError, match="weight must be above 0, got 0"):
        ControlLoss(tiny_model, weight=0)
