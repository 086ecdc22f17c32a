"""Model cards, rendered from one template."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelCard, ModelCardData

if TYPE_CHECKING:
    from univar.model.modeling import UniVaR

TEMPLATE = Path(__file__).parent.parent / "assets" / "cards" / "model.md.j2"


def model_card(
    model: "UniVaR", *, comparisons: Mapping[str, str] | None = None, notes: Mapping[str, Any] | None = None
) -> str:
    """The README.md of a model: use, training data and arguments, identification tables, limits, citation.

    Args:
        model: Its training record tells how it was made.
        comparisons: Identification tables in markdown, by corpus.
        notes: Further sections, heading to text.
    """
    data = ModelCardData(
        language="en",
        license="apache-2.0",
        library_name="sentence-transformers",
        pipeline_tag="sentence-similarity",
        tags=["sentence-transformers", "univar", "human-values", "value-identification"],
    )
    card = ModelCard.from_template(
        data,
        template_path=str(TEMPLATE),
        dimension=model.get_embedding_dimension(),
        tokens=model.max_seq_length,
        view_pooling=model.view_pooling.pooling_mode,
        recipe=model.training_record.get("recipe"),
        corpora=model.training_record.get("corpora", {}),
        checkpoint=model.training_record.get("checkpoint", "last"),
        comparisons=dict(comparisons or {}),
        notes=dict(notes or {}),
    )
    return str(card)
