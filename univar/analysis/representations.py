"""What is compared: sentence models, vectors that are stored, and words alone."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from univar.analysis.identification import Matrix
from univar.corpus.records import QARecord
from univar.model.embedded import (
    Corpus,
    EmbeddedCorpus,
    EmbeddedCorpusError,
    check_fingerprint,
    embed,
    is_embedded,
    records_of,
)
from univar.model.encoding import SentenceModel, embed_texts
from univar.model.unread import Reads, check_read, languages_read, text_languages, unread_notes

Encoder: TypeAlias = Callable[[list[str], list[str]], tuple[Matrix, Matrix]]
"""From the texts of the gallery and of the query to their embeddings, `(g, d)` and `(q, d)`, dense or sparse."""


def sentence_encoder(model: SentenceModel, **options: Any) -> Encoder:
    """An encoder from a sentence model; every distinct text is encoded once, and read whole by any model.

    Args:
        model: See `univar.model.encoding.embed_texts`.
        options: For its `encode`, such as `batch_size=16` or `show_progress_bar=True`.
    """

    def encode(gallery: list[str], query: list[str]) -> tuple[Matrix, Matrix]:
        row_of = {text: row for row, text in enumerate(dict.fromkeys(gallery + query))}
        embeddings = embed_texts(model, list(row_of), **options)
        return embeddings[[row_of[text] for text in gallery]], embeddings[[row_of[text] for text in query]]

    return encode


def stored_encoder(*corpora: EmbeddedCorpus, max_characters: int) -> Encoder:
    """An encoder that looks vectors up in embedded corpora of one model, and encodes nothing.

    Args:
        corpora: Of the same fingerprint.
        max_characters: To which the texts that are looked up were cut; the vectors are of whole ones.
    """
    if len({corpus.provenance.fingerprint for corpus in corpora}) > 1:
        raise EmbeddedCorpusError(f"two corpora embedded by {corpora[0].provenance.model!r} are of different weights")
    row_of: dict[str, Any] = {
        record.text[:max_characters]: vector
        for corpus in corpora
        for record, vector in zip(corpus.records, corpus.embeddings, strict=True)
    }

    def encode(gallery: list[str], query: list[str]) -> tuple[Matrix, Matrix]:
        if missing := sum(text not in row_of for text in gallery + query):
            name = corpora[0].provenance.model
            raise EmbeddedCorpusError(
                f"{missing:,} of {len(gallery) + len(query):,} QAs have no vector by {name}: embed these answers "
                f"by the same model, `univar encode ANSWERS --model {name} --out FILE`"
            )
        first, second = (np.array([row_of[text] for text in side]) for side in (gallery, query))
        return first, second

    return encode


def tfidf() -> Encoder:
    """The surface baseline: TF-IDF of words and word pairs, fitted on the gallery alone.

    It knows wording and style and nothing else, so a representation of values should do better on value questions
    and worse on control questions. Scripts that put no space between words are hardly covered.
    """

    def encode(gallery: list[str], query: list[str]) -> tuple[Matrix, Matrix]:
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=1)
        return vectorizer.fit_transform(gallery), vectorizer.transform(query)

    return encode


def representations(
    names: Iterable[str], *, load: Callable[[str], SentenceModel] | None = None, **options: Any
) -> tuple[dict[str, Encoder], frozenset[str]]:
    """Encoders by name, and `question_hash` of every question that any of them is known to be trained on.

    Args:
        names: `tfidf`, or what `load` takes. Only UniVaR models record their questions.
        load: From a name to its model; `univar.model.modeling.load_model` if None.
        options: For `sentence_encoder`, and by it for every model's `encode`.
    """
    encoders: dict[str, Encoder] = {}
    trained_on: set[str] = set()
    for name in names:
        if name == "tfidf":
            encoders[name] = tfidf()
            continue
        model = _load(name) if load is None else load(name)
        encoders[name] = sentence_encoder(model, **options)
        trained_on.update(getattr(model, "training_record", {}).get("questions", ()))
    return encoders, frozenset(trained_on)


class Chosen(NamedTuple):
    """Encoders by name, and what is to be said of them.

    Attributes:
        encoders: By name.
        trained_on: `question_hash` of what they are known to be trained on.
        stored: Which of them look vectors up.
        unread: What is to be said of texts in languages that some of them do not read, a sentence each.
    """

    encoders: dict[str, Encoder]
    trained_on: frozenset[str]
    stored: tuple[str, ...]
    unread: tuple[str, ...]


def opened(corpus: Corpus, options: Mapping[str, Any]) -> EmbeddedCorpus | Sequence[QARecord]:
    """A corpus as it is: with its vectors where it has them; options as for `univar.read_corpus`."""
    return embed(corpus, **options) if is_embedded(corpus) else list(records_of(corpus, **options))


def chosen(
    models: Iterable[str | os.PathLike[str] | EmbeddedCorpus] | None,
    corpora: Iterable[EmbeddedCorpus | Sequence[QARecord]],
    *,
    max_characters: int,
    load: Callable[[str], SentenceModel] | None = None,
    show_progress_bar: bool = False,
    untranslated: bool = False,
) -> Chosen:
    """What to compare on some corpora, vectors that are stored among it.

    Args:
        models: Names, or embedded corpora or their files. By default `univar`, `base` and `tfidf`; where the corpora
            are embedded their own vectors and `tfidf`.
        corpora: What they are compared on; those that are embedded give the vectors of their model.
        max_characters: To which texts are cut before they are encoded or looked up.
        load: See `representations`.
        show_progress_bar: Of the encoding.
        untranslated: See `univar.embed`.

    Raises:
        EmbeddedCorpusError: If a model is named that is not the one of the vectors under that name.
        UntranslatedError: See `univar.embed`; before anything is encoded.
    """
    corpora = list(corpora)
    asked = [embed(one) if is_embedded(one) else one for one in models or ()]
    stored: dict[str, list[EmbeddedCorpus]] = {}
    for one in (*corpora, *asked):
        if isinstance(one, EmbeddedCorpus):
            stored.setdefault(one.provenance.model, []).append(one)
    names = [one.provenance.model if isinstance(one, EmbeddedCorpus) else str(one) for one in asked]
    for name in (one for one in asked if isinstance(one, str) and one in stored):
        check_fingerprint(stored[name][0], name)
    names = list(dict.fromkeys(names or ([*stored, "tfidf"] if stored else ["univar", "base", "tfidf"])))
    made = [name for name in names if name not in stored]
    reads: dict[str, Reads] = {name: stored[name][0].provenance.reads for name in names if name in stored}

    def loaded(name: str) -> SentenceModel:
        model = _load(name) if load is None else load(name)
        reads[name] = languages_read(model)
        return model

    encoders, trained_on = representations(made, load=loaded, show_progress_bar=show_progress_bar)
    langs = text_languages(
        record for corpus in corpora for record in (corpus.records if isinstance(corpus, EmbeddedCorpus) else corpus)
    )
    check_read(langs, {name: reads[name] for name in reads if name not in stored}, untranslated=untranslated)
    unread = unread_notes(langs, reads)
    for name in names:
        if name in stored:
            encoders[name] = stored_encoder(*stored[name], max_characters=max_characters)
            trained_on = trained_on.union(*(one.provenance.trained_on for one in stored[name]))
    kept = tuple(name for name in names if name in stored)
    return Chosen({name: encoders[name] for name in names}, trained_on, kept, unread)


def _load(name: str) -> SentenceModel:
    # Here, not above: torch takes seconds, and stored vectors and words alone need none of it.
    from univar.model.modeling import load_model

    return load_model(name)
