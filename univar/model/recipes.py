"""Recipes: everything that decides a training run besides its corpora. Quick to import: no torch."""

import dataclasses
import difflib
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import ConfigDict, PositiveInt, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from univar.corpus.records import PASSAGE_TOKENS

RECIPES = Path(__file__).parent.parent / "assets" / "recipes"


@dataclass(frozen=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class Recipe:
    """Everything that decides a training run besides its corpora.

    Attributes:
        base: `univar-base` for the pinned base encoder, or any SentenceTransformer name or folder.
        view_encoder: `pool` the embeddings of a view's QAs, or `concat` their texts, as in the paper: joined by
            newlines, of which the window of the encoder (or max_tokens) is read.
        view_pooling: How the embeddings of the QAs of a view are pooled: `mean` or `attention`.
        min_qas: QAs a view, at least. Who has too few for two such views is left out.
        max_qas: QAs a view, at most; min_qas..max_qas are drawn for each view.
        same_value: Where a corpus names the value of every question, make the views of a batch of the same questions
            on one value, so that nothing but the stances on it tells identities apart.
        max_tokens: Tokens of a QA (with `concat`, of a view) that are read, in training and afterwards; None keeps the
            base encoder's window.
        passages: Read an answer that is longer than max_tokens, 128 or more of them, in passages that fill them, each
            under its question (see `univar.corpus.records.passages`): in training one at random is a QA, afterwards
            all of them are a view.
        pairs: Pairs of views, and of answers that stand apart, seen in all, over all corpora; those of control answers
            come on top.
        corpus_exponent: Pairs are shared among the corpora in proportion to their texts raised to this, in [0, 1]: 0
            gives all corpora as many, 1 all texts, and between them a large corpus does not rule.
        identities_of: The names of the corpora whose identities are told apart; None for all that have two.
        corpus_weights: By what the share of a corpus is multiplied, each above 0, by the name of the corpus.
        batch_pairs: Pairs a step, all from one corpus; where several processes train, each takes its share.
        learning_rate: Peak of the AdamW learning rate.
        weight_decay: Of AdamW.
        warmup: Share of the steps over which the learning rate rises, in [0, 1).
        schedule: How the learning rate falls afterwards.
        temperature: Of InfoNCE, above 0.
        learn_temperature: Train it along.
        positives: Of an anchor: the other view of its `pair` (InfoNCE), all views of its `identity` (SupCon), or a
            learned direction of its identity, its `proxy` (a softmax over the identities of the corpus). Where views
            are on one value, `proxy` is `identity`: what is the same on all values is not what those are about.
        mask_false_negatives: Leave views of the anchor's own identity out of its negatives; False as in the reference
            implementation, for comparison.
        mini_batch: QAs that pass through the encoder at once (gradient caching): memory depends neither on the batch
            nor on the views, and a step takes a second forward pass. None for all, without that pass.
        gradient_checkpointing: Keep of each layer its input only: less memory again for another forward pass.
        dropout: In the encoder while it trains, in [0, 1); without it a step on a CPU takes a quarter less time.
        freeze_embeddings: Leave the token embeddings as they are; half of a small encoder, and they hardly move.
        bf16: Compute in bfloat16 where the processor is made for it; weights stay in 32 bits.
        stance_share: Share of the steps that are spent on stances, in [0, 1]: of the answers to one question or claim,
            those that stand for the same are drawn together and the others pushed apart. Above 0, training needs a
            corpus whose answers have a stance; identities are contrasted in the steps that this and control_share
            leave, and not at all where they leave none.
        stance_temperature: Of that contrast, above 0.
        stance_margin: Above 0; stances that differ by less are the same, unless one is for and the other against.
        direction_weight: Of the loss that has all stances lie along one direction, shared by all corpora.
        control_share: Share of the steps that are spent on control answers, in [0, 1): whoever gave it, an answer to a
            question that elicits no values is drawn to where the base has the mean of all answers to that question.
            Above 0, training needs a control corpus.
        control_weight: Of the loss of those steps, whose gradients share one optimizer with the others.
        checkpoints: How many times the run is evaluated and saved.
        patience: Stop after as many checkpoints without a better one; None to go on to the end.
        seed: Of views, batches and dropout, in [0, 2^32).
    """

    base: str = "univar-base"
    view_encoder: Literal["pool", "concat"] = "pool"
    view_pooling: Literal["mean", "attention"] = "mean"
    min_qas: PositiveInt = 1
    max_qas: PositiveInt = 5
    same_value: bool = True
    max_tokens: PositiveInt | None = None
    passages: bool = False
    pairs: PositiveInt = 12_000
    corpus_exponent: Annotated[float, Ge(0), Le(1)] = 0.5
    identities_of: Annotated[list[str], MinLen(1)] | None = None
    corpus_weights: dict[str, Annotated[float, Gt(0)]] = dataclasses.field(default_factory=dict)
    batch_pairs: Annotated[int, Gt(1)] = 24
    learning_rate: Annotated[float, Gt(0)] = 2e-4
    weight_decay: Annotated[float, Ge(0)] = 0.01
    warmup: Annotated[float, Ge(0), Lt(1)] = 0.1
    schedule: Literal["linear", "cosine", "constant_with_warmup", "inverse_sqrt"] = "linear"
    temperature: Annotated[float, Gt(0)] = 0.05
    learn_temperature: bool = False
    positives: Literal["pair", "identity", "proxy"] = "pair"
    mask_false_negatives: bool = True
    mini_batch: PositiveInt | None = None
    gradient_checkpointing: bool = False
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.1
    freeze_embeddings: bool = True
    bf16: bool = True
    stance_share: Annotated[float, Ge(0), Le(1)] = 0.0
    stance_temperature: Annotated[float, Gt(0)] = 0.05
    stance_margin: Annotated[float, Gt(0)] = 0.15
    direction_weight: Annotated[float, Ge(0)] = 1.0
    control_share: Annotated[float, Ge(0), Lt(1)] = 0.0
    control_weight: Annotated[float, Gt(0)] = 1.0
    checkpoints: PositiveInt = 4
    patience: PositiveInt | None = None
    seed: Annotated[int, Ge(0), Lt(2**32)] = 0

    def __post_init__(self) -> None:
        if self.view_encoder == "concat" and self.view_pooling != "mean":
            raise ValueError(
                f"view_pooling {self.view_pooling} goes with view_encoder pool; concat has nothing to pool"
            )
        if self.view_encoder == "concat" and self.passages:
            raise ValueError("passages: true goes with view_encoder pool; concat would join them again")
        if self.passages and self.max_tokens is not None and self.max_tokens < PASSAGE_TOKENS:
            raise ValueError(
                f"passages: true needs max_tokens of {PASSAGE_TOKENS} at least, got {self.max_tokens}: the end of each "
                "passage would not be read"
            )
        if self.positives != "pair" and not self.mask_false_negatives:
            raise ValueError(
                f"mask_false_negatives: false goes with positives: pair; with {self.positives} there are none"
            )
        if self.min_qas > self.max_qas:
            raise ValueError(
                f"min_qas is {self.min_qas}, more than max_qas, which is {self.max_qas}; lower one of them"
            )
        if self.view_share < 0:
            raise ValueError(
                f"stance_share {self.stance_share} and control_share {self.control_share} are more than all steps; "
                "together they may be 1, and then no identities are contrasted"
            )

    @property
    def view_share(self) -> float:
        """Share of the steps that contrast identities: what the other two leave."""
        return round(1 - self.stance_share - self.control_share, 9)

    def to_dict(self) -> dict[str, Any]:
        """The recipe as it would stand in a file."""
        return dataclasses.asdict(self)


def read_recipe(name_or_file: str | os.PathLike[str]) -> Recipe:
    """The recipe of a YAML file, or one of those that ship, by name.

    Raises:
        ValueError: If there is no such recipe, or it sets what does not exist or to what is not allowed.
    """
    file = Path(name_or_file)
    if not file.is_file():
        file = RECIPES / f"{name_or_file}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in RECIPES.glob("*.yaml")))
        raise ValueError(f"no recipe {str(name_or_file)!r}: neither a file nor one of {known}")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        return TypeAdapter(Recipe).validate_python(content)
    except yaml.YAMLError as error:
        raise ValueError(f"{file} is no recipe: {error}") from error
    except ValidationError as error:
        problems = "; ".join(_problem(found["loc"], found["msg"], found["input"]) for found in error.errors())
        raise ValueError(f"{file} is no recipe: {problems}") from error


def _problem(place: tuple[int | str, ...], message: str, got: object) -> str:
    """One mistake in a recipe, in words."""
    message = message.removeprefix("Value error, ")
    if not place:
        return message
    field, fields = str(place[0]), [field.name for field in dataclasses.fields(Recipe)]
    if field in fields:
        return f"{field}: {message}, got {got!r}"
    nearest = difflib.get_close_matches(field, fields, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(fields)}"
    return f"no field {field!r}, {hint}"
