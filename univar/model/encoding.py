"""Corpora to embeddings, streaming. Quick to import: no torch."""

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from univar.corpus.records import (
    SCHEMA,
    QARecord,
    are_many,
    check_record,
    chunked,
    passage_characters,
    passages,
    question_hash,
    text_of,
    to_row,
)
from univar.files import replacing
from univar.model.unread import Reads, check_read, languages_read, text_languages

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

EMBEDDING = "embedding"
"""The column of the vectors in a file of embeddings."""

_QAS_AT_ONCE = 2_048


@dataclass(frozen=True, slots=True)
class Provenance:
    """By which model vectors were made, and how: it lies in the metadata of every file of them.

    Attributes:
        model: The name of the model.
        fingerprint: What tells its weights from others; see `univar.model.modeling.weights_sha256`.
        passage: Characters of an answer in a passage, by which long answers were read whole; None if every text was
            given to the model as it is.
        trained_on: `question_hash` of the questions among those embedded that the model was trained on.
        reads: The languages that the model reads; None where it is not known, as of files of earlier versions.
    """

    KEY: ClassVar[bytes] = b"univar"

    model: str
    fingerprint: str
    passage: int | None
    trained_on: frozenset[str] = frozenset()
    reads: Reads = None

    @classmethod
    def of(cls, model: "SentenceTransformer", name: str | None, trained_on: Iterable[str]) -> Self:
        """What there is to say of a model, by default under the name of its class."""
        from univar.model.modeling import weights_sha256  # here, not above: torch takes seconds

        return cls(
            name or type(model).__name__,
            weights_sha256(model),
            passage_given(model),
            frozenset(trained_on),
            languages_read(model),
        )

    def to_metadata(self) -> dict[bytes, bytes]:
        """For the metadata of a parquet file."""
        lists = {"trained_on": sorted(self.trained_on), "reads": None if self.reads is None else sorted(self.reads)}
        return {self.KEY: json.dumps(asdict(self) | lists).encode()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[bytes, bytes]) -> Self:
        """What the metadata of a parquet file say.

        Raises:
            KeyError, TypeError or ValueError: If they do not.
        """
        found = json.loads(metadata[cls.KEY])
        reads = found.get("reads")
        sets = {"trained_on": frozenset(found["trained_on"]), "reads": None if reads is None else frozenset(reads)}
        return cls(**{**found, **sets})


class SentenceModel(Protocol):
    """What encodes sentences, such as a `SentenceTransformer`."""

    @property
    def encode(self) -> Callable[..., Any]:
        """From a list of texts, and options, to their embeddings `(n, d)`."""


def as_read(model: object, texts: Iterable[object]) -> list[str] | list[list[str]]:
    """QAs in the form in which `model.encode` reads each of them as it was trained to, one row a QA.

    For a model that was trained on passages each QA is the view of its passages, so that a long answer is read
    whole; for any other it is its text, of which the model reads what its window holds.

    Args:
        model: A UniVaR model, whose training record tells, or any other.
        texts: QAs, as texts that `univar.corpus.records.qa_text` gives or otherwise, see `text_of` there.

    Raises:
        TypeError: If `model` is none, as a name is not, or `texts` is a single QA, or holds what is no QA.
    """
    check_loaded(model)
    if not are_many(texts):
        raise TypeError(
            f"as_read takes a list of QAs, got {texts!r:.80}; of one QA give [qa], of a data frame "
            'frame.to_dict("records")'
        )
    characters = passage_read(model)
    read = []
    for number, qa in enumerate(texts):
        try:
            read.append(text_of(qa))
        except TypeError as error:
            views = "; as_read takes no views" if isinstance(qa, list | tuple) else ""
            raise TypeError(f"QA {number}: {error}{views}") from None
    return read if characters is None else [passages(text, characters=characters) for text in read]


def check_loaded(model: object) -> None:
    """Raises TypeError unless this is a model and not, say, the name of one."""
    if not hasattr(model, "encode") or isinstance(model, str):
        raise TypeError(f"the model is {model!r:.80}; give a loaded one, as SentenceTransformer(name) is")


def passage_read(model: object) -> int | None:
    """Characters of an answer that a passage holds for a model that was trained on passages; None for any other."""
    recipe = getattr(model, "training_record", {}).get("recipe", {})
    return passage_characters(recipe.get("max_tokens")) if recipe.get("passages", False) else None


def passage_given(model: object) -> int | None:
    """Characters of an answer that a passage holds by which `embed_texts` gives a model a long text.

    As many as its window reads, whether it was trained on passages or not; None for a model without a window, which
    is given every text as a whole.
    """
    window = getattr(model, "max_seq_length", None)
    bounded = window and math.isfinite(window)  # a static model says that its window is infinite
    return passage_read(model) or (passage_characters(window) if bounded else None)


def embed_texts(
    model: SentenceModel, texts: Sequence[str], *, advance: Callable[[float], None] | None = None, **options: Any
) -> npt.NDArray[np.float32]:
    """Embeddings `(n, D)` float32 of whole texts, however long: a row a text.

    A model that was trained on passages reads each text as the view of its passages. So that any other reads as much,
    a text that is longer than its window is the mean of the unit vectors of its passages.

    Args:
        model: Has `encode(list of str, **options)`, which gives `(n, D)` numbers, and may have `max_seq_length`, its
            window in tokens.
        texts: n QA texts.
        advance: Is told how many more texts are embedded, batch by batch where the model is a torch module.
        options: For `encode`, such as `batch_size=16`.
    """
    if not texts:
        return np.empty((0, getattr(model, "get_embedding_dimension", lambda: 0)() or 0), dtype=np.float32)
    characters = passage_given(model)
    if passage_read(model) is not None:
        with _counted(model, 1.0, advance):
            return np.asarray(model.encode(as_read(model, texts), **options), dtype=np.float32)
    parts = [[text] if characters is None else passages(text, characters=characters) for text in texts]
    flat = list(chain.from_iterable(parts))
    with _counted(model, len(parts) / len(flat), advance):
        units = unit_rows(np.asarray(model.encode(flat, **options)))
    sums = np.add.reduceat(units, np.cumsum([0, *map(len, parts[:-1])]))
    return np.asarray(unit_rows(sums), dtype=np.float32)


def unit_rows(rows: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Rows `(n, D)` of length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0))


@contextmanager
def _counted(model: Any, share: float, advance: Callable[[float], None] | None) -> Iterator[None]:
    """Tells what a torch module has encoded while it does; a row of it is this share of a text."""
    if advance is None or not hasattr(model, "register_forward_hook"):
        yield
        return
    last = model[len(model) - 1]
    hook = last.register_forward_hook(
        lambda _module, _inputs, features: advance(share * len(features["sentence_embedding"]))
    )
    try:
        yield
    finally:
        hook.remove()


def encode_records(
    records: Iterable[QARecord],
    model: SentenceModel,
    *,
    batch_size: int = 32,
    advance: Callable[[float], None] | None = None,
) -> Iterator[tuple[list[QARecord], npt.NDArray[np.float32]]]:
    """Parts of a corpus with their embeddings: lists of n records and `(n, D)` float32, in the order given.

    Holds one part in memory. For `advance` see `embed_texts`.

    Raises:
        TypeError: If the model is only its name, or what should be a record is none.
    """
    check_loaded(model)
    for part in chunked(records, _QAS_AT_ONCE):
        for record in part:
            check_record(record)
        texts = [record.text for record in part]
        yield part, embed_texts(model, texts, advance=advance, batch_size=batch_size, show_progress_bar=False)


def write_embeddings(
    records: Iterable[QARecord],
    model: "SentenceTransformer",
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    batch_size: int = 32,
    advance: Callable[[float], None] | None = None,
    untranslated: bool = False,
) -> int:
    """Writes an embedded corpus as one parquet file: the columns of the records, and `embedding`, a list of D float32.

    In its metadata stands its `Provenance`. Nothing is left at `path` if reading or encoding fails.

    Args:
        records: Read once.
        model: What embeds them.
        path: Where to.
        name: Of the model; by default that of its class.
        batch_size: QAs encoded at once.
        advance: See `embed_texts`.
        untranslated: Encode QAs in languages that the model does not read as they are, where they have no English
            version.

    Returns:
        The number of rows.

    Raises:
        UntranslatedError: If there are such QAs, and `untranslated` is not said.
    """
    check_loaded(model)
    reads = {name or type(model).__name__: languages_read(model)}
    trained_on: set[str] = set()
    written = 0
    schema = embedded_schema(model.get_embedding_dimension())
    with replacing(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        readable = _checked(records, reads, untranslated=untranslated)
        for part, embeddings in encode_records(readable, model, batch_size=batch_size, advance=advance):
            writer.write_batch(embedded_batch(part, embeddings, schema))
            trained_on |= trained_questions(model, part)
            written += len(part)
        writer.add_key_value_metadata(Provenance.of(model, name, trained_on).to_metadata())
    return written


def _checked(records: Iterable[QARecord], reads: Mapping[str, Reads], *, untranslated: bool) -> Iterator[QARecord]:
    """The same records, up to the first ones that a model does not read."""
    for part in chunked(records, _QAS_AT_ONCE):
        check_read(text_languages(part), reads, untranslated=untranslated)
        yield from part


def trained_questions(model: object, records: Iterable[QARecord]) -> frozenset[str]:
    """`question_hash` of the questions of some records that a model is known to be trained on."""
    known = set(getattr(model, "training_record", {}).get("questions", ()))
    return frozenset(known.intersection(question_hash(record.question_key) for record in records))


def embedded_schema(dimension: int | None) -> pa.Schema:
    """The columns of an embedded corpus: those of a corpus, and vectors of so many dimensions."""
    return pa.schema([*SCHEMA, pa.field(EMBEDDING, pa.list_(pa.float32(), dimension or 0))])


def embedded_batch(
    records: Sequence[QARecord], embeddings: npt.NDArray[np.float32], schema: pa.Schema
) -> pa.RecordBatch:
    """Records with their embeddings `(n, D)` as rows of `embedded_schema`."""
    rows = pa.RecordBatch.from_pylist([to_row(record) for record in records], schema=SCHEMA)
    vectors = pa.FixedSizeListArray.from_arrays(
        np.ascontiguousarray(embeddings, dtype=np.float32).ravel(), schema.field(EMBEDDING).type.list_size
    )
    return pa.record_batch([*rows.columns, vectors], schema=schema)
