"""NLLB-200 as a translator of sentences, and a memory of what it has translated."""

import functools
import hashlib
import itertools
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Self, get_args

from univar.corpus.languages import languages
from univar.corpus.records import chunked
from univar.files import locked, replacing

Backend = Literal["ctranslate2", "transformers"]
Precision = Literal["float32", "float16", "int8"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)

NLLB = "facebook/nllb-200-distilled-600M"
"""The smallest NLLB-200; the paper used facebook/nllb-200-3.3B (section 4.2). Their licence is CC-BY-NC-4.0."""

LONGEST_SENTENCE = 200
"""Tokens of what is translated at once; a longer sentence is cut into clauses."""

_CONVERTED = "univar-ctranslate2"
_KEYS_AT_ONCE = 500

_Generate = Callable[[list[list[int]], int, int], list[list[int]]]
"""From the tokens of sentences, the token of a language and the most new tokens to the tokens of translations."""


class TranslationError(ValueError):
    """A translator, a language or a memory that cannot be used; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """A translated sentence.

    Attributes:
        text: Of the translation.
        cut: Whether the decoder was stopped before it had finished.
    """

    text: str
    cut: bool


class Translator:
    """An NLLB-200 model, which translates sentences between any two of its languages.

    The weights are loaded by `load` or when the first sentence is translated; for CTranslate2 they are converted once
    and kept in the cache of the Hub.

    Attributes:
        name: What a translation depends on: model, revision, backend, precision, beams; no path of this machine.
    """

    def __init__(
        self,
        model: str = NLLB,
        *,
        backend: Backend | None = None,
        device: str | None = None,
        precision: Precision | None = None,
        beams: int = 4,
        batch_tokens: int = 4096,
    ) -> None:
        """Loads the tokenizer.

        Args:
            model: Hub name or folder of an NLLB-200 model of transformers.
            backend: By default CTranslate2 where it is installed.
            device: `cpu` or `cuda`; by default a GPU where the backend finds one.
            precision: Of the weights; by default `float16` on a GPU, on a CPU `int8` for CTranslate2 and `float32` for
                transformers, which knows no `int8`.
            beams: 1 for greedy search.
            batch_tokens: Tokens of the sentences of a batch, padding included; fewer if memory runs out.

        Raises:
            TranslationError: If there is no such model, it is no NLLB-200, or backend, device and precision do not go
                together.
        """
        self.backend: Backend = backend or ("ctranslate2" if _has_ctranslate2() else "transformers")
        self.device = device or ("cuda" if _has_gpu(self.backend) else "cpu")
        slow: Precision = "int8" if self.backend == "ctranslate2" else "float32"
        self.precision: Precision = precision or ("float16" if self.device == "cuda" else slow)
        if self.backend == "transformers" and self.precision == "int8":
            raise TranslationError("transformers translates in float32 or float16, not in int8; ctranslate2 does")
        self.model, self.beams, self.batch_tokens = model, beams, batch_tokens
        self._config, self._tokenizer = _described(model)
        known_as = Path(model).name if Path(model).is_dir() else model
        revision = _revision(model, self._config)[:8]
        self.name = f"{known_as}@{revision} {self.backend} {self.precision} beams={beams}"

    def load(self) -> None:
        """Loads the weights, downloads and converts them if need be.

        Raises:
            TranslationError: If they cannot be had, or backend, device and precision do not go together.
        """
        _ = self._generate

    def size(self, sentence: str) -> int:
        """How many tokens a sentence has."""
        return len(self._tokenizer.tokenize(sentence))

    def code(self, lang: str) -> str:
        """The model's name of a language.

        Args:
            lang: ISO 639-3.

        Raises:
            TranslationError: If the model does not know the language, or in several scripts and univar in none.
        """
        if lang in languages():
            return languages()[lang].nllb
        found = [token for token in self._tokenizer.all_special_tokens if token.startswith(f"{lang}_")]
        if len(found) != 1:
            raise TranslationError(
                f"{self.model} has {' and '.join(found) or 'nothing'} for language {lang!r}; its answers can be used "
                "as they are (univar corpus build --no-translation)"
            )
        return str(found[0])

    def batches(self, sentences: Iterable[str], source: str, target: str) -> Iterator[dict[str, Rendering]]:
        """The translations of sentences, a batch of about equal length at a time, the longest first.

        Args:
            sentences: To translate; none twice.
            source: ISO 639-3.
            target: ISO 639-3.

        Raises:
            TranslationError: If the model does not know a language, cannot be loaded, or memory runs out.
        """
        self._tokenizer.src_lang = self.code(source)
        lang = self._tokenizer.convert_tokens_to_ids(self.code(target))
        tokens = {sentence: self._tokenizer(sentence).input_ids for sentence in sentences}
        for batch in _by_length(tokens, self.batch_tokens):
            longest = max(len(tokens[sentence]) for sentence in batch)
            limit = min(3 * longest + 32, self._config.max_position_embeddings - 1)
            try:
                written = self._generate([tokens[sentence] for sentence in batch], lang, limit)
            except RuntimeError as error:  # of torch and CTranslate2 alike
                if "out of memory" not in str(error) and "alloc" not in str(error):
                    raise
                raise TranslationError(
                    f"out of memory with {len(batch)} sentences of {longest} tokens at once; "
                    f"give fewer than {self.batch_tokens} tokens a batch, or fewer than {self.beams} beams"
                ) from error
            yield {sentence: self._rendering(ids) for sentence, ids in zip(batch, written, strict=True)}

    def _rendering(self, ids: list[int]) -> Rendering:
        text = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return Rendering(text.strip(), self._tokenizer.eos_token_id not in ids)

    @functools.cached_property
    def _generate(self) -> _Generate:
        make = _with_ctranslate2 if self.backend == "ctranslate2" else _with_transformers
        try:
            return make(self.model, self._config, self._tokenizer, self.device, self.precision, self.beams)
        except (OSError, ValueError, RuntimeError) as error:
            raise TranslationError(
                f"cannot load {self.model} with {self.backend} on {self.device} in {self.precision}: {error}"
            ) from error


def _by_length(tokens: Mapping[str, list[int]], batch_tokens: int) -> Iterator[list[str]]:
    """Sentences, longest first, in batches of so many tokens; the longest first, so that memory runs out at once."""
    batch: list[str] = []
    for sentence in sorted(tokens, key=lambda text: (-len(tokens[text]), text)):
        if batch and (len(batch) + 1) * len(tokens[batch[0]]) > batch_tokens:
            yield batch
            batch = []
        batch.append(sentence)
    if batch:
        yield batch


def _has_ctranslate2() -> bool:
    return find_spec("ctranslate2") is not None


def _has_gpu(backend: Backend) -> bool:
    if backend == "ctranslate2":
        import ctranslate2

        return bool(ctranslate2.get_cuda_device_count())
    import torch

    return torch.cuda.is_available()


def _described(model: str) -> tuple[Any, Any]:
    """Config and tokenizer of a model."""
    from transformers import AutoConfig, AutoTokenizer, NllbTokenizer

    try:
        config, tokenizer = AutoConfig.from_pretrained(model), AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise TranslationError(
            f"cannot load the translator {model!r} ({reason:.300}); give the folder or the Hub name of an NLLB-200 "
            f"model, such as {NLLB}"
        ) from error
    if config.model_type != "m2m_100" or not isinstance(tokenizer, NllbTokenizer):
        raise TranslationError(
            f"{model!r} is a {config.model_type} with {type(tokenizer).__name__} and no NLLB-200; give one, as {NLLB}"
        )
    return config, tokenizer


def _with_transformers(
    model: str, config: Any, tokenizer: Any, device: str, precision: Precision, beams: int
) -> _Generate:
    import torch
    from transformers import AutoModelForSeq2SeqLM

    network: Any = AutoModelForSeq2SeqLM.from_pretrained(model, config=config, dtype=getattr(torch, precision))
    network.to(device).eval()

    def generate(batch: list[list[int]], lang: int, limit: int) -> list[list[int]]:
        padded = tokenizer.pad({"input_ids": batch}, return_tensors="pt").to(device)
        with torch.inference_mode():
            written = network.generate(
                **padded, forced_bos_token_id=lang, num_beams=beams, do_sample=False, max_new_tokens=limit
            )
        # What the decoder starts with is the end token, which must not pass for the end of the translation.
        return [_to_the_end(row[1:], tokenizer.eos_token_id) for row in written.tolist()]

    return generate


def _with_ctranslate2(
    model: str, config: Any, tokenizer: Any, device: str, precision: Precision, beams: int
) -> _Generate:
    import ctranslate2

    folder = _converted(model, config, precision)
    network = ctranslate2.Translator(
        str(folder), device=device, compute_type=precision, intra_threads=os.cpu_count() or 1
    )

    def generate(batch: list[list[int]], lang: int, limit: int) -> list[list[int]]:
        results = network.translate_batch(
            [tokenizer.convert_ids_to_tokens(ids) for ids in batch],
            target_prefix=[[tokenizer.convert_ids_to_tokens(lang)]] * len(batch),
            beam_size=beams,
            max_decoding_length=limit,
            max_input_length=0,  # nothing is cut off unseen: sentences are short enough
            return_end_token=True,
        )
        return [tokenizer.convert_tokens_to_ids(result.hypotheses[0]) for result in results]

    return generate


def _to_the_end(ids: list[int], end: int) -> list[int]:
    return [*itertools.takewhile(lambda token: token != end, ids), *([end] if end in ids else [])]


def _converted(model: str, config: Any, precision: Precision) -> Path:
    """The folder of a model in the form of CTranslate2, made if it is not there."""
    from ctranslate2.converters import TransformersConverter
    from huggingface_hub.constants import HF_HOME

    folder = Path(HF_HOME) / _CONVERTED / f"{Path(model).name}-{_revision(model, config)[:16]}-{precision}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_suffix(".lock"), wait=True):
        if not (folder / "model.bin").exists():
            with replacing(folder) as temporary:
                TransformersConverter(model).convert(str(temporary), quantization=precision)
    return folder


def _revision(model: str, config: Any) -> str:
    """The commit of a model of the Hub; of a folder, hex digits that change when one of its files does."""
    if commit := getattr(config, "_commit_hash", None):
        return str(commit)
    files = sorted(file for file in Path(model).glob("*") if file.is_file())
    state = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(str(state).encode()).hexdigest()


class TranslationMemory:
    """Translations by their content in a file: what was once translated is never translated again.

    Several processes may have it open. A process that dies loses the batch it was at.
    """

    def __init__(self, path: Path) -> None:
        """To be entered; `path` need not exist."""
        self.path = path

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._table = sqlite3.connect(self.path, timeout=60)
            self._table.execute(
                "CREATE TABLE IF NOT EXISTS renderings (key BLOB PRIMARY KEY, text TEXT, cut) WITHOUT ROWID"
            )
        except sqlite3.Error as error:
            raise TranslationError(f"{self.path} is no translation memory ({error}); move it away") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._table.close()

    def known(self, sentences: Collection[str], way: str) -> dict[str, Rendering]:
        """The sentences that were translated before, and how.

        Args:
            sentences: To look up.
            way: What else a translation depends on: translator and languages.
        """
        by_key = {_key(sentence, way): sentence for sentence in sentences}
        found = {}
        for keys in chunked(by_key, _KEYS_AT_ONCE):
            marks = ",".join("?" * len(keys))
            rows = self._table.execute(f"SELECT key, text, cut FROM renderings WHERE key IN ({marks})", keys)
            found.update({by_key[key]: Rendering(text, bool(cut)) for key, text, cut in rows})
        return found

    def keep(self, renderings: Mapping[str, Rendering], way: str) -> None:
        """Keeps translations for good."""
        rows = [(_key(sentence, way), found.text, found.cut) for sentence, found in renderings.items()]
        with self._table:
            self._table.executemany("INSERT OR REPLACE INTO renderings VALUES (?, ?, ?)", rows)


def _key(sentence: str, way: str) -> bytes:
    return hashlib.sha256(f"{way}\n{sentence}".encode("utf-8", "surrogatepass")).digest()[:16]
