"""Multi-view InfoNCE (paper, Eq. 3) without its false negatives."""

import math
from collections.abc import Iterable
from typing import Any, Literal, get_args

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn
from torch.nn import functional

Positives = Literal["pair", "identity"]


def multi_view_info_nce(view_a: Tensor, view_b: Tensor, labels: Tensor, temperature: Tensor | float) -> Tensor:
    """Mean symmetric InfoNCE of B pairs of views, in nats (paper, Eq. 3).

    Row i of `view_a` and `view_b` are two views of one identity. Each is an anchor once; its negatives are the other
    pairs' views on the other side, **except** those of the same identity, which are left out of the sum: the
    reference implementation pushes them apart (about 1.5 false negatives an anchor).

    Args:
        view_a: `(B, D)` float, unit rows.
        view_b: `(B, D)` float, unit rows.
        labels: `(B,)` int64, the identity of each pair.
        temperature: Above 0; cosine similarities are divided by it.

    Returns:
        A scalar: 0 for a batch of one identity, log(B) where embeddings tell nothing and identities are all distinct.
    """
    logits = view_a @ view_b.T / temperature
    false_negatives = (labels.unsqueeze(0) == labels.unsqueeze(1)).fill_diagonal_(False)
    logits = logits.masked_fill(false_negatives, float("-inf"))
    target = torch.arange(len(labels), device=logits.device)
    return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2


def multi_view_sup_con(view_a: Tensor, view_b: Tensor, labels: Tensor, temperature: Tensor | float) -> Tensor:
    """Mean InfoNCE of 2B views, in nats, with every other view of the anchor's identity as a positive in turn.

    The supervised contrastive loss (arXiv 2004.11362, Eq. 2, L_out): where few identities fill a batch it draws on
    all the pairs that masking leaves unused, and has less variance. Arguments as for `multi_view_info_nce`.

    Returns:
        A scalar: log(2B - 1) where embeddings tell nothing.
    """
    views, owners = torch.cat([view_a, view_b]), torch.cat([labels, labels])
    itself = torch.eye(len(views), dtype=torch.bool, device=views.device)
    logits = (views @ views.T / temperature).masked_fill(itself, float("-inf"))
    log_probability = logits - logits.logsumexp(dim=1, keepdim=True)
    positives = (owners.unsqueeze(0) == owners.unsqueeze(1)) & ~itself
    return -(log_probability.masked_fill(~positives, 0).sum(dim=1) / positives.sum(dim=1)).mean()


class MultiViewInfoNCELoss(nn.Module):
    """`multi_view_info_nce`, or `multi_view_sup_con`, in the form that `SentenceTransformerTrainer` calls.

    Args:
        model: The encoder; its `sentence_embedding` are unit vectors.
        temperature: Above 0. The paper's final models use 1/50.
        learn_temperature: Train the temperature along (as CLIP does), starting from `temperature`.
        positives: `pair` for `multi_view_info_nce`, `identity` for `multi_view_sup_con`.

    Inputs:
        | columns | label |
        |---|---|
        | two, each cell a list of QA texts (a view) | identity, int |

    Raises:
        ValueError: If the temperature is not above 0, or there are no such positives.
    """

    # CLIP's bound: scales above 100 make training unstable.
    _LOWEST_LEARNED_TEMPERATURE = 0.01

    def __init__(
        self,
        model: SentenceTransformer,
        temperature: float = 0.05,
        *,
        learn_temperature: bool = False,
        positives: Positives = "pair",
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, got {temperature}")
        if positives not in get_args(Positives):
            raise ValueError(f"positives must be one of {', '.join(get_args(Positives))}, got {positives!r}")
        self.model = model
        self.positives = positives
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)), requires_grad=learn_temperature)
        self._lowest = math.log(min(self._LOWEST_LEARNED_TEMPERATURE, temperature))

    @property
    def temperature(self) -> Tensor:
        """The temperature in use, a scalar."""
        return self.log_temperature.exp()

    def forward(self, sentence_features: Iterable[dict[str, Any]], labels: Tensor) -> Tensor:
        """The loss of one batch, a scalar."""
        with torch.no_grad():
            # The parameter is held back, not what is computed from it: there it would lose its gradient for good.
            self.log_temperature.clamp_(min=self._lowest)
        view_a, view_b = (self.model(features)["sentence_embedding"] for features in sentence_features)
        loss = multi_view_info_nce if self.positives == "pair" else multi_view_sup_con
        return loss(view_a, view_b, labels, self.temperature)

    def get_config_dict(self) -> dict[str, Any]:
        """What the model card states."""
        return {
            "temperature": float(self.temperature.detach()),
            "learn_temperature": self.log_temperature.requires_grad,
            "positives": self.positives,
        }
