"""The poles as vectors of the model that a corpus is of: encoded once, and kept in the user's cache."""

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from univar.corpus.questions.poles import poles
from univar.corpus.records import QARecord
from univar.model.embedded import EmbeddedCorpus, EmbeddedCorpusError, embed
from univar.model.encoding import Provenance

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)


def embedded_poles(
    made: Provenance,
    model: "str | SentenceTransformer | None" = None,
    *,
    batch_size: int = 32,
    advance: Callable[[float], None] | None = None,
) -> EmbeddedCorpus:
    """The poles in the order of `univar.corpus.questions.poles.poles`, by the model that other vectors are by.

    They are encoded on first use and then lie in the cache of huggingface_hub under the fingerprint of the model: from
    then on nothing is encoded and no model loaded.

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
    """Whether the poles by this model lie in the cache."""
    return _read(_kept(made), made, tuple(pole.record for pole in poles())) is not None


def _kept(made: Provenance) -> Path | None:
    """Where the poles by a model are kept; None where there is no place for a cache."""
    import huggingface_hub  # here, not above: it takes a while

    try:
        folder = huggingface_hub.cached_assets_path("univar", namespace="poles")
    except OSError:
        return None
    return folder / f"{made.fingerprint[:20]}.parquet"


def _read(file: Path | None, made: Provenance, records: tuple[QARecord, ...]) -> EmbeddedCorpus | None:
    """What is kept, if it is whole, of this model, and of the poles as they are written now."""
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
