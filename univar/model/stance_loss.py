"""Contrasting what answers stand for, whoever says it and however it is said."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from univar.model.modeling import UniVaR
from univar.model.view_loss import ViewLoss, checked_temperature, mean_over_anchors

# Unit vectors are small numbers a dimension: eight times as long they let a direction learn as fast as the encoder.
_LENGTH = 8.0


def rank_n_contrast(
    embeddings: Tensor,
    groups: Tensor,
    stances: Tensor,
    temperature: Tensor | float,
    margin: float,
    *,
    anchors_at_once: int | None = None,
) -> Tensor:
    """Mean cost of ranking N answers within their groups by how near their stances are, in nats.

    Every answer is an anchor. For each other one of its group, those of the group whose stance is farther from the
    anchor's than that one's, by more than the margin, are its negatives: Rank-N-Contrast (arXiv 2210.01189), with
    groups and a margin. Of stances of -1 and 1 it is InfoNCE whose negatives are the other side of the group alone, so
    that neither topic nor corpus can tell them apart.

    Args:
        embeddings: `(N, D)` float, unit rows.
        groups: `(N,)`, what each answer is about.
        stances: `(N,)` float in [-1, 1].
        temperature: Above 0; cosine similarities are divided by it.
        margin: Not negative, in units of stance.
        anchors_at_once: Compute the costs of that many anchors at a time, and again for the gradient; None for all.
            Memory grows with them and the square of the largest group.

    Returns:
        A scalar: the mean over others of an anchor, then over anchors that have any; 0, with gradients of 0, where
        there is nothing to rank.
    """
    same = groups.unsqueeze(1) == groups
    # The answers of each anchor's group, and where it is smaller than the largest, others that do not count.
    members = same.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, : int(same.sum(dim=1).max())]
    of_group = same.gather(1, members)
    itself = members == torch.arange(len(groups), device=groups.device).unsqueeze(1)
    others = of_group & ~itself
    distances = (stances.unsqueeze(1) - stances[members]).abs()
    nearest = distances.masked_fill(~others, torch.inf).amin(dim=1)
    farthest = distances.masked_fill(~of_group, -torch.inf).amax(dim=1)
    anchors = (farthest > nearest + margin).nonzero().squeeze(1)
    if not len(anchors):
        return embeddings.sum() * 0

    def cost(places: Tensor) -> Tensor:
        similarities = (embeddings[places] @ embeddings.T / temperature).gather(1, members[places])
        distance, group = distances[places], of_group[places]
        negatives = (distance.unsqueeze(1) > distance.unsqueeze(2) + margin) & group.unsqueeze(1)
        # The lowest number and not -inf, of which only there would be no gradient.
        lowest = torch.finfo(similarities.dtype).min
        pushed = similarities.unsqueeze(1).masked_fill(~negatives, lowest).logsumexp(dim=2)
        ranked = others[places] & negatives.any(dim=2)
        costs = functional.softplus(pushed - similarities).masked_fill(~ranked, 0)
        return (costs.sum(dim=1) / ranked.sum(dim=1)).sum()

    return mean_over_anchors(cost, anchors, anchors_at_once)


class StanceLoss(ViewLoss):
    """`rank_n_contrast` and one direction for all stances, for `SentenceTransformerTrainer`: see `ViewLoss`.

    The direction is learned, and shared by all groups and corpora: how far an answer lies along it is the log-odds that
    it stands for what its question proposes. It is part of the loss and not of the model.

    Args:
        model: The encoder.
        temperature: Above 0, of the ranking.
        margin: Not negative; stances that differ in their distance by no more are not ranked.
        direction_weight: Not negative, of the cross-entropy of the sides along the direction.
        mini_batch: As for `ViewLoss`.

    Raises:
        TypeError: If the model is only its name.
        ValueError: If a number is out of range.

    Attributes:
        direction: From embeddings, eight times as long, to log-odds; learned.
        rank_loss: `rank_n_contrast` of the last batch; NaN before the first one.
        signs_right: Share of its answers with a side that lie on this side of the direction, in 0..1.
    """

    def __init__(
        self,
        model: UniVaR,
        *,
        temperature: float = 0.05,
        margin: float = 0.15,
        direction_weight: float = 1.0,
        mini_batch: int | None = None,
    ) -> None:
        super().__init__(model, mini_batch=mini_batch)
        for name, number in (("margin", margin), ("direction_weight", direction_weight)):
            if not number >= 0:
                raise ValueError(f"{name} must not be negative, got {number}")
        self.temperature = checked_temperature(temperature)
        self.margin = margin
        self.direction_weight = direction_weight
        self.direction = nn.Linear(model.get_embedding_dimension() or 0, 1)
        self.rank_loss = torch.tensor(math.nan)
        self.signs_right = torch.tensor(math.nan)

    @property
    def measured(self) -> dict[str, Tensor]:
        """The loss of the ranking, and the share of signs that are right."""
        return {"stance_rank_loss": self.rank_loss, "stance_signs_right": self.signs_right}

    def of_views(self, view_a: Tensor, view_b: Tensor, labels: Tensor) -> Tensor:
        """The loss of the answers of all processes, a scalar; labels `(B, 3)` are the group and both stances."""
        embeddings = torch.cat([view_a, view_b])
        groups, stances = labels[:, 0].repeat(2), torch.cat([labels[:, 1], labels[:, 2]])
        rank_loss = rank_n_contrast(
            embeddings, groups, stances, self.temperature, self.margin, anchors_at_once=self.mini_batch
        )
        log_odds = self.direction(_LENGTH * embeddings).squeeze(1)
        side_loss = functional.binary_cross_entropy_with_logits(log_odds, (stances + 1) / 2)
        self.rank_loss = rank_loss.detach()
        sided = stances != 0
        self.signs_right = ((log_odds > 0) == (stances > 0))[sided].float().mean()
        return rank_loss + self.direction_weight * side_loss

    def get_config_dict(self) -> dict[str, Any]:
        """What the model card states."""
        return {
            "temperature": self.temperature,
            "margin": self.margin,
            "direction_weight": self.direction_weight,
            "mini_batch": self.mini_batch,
        }
