"""Embedded corpora: QAs with their vectors, encoded once and read by everything that would encode them again."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from univar.corpus.readers import CorpusError, read_corpus
from univar.corpus.records import SCHEMA, QARecord, from_row
from univar.files import replacing
from univar.model.encoding import (
    EMBEDDING,
    Provenance,
    embed_texts,
    embedded_batch,
    embedded_schema,
    trained_questions,
)
from univar.model.unread import check_read, languages_read, text_languages, unread_notes

if TYPE_CHECKING:
    import pandas as pd
    from sentence_transformers import SentenceTransformer

_AGAIN = "embed the answers again with `univar encode ANSWERS --out FILE.parquet`"


class EmbeddedCorpusError(ValueError):
    """Vectors that cannot be used as asked: of another model, of no known one, or damaged; the message says which."""


@dataclass(frozen=True, eq=False)
class EmbeddedCorpus:
    """QAs and their vectors by one model.

    Attributes:
        records: n QAs.
        embeddings: `(n, D)` float32 unit vectors, row by row.
        provenance: By which model, and how.

    Raises:
        EmbeddedCorpusError: If there is not a vector a record, or a number is not finite.
    """

    records: tuple[QARecord, ...]
    embeddings: npt.NDArray[np.float32]
    provenance: Provenance

    def __post_init__(self) -> None:
        if self.embeddings.ndim != 2 or len(self.embeddings) != len(self.records):
            raise EmbeddedCorpusError(f"{len(self.records)} records, embeddings {self.embeddings.shape}: a row each")
        if wrong := int((~np.isfinite(self.embeddings)).any(axis=1).sum()):
            raise EmbeddedCorpusError(f"{wrong:,} of {len(self.records):,} vectors are not finite; {_AGAIN}")

    def __len__(self) -> int:
        return len(self.records)

    def __str__(self) -> str:
        identities = len({record.identity for record in self.records})
        return (
            f"{len(self):,} QAs by {identities:,} {'identity' if identities == 1 else 'identities'}, embedded by "
            f"{self.provenance.model} in {self.embeddings.shape[1]} dimensions"
        )

    @property
    def unread(self) -> str | None:
        """What is to be said beside whatever comes of these vectors, if some are of texts that the model does not read.

        None if there are none.
        """
        return unread_of(self)

    def __repr__(self) -> str:
        return f"<EmbeddedCorpus: {self}>"

    def of_languages(self, lang: Iterable[str]) -> Self:
        """The QAs in these languages (ISO 639-3)."""
        wanted = set(lang)
        kept = [row for row, record in enumerate(self.records) if record.lang in wanted]
        if not kept:
            found = ", ".join(sorted({record.lang for record in self.records}))
            raise CorpusError(f"no QA in {', '.join(sorted(wanted))}; these are in {found}")
        return type(self)(tuple(self.records[row] for row in kept), self.embeddings[kept], self.provenance)

    def to_pandas(self) -> "pd.DataFrame":
        """A row a QA: the columns of a corpus, and `embedding`, an array of D float32."""
        table = pa.Table.from_batches([embedded_batch(self.records, self.embeddings, self._schema)])
        frame: pd.DataFrame = table.to_pandas()
        return frame

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes one parquet file, as `univar encode` does; whole or not at all."""
        with replacing(path) as temporary, pq.ParquetWriter(temporary, self._schema) as writer:
            writer.write_batch(embedded_batch(self.records, self.embeddings, self._schema))
            writer.add_key_value_metadata(self.provenance.to_metadata())

    @property
    def _schema(self) -> pa.Schema:
        return embedded_schema(self.embeddings.shape[1])

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The embedded corpus of a file, or of all files of a folder, that `save` or `univar encode` wrote.

        Raises:
            FileNotFoundError: If there is none.
            EmbeddedCorpusError: If a file is no embedded corpus, does not say of which model it is, or two files of a
                folder are of different models.
        """
        files = _embedded_files(Path(path))
        if not files:
            raise EmbeddedCorpusError(f"{path} is no embedded corpus: no column {EMBEDDING!r}; {_AGAIN}")
        made = [_provenance(file) for file in files]
        if len({(one.fingerprint, one.passage) for one in made}) > 1:
            names = ", ".join(sorted({f"{one.model} ({one.fingerprint[:12]}…)" for one in made}))
            raise EmbeddedCorpusError(f"{path} holds vectors of different models: {names}; name one file")
        try:
            table = pa.concat_tables(map(_table, files))
            records = tuple(from_row(row) for row in table.select(SCHEMA.names).to_pylist())
            column = table[EMBEDDING].combine_chunks()
            embeddings = column.flatten().to_numpy(zero_copy_only=False).reshape(len(table), column.type.list_size)
        except (pa.ArrowInvalid, pa.ArrowKeyError, KeyError, ValueError, AttributeError, TypeError) as error:
            raise EmbeddedCorpusError(f"{path} is a damaged embedded corpus ({error}); {_AGAIN}") from error
        trained_on = frozenset().union(*(one.trained_on for one in made))
        reads = next((one.reads for one in made if one.reads), None)  # files of earlier versions do not say
        return cls(records, embeddings, replace(made[0], trained_on=trained_on, reads=reads))


def unread_of(*corpora: EmbeddedCorpus) -> str | None:
    """What is to be said beside whatever comes of the vectors of some corpora by one model; see `unread` of one."""
    made = corpora[0].provenance
    langs = text_languages(record for corpus in corpora for record in corpus.records)
    return next(iter(unread_notes(langs, {made.model: made.reads})), None)


Corpus: TypeAlias = str | os.PathLike[str] | EmbeddedCorpus | Iterable[Mapping[str, Any] | QARecord]
"""Answers: a file or folder, rows or a `datasets` object, records, or any of them embedded already."""


def is_embedded(source: object) -> bool:
    """Whether something is an embedded corpus, or a file or folder of one."""
    if isinstance(source, EmbeddedCorpus):
        return True
    return isinstance(source, str | os.PathLike) and bool(_embedded_files(Path(source)))


def embed(
    corpus: Corpus,
    model: "str | SentenceTransformer | None" = None,
    *,
    name: str | None = None,
    batch_size: int = 32,
    advance: Callable[[float], None] | None = None,
    untranslated: bool = False,
    **options: Any,
) -> EmbeddedCorpus:
    """A corpus with its vectors; of one that has them nothing is encoded again.

    Args:
        corpus: A file or folder of answers, rows, a `datasets` object, records, or an embedded corpus or its file.
        model: What embeds it: a name as for `univar.model.modeling.load_model`, or a loaded model. By default
            `univar`; of an embedded corpus the model that it is of.
        name: Of a loaded model; by default that of its class.
        batch_size: QAs encoded at once.
        advance: See `univar.model.encoding.embed_texts`.
        untranslated: Encode answers in languages that the model does not read as they are, where they have no English
            version; `EmbeddedCorpus.unread` says so of them ever after.
        options: For `univar.read_corpus`, such as `columns=` and `lang=`; of an embedded corpus `lang=` alone.

    Returns:
        All QAs, in their order; memory holds them and their vectors.

    Raises:
        CorpusError: If the answers cannot be read.
        EmbeddedCorpusError: If the corpus is embedded already, by another model than the one given.
        UntranslatedError: If answers are in languages that the model does not read by its card, have no English
            version, and `untranslated` is not said.

    Example:
        >>> import univar
        >>> answers = [{"question": "Why?", "answer": "So.", "model": "me", "lang": "eng"}]
        >>> print(univar.embed(answers, "univar-static"))
        1 QAs by 1 identity, embedded by univar-static in 384 dimensions
    """
    if isinstance(corpus, EmbeddedCorpus) or (isinstance(corpus, str | os.PathLike) and is_embedded(corpus)):
        return _as_embedded(corpus, model, name, **options)
    from univar.model.modeling import load_model  # here, not above: torch takes seconds

    records = tuple(records_of(corpus, **options))
    if model is None or isinstance(model, str):
        name = name or model or "univar"
        model = load_model(model or "univar")
    name = name or type(model).__name__
    check_read(text_languages(records), {name: languages_read(model)}, untranslated=untranslated)
    texts = [record.text for record in records]
    vectors = embed_texts(model, texts, advance=advance, batch_size=batch_size, show_progress_bar=False)
    return EmbeddedCorpus(records, vectors, Provenance.of(model, name, trained_questions(model, records)))


def check_fingerprint(corpus: EmbeddedCorpus, model: "str | SentenceTransformer", name: str | None = None) -> None:
    """Refuses vectors of another model than this; `name` is what a loaded one is called.

    Raises:
        EmbeddedCorpusError: If they are; the message names both.
    """
    from univar.model.modeling import load_model, weights_sha256

    loaded = load_model(model) if isinstance(model, str) else model
    found = weights_sha256(loaded)
    made = corpus.provenance
    if found != made.fingerprint:
        name = name or (model if isinstance(model, str) else type(model).__name__)
        raise EmbeddedCorpusError(
            f"the corpus was embedded by {made.model} ({made.fingerprint[:12]}…), not by {name} ({found[:12]}…): "
            f"vectors of two models cannot be compared. Leave the model out to read it as it is, or {_AGAIN}"
        )


def _as_embedded(
    corpus: "str | os.PathLike[str] | EmbeddedCorpus",
    model: "str | SentenceTransformer | None",
    name: str | None,
    *,
    lang: Iterable[str] | None = None,
    **others: Any,
) -> EmbeddedCorpus:
    if given := [option for option, content in others.items() if content]:
        raise EmbeddedCorpusError(
            f"the corpus is embedded already: {' and '.join(given)} are for answers without vectors"
        )
    found = corpus if isinstance(corpus, EmbeddedCorpus) else EmbeddedCorpus.load(corpus)
    if model is not None:
        check_fingerprint(found, model, name)
    return found if lang is None else found.of_languages(lang)


def records_of(corpus: Any, **options: Any) -> Iterable[QARecord]:
    """The QAs of a corpus that is not embedded; options as for `univar.read_corpus`."""
    if isinstance(corpus, list | tuple) and corpus and isinstance(corpus[0], QARecord):
        return corpus
    return read_corpus(corpus, **options)


def _embedded_files(path: Path) -> list[Path]:
    """The parquet files with vectors: the file itself, or those of a folder."""
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    shown = [file for file in files if not any(part.startswith((".", "_")) for part in file.relative_to(path).parts)]
    return [file for file in (shown if path.is_dir() else files) if _has_vectors(file)]


def _has_vectors(file: Path) -> bool:
    if file.suffix.lower() != ".parquet" or not file.is_file():
        return False
    try:
        return EMBEDDING in pq.read_schema(file).names
    except (pa.ArrowInvalid, OSError):
        return False  # what is wrong with it is told by whoever reads it as a corpus


def _table(file: Path) -> pa.Table:
    """The columns of an embedded corpus; what may be null and an earlier version did not write is null."""
    table = pq.read_table(file)
    for column in SCHEMA:
        if column.nullable and column.name not in table.column_names:
            table = table.append_column(column, pa.nulls(len(table), column.type))
    return table.select([*SCHEMA.names, EMBEDDING])


def _provenance(file: Path) -> Provenance:
    try:
        return Provenance.from_metadata(pq.read_metadata(file).metadata or {})
    except (KeyError, ValueError, TypeError) as error:
        raise EmbeddedCorpusError(
            f"{file} holds vectors but does not say of which model and how they were made; {_AGAIN}"
        ) from error
