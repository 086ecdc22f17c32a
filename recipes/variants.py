"""The variants of the recipe that ships, which `recipes.ablations` trains side by side."""

import dataclasses
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from recipes.restyling import restyle
from univar.corpus.records import QARecord, question_fraction, question_hash
from univar.model.recipes import Recipe, read_recipe

PAIRS = 4_800
"""View pairs of one QA each that a run sees, or as many QAs in larger views."""
MAX_TOKENS = 64
"""That all variants read but those that are about it: half of what ships, and twice as fast."""

StyleRemoval = Literal["targets", "class means", "adversary"]
"""What control answers are trained to: the targets of `univar.model.controls`, or `recipes.style_removal`."""


@dataclass(frozen=True)
class Variant:
    """A run that differs from the recipe `minilm-controlled` of `MAX_TOKENS` tokens.

    Attributes:
        name: In the table.
        changes: Fields of the recipe.
        removal: What control answers are trained to.
        erased: Fit a linear eraser on control answers after the training.
        restyled: Copies of every answer in other styles that are trained on beside it.
        share_of_identities: Of each corpus, that are trained on.
        share_of_questions: Of each corpus, that are trained on.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    removal: StyleRemoval = "targets"
    erased: bool = False
    restyled: int = 0
    share_of_identities: float = 1
    share_of_questions: float = 1


SHIPPED = Variant("minilm-controlled")
REFERENCE = Variant(
    "reference recipe",
    read_recipe("reference").to_dict()
    | {"base": "univar-base", "max_tokens": 256, "batch_pairs": 24, "mini_batch": None},
)
"""The paper's choices on the small base encoder, with its window and the batch of the others."""

UNCONTROLLED: Mapping[str, Any] = {"control_share": 0.0}

VARIANTS = (
    SHIPPED,
    Variant("no control answers", UNCONTROLLED),
    REFERENCE,
    Variant("no control answers, restyled", UNCONTROLLED, restyled=3),
    Variant("restyled too", restyled=3),
    Variant("no control answers, erased", UNCONTROLLED, erased=True),
    Variant("erased too", erased=True),
    Variant("restyled and erased too", restyled=3, erased=True),
    Variant("penalty on class means instead", {"control_weight": 1.0}, removal="class means"),
    Variant("adversary instead", {"control_weight": 0.1}, removal="adversary"),
    Variant("control share 0.1", {"control_share": 0.1}),
    Variant("control share 0.5", {"control_share": 0.5}),
    Variant("control weight 1", {"control_weight": 1.0}),
    Variant("control weight 10", {"control_weight": 10.0}),
    Variant("proxies", {"positives": "proxy"}),
    Variant("pair positives", {"positives": "pair"}),
    Variant("pair positives, no mask", {"positives": "pair", "mask_false_negatives": False}),
    Variant("up to 5 QAs a view", {"max_qas": 5}),
    Variant("up to 20 QAs a view", {"max_qas": 20}),
    Variant("5 QAs, joined as text", {"max_qas": 5, "view_encoder": "concat", "max_tokens": 256}),
    Variant("questions not the same", {"same_value": False}),
    Variant("token embeddings too", {"freeze_embeddings": False}),
    Variant("128 tokens", {"max_tokens": 128}),
    Variant("128 tokens, in passages", {"max_tokens": 128, "passages": True}),
    Variant("half of the identities", share_of_identities=0.5),
    Variant("half of the questions", share_of_questions=0.5),
    Variant("an eighth of the questions", share_of_questions=0.125),
)


def recipe_of(variant: Variant, seed: int, pairs: int = PAIRS) -> Recipe:
    """The recipe of a run: larger views are fewer, and control answers take the place of others."""
    shipped = dataclasses.replace(read_recipe("minilm-controlled"), max_tokens=MAX_TOKENS)
    changed = dataclasses.replace(shipped, **{**variant.changes, "seed": seed, "checkpoints": 1})
    qas_a_view = (1 + changed.max_qas) / 2
    return dataclasses.replace(changed, pairs=round(pairs * (1 - changed.control_share) / qas_a_view))


def part(records: Sequence[QARecord], variant: Variant) -> list[QARecord]:
    """What a variant trains on: of a share of identities and questions, always the same ones, answers and copies."""
    names = sorted({str(record.identity) for record in records}, key=question_hash)
    kept = set(names[: max(2, round(len(names) * variant.share_of_identities))])
    # Training questions lie below 0.8: a share of them lies below that share of it.
    below = 0.8 * variant.share_of_questions
    chosen = [r for r in records if str(r.identity) in kept and question_fraction(r.question_key) < below]
    generator = random.Random(0)
    copies = [
        dataclasses.replace(record, answer=restyle(record.answer, generator))
        for record in chosen
        for _ in range(variant.restyled)
    ]
    return chosen + copies
