"""How much of what sets LLMs apart in the answers of a corpus is style, and how much may be values."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from univar.analysis.style.changes import changed, cut, equal_length, is_whole, restyled
from univar.analysis.style.results import Kind, StyleVerdict
from univar.analysis.style.verdict import Answers, style_of
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
from univar.model.encoding import Provenance, embed_texts
from univar.model.unread import check_read, languages_read, text_languages

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Encoded: TypeAlias = Callable[[Sequence[QARecord]], "Answers | str"]
"""From records to them and their vectors, or why there are none."""


def style(
    corpus: Corpus,
    control: Corpus | None = None,
    *,
    model: "str | SentenceTransformer | None" = None,
    name: str | None = None,
    seed: int = 0,
    untranslated: bool = False,
    **options: Any,
) -> StyleVerdict:
    """How much of what sets the identities of a corpus apart is style.

    The same answers are looked at as they are, restyled, cut to equal length, without refusals and answers that break
    off, and with all of that; so are control answers, and style by itself. `StyleVerdict.verdict` holds the rules.

    Args:
        corpus: Answers, or an embedded corpus, of which only what is changed is encoded.
        control: Answers of the same identities that elicit no values. Without them nothing is called values.
        model: What embeds answers: a name or a loaded model; by default `univar`, and of an embedded corpus its own.
        name: Of a loaded model.
        seed: Of swaps and draws.
        untranslated: See `univar.embed`.
        options: For `univar.read_corpus`.

    Raises:
        CorpusError: If answers cannot be read.
        EmbeddedCorpusError: If a corpus is embedded by another model than the one given, or than the other corpus.
        UntranslatedError: See `univar.embed`.
        ValueError: If there are no two identities, or none of them share two questions.

    Example:
        >>> import univar
        >>> said = {"me": "- So.", "you": "Never!"}
        >>> answers = [
        ...     {"question": f"Why {number}?", "answer": answer, "model": model, "lang": "eng"}
        ...     for model, answer in said.items()
        ...     for number in range(8)
        ... ]
        >>> univar.style(answers, model="univar-static").row("restyled").changed
        16
    """
    given = [
        embed(one, **options) if is_embedded(one) else tuple(records_of(one, **options))
        for one in ([corpus] if control is None else [corpus, control])
    ]
    stored = [one for one in given if isinstance(one, EmbeddedCorpus)]
    encoder, name, why_not = _encoder(model, name, stored[0].provenance if stored else None)
    if encoder is None and len(stored) < len(given):
        raise EmbeddedCorpusError(f"one corpus is embedded and the other cannot be: {why_not}")
    sides = _embedded(given, encoder, name, untranslated=untranslated, check=model is not None)
    if len({side.provenance.fingerprint for side in sides}) > 1:
        answers, other = (side.provenance for side in sides)
        raise EmbeddedCorpusError(
            f"the answers were embedded by {answers.model} ({answers.fingerprint[:12]}…), the control answers by "
            f"{other.model} ({other.fingerprint[:12]}…): embed both by one model"
        )
    encoded = _encoded_by(encoder, sides, why_not)
    versions, characters = _versions(sides[0], encoded)
    if control is not None:
        versions |= {
            "control": (sides[1].records, sides[1].embeddings),
            "control, all three": encoded(_without_looks(sides[1].records, characters)),
        }
    remarks = [side.unread for side in sides if side.unread is not None]
    return style_of(versions, characters=characters, remarks=remarks, seed=seed)


def _embedded(
    given: "Sequence[EmbeddedCorpus | tuple[QARecord, ...]]",
    encoder: "SentenceTransformer | None",
    name: str | None,
    *,
    untranslated: bool,
    check: bool,
) -> list[EmbeddedCorpus]:
    """Corpora with their vectors; all that may be refused is, before any is encoded.

    Whether stored vectors are of the encoder is checked where it was named, and not where it was found by them.
    """
    for one in given:
        if isinstance(one, EmbeddedCorpus):
            if check and encoder is not None:
                check_fingerprint(one, encoder, name)
        else:
            reads = {name or type(encoder).__name__: languages_read(encoder)}
            check_read(text_languages(one), reads, untranslated=untranslated)
    return [
        one if isinstance(one, EmbeddedCorpus) else embed(one, encoder, name=name, untranslated=untranslated)
        for one in given
    ]


def _encoder(
    model: "str | SentenceTransformer | None", name: str | None, own: Provenance | None
) -> "tuple[SentenceTransformer | None, str | None, str]":
    """What encodes, its name, and why there is nothing that does."""
    from univar.model.modeling import load_model, weights_sha256  # here, not above: torch takes seconds

    if model is not None and not isinstance(model, str):
        return model, name, ""
    if model is not None or own is None:
        called = model or "univar"
        return load_model(called), name or called, ""
    again = "name it or its folder as the model, or give the answers without vectors"
    try:
        found = load_model(own.model)
    except Exception as error:  # what is in its folder, or on a Hub, may raise anything
        reason = " ".join(str(error).split())[:120]
        return None, own.model, f"{own.model}, which made the vectors, cannot be loaded ({reason}): {again}"
    if weights_sha256(found) != own.fingerprint:
        weights = f"of the vectors ({own.fingerprint[:12]}…)"
        return None, own.model, f"{own.model} here has other weights than the model {weights}: {again}"
    return found, own.model, ""


def _encoded_by(encoder: "SentenceTransformer | None", sides: Sequence[EmbeddedCorpus], why_not: str) -> Encoded:
    """What gives records vectors; no text that has one is encoded again."""
    known: dict[str, npt.NDArray[np.float32]] = {
        record.text: vector for side in sides for record, vector in zip(side.records, side.embeddings, strict=True)
    }

    def encoded(records: Sequence[QARecord]) -> Answers | str:
        texts = [record.text for record in records]
        if new := [text for text in dict.fromkeys(texts) if text not in known]:
            if encoder is None:
                return why_not
            known.update(zip(new, embed_texts(encoder, new, batch_size=32, show_progress_bar=False), strict=True))
        return records, np.array([known[text] for text in texts])

    return encoded


def _versions(answers: EmbeddedCorpus, encoded: Encoded) -> tuple[dict[Kind, Answers | str], int]:
    """The versions of the answers to value questions, and to how many characters those of equal length are cut."""
    records = answers.records
    plainly = changed(records, restyled)
    characters = equal_length(plainly)
    return {
        "as written": (records, answers.embeddings),
        "restyled": encoded(plainly),
        "equal length": encoded(changed(records, lambda answer: cut(answer, characters))),
        "whole answers": encoded([record for record in records if is_whole(record)]),
        "all three": encoded(_without_looks(records, characters)),
    }, characters


def _without_looks(records: Sequence[QARecord], characters: int) -> list[QARecord]:
    """Whole answers, restyled and cut."""
    whole = [record for record in records if is_whole(record)]
    return changed(whole, lambda answer: cut(restyled(answer), characters))
