"""Distils an encoder into a static student: one vector a word or phrase, their mean, and a small network on it.

The student is made of stock modules and reads a text more than a hundred times as fast as its teacher. It starts from
the vectors that come nearest to the teacher's embeddings in least squares, and is trained on from there.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
from annotated_types import Ge, Gt, Lt
from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass
from scipy import linalg, sparse
from sentence_transformers.base.modules import Dense, Normalize
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn
from torch.nn import functional

from univar.model.losses import multi_view_sup_con
from univar.model.modeling import UniVaR

Floats = npt.NDArray[np.float32]
Label = tuple[str, str]
"""A corpus, and an identity in it, or whatever else texts of that corpus are to be drawn together by."""

_UNKNOWN = "[UNK]"
_SPACE = "▁"
# Unit vectors in, so that about as much of the GELU is used as of a layer that follows a layer norm.
_FIRST_LAYER_SCALE = 7.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Distillation:
    """Everything that decides a student besides its teacher and its texts.

    Attributes:
        vocabulary: Words, parts of words and phrases that get a vector.
        phrase: Characters of the longest phrase.
        width: Numbers a vector has; fewer than the teacher's embeddings, since it is vectors that take the space.
        ridge: Weight of the penalty of the least squares, in units of the mean variance of a token's share.
        rarity: How much more freedom the vectors of rare tokens have: the power of their frequency, in [0, 1).
        hidden: Width of the network.
        epochs: Passes over the texts.
        batch_pairs: Pairs of texts a step, both of one label and all of one corpus.
        learning_rate: Peak, of Adam.
        dropout: Share of a text's tokens that are left out in training, in [0, 1).
        contrast: Weight of the contrastive loss over labels beside the distance to the teacher.
        temperature: Of the contrastive loss, above 0.
        seed: Of batches, dropout and the network.
    """

    vocabulary: PositiveInt = 14_000
    phrase: PositiveInt = 32
    width: PositiveInt = 192
    ridge: Annotated[float, Gt(0)] = 0.3
    rarity: Annotated[float, Ge(0), Lt(1)] = 0.2
    hidden: PositiveInt = 512
    epochs: PositiveInt = 8
    batch_pairs: Annotated[int, Gt(1)] = 128
    learning_rate: Annotated[float, Gt(0)] = 3e-3
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.4
    contrast: Annotated[float, Ge(0)] = 1.0
    temperature: Annotated[float, Gt(0)] = 0.1
    seed: int = 0


def phrase_tokenizer(texts: Sequence[str], *, vocabulary: int = 14_000, phrase: int = 32) -> Tokenizer:
    """A tokenizer of words and frequent phrases: byte-pair merges that may cross spaces, but no punctuation.

    Phrases carry what a mean over words loses: order and negation. Lower case; line breaks are spaces.

    Args:
        texts: What it is fitted on.
        vocabulary: Tokens, at most.
        phrase: Characters of the longest token.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=_UNKNOWN))
    spaces = normalizers.Replace(Regex(r"\s+"), _SPACE)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), spaces])
    tokenizer.pre_tokenizer = pre_tokenizers.Punctuation(behavior="merged_with_previous")
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[_UNKNOWN],
        min_frequency=5,
        max_token_length=phrase,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def token_shares(tokenizer: Tokenizer, texts: Sequence[str]) -> sparse.csr_array:
    """The share of each token in each text `(texts, vocabulary)` float32; rows sum to 1, or to 0 for an empty text."""
    encoded = [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]
    ends = np.cumsum([0, *map(len, encoded)])
    shares = np.repeat([1 / max(len(ids), 1) for ids in encoded], np.diff(ends)).astype(np.float32)
    columns = np.fromiter((token for ids in encoded for token in ids), dtype=np.int64, count=ends[-1])
    found = sparse.csr_array((shares, columns, ends), shape=(len(encoded), tokenizer.get_vocab_size()))
    found.sum_duplicates()
    return found


def least_squares(shares: sparse.csr_array, targets: Floats, *, ridge: float = 0.3, rarity: float = 0.2) -> Floats:
    """Vectors `(vocabulary, D)` whose mean over a text comes nearest to its target, with a penalty on their size.

    Args:
        shares: `(texts, vocabulary)`, see `token_shares`.
        targets: `(texts, D)` float32.
        ridge: Weight of the penalty, above 0.
        rarity: 0 penalises all vectors alike; the nearer to 1, the less those of rare tokens.

    Returns:
        float32; zeros for tokens that no text has.
    """
    texts_with = np.diff(shares.tocsc().indptr)
    seen = np.flatnonzero(texts_with)
    scale = (texts_with[seen] / shares.shape[0]) ** -rarity
    scaled = shares[:, seen] @ sparse.diags_array(scale.astype(np.float32))
    gram = np.asarray((scaled.T @ scaled).todense())
    gram[np.diag_indices_from(gram)] += ridge * np.trace(gram) / len(gram)
    solution = linalg.cho_solve(linalg.cho_factor(gram, overwrite_a=True), scaled.T @ targets)
    vectors = np.zeros((shares.shape[1], targets.shape[1]), dtype=np.float32)
    vectors[seen] = solution * scale[:, np.newaxis]
    return vectors


def principal_axes(embeddings: Floats, width: int) -> Floats:
    """The orthonormal axes `(D, width)` along which embeddings `(n, D)` are longest; all D of them if width is more."""
    axes: Floats = linalg.eigh(embeddings.T @ embeddings)[1][:, ::-1][:, :width].astype(np.float32)
    return axes


def distil(
    texts: Sequence[str], labels: Sequence[Label], targets: Floats, settings: Distillation | None = None
) -> UniVaR:
    """A static student of the teacher that gave the targets.

    The loss is the distance to the teacher's embeddings, 1 - cosine, and a share of the supervised contrastive loss
    that the teacher was trained with: on texts that the teacher has seen its embeddings say little more than whose
    they are, and the contrast tells the student to read what carries over to other texts.

    Args:
        texts: n QA texts.
        labels: Which corpus each is of, and who wrote it.
        targets: `(n, D)` float32, unit rows: the teacher's embeddings.
        settings: The defaults of `Distillation` if None.

    Raises:
        ValueError: If the lengths differ, or no corpus has enough texts for a batch.
    """
    settings = settings or Distillation()
    if not len(texts) == len(labels) == len(targets):
        raise ValueError(f"texts, labels and targets differ in number: {len(texts)}, {len(labels)}, {len(targets)}")
    tokenizer = phrase_tokenizer(texts, vocabulary=settings.vocabulary, phrase=settings.phrase)
    shares = token_shares(tokenizer, texts)
    logger.info("least squares on %d texts and %d tokens", len(texts), tokenizer.get_vocab_size())
    narrow = targets @ principal_axes(targets, settings.width)
    vectors = least_squares(shares, narrow, ridge=settings.ridge, rarity=settings.rarity)
    model = _student(tokenizer, vectors, targets.shape[1], settings)
    _train(model, texts, labels, targets, settings)
    return model


def _student(tokenizer: Tokenizer, vectors: Floats, dimension: int, settings: Distillation) -> UniVaR:
    torch.manual_seed(settings.seed)
    width = vectors.shape[1]
    first = Dense(width, settings.hidden, activation_function=nn.GELU())
    nn.init.normal_(first.linear.weight, std=_FIRST_LAYER_SCALE / width**0.5)
    second = Dense(settings.hidden, dimension, activation_function=nn.Identity())
    embedding = StaticEmbedding(tokenizer, embedding_weights=vectors)
    return UniVaR(modules=[embedding, Normalize(), first, second, Normalize()], device="cpu")


def _train(
    model: UniVaR, texts: Sequence[str], labels: Sequence[Label], targets: Floats, settings: Distillation
) -> None:
    generator = np.random.default_rng(settings.seed)
    tokens = [np.array(found.ids) for found in model.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]
    owners = torch.from_numpy(np.unique([" ".join(label) for label in labels], return_inverse=True)[1])
    teacher = torch.from_numpy(targets)
    epochs = [list(_pair_batches(labels, settings.batch_pairs, generator)) for _ in range(settings.epochs)]
    steps = sum(map(len, epochs))
    if not steps:
        raise ValueError(f"no corpus has {settings.batch_pairs} pairs of texts; lower batch_pairs or give more texts")
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
    model.train()
    for number, batches in enumerate(epochs):
        losses = []
        for rows in batches:
            features = _bag([tokens[row] for row in rows.ravel()], settings.dropout, generator)
            embeddings = model(features)["sentence_embedding"]
            loss = 1 - functional.cosine_similarity(embeddings, teacher[rows.ravel()]).mean()
            if settings.contrast:
                first, second = embeddings.chunk(2)
                loss = loss + settings.contrast * multi_view_sup_con(
                    first, second, owners[rows[0]], settings.temperature
                )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        logger.info("epoch %d of %d: loss %.4f", number + 1, settings.epochs, np.mean(losses))
    model.eval()


def _pair_batches(
    labels: Sequence[Label], pairs: int, generator: np.random.Generator
) -> Iterator[npt.NDArray[np.int64]]:
    """Batches `(2, pairs)` of rows, in random order, each of one corpus; the rows of a column are of one identity."""
    rows_of: dict[Label, list[int]] = defaultdict(list)
    for row, label in enumerate(labels):
        rows_of[label].append(row)
    drawn: dict[str, list[Any]] = defaultdict(list)
    for (corpus, _), rows in sorted(rows_of.items()):
        drawn[corpus].append(generator.permutation(rows)[: len(rows) // 2 * 2].reshape(2, -1))
    batches = []
    for parts in drawn.values():
        columns = np.concatenate(parts, axis=1)
        columns = columns[:, generator.permutation(columns.shape[1])]
        batches += [columns[:, start : start + pairs] for start in range(0, columns.shape[1] - pairs + 1, pairs)]
    for index in generator.permutation(len(batches)):
        yield batches[index]


def _bag(tokens: Sequence[npt.NDArray[np.int64]], dropout: float, generator: np.random.Generator) -> dict[str, Tensor]:
    """What `StaticEmbedding` reads of texts, some of their tokens left out, but never all; each a view of its own."""
    kept = [ids[mask] if (mask := generator.random(len(ids)) >= dropout).any() else ids for ids in tokens]
    starts = np.cumsum([0, *map(len, kept[:-1])])
    return {
        "input_ids": torch.from_numpy(np.concatenate(kept)),
        "offsets": torch.from_numpy(starts),
        "view_ids": torch.arange(len(kept)),
    }
