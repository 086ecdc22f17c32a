"""What the losses of pairs of views share: how views are encoded, cached and gathered."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from sentence_transformers.base.losses.gradcache import CachedLossMixin
from sentence_transformers.util import all_gather, all_gather_with_grad, get_world_size
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from univar.model.modeling import UniVaR
from univar.model.modules import longest_first, parts_of_tokens

# On a CPU padding costs as much as text, up to a third of a step where answers differ in length and all pass at once.
# Of 20 to 60 tokens, twice as many at once take 7 % longer; of 100 to 256 tokens it makes no difference.
_TOKENS_AT_ONCE = 1_024


class ViewLoss(CachedLossMixin, nn.Module, ABC):
    """A loss of pairs of views, in the form that `SentenceTransformerTrainer` calls, one for each kind of data set.

    | loss | columns, each cell a list of QA texts (a view) | label |
    |---|---|---|
    | `losses.MultiViewInfoNCELoss` | two views of one identity | the identity, int |
    | `losses.ControlLoss` | two answers to one control question, a QA each | where they should be, D floats |
    | `stance_loss.StanceLoss` | two answers of one group, a QA each | its number and their stances, 3 floats |

    Where several processes train, views and labels are gathered from all of them, views with their gradients, and every
    process computes the loss of the whole batch: averaged over the processes, as `DistributedDataParallel` does, the
    gradients are those of one process with that batch.

    With a mini-batch, gradients are cached (GradCache, arXiv 2101.06983): QAs pass through the encoder a mini-batch at
    a time without gradients, are pooled to views, the loss gives the gradient of each QA's embedding, and the QAs
    pass again, with the same dropout, each mini-batch with its gradient. Memory is that of one mini-batch whatever
    the batch and the views, for the time of a second forward pass. Gradients of the view pooling and of what a loss
    learns itself do not know of a scale of the loss, such as gradient accumulation has.

    Args:
        model: The encoder.
        mini_batch: QAs that pass through the encoder at once, and anchors whose similarities are computed at once;
            the loss and its gradients stay what they are. None for all, without caching.

    Raises:
        TypeError: If the model is only its name.
        ValueError: If `mini_batch` is below 1.
    """

    def __init__(self, model: UniVaR, *, mini_batch: int | None = None) -> None:
        super().__init__()
        if not isinstance(model, nn.Module):
            raise TypeError(f"the model is {model!r:.80}; give a loaded one, as univar.UniVaR(name) is")
        if mini_batch is not None and mini_batch < 1:
            raise ValueError(f"mini_batch must be at least 1, or None for whole batches, got {mini_batch}")
        self.model = model
        self.mini_batch = mini_batch
        self.mini_batch_size = mini_batch or 0  # the name that CachedLossMixin reads
        self.uses_gradient_cache = mini_batch is not None

    @abstractmethod
    def of_views(self, view_a: Tensor, view_b: Tensor, labels: Tensor) -> Tensor:
        """The loss of the views of all processes, each `(B, D)`, a scalar."""

    @property
    @abstractmethod
    def measured(self) -> dict[str, Tensor]:
        """What the last batch says beside its loss, scalars to be averaged and logged, by name."""

    def forward(self, sentence_features: Iterable[dict[str, Any]], labels: Tensor) -> Tensor:
        """The loss of one batch, over all processes, a scalar."""
        if self.mini_batch is None:
            return self._gathered([self._encoded(features) for features in sentence_features], labels)
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
        # DistributedDataParallel takes one forward pass a backward pass, in which all that is learned is used.
        whole = view_ids.device.type != "cpu" or "attention_mask" not in features or get_world_size() > 1
        if whole:
            views: Tensor = self.model(features)["sentence_embedding"]
            return views
        ordered = longest_first(features)
        # Each QA is a view of its own until they are pooled.
        qas = {**ordered, "view_ids": torch.arange(len(view_ids))}
        embedded = [self.model(part)["sentence_embedding"] for part in parts_of_tokens(qas, _TOKENS_AT_ONCE)]
        pooled: Tensor = getattr(self.model, "module", self.model).pool(torch.cat(embedded), ordered["view_ids"])
        return pooled

    def calculate_loss(  # type: ignore[override]  # labels: see forward
        self, reps: list[list[Tensor]], labels: tuple[Tensor, ...], *, with_backward: bool = False
    ) -> Tensor:
        """The loss of embedded mini-batches, for `CachedLossMixin`.

        Args:
            reps: For each side, the QA embeddings of its mini-batches.
            labels: Those of the batch, and for each side the views `(Q,)` that its QAs belong to.
            with_backward: Take the gradient of the embeddings, and give the loss without its graph.
        """
        model = getattr(self.model, "module", self.model)  # within DistributedDataParallel
        views = [model.pool(torch.cat(side), view_ids) for side, view_ids in zip(reps, labels[1:], strict=True)]
        loss = self._gathered(views, labels[0])
        if with_backward:
            loss.backward()  # type: ignore[no-untyped-call]
            loss = loss.detach()
        return loss

    def _gathered(self, views: Sequence[Tensor], labels: Tensor) -> Tensor:
        view_a, view_b = views
        if get_world_size() > 1:
            view_a, view_b, labels = all_gather_with_grad(view_a), all_gather_with_grad(view_b), all_gather(labels)
        return self.of_views(view_a, view_b, labels)


def checked_temperature(temperature: float) -> float:
    """The temperature, if it is one.

    Raises:
        ValueError: If it is no number above 0.
    """
    if not isinstance(temperature, int | float) or not temperature > 0:
        raise ValueError(f"temperature must be a number above 0, got {temperature!r}")
    return temperature


def mean_over_anchors(cost: Callable[[Tensor], Tensor], places: Tensor, at_once: int | None) -> Tensor:
    """The mean of what `cost` sums up for the anchors at some places, a number of them at a time if one is given."""
    if at_once is None:
        return cost(places) / len(places)
    costs = [checkpoint(cost, part, use_reentrant=False) for part in torch.split(places, at_once)]
    return torch.stack(costs).sum() / len(places)
