"""Corpora to embeddings, streaming. Quick to import: no torch."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from univar.corpus.records import QARecord, are_many, check_record, chunked, passage_characters, passages, text_of
from univar.files import replacing

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_QAS_AT_ONCE = 2_048
_COLUMNS = ("question_id", "model", "lang", "sample", "value", "source")


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


def encode_records(
    records: Iterable[QARecord], model: "SentenceTransformer", *, batch_size: int = 32, show_progress_bar: bool = False
) -> Iterator[tuple[list[QARecord], npt.NDArray[np.float32]]]:
    """Parts of a corpus with their embeddings: lists of n records and `(n, D)` float32, in the order given.

    Holds one part in memory.

    Raises:
        TypeError: If the model is only its name, or what should be a record is none.
    """
    check_loaded(model)
    for part in chunked(records, _QAS_AT_ONCE):
        for record in part:
            check_record(record)
        texts: Sequence[Any] = as_read(model, (record.text for record in part))
        yield part, model.encode(texts, batch_size=batch_size, show_progress_bar=show_progress_bar)


def write_embeddings(
    records: Iterable[QARecord], model: "SentenceTransformer", path: str | os.PathLike[str], *, batch_size: int = 32
) -> int:
    """Writes one parquet file with a row a QA: who answered what, and `embedding`, a list of D float32.

    Texts of the answers are not repeated in it. Nothing is left at `path` if reading or encoding fails.

    Returns:
        The number of rows.
    """
    check_loaded(model)
    dimension = model.get_embedding_dimension()
    fields: list[Any] = [(name, pa.int32() if name == "sample" else pa.string()) for name in _COLUMNS]
    schema = pa.schema([*fields, ("embedding", pa.list_(pa.float32(), dimension))])
    written = 0
    with replacing(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for part, embeddings in encode_records(records, model, batch_size=batch_size):
            columns: list[Any] = [
                pa.array([getattr(r, name) for r in part], schema.field(name).type) for name in _COLUMNS
            ]
            columns.append(pa.FixedSizeListArray.from_arrays(embeddings.astype(np.float32).ravel(), dimension))
            writer.write_batch(pa.record_batch(columns, schema=schema))
            written += len(part)
    return written
