"""The two modules that a multi-view encoder adds to sentence-transformers: views in, one vector a view out."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers.base.modules import Module, Transformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from torch import Tensor, nn
from torch.nn import functional

from univar.corpus.records import QARecord, text_of

ViewPooling = Literal["mean", "attention", "concat"]
QA = str | QARecord | Mapping[str, Any]
View = QA | Sequence[QA] | npt.NDArray[Any]


def texts_of(inputs: Sequence[View]) -> list[str | list[str]]:
    """V views, each as the text of its QA or as a list of the texts of its QAs.

    Args:
        inputs: V items, each a QA as `univar.corpus.records.text_of` takes it, or a list, tuple or array of QAs.

    Raises:
        ValueError: If a view holds no QA.
        TypeError: If an item is neither a QA nor a list of QAs.
    """
    views: list[str | list[str]] = []
    for number, view in enumerate(inputs):
        view = view.tolist() if isinstance(view, np.ndarray) else view
        if isinstance(view, list | tuple) and not view:
            raise ValueError(f"view {number} is empty; a view holds at least one QA")
        try:
            views.append([_text_of(qa) for qa in view] if isinstance(view, list | tuple) else _text_of(view))
        except TypeError as error:
            raise TypeError(f"view {number}: {error}") from None
    return views


def _text_of(qa: object) -> str:
    # What sentence-transformers takes for a text, where it takes images too.
    return text_of(qa["text"] if isinstance(qa, Mapping) and qa.keys() == {"text"} else qa)


def flatten_views(inputs: Sequence[View], *, join: bool = False) -> tuple[list[str], list[int]]:
    """The Q QA texts of V views one after the other, and for each the number of its view.

    See `texts_of` for what it takes and refuses.

    Args:
        inputs: V views.
        join: The QAs of a view by newlines, so that each view counts as one QA.
    """
    texts: list[str] = []
    view_ids: list[int] = []
    for number, view in enumerate(texts_of(inputs)):
        qas = [view] if isinstance(view, str) else ["\n".join(view)] if join else view
        texts.extend(qas)
        view_ids.extend([number] * len(qas))
    return texts, view_ids


class ViewTransformer(Transformer):
    """A `Transformer` whose inputs may be views: lists of QA texts instead of single texts.

    `preprocess` flattens the views of a batch into their QAs and adds `view_ids` `(Q,)` int64, the view that each QA
    belongs to, for `MultiViewPooling`. Weights, files and single texts are those of the stock class.

    Attributes:
        joins_views: Whether the QAs of a view are joined by newlines into one text, as in the paper, of which what is
            beyond the window of the encoder is not read. The order of QAs matters then.
    """

    joins_views = False

    @classmethod
    def adopt(cls, transformer: Transformer) -> Self:
        """The same encoder, weights shared, as a `ViewTransformer`."""
        view_transformer = cls.__new__(cls)
        # Its own attributes, the same tables of parameters and modules.
        view_transformer.__dict__ = dict(transformer.__dict__)
        # UniVaR.forward cuts batches by their rows; flash attention would run all QAs into one row.
        view_transformer.can_flatten_inputs = False
        return view_transformer

    def preprocess(  # type: ignore[override]  # views are one more kind of input
        self, inputs: Sequence[View], prompt: str | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Tokenises a batch of V views holding Q QAs in all; a view that is joined counts as one QA.

        See `texts_of` for what it takes and refuses.

        Args:
            inputs: V items, each a QA or a list, tuple or array of QAs.
            prompt: Put before every QA.
            kwargs: For `Transformer.preprocess`.
        """
        texts, view_ids = flatten_views(inputs, join=self.joins_views)
        features: dict[str, Any] = super().preprocess(texts, prompt=prompt, **kwargs)
        if view_ids:
            features["view_ids"] = torch.tensor(view_ids)
        return features


def longest_first(features: dict[str, Any]) -> dict[str, Any]:
    """The same QAs, `view_ids` included, in the order of their lengths, so that parts of them hold little padding."""
    order = features["attention_mask"].sum(dim=1).argsort(descending=True, stable=True)
    return {
        key: value[order] if isinstance(value, Tensor) and value.shape[:1] == order.shape else value
        for key, value in features.items()
    }


def parts(features: dict[str, Any], size: int) -> Iterator[dict[str, Any]]:
    """The same QAs, `view_ids` included, `size` at a time, each part cut to its own longest QA."""
    for start in range(0, len(features["view_ids"]), size):
        yield _part(features, start, start + size)


def parts_of_tokens(features: dict[str, Any], tokens: int) -> Iterator[dict[str, Any]]:
    """The same QAs in parts of at most so many tokens, padding included, or of one QA; the longest QA comes first."""
    lengths = features["attention_mask"].sum(dim=1).tolist()
    start = 0
    while start < len(lengths):
        stop = start + max(1, tokens // max(1, lengths[start]))
        yield _part(features, start, stop)
        start = stop


def _part(features: dict[str, Any], start: int, stop: int) -> dict[str, Any]:
    rows = len(features["view_ids"])
    part = {
        key: value[start:stop] if isinstance(value, Tensor) and value.shape[:1] == (rows,) else value
        for key, value in features.items()
    }
    return _trimmed(part)


def _trimmed(features: dict[str, Any]) -> dict[str, Any]:
    mask = features.get("attention_mask")
    if mask is None or mask.ndim != 2:
        return features
    used = mask.any(dim=0).nonzero().squeeze(1)
    columns = slice(int(used[0]), int(used[-1]) + 1)
    return {
        key: value[:, columns] if isinstance(value, Tensor) and value.shape == mask.shape else value
        for key, value in features.items()
    }


class ViewStaticEmbedding(StaticEmbedding):
    """A `StaticEmbedding`, the mean of a vector a token, that takes views; otherwise the stock class."""

    joins_views = False

    @classmethod
    def adopt(cls, embedding: StaticEmbedding) -> Self:
        """The same embedding, weights shared, as a `ViewStaticEmbedding`."""
        view_embedding = cls.__new__(cls)
        view_embedding.__dict__ = dict(embedding.__dict__)
        return view_embedding

    def preprocess(  # type: ignore[override]  # as above
        self, inputs: Sequence[View], prompt: str | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """As `ViewTransformer.preprocess`; the tokens are those of the stock class, found in half the time."""
        texts, view_ids = flatten_views(inputs, join=self.joins_views)
        prompted = [(prompt or "") + text for text in texts]
        encodings = self.tokenizer.encode_batch_fast(prompted, add_special_tokens=False)
        tokens = [encoding.ids for encoding in encodings]
        ends = np.cumsum([0, *map(len, tokens)])
        return {
            "input_ids": torch.from_numpy(np.fromiter(chain.from_iterable(tokens), dtype=np.int64, count=ends[-1])),
            "offsets": torch.from_numpy(ends[:-1]),
            "view_ids": torch.tensor(view_ids),
        }


class MultiViewPooling(Module):
    """Pools the QA embeddings of each view into one embedding, whatever their number and order.

    Every QA is scaled to unit length first, so that each has one vote: a view's embedding by `mean` has the direction
    of the centroid of its QAs, and a view of one QA is that QA's embedding.

    Args:
        embedding_dimension: D, the width of the QA embeddings.
        pooling_mode: `mean`; `attention`, a mean weighted by a softmax over the view of a learned score a QA, which
            starts as the mean; or `concat`, which leaves nothing to pool: it has `ViewTransformer` join the QAs.

    Raises:
        ValueError: If there is no such mode, or the dimension is none.
    """

    config_keys: list[str] = ["embedding_dimension", "pooling_mode"]  # noqa: RUF012  (declared so by the base class)

    def __init__(self, embedding_dimension: int, pooling_mode: ViewPooling = "mean") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if not isinstance(embedding_dimension, int) or embedding_dimension < 1:
            raise ValueError(f"embedding_dimension must be a whole number, at least 1, got {embedding_dimension!r}")
        if pooling_mode not in get_args(ViewPooling):
            raise ValueError(f"pooling_mode must be one of {', '.join(get_args(ViewPooling))}, got {pooling_mode!r}")
        self.embedding_dimension = embedding_dimension
        self.pooling_mode: ViewPooling = pooling_mode
        self.score = nn.Linear(embedding_dimension, 1, bias=False) if pooling_mode == "attention" else None
        if self.score is not None:
            nn.init.zeros_(self.score.weight)

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Replaces `sentence_embedding` `(Q, D)` by one row a view `(V, D)`.

        Expects `view_ids` `(Q,)`, as `ViewTransformer.preprocess` gives them: QAs of one view have one number, and the
        rows come in the order of the numbers, of which some may be missing.
        Features of single QAs, such as `token_embeddings`, are passed on only where every view is a single QA.

        Raises:
            KeyError: If `view_ids` is missing.
        """
        if "view_ids" not in features:
            raise KeyError("'view_ids' missing from the features; make them with ViewTransformer.preprocess")
        # Numbered anew, because a mini-batch may hold any of them.
        numbers, view_ids = torch.unique(features["view_ids"], return_inverse=True)
        qas = functional.normalize(features["sentence_embedding"], dim=-1)
        views = len(numbers)
        if views == len(view_ids):  # one QA each, whose weight is 1 in either mode
            return {**features, "sentence_embedding": qas[view_ids.argsort()]}
        weights = self._weights(qas, view_ids, views)
        pooled = qas.new_zeros(views, qas.size(1)).index_add(0, view_ids, qas * weights.unsqueeze(1))
        # A new dict: a loss that runs the forward twice must find the features as they were.
        return {"view_ids": view_ids, "sentence_embedding": pooled}

    def _weights(self, qas: Tensor, view_ids: Tensor, views: int) -> Tensor:
        """A weight a QA `(Q,)`, summing to 1 over each view."""
        # In 32 bits: autocast would give the score and its exponential two types that cannot be added up.
        scores = (qas.new_zeros(len(qas)) if self.score is None else self.score(qas).squeeze(1)).float()
        highest = scores.new_full((views,), float("-inf")).scatter_reduce(0, view_ids, scores.detach(), "amax")
        exponentials = torch.exp(scores - highest[view_ids])
        sums = scores.new_zeros(views).index_add(0, view_ids, exponentials)
        return (exponentials / sums[view_ids]).to(qas.dtype)

    def get_embedding_dimension(self) -> int:
        """D."""
        return self.embedding_dimension

    def save(self, output_path: str, *args: Any, safe_serialization: bool = True, **kwargs: Any) -> None:
        """Writes config.json and, if there is anything learned, model.safetensors."""
        Path(output_path).mkdir(parents=True, exist_ok=True)
        self.save_config(output_path)
        if self.score is not None:
            self.save_torch_weights(output_path, safe_serialization=safe_serialization)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **kwargs: Any) -> Self:  # type: ignore[override]
        """Reads what `save` wrote, from a folder or the Hub (`revision=`, `token=` and so on as elsewhere)."""
        hub_keys = ("token", "cache_folder", "revision", "local_files_only")
        options = {"subfolder": subfolder, **{key: kwargs[key] for key in hub_keys if key in kwargs}}
        pooling = cls(**cls.load_config(model_name_or_path, **options))
        if pooling.score is not None:
            cls.load_torch_weights(model_name_or_path, model=pooling, **options)
        return pooling
