"""The UniVaR model: a SentenceTransformer that encodes views, saved so that stock sentence-transformers reads it."""

import json
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import Any, Self, TypeVar

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from sentence_transformers.util import load_file_path
from torch import Tensor, nn
from transformers import PreTrainedModel

from univar.corpus.records import are_many
from univar.model import weights
from univar.model.cards import model_card
from univar.model.modules import (
    MultiViewPooling,
    View,
    ViewPooling,
    ViewStaticEmbedding,
    ViewTransformer,
    longest_first,
    parts,
    texts_of,
)
from univar.model.onnx_encoder import OnnxEncoder, is_export

SHIPPED = "univar"
"""The name of the model whose weights come with the package."""

STATIC = "univar-static"
"""The name of its static student, which comes with the package too."""

_NAMES = f"give {SHIPPED}, {STATIC}, a folder of a saved model or its id on the Hub"
_VIEW_POOLING_FOLDER = "view_pooling"
# QAs that pass through the encoder at once, whatever the view size: small enough for any machine.
_LEAST_QAS_AT_ONCE = 32
# Texts that a static model reads at once, if not more are asked for: after each small step torch's threads stay busy
# for a while and keep those of the tokenizer waiting. With 32 at once, two threads took more than twice as long.
_STATIC_BATCH = 256
_STOCK = {ViewTransformer.__name__: Transformer, ViewStaticEmbedding.__name__: StaticEmbedding}
_CHANGED = {
    "Changed weights": "These weights are not those that the training described above ended in: they were changed "
    "afterwards, and what they identify was not measured."
}
Loaded = TypeVar("Loaded")
_HUB_KEYS = ("token", "cache_folder", "revision", "local_files_only")


class UniVaR(SentenceTransformer):
    """A value encoder: unit vectors `(V, D)` for views of QAs, `(n, D)` for single QAs.

    `encode` takes what every SentenceTransformer takes (a text, a list of texts) and also a list of lists of texts,
    each a view; in place of a text also a mapping with the keys `question` and `answer`, as a row of a data set, or
    a `QARecord`. A view is a set: order does not matter, one QA a view is that QA's embedding, and memory grows with
    the batch and not with the size of the views. Not so with `view_pooling="concat"`, the paper's way: there a view
    is one text, in which order matters and whose end is cut off where it is longer than the encoder's window.

    Args:
        model_name_or_path: `univar` for the weights that ship, `univar-static` for their student of one vector a
            token, the folder or Hub id of a saved UniVaR model, or any SentenceTransformer to start training from.
        view_pooling: How the QAs of a view are pooled if the saved model does not say: `mean`, `attention`
            or `concat`.
        kwargs: As for `SentenceTransformer`.

    Raises:
        FileNotFoundError: If a local folder is no sentence-transformers model.
        TypeError: If neither a name nor `modules` is given.
        ValueError: If the name is empty, or the first module neither a `Transformer` nor a `StaticEmbedding`; a
            subclass of one is not taken.
        univar.model.weights.WeightsError: If shipped weights are missing or damaged.

    Attributes:
        training_record: What is known of the training (recipe, corpora, question hashes), saved along with the model.

    Source: arXiv 2404.07900, sections 3.1 and 3.2.
    """

    def __init__(
        self, model_name_or_path: str | None = None, *, view_pooling: ViewPooling = "mean", **kwargs: Any
    ) -> None:
        if kwargs.get("modules") is None:
            _check_name(model_name_or_path)
        else:
            kwargs["modules"] = _with_views(_in_order(kwargs["modules"]), None, view_pooling)
        self._view_pooling: ViewPooling = view_pooling
        self.training_record: dict[str, Any] = {}
        shipped = model_name_or_path if is_shipped(model_name_or_path) else None
        if shipped == SHIPPED:
            model_name_or_path = weights.base_encoder()
        elif shipped == STATIC:
            model_name_or_path = weights.static_student()
        elif model_name_or_path is not None and os.path.isdir(model_name_or_path):
            _check_folder(Path(model_name_or_path))
        self._shipped = shipped
        super().__init__(None if model_name_or_path is None else str(model_name_or_path), **kwargs)
        if shipped == SHIPPED:
            self.training_record = weights.shipped_record()
            # The base encoder reads more tokens than the weights were trained with.
            self.max_seq_length = self.training_record["recipe"]["max_tokens"] or self.max_seq_length
            self.set_model_card(weights.shipped_card())

    @classmethod
    def from_pretrained(cls, model_name_or_path: str, **kwargs: Any) -> Self:
        """The same as the constructor, under the name that it has elsewhere."""
        return cls(model_name_or_path, **kwargs)

    def _load_modules(
        self, model_name_or_path: str, *args: Any, **kwargs: Any
    ) -> tuple[OrderedDict[str, nn.Module], dict[str, Any]]:
        # Private in sentence-transformers, which has no public way for a subclass to add modules that modules.json
        # must not name; tests/model/test_modeling.py fails if it goes away.
        stock = super()._load_modules

        def load() -> tuple[list[nn.Module], dict[str, Any]]:
            modules, module_kwargs = stock(model_name_or_path, *args, **kwargs)
            return _with_shipped_weights(_in_order(modules), self._shipped), module_kwargs

        modules, module_kwargs = _in_own_thread(load)
        hub = {key: kwargs[key] for key in _HUB_KEYS if key in kwargs}
        pooling = None
        if load_file_path(model_name_or_path, f"{_VIEW_POOLING_FOLDER}/config.json", **hub):
            pooling = MultiViewPooling.load(model_name_or_path, subfolder=_VIEW_POOLING_FOLDER, **hub)
        else:
            self._model_card_text = None  # the card of another model
        if record := load_file_path(model_name_or_path, weights.RECORD_FILE, **hub):
            self.training_record = json.loads(Path(record).read_text(encoding="utf-8"))
        return _with_views(modules, pooling, self._view_pooling), module_kwargs

    def preprocess(  # type: ignore[override]  # views are one more kind of input
        self, inputs: Sequence[View], prompt: str | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """The features of views; see `ViewTransformer.preprocess`."""
        # The stock method takes an array for a sound, and a dict for several of sound, image and text.
        return super().preprocess(texts_of(inputs), prompt=prompt, **kwargs)

    def is_singular_input(self, inputs: Any) -> bool:  # type: ignore[override]  # narrows no types
        """Whether `encode` is given one view and gives one row, see `univar.corpus.records.are_many`."""
        return super().is_singular_input(inputs) and not are_many(inputs)

    def _inference(self, inputs: list[Any], **kwargs: Any) -> Any:
        # Private in sentence-transformers: without it `encode` gives the same embeddings, of static models more slowly,
        # and what is no view is told by its place in the batch, in which the longest is first.
        inputs = texts_of(inputs)
        if isinstance(self[0], ViewStaticEmbedding) and all(isinstance(text, str) for text in inputs):
            kwargs["batch_size"] = max(kwargs["batch_size"], _STATIC_BATCH)
        return super()._inference(inputs, **kwargs)

    def forward(self, input: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Runs the modules; without gradients, the QAs of large views pass through the encoder in several parts.

        A part holds as many QAs as the batch holds views, and at least 32, those of about one length together. With
        gradients it is `MultiViewInfoNCELoss` that takes them in parts.
        """
        view_ids = input.get("view_ids")
        # A static embedding keeps nothing a token, so that its views need no parts.
        whole = torch.is_grad_enabled() or not isinstance(self[0], ViewTransformer)
        if whole or view_ids is None or not len(view_ids):
            return super().forward(input, **kwargs)
        part = max(int(view_ids.max()) + 1, _LEAST_QAS_AT_ONCE)
        if len(view_ids) <= part:
            return super().forward(input, **kwargs)
        ordered = longest_first(input)
        embeddings = []
        for features in parts(ordered, part):
            for name in list(self._modules)[: self._pooling_place]:
                features = self.get_submodule(name)(features)
            embeddings.append(features["sentence_embedding"])
        return {"view_ids": view_ids, "sentence_embedding": self.pool(torch.cat(embeddings), ordered["view_ids"])}

    def pool(self, qas: Tensor, view_ids: Tensor) -> Tensor:
        """Unit embeddings of views `(V, D)`, from the embeddings of their QAs `(Q, D)` and `view_ids` `(Q,)`."""
        pooled: dict[str, Any] = {"view_ids": view_ids, "sentence_embedding": qas}
        for name in list(self._modules)[self._pooling_place :]:
            pooled = self.get_submodule(name)(pooled)
        embeddings: Tensor = pooled["sentence_embedding"]
        return embeddings

    @property
    def _pooling_place(self) -> int:
        modules = self._modules.values()
        return next(place for place, module in enumerate(modules) if isinstance(module, MultiViewPooling))

    def save(
        self,
        path: str | None,
        model_name: str | None = None,
        create_model_card: bool = True,
        train_datasets: list[str] | None = None,
        safe_serialization: bool = True,
    ) -> None:
        """Saves a folder that stock sentence-transformers loads as the encoder of single QAs, without univar.

        `modules.json` names stock modules only; how views are pooled lies beside it in `view_pooling/`, and the
        training record in `univar.json`. Without a path nothing is saved, as elsewhere.

        Raises:
            ValueError: If `safe_serialization` is False: weights are never pickled here.
        """
        if not safe_serialization:
            raise ValueError("UniVaR models are saved as safetensors only; leave safe_serialization=True")
        if path is None:
            return
        folder = Path(path)
        super().save(path, model_name, create_model_card, train_datasets, safe_serialization)
        described = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        stock: list[dict[str, Any]] = []
        for module in described:
            kind = module["type"].rpartition(".")[2]
            if kind == MultiViewPooling.__name__:
                self._remove_files(folder / module["path"])
                continue
            if kind in _STOCK:
                module["type"] = f"{_STOCK[kind].__module__}.{_STOCK[kind].__name__}"
            stock.append({**module, "idx": len(stock)})
        (folder / "modules.json").write_text(json.dumps(stock, indent=2) + "\n", encoding="utf-8")
        self.view_pooling.save(str(folder / _VIEW_POOLING_FOLDER))
        # Written even if empty: the folder may hold the record of a model that was saved there before.
        record = json.dumps(self.training_record, indent=2, ensure_ascii=False)
        (folder / weights.RECORD_FILE).write_text(record + "\n", encoding="utf-8")

    @staticmethod
    def _remove_files(folder: Path) -> None:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()

    def _create_model_card(
        self, path: str, model_name: str | None = None, train_datasets: list[str] | None = None
    ) -> None:
        card = self._model_card_text or self.render_card()
        claims = "adapter_sha256" in self.training_record
        if claims and card == weights.shipped_card() and not has_shipped_weights(self):
            card = self.render_card(notes=_CHANGED)
        Path(path, "README.md").write_text(card, encoding="utf-8")

    def render_card(
        self, *, comparisons: Mapping[str, str] | None = None, notes: Mapping[str, Any] | None = None
    ) -> str:
        """The README.md that the training record gives; see `univar.model.cards.model_card`."""
        return model_card(
            self.training_record,
            dimension=self.get_embedding_dimension(),
            tokens=self.max_seq_length,
            view_pooling=self.view_pooling.pooling_mode,
            comparisons=comparisons,
            notes=notes,
        )

    def set_model_card(self, card: str) -> None:
        """The README.md that is saved and pushed with the model from now on."""
        self._model_card_text = card  # type: ignore[assignment]  # declared by its first value, None

    @property
    def encoder(self) -> PreTrainedModel:
        """The transformer that reads one QA.

        Raises:
            TypeError: If the model is static and has none.
        """
        transformer = self[0]
        if not isinstance(transformer, ViewTransformer):
            raise TypeError("a static model has no transformer; train or start from a model that has one")
        encoder: PreTrainedModel = transformer.auto_model
        return encoder

    @property
    def view_pooling(self) -> MultiViewPooling:
        """The module that turns the QAs of a view into one embedding."""
        return next(module for module in self._modules.values() if isinstance(module, MultiViewPooling))


def load_model(name: str) -> SentenceTransformer:
    """The model of a name.

    Args:
        name: `univar`, `univar-static`, `base` (their untouched base encoder), an exported folder, or any
            SentenceTransformer folder or Hub id.
    """
    _check_name(name)
    if name == "base" and not os.path.isdir(name):
        return SentenceTransformer(weights.base_encoder())
    if is_shipped(name) or is_univar_folder(name) or _is_univar_on_hub(name):
        return UniVaR(name)
    if is_export(name):
        return OnnxEncoder(name)
    if os.path.isdir(name):
        _check_folder(Path(name))
    return SentenceTransformer(name)


def is_shipped(name: object) -> bool:
    """Whether a name means weights that ship: `univar` or `univar-static`, unless a folder of that name is a model."""
    return (
        isinstance(name, str) and name in (SHIPPED, STATIC) and not os.path.isfile(os.path.join(name, "modules.json"))
    )


def has_shipped_weights(model: nn.Module) -> bool:
    """Whether a model that says it has the weights of `univar` has them, but for last bits.

    They are computed anew from their file and compared, in the precision of the model. Only their last bits depend on
    the machine; any training moves some weight by more.
    """
    claimed = getattr(model, "training_record", {}).get("adapter_sha256")
    if claimed is None or claimed != weights.shipped_record()["adapter_sha256"]:
        return False
    shipped = UniVaR(SHIPPED, device="cpu").state_dict()
    found = model.state_dict()
    return found.keys() == shipped.keys() and all(_nearly_equal(found[name], shipped[name]) for name in shipped)


def weights_sha256(model: SentenceTransformer) -> str:
    """What tells the weights of a model from others.

    The sha256 of their file where they are the weights of `univar`, that of the graph of an `OnnxEncoder`, else
    `univar.model.weights.tensors_sha256` of the loaded tensors.
    """
    if isinstance(model, OnnxEncoder):
        return model.graph_sha256()
    # The shipped weights are computed from their file, and the last bits of that depend on the machine.
    if has_shipped_weights(model):
        return str(weights.shipped_record()["adapter_sha256"])
    return weights.tensors_sha256(model.state_dict())


def _nearly_equal(tensor: Tensor, expected: Tensor) -> bool:
    found, rounded = tensor.cpu(), expected.to(tensor.dtype)
    if (same := torch.equal(found, rounded)) or not tensor.is_floating_point():
        return same
    step = torch.finfo(tensor.dtype).eps
    return found.shape == rounded.shape and torch.allclose(found.float(), rounded.float(), rtol=step, atol=1e-6)


def is_univar_folder(name: object) -> bool:
    """Whether a path is a folder that `UniVaR.save` wrote."""
    return isinstance(name, str | os.PathLike) and os.path.isfile(
        os.path.join(name, _VIEW_POOLING_FOLDER, "config.json")
    )


def _is_univar_on_hub(name: str) -> bool:
    """Whether a Hub id is that of a UniVaR model, as far as the Hub, or offline its cache, can tell."""
    # Names without an owner are of sentence-transformers' own models.
    if os.path.exists(name) or name.count("/") != 1:
        return False
    cache = os.environ.get("SENTENCE_TRANSFORMERS_HOME")  # where the constructor looks too
    return load_file_path(name, f"{_VIEW_POOLING_FOLDER}/config.json", cache_folder=cache) is not None


def _check_name(name: object) -> None:
    if not isinstance(name, str | os.PathLike):
        raise TypeError(f"a model has a name, got {name!r:.80}; {_NAMES}")
    if not os.fspath(name):
        raise ValueError(f"the name of the model is empty; {_NAMES}")


def _check_folder(folder: Path) -> None:
    if not any((folder / name).is_file() for name in ("modules.json", "config.json")):
        raise FileNotFoundError(
            f"{folder} is no model folder: it has neither modules.json nor config.json. "
            "Give a folder that `univar train --out` or `save_pretrained` wrote, or a Hub id"
        )


def _in_own_thread(load: Callable[[], Loaded]) -> Loaded:
    """What `load` gives, from a thread that has ended: this process may be forked afterwards.

    Any larger operation of torch on a CPU (a product, a sum, a copy) starts threads of OpenMP, which belong to the
    thread that it runs in and end with it. Were that the caller's, then a child made by fork, as by
    `Dataset.map(num_proc=2)`, would have none of them and wait for them for ever in its first operation. Fewer threads
    (`torch.set_num_threads(1)`) would do too, but for all that runs in this process meanwhile.
    """
    loaded: Future[Loaded] = Future()

    def run() -> None:
        try:
            loaded.set_result(load())
        except BaseException as error:
            loaded.set_exception(error)

    thread = Thread(target=run, daemon=True)  # Ctrl-C does not wait for a download
    thread.start()
    result = loaded.result()
    thread.join()
    return result


def _with_shipped_weights(modules: list[nn.Module], shipped: str | None) -> list[nn.Module]:
    """The same modules, their weights as they are meant by one of the names that ship, if by any."""
    if shipped == SHIPPED:
        weights.apply_shipped(modules[0].auto_model)  # type: ignore[arg-type]
    if shipped == STATIC:
        for module in modules:
            module.float()  # stored in half precision, in which CPUs are slow
    return modules


def _in_order(modules: Iterable[nn.Module] | Mapping[str, nn.Module]) -> list[nn.Module]:
    found = list(modules.values() if isinstance(modules, Mapping) else modules)
    if not found:
        raise ValueError("modules is empty: give at least a Transformer or a StaticEmbedding, or leave it out")
    return found


def _with_views(
    modules: Sequence[nn.Module], pooling: MultiViewPooling | None, mode: ViewPooling
) -> OrderedDict[str, nn.Module]:
    """The same modules with the first taking views, and pooling over views before a last `Normalize`."""
    qa_modules = [module for module in modules if not isinstance(module, MultiViewPooling)]
    pooling = pooling or next((module for module in modules if isinstance(module, MultiViewPooling)), None)
    first = qa_modules[0] = _taking_views(qa_modules[0])
    if isinstance(qa_modules[-1], Normalize):
        qa_modules.pop()
    if pooling is None:
        dimension = next(
            module.get_embedding_dimension()  # type: ignore[operator]
            for module in reversed(qa_modules)
            if hasattr(module, "get_embedding_dimension")
        )
        pooling = MultiViewPooling(dimension, mode)
    first.joins_views = pooling.pooling_mode == "concat"
    return OrderedDict((str(index), module) for index, module in enumerate([*qa_modules, pooling, Normalize()]))


def _taking_views(module: nn.Module) -> ViewTransformer | ViewStaticEmbedding:
    """The same module as one that takes views; it shares its weights, and whether it joins views is its own."""
    taking: ViewTransformer | ViewStaticEmbedding
    if isinstance(module, ViewTransformer | ViewStaticEmbedding):
        taking = type(module).adopt(module)
    # Not isinstance: what a subclass does differently would be lost without a word.
    elif type(module) is Transformer:
        taking = ViewTransformer.adopt(module)
    elif type(module) is StaticEmbedding:
        taking = ViewStaticEmbedding.adopt(module)
    else:
        found = type(module).__name__
        if isinstance(module, Transformer | StaticEmbedding):
            found += ", a subclass whose own methods would be lost; put what it adds into a module that comes after"
        raise ValueError(f"the first module must be a Transformer or a StaticEmbedding, got {found}")
    return taking
