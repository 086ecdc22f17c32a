"""Ways to keep style out of embeddings that were tried beside the targets of `univar.model.controls`.

The linear eraser works on finished embeddings; the penalty and the adversary train, in place of the targets.
"""

import random
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.nn import functional

from univar.analysis.representations import Encoder
from univar.corpus.records import Identity, QARecord, normalised_question
from univar.model.modeling import UniVaR
from univar.model.recipes import Recipe
from univar.model.view_loss import ViewLoss

Floats = npt.NDArray[np.floating[Any]]
Eraser = Callable[[Floats], Floats]

_SMALL_SHIFT = 0.001
"""The mean square of shifts, 0.02 in the base encoder, below which the penalty on them ends: relative to nothing at all
it would be infinite."""

IDENTITIES_A_BATCH = 6
"""Of a control batch: few, so that each has several questions in it and its mean shift shows."""


# The eraser


def fit_eraser(embeddings: Floats, questions: Sequence[str], identities: Sequence[str]) -> Eraser:
    """The least change of embeddings after which no linear map finds identities in them (LEACE, arXiv 2306.03819).

    Args:
        embeddings: `(n, d)`, of answers that hold no values.
        questions: `(n,)`; identities are looked for in what is left of an answer when the mean answer to its
            question is taken away.
        identities: `(n,)`.

    Returns:
        From `(m, d)` embeddings to `(m, d)` unit rows.
    """
    centred = embeddings - _means(embeddings, np.unique(np.asarray(questions), return_inverse=True)[1])
    names, owner = np.unique(np.asarray(identities), return_inverse=True)
    concept = np.eye(len(names))[owner]
    cross = centred.T @ (concept - concept.mean(axis=0)) / len(centred)
    scale, axes = np.linalg.eigh(np.cov(embeddings.T))
    kept = scale > scale.max() * 1e-6
    whiten = (axes[:, kept] / np.sqrt(scale[kept])) @ axes[:, kept].T
    unwhiten = (axes[:, kept] * np.sqrt(scale[kept])) @ axes[:, kept].T
    directions, strength, _ = np.linalg.svd(whiten @ cross, full_matrices=False)
    directions = directions[:, strength > strength.max() * 1e-6]
    erase = unwhiten @ directions @ directions.T @ whiten
    middle = embeddings.mean(axis=0)

    def erased(given: Floats) -> Floats:
        left = given - (given - middle) @ erase.T
        unit: Floats = left / np.linalg.norm(left, axis=1, keepdims=True)
        return unit

    return erased


def erased(encoder: Encoder, eraser: Eraser) -> Encoder:
    """An encoder whose embeddings pass through an eraser."""

    def encode(gallery: list[str], query: list[str]) -> tuple[Floats, Floats]:
        first, second = encoder(gallery, query)
        return eraser(np.asarray(first)), eraser(np.asarray(second))

    return encode


def _means(rows: Floats, groups: npt.NDArray[np.intp]) -> Floats:
    """For each row, the mean of its group."""
    sums = np.zeros((groups.max() + 1, rows.shape[1]))
    np.add.at(sums, groups, rows)
    means: Floats = (sums / np.bincount(groups)[:, None])[groups]
    return means


# Penalty and adversary


def control_rows(records: Sequence[QARecord], pairs: int, recipe: Recipe) -> Dataset:
    """Pairs of answers of two identities to one control question, labelled by the identities and the question's half.

    The rows of a batch are of one source and of few identities.

    Returns:
        Columns `view_a`, `view_b` (lists of one QA text), `label` (three floats: two identities, 0 or 1).
    """
    names = {identity: n for n, identity in enumerate(sorted({record.identity for record in records}))}
    grouped: dict[str | None, dict[str, dict[Identity, list[str]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for record in records:
        grouped[record.source][normalised_question(record.question_key)][record.identity].append(record.text)
    generator = random.Random(recipe.seed)
    rows: list[dict[str, list[Any]]] = []
    while len(rows) < pairs:
        source = grouped[generator.choice(sorted(grouped, key=str))]
        answering = sorted({identity for answers in source.values() for identity in answers})
        some = set(generator.sample(answering, min(IDENTITIES_A_BATCH, len(answering))))
        usable = [q for q in sorted(source) if len(some & source[q].keys()) > 1]
        if not usable:
            continue
        for n in range(recipe.batch_pairs):
            answers = source[generator.choice(usable)]
            two = generator.sample(sorted(some & answers.keys()), 2)
            view_a, view_b = ([generator.choice(answers[identity])] for identity in two)
            label = [float(names[two[0]]), float(names[two[1]]), float(n % 2)]
            rows.append({"view_a": view_a, "view_b": view_b, "label": label})
    return Dataset.from_list(rows)


class ControlRowsLoss(ViewLoss, ABC):
    """`_price` of batches of `control_rows`, in place of the distance from targets."""

    def __init__(self, model: UniVaR, *, weight: float) -> None:
        super().__init__(model)
        self.weight = weight
        self.price = torch.tensor(torch.nan)

    @property
    def measured(self) -> dict[str, Tensor]:
        """The price, without its weight."""
        return {"control_distance": self.price}

    def of_views(self, view_a: Tensor, view_b: Tensor, labels: Tensor) -> Tensor:
        """The weighted price, a scalar; labels are those of `control_rows`."""
        # What is left of two answers to one question when their mean is taken away.
        shift = (view_a - view_b) / 2
        price = self._price(torch.cat([shift, -shift]), labels[:, :2].T.reshape(-1).long(), labels[:, 2].repeat(2))
        self.price = price.detach()
        return self.weight * price

    @abstractmethod
    def _price(self, shifts: Tensor, owners: Tensor, halves: Tensor) -> Tensor:
        """What shifts `(2B, D)` cost, given their identities and halves `(2B,)`: a scalar."""


class ClassMeansLoss(ControlRowsLoss):
    """Penalises the mean shift of each identity within questions (HSIC of shift and identity, linear kernels).

    The squared mean is estimated without bias, as the product of the means of two halves of the questions, relative
    to how large shifts are.
    """

    def _price(self, shifts: Tensor, owners: Tensor, halves: Tensor) -> Tensor:
        _, owner = torch.unique(owners, return_inverse=True)
        member = functional.one_hot(owner).to(shifts.dtype)
        means, counts = [], []
        for half in (0, 1):
            of_half = member * (halves == half).unsqueeze(1)
            counts.append(of_half.sum(dim=0))
            means.append(of_half.T @ shifts / counts[-1].clamp(min=1).unsqueeze(1))
        weight = torch.minimum(*counts)
        squared = (weight * (means[0] * means[1]).sum(dim=1)).sum() / weight.sum().clamp(min=1)
        size = (shifts * shifts).sum(dim=1).mean().detach()
        return squared / size.clamp(min=_SMALL_SHIFT)


class AdversaryLoss(ControlRowsLoss):
    """A head learns to name the identity from a shift, through reversed gradients (arXiv 1505.07818)."""

    def __init__(self, model: UniVaR, *, identities: int, **options: Any) -> None:
        super().__init__(model, **options)
        width = model.get_embedding_dimension() or 0
        self.head = nn.Sequential(nn.Linear(width, 256), nn.ReLU(), nn.Linear(256, identities))

    def _price(self, shifts: Tensor, owners: Tensor, halves: Tensor) -> Tensor:
        scaled = shifts * shifts.shape[1] ** 0.5
        against = 2 * scaled.detach() - scaled  # the same numbers, their gradient reversed
        return functional.cross_entropy(self.head(against), owners)
