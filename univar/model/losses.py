"""Multi-view InfoNCE (paper, Eq. 3) without its false negatives, and the distance of control answers from targets."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from univar.model.modeling import UniVaR
from univar.model.view_loss import ViewLoss, checked_temperature, mean_over_anchors

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

    return mean_over_anchors(cost, torch.arange(len(labels), device=labels.device), anchors_at_once)


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

    return mean_over_anchors(cost, torch.arange(len(owners), device=owners.device), anchors_at_once)


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


class MultiViewInfoNCELoss(ViewLoss):
    """`multi_view_info_nce` or one of the others above, for `SentenceTransformerTrainer`: see `ViewLoss`.

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
        mini_batch: As for `ViewLoss`.

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
        super().__init__(model, mini_batch=mini_batch)
        checked_temperature(temperature)
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
        self.positives: Positives = positives
        self.mask_false_negatives = mask_false_negatives
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
        return super().forward(sentence_features, labels)

    @property
    def measured(self) -> dict[str, Tensor]:
        """The bound on the mutual information."""
        return {"mutual_information_bound": self.information_bound}

    def of_views(self, view_a: Tensor, view_b: Tensor, labels: Tensor) -> Tensor:
        """The loss of the views of all processes, a scalar."""
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


class ControlLoss(ViewLoss):
    """`distance_to_targets` of control answers, for `SentenceTransformerTrainer`: see `ViewLoss`.

    Args:
        model: The encoder.
        weight: Above 0; the distance is multiplied by it.
        mini_batch: As for `ViewLoss`.

    Raises:
        TypeError: If the model is only its name.
        ValueError: If `weight` is not above 0, or `mini_batch` is below 1.

    Attributes:
        distance: `distance_to_targets` of the last batch; NaN before the first one.
    """

    def __init__(self, model: UniVaR, *, weight: float = 1.0, mini_batch: int | None = None) -> None:
        super().__init__(model, mini_batch=mini_batch)
        if not weight > 0:
            raise ValueError(f"weight must be above 0, got {weight}")
        self.weight = weight
        self.distance = torch.tensor(math.nan)

    @property
    def measured(self) -> dict[str, Tensor]:
        """The distance, without its weight."""
        return {"control_distance": self.distance}

    def of_views(self, view_a: Tensor, view_b: Tensor, labels: Tensor) -> Tensor:
        """The weighted distance of the answers of all processes from their targets, a scalar."""
        distance = distance_to_targets([view_a, view_b], labels)
        self.distance = distance.detach()
        return self.weight * distance

    def get_config_dict(self) -> dict[str, Any]:
        """What the model card states."""
        return {"weight": self.weight, "mini_batch": self.mini_batch}
