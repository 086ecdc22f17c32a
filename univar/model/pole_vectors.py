"""The poles as vectors of the model that a corpus is of: those of the weights that ship come with them.

By any other model they are encoded once, and kept in the user's cache.
"""

import contextlib
import functools
import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from univar.corpus.questions.poles import poles
from univar.corpus.records import QARecord, question_hash
from univar.files import replacing
from univar.model.embedded import EmbeddedCorpus, EmbeddedCorpusError, embed
from univar.model.encoding import Provenance
from univar.model.weights import ASSETS, shipped_record

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

SHIPPED = ASSETS / "poles.safetensors"
"""The vectors of the poles by the weights that ship, in 16 bits."""

logger = logging.getLogger(__name__)


def embedded_poles(
    made: Provenance,
    model: "str | SentenceTransformer | None" = None,
    *,
    batch_size: int = 32,
    advance: Callable[[float], None] | None = None,
) -> EmbeddedCorpus:
    """The poles in the order of `univar.corpus.questions.poles.poles`, by the model that other vectors are by.

    Those by the weights that ship come with them. By others they are encoded on first use and then lie in the cache of
    huggingface_hub under the fingerprint of the model: from then on nothing is encoded and no model loaded.

    Args:
        made: How the other vectors were made.
        model: By which; by default it is loaded by the name that it had.
        batch_size: Poles encoded at once.
        advance: See `univar.model.encoding.embed_texts`.

    Raises:
        EmbeddedCorpusError: If the model is another one, or cannot be loaded by its name.
    """
    records = tuple(pole.record for pole in poles())
    file = _kept(made)
    if (kept := _read(file, made, records)) is not None:
        return kept
    loaded = _loaded(made, model)
    logger.info("encoding %s poles with %s, once", f"{len(records):,}", made.model)
    found = embed(records, loaded, name=made.model, batch_size=batch_size, advance=advance)
    if found.provenance.fingerprint != made.fingerprint:
        raise EmbeddedCorpusError(
            f"the vectors are by {made.model} ({made.fingerprint[:12]}…), and the model given or found under that name "
            f"has other weights ({found.provenance.fingerprint[:12]}…): answers and poles must be embedded by one "
            "model; give it as model=, in the terminal --model FOLDER"
        )
    if file is not None:
        with contextlib.suppress(OSError):  # a cache that cannot be written costs time, and nothing else
            found.save(file)
    return found


def pole_count() -> int:
    """How many poles there are to encode."""
    return len(poles())


def are_kept(made: Provenance) -> bool:
    """Whether nothing needs to be encoded: the vectors of the poles by this model ship, or lie in the cache."""
    return _read(_kept(made), made, tuple(pole.record for pole in poles())) is not None


def ship_poles(found: EmbeddedCorpus, file: Path = SHIPPED) -> None:
    """Writes the vectors of the poles by the weights that ship, whole or not at all."""
    about = {"fingerprint": found.provenance.fingerprint, "texts": _texts_sha256(found.records)}
    with replacing(file) as temporary:
        save_file({"vectors": found.embeddings.astype(np.float16)}, temporary, about)


@functools.cache
def _shipped(fingerprint: str, texts: str) -> npt.NDArray[np.float32] | None:
    """The vectors that ship, if they are by this model and of these texts."""
    try:
        with safe_open(SHIPPED, framework="numpy") as file:
            if file.metadata() != {"fingerprint": fingerprint, "texts": texts}:
                return None
            vectors = file.get_tensor("vectors").astype(np.float32)
    except (OSError, SafetensorError):
        return None
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _texts_sha256(records: tuple[QARecord, ...]) -> str:
    return hashlib.sha256("\x1e".join(record.text for record in records).encode()).hexdigest()


def _kept(made: Provenance) -> Path | None:
    """Where the poles by a model are kept; None where there is no place for a cache."""
    import huggingface_hub  # here, not above: it takes a while

    try:
        folder = huggingface_hub.cached_assets_path("univar", namespace="poles")
    except OSError:
        return None
    return folder / f"{made.fingerprint[:20]}.parquet"


def _read(file: Path | None, made: Provenance, records: tuple[QARecord, ...]) -> EmbeddedCorpus | None:
    """What ships or is kept, if it is whole, of this model, and of the poles as they are written now."""
    if (vectors := _shipped(made.fingerprint, _texts_sha256(records))) is not None:
        trained = frozenset(question_hash(record.question_key) for record in records)
        return EmbeddedCorpus(
            records, vectors, replace(made, trained_on=trained & frozenset(shipped_record()["questions"]))
        )
    if file is None or not file.is_file():
        return None
    try:
        kept = EmbeddedCorpus.load(file)
    except (EmbeddedCorpusError, OSError):
        return None
    same = (kept.provenance.fingerprint, kept.provenance.passage) == (made.fingerprint, made.passage)
    return kept if same and kept.records == records else None


def _loaded(made: Provenance, model: "str | SentenceTransformer | None") -> "SentenceTransformer":
    """The model itself."""
    if model is not None and not isinstance(model, str):
        return model
    from univar.model.modeling import load_model  # here, not above: torch takes seconds

    name = model or made.model
    try:
        return load_model(name)
    except Exception as error:  # what is in its folder, or not in it, may raise anything
        reason = " ".join(str(error).split())[:200]
        raise EmbeddedCorpusError(
            f"the poles must be embedded by the model that the answers were embedded by, and {name!r} cannot be loaded "
            f"by its name ({type(error).__name__}: {reason}); give it as model=, in the terminal --model FOLDER"
        ) from error
