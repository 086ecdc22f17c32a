"""Model cards, rendered from templates out of facts that they are given."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

_TEMPLATES = Path(__file__).parent.parent / "assets" / "cards"


def model_card(
    record: Mapping[str, Any],
    *,
    dimension: int | None,
    tokens: int | None,
    view_pooling: str,
    comparisons: Mapping[str, str] | None = None,
    notes: Mapping[str, Any] | None = None,
) -> str:
    """The README.md of a model: use, training data and arguments, identification tables, limits, citation.

    Args:
        record: Of the training: how the model was made.
        dimension: Of its embeddings.
        tokens: That it reads of a text.
        view_pooling: How the QAs of a view are pooled.
        comparisons: Identification tables in markdown, by corpus.
        notes: Further sections, heading to text.
    """
    data = ModelCardData(
        language=record.get("languages", "en"),
        license="apache-2.0",
        library_name="sentence-transformers",
        pipeline_tag="sentence-similarity",
        tags=["sentence-transformers", "univar", "human-values", "value-identification"],
    )
    card = ModelCard.from_template(
        data,
        template_path=str(_TEMPLATES / "model.md.j2"),
        dimension=dimension,
        tokens=tokens,
        view_pooling=view_pooling,
        recipe=record.get("recipe"),
        cut=record.get("cut"),
        corpora=record.get("corpora", {}),
        control=record.get("control"),
        checkpoint=record.get("checkpoint", "last"),
        bases=_bases(record),
        comparisons=dict(comparisons or {}),
        notes=dict(notes or {}),
    )
    return str(card)


def _bases(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What is known of the base of a training that was trained itself, of the base of that, and so on."""
    base = record.get("base")
    return [] if base is None else [base, *_bases(base)]


def static_card(
    record: Mapping[str, Any], *, dimension: int | None, comparisons: Mapping[str, str], attribution: str
) -> str:
    """The README.md of a static student: use, how it was distilled, identification tables beside its teacher.

    Args:
        record: Of the training: how the student was made.
        dimension: Of its embeddings.
        comparisons: Identification tables in markdown, by corpus.
        attribution: Where the texts are from, and their licences, as a list in markdown.
    """
    data = ModelCardData(
        language="en",
        license="apache-2.0",
        library_name="sentence-transformers",
        pipeline_tag="sentence-similarity",
        tags=["sentence-transformers", "univar", "human-values", "value-identification", "static-embeddings"],
    )
    card = ModelCard.from_template(
        data,
        template_path=str(_TEMPLATES / "static.md.j2"),
        dimension=dimension,
        teacher=record["teacher"],
        teacher_sha256=record["teacher_adapter_sha256"],
        recipe=record["recipe"],
        corpora=record["corpora"],
        comparisons=dict(comparisons),
        attribution=attribution,
    )
    return str(card)
