"""Multi-view InfoNCE (paper, Eq. 3) without its false negatives."""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, get_args

import torch
from sentence_transformers.base.losses.gradcache import CachedLossMixin
from sentence_transformers.util import all_gather, all_gather_with_grad, get_world_size
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from univar.model.modeling import UniVaR
from univar.model.modules import longest_first, parts

# On a CPU padding costs as much as text: a fifth of a step where answers differ in length and all pass at once.
_QAS_AT_ONCE = 8

Positives = Literal["pair", "identity", "proxy"]


def multi_view_info_nce(
    view_a: Tensor, view_b: Tensor, labels: Tensor, temperature: Tensor | float, *, anchors_at_once: int | None = None
) -> Tensor:
    """Mean symmetric InfoNCE of B pairs of views, in nats (paper, Eq. 3).

    Row i of `view_a` and `view_b` are two views of one identity. Each is an anchor once; its negatives are the other
    pairs' views on the other side, **except** those of the same identity, which are left out of the sum: the
    reference implementation pushes them apart (about 1.5 false negatives an anchor).

    Args:
        view_a: `(B, D)` float, unit rows.
        view_b: `(B, D)` float, unit rows.
        labels: `(B,)` int64, the identity of each pair.
        temperature: Above 0; cosine similarities are divided by it.
        anchors_at_once: Compute the similarities of that many anchors at a time, and again for the gradient, so that
            memory grows with B and not with its square; None for all at once.

    Returns:
        A scalar: 0 for a batch of one identity, log(B) where embeddings tell nothing and identities are all distinct.
    """

    def cost(places: Tensor) -> Tensor:
        false_negatives = labels[places].unsqueeze(1) == labels
        false_negatives = false_negatives.scatter(1, places.unsqueeze(1), False)
        sides = [(view_a[places], view_b), (view_b[places], view_a)]
        costs = [
            functional.cross_entropy(
                (anchors @ others.T / temperature).masked_fill(false_negatives, -torch.inf), places, reduction="sum"
            )
            for anchors, others in sides
        ]
        return torch.stack(costs).mean()

    return _mean_over_anchors(cost, labels, anchors_at_once)


def multi_view_sup_con(
    view_a: Tensor, view_b: Tensor, labels: Tensor, temperature: Tensor | float, *, anchors_at_once: int | None = None
) -> Tensor:
    """Mean InfoNCE of 2B views, in nats, with every other view of the anchor's identity as a positive in turn.

    The supervised contrastive loss (arXiv 2004.11362, Eq. 2, L_out): where few identities fill a batch it draws on
    all the pairs that masking leaves unused, and has less variance. Arguments as for `multi_view_info_nce`.

    Returns:
        A scalar: log(2B - 1) where embeddings tell nothing.
    """
    views, owners = torch.cat([view_a, view_b]), torch.cat([labels, labels])

    def cost(places: Tensor) -> Tensor:
        itself = places.unsqueeze(1)
        logits = (views[places] @ views.T / temperature).scatter(1, itself, -torch.inf)
        log_probability = logits - logits.logsumexp(dim=1, keepdim=True)
        positives = (owners[places].unsqueeze(1) == owners).scatter(1, itself, False)
        return -(log_probability.masked_fill(~positives, 0).sum(dim=1) / positives.sum(dim=1)).sum()

    return _mean_over_anchors(cost, owners, anchors_at_once)


def multi_view_proxies(
    view_a: Tensor, view_b: Tensor, labels: Tensor, proxies: Tensor, temperature: Tensor | float
) -> Tensor:
    """Mean cross-entropy of naming the identity of 2B views, in nats, each identity a learned direction.

    A softmax over the cosine similarities to all identities of a corpus, whichever are in the batch (arXiv 1704.06369).

    Args:
        view_a: `(B, D)` float, unit rows.
        view_b: `(B, D)` float, unit rows.
        labels: `(B,)` int64 in 0..I - 1, the row of `proxies` for each pair.
        proxies: `(I, D)` float, a row an identity, of any length.
        temperature: Above 0; cosine similarities are divided by it.

    Returns:
        A scalar: log(I) where embeddings tell nothing.
    """
    similarities = torch.cat([view_a, view_b]) @ functional.normalize(proxies, dim=1).T
    return functional.cross_entropy(similarities / temperature, torch.cat([labels, labels]))


def _mean_over_anchors(cost: Callable[[Tensor], Tensor], owners: Tensor, at_once: int | None) -> Tensor:
    """The mean of what `cost` sums up for the anchors at some places."""
    places = torch.arange(len(owners), device=owners.device)
    if at_once is None:
        return cost(places) / len(places)
    costs = [checkpoint(cost, part, use_reentrant=False) for part in torch.split(places, at_once)]
    return torch.stack(costs).sum() / len(places)


def mutual_information_bound(loss: Tensor, labels: Tensor, *, positives: Positives = "pair") -> Tensor:
    """What a contrastive loss proves of the mutual information of two views, log(N) - L in nats (paper, Eq. 4).

    N counts what an anchor's positive competes with: itself and the views of **other** identities, since the bound
    holds for negatives that were drawn independently of the anchor. It differs from anchor to anchor where identities
    are not equally frequent; log(N) is their mean. The bound may be negative, and cannot exceed log(N).

    Args:
        loss: A scalar in nats, of `multi_view_info_nce` (`positives="pair"`) or `multi_view_sup_con` (the others).
        labels: `(B,)` int64, of the batch that the loss was computed on.
        positives: Which of the two.
    """
    _, identity, pairs_of = torch.unique(labels, return_inverse=True, return_counts=True)
    views_a_pair = 1 if positives == "pair" else 2
    candidates = 1 + views_a_pair * (len(labels) - pairs_of[identity])
    bound: Tensor = candidates.log().mean() - loss
    return bound


class MultiViewInfoNCELoss(CachedLossMixin, nn.Module):
    """`multi_view_info_nce` or one of the others above, in the form that `SentenceTransformerTrainer` calls.

    Where several processes train, views and identities are gathered from all of them with their gradients, and every
    process computes the loss of the whole batch: averaged over the processes, as `DistributedDataParallel` does, the
    gradients are those of one process with that batch.

    With a mini-batch, gradients are cached (GradCache, arXiv 2101.06983): QAs pass through the encoder a mini-batch at
    a time without gradients, are pooled to views, the loss gives the gradient of each QA's embedding, and the QAs
    pass again, with the same dropout, each mini-batch with its gradient. Memory is that of one mini-batch whatever
    the batch and the views, for the time of a second forward pass. Gradients of the view pooling and of a learned
    temperature do not know of a scale of the loss, such as gradient accumulation has.

    Args:
        model: The encoder.
        temperature: Above 0. The paper's final models use 1/50.
        learn_temperature: Train the temperature along (as CLIP does), starting from `temperature`.
        positives: `pair` for `multi_view_info_nce`, `identity` for `multi_view_sup_con`, `proxy` for
            `multi_view_proxies`.
        proxies: With `proxy`, for each corpus the directions `(n, D)` in which its n identities start: labels 0..n - 1
            are those of the first corpus, the next ones of the second, and so on. A batch of labels beyond them is
            contrasted by `multi_view_sup_con`.
        mask_false_negatives: Leave views of the anchor's identity out of its negatives; False is what the reference
            implementation does. Only with `positives="pair"` are there any to leave in.
        mini_batch: QAs that pass through the encoder at once, and anchors whose similarities are computed at once;
            the loss and its gradients stay what they are. None for all, without caching.

    Inputs:
        | columns | label |
        |---|---|
        | two, each cell a list of QA texts (a view) | identity, int |

    Raises:
        TypeError: If the model is only its name.
        ValueError: If the temperature is no number above 0, there are no such positives, `mini_batch` is below 1, false
            negatives are asked for where there are none, or `positives="proxy"` and directions do not come together.

    Attributes:
        information_bound: `mutual_information_bound` of the last batch, a scalar in nats; NaN before the first one.
            Of proxies, log(I) - L: what naming the identity proves of the information that a view has of it.
        proxies: `(I, D)`, the directions of all identities, learned.
    """

    # CLIP's bound: scales above 100 make training unstable.
    _LOWEST_LEARNED_TEMPERATURE = 0.01

    def __init__(
        self,
        model: UniVaR,
        temperature: float = 0.05,
        *,
        learn_temperature: bool = False,
        positives: Positives = "pair",
        mask_false_negatives: bool = True,
        mini_batch: int | None = None,
        proxies: Sequence[Tensor] = (),
    ) -> None:
        super().__init__()
        if not isinstance(model, nn.Module):
            raise TypeError(f"the model is {model!r:.80}; give a loaded one, as univar.UniVaR(name) is")
        if not isinstance(temperature, int | float) or not temperature > 0:
            raise ValueError(f"temperature must be a number above 0, got {temperature!r}")
        if positives not in get_args(Positives):
            raise ValueError(f"positives must be one of {', '.join(get_args(Positives))}, got {positives!r}")
        if positives != "pair" and not mask_false_negatives:
            raise ValueError(
                f"mask_false_negatives=False goes with positives='pair': with {positives!r} there are none"
            )
        if (positives == "proxy") != bool(proxies):
            raise ValueError(
                "proxies are the first directions of the identities of each corpus with positives='proxy', and empty "
                f"otherwise; got those of {len(proxies)} corpora with {positives!r}"
            )
        if mini_batch is not None and mini_batch < 1:
            raise ValueError(f"mini_batch must be at least 1, or None for whole batches, got {mini_batch}")
        self.model = model
        self.positives: Positives = positives
        self.mask_false_negatives = mask_false_negatives
        self.mini_batch = mini_batch
        self.mini_batch_size = mini_batch or 0  # the name that CachedLossMixin reads
        self.uses_gradient_cache = mini_batch is not None
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)), requires_grad=learn_temperature)
        self._places = list(itertools.pairwise(itertools.accumulate(map(len, proxies), initial=0)))
        directions = torch.cat(list(proxies)) if proxies else torch.empty(0)
        self.proxies = nn.Parameter(directions, requires_grad=bool(proxies))
        self.information_bound = torch.tensor(math.nan)
        self._lowest = math.log(min(self._LOWEST_LEARNED_TEMPERATURE, temperature))

    @property
    def temperature(self) -> Tensor:
        """The temperature in use, a scalar."""
        return self.log_temperature.exp()

    def forward(self, sentence_features: Iterable[dict[str, Any]], labels: Tensor) -> Tensor:
        """The loss of one batch, over all processes, a scalar."""
        with torch.no_grad():
            # The parameter is held back, not what is computed from it: there it would lose its gradient for good.
            self.log_temperature.clamp_(min=self._lowest)
        if self.mini_batch is None:
            return self._contrast([self._encoded(features) for features in sentence_features], labels)
        sides = [longest_first(features) for features in sentence_features]
        # Each QA is a view of its own until `calculate_loss` pools them.
        qas = [{**side, "view_ids": torch.arange(len(side["view_ids"]), device=labels.device)} for side in sides]
        # What it calls labels it hands on to `calculate_loss` and nothing else.
        with_views: Any = (labels, *(side["view_ids"] for side in sides))
        loss: Tensor = self.forward_cached(qas, with_views)
        return loss

    def _encoded(self, features: dict[str, Any]) -> Tensor:
        """The views of one side, `(B, D)`; on a CPU, QAs of about one length pass through the encoder together."""
        view_ids = features["view_ids"]
        padded = "attention_mask" in features and len(view_ids) > _QAS_AT_ONCE
        if view_ids.device.type != "cpu" or not padded:
            views: Tensor = self.model(features)["sentence_embedding"]
            return views
        ordered = longest_first(features)
        # Each QA is a view of its own until they are pooled.
        qas = {**ordered, "view_ids": torch.arange(len(view_ids))}
        embedded = [self.model(part)["sentence_embedding"] for part in parts(qas, _QAS_AT_ONCE)]
        pooled: Tensor = getattr(self.model, "module", self.model).pool(torch.cat(embedded), ordered["view_ids"])
        return pooled

    def calculate_loss(  # type: ignore[override]  # labels: see forward
        self, reps: list[list[Tensor]], labels: tuple[Tensor, ...], *, with_backward: bool = False
    ) -> Tensor:
        """The loss of embedded mini-batches, for `CachedLossMixin`.

        Args:
            reps: For each side, the QA embeddings of its mini-batches.
            labels: The identities `(B,)`, and for each side the views `(Q,)` that its QAs belong to.
            with_backward: Take the gradient of the embeddings, and give the loss without its graph.
        """
        model = getattr(self.model, "module", self.model)  # within DistributedDataParallel
        views = [model.pool(torch.cat(side), view_ids) for side, view_ids in zip(reps, labels[1:], strict=True)]
        loss = self._contrast(views, labels[0])
        if with_backward:
            loss.backward()  # type: ignore[no-untyped-call]
            loss = loss.detach()
        return loss

    def _contrast(self, views: Sequence[Tensor], labels: Tensor) -> Tensor:
        """The loss of the views of all processes, a scalar."""
        view_a, view_b = views
        if get_world_size() > 1:
            view_a, view_b, labels = all_gather_with_grad(view_a), all_gather_with_grad(view_b), all_gather(labels)
        if not self.mask_false_negatives:
            labels = torch.arange(len(labels), device=labels.device)  # as if no identity came twice
        for start, stop in self._places:
            if start <= labels[0] < stop:  # a batch is of one corpus
                loss = multi_view_proxies(view_a, view_b, labels - start, self.proxies[start:stop], self.temperature)
                self.information_bound = math.log(stop - start) - loss.detach()
                return loss
        function = multi_view_info_nce if self.positives == "pair" else multi_view_sup_con
        loss = function(view_a, view_b, labels, self.temperature, anchors_at_once=self.mini_batch)
        self.information_bound = mutual_information_bound(loss.detach(), labels, positives=self.positives)
        return loss

    def get_config_dict(self) -> dict[str, Any]:
        """What the model card states."""
        return {
            "temperature": float(self.temperature.detach()),
            "learn_temperature": self.log_temperature.requires_grad,
            "positives": self.positives,
            "mask_false_negatives": self.mask_false_negatives,
            "mini_batch": self.mini_batch,
        }


def distance_to_targets(views: Sequence[Tensor], targets: Tensor) -> Tensor:
    """Mean of 1 - cosine between views and where they should be, a scalar in 0..2.

    Args:
        views: Each `(B, D)` float, unit rows; row i of all of them has one target.
        targets: `(B, D)` float, unit rows.
    """
    return torch.stack([1 - (view * targets).sum(dim=1).mean() for view in views]).mean()


class ControlledInfoNCELoss(MultiViewInfoNCELoss):
    """`MultiViewInfoNCELoss` for batches of view pairs, `distance_to_targets` for batches of control answers.

    Which of the two a batch is, its labels tell: identities are whole numbers, targets are `(B, D)` floats. As each
    process has the mean over its share of a batch, their mean is that of the batch.

    Args:
        model: The encoder.
        control_weight: Above 0; the distance to the targets is multiplied by it.
        options: As for `MultiViewInfoNCELoss`.

    Attributes:
        control_distance: `distance_to_targets` of the last batch of control answers; NaN before the first one.
    """

    def __init__(self, model: UniVaR, *, control_weight: float = 1.0, **options: Any) -> None:
        super().__init__(model, **options)
        if not control_weight > 0:
            raise ValueError(f"control_weight must be above 0, got {control_weight}")
        self.control_weight = control_weight
        self.control_distance = torch.tensor(math.nan)

    def _contrast(self, views: Sequence[Tensor], labels: Tensor) -> Tensor:
        if not labels.is_floating_point():
            return super()._contrast(views, labels)
        distance = distance_to_targets(views, labels)
        self.control_distance = distance.detach()
        return self.control_weight * distance

    def get_config_dict(self) -> dict[str, Any]:
        """What the model card states."""
        return {**super().get_config_dict(), "control_weight": self.control_weight}
