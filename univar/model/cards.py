"""Model and data set cards, rendered from templates."""

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import DatasetCard, DatasetCardData, ModelCard, ModelCardData

from univar.corpus.building import Counts, IdentityCounts
from univar.corpus.filters import REASONS
from univar.corpus.languages import languages
from univar.corpus.questions import FORMS, bank_languages, control_questions, distribution, question_bank
from univar.corpus.records import Identity
from univar.corpus.taxonomy import reference_taxonomy

if TYPE_CHECKING:
    from univar.model.modeling import UniVaR

_TEMPLATES = Path(__file__).parent.parent / "assets" / "cards"


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
        template_path=str(_TEMPLATES / "model.md.j2"),
        dimension=model.get_embedding_dimension(),
        tokens=model.max_seq_length,
        view_pooling=model.view_pooling.pooling_mode,
        recipe=model.training_record.get("recipe"),
        cut=model.training_record.get("cut"),
        corpora=model.training_record.get("corpora", {}),
        control=model.training_record.get("control"),
        checkpoint=model.training_record.get("checkpoint", "last"),
        bases=_bases(model.training_record),
        comparisons=dict(comparisons or {}),
        notes=dict(notes or {}),
    )
    return str(card)


def _bases(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What is known of the base of a training that was trained itself, of the base of that, and so on."""
    base = record.get("base")
    return [] if base is None else [base, *_bases(base)]


def static_card(model: "UniVaR", comparisons: Mapping[str, str], attribution: str) -> str:
    """The README.md of a static student: use, how it was distilled, identification tables beside its teacher.

    Args:
        model: Its training record tells how it was made.
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
        dimension=model.get_embedding_dimension(),
        teacher=model.training_record["teacher"],
        teacher_sha256=model.training_record["teacher_adapter_sha256"],
        recipe=model.training_record["recipe"],
        corpora=model.training_record["corpora"],
        comparisons=dict(comparisons),
        attribution=attribution,
    )
    return str(card)


def dataset_card() -> str:
    """The README.md of the question bank: use, composition, how it was made and checked, limits, citation."""
    taxonomy, bank, controls = reference_taxonomy(), question_bank(), control_questions()
    found, of_controls = distribution(bank, taxonomy), distribution(controls, taxonomy)
    data = DatasetCardData(
        language=list(bank_languages()),
        license="cc-by-4.0",
        pretty_name="univar-qa",
        tags=["human-values", "value-identification", "univar"],
        task_categories=["text-generation"],
        size_categories="1K<n<10K",
    )
    card = DatasetCard.from_template(
        data,
        template_path=str(_TEMPLATES / "dataset.md.j2"),
        questions=len(bank),
        controls=len(controls),
        values=len(taxonomy.values),
        core=sum(bool(question.paraphrases) for question in bank),
        translated=len(languages()) - 1,
        forms=FORMS,
        families=taxonomy.families,
        by_value=[(value, found["value"][value.id]) for value in taxonomy.values],
        by_form=[(form, (found["form"][form], of_controls["form"][form])) for form in FORMS],
        by_topic=found["topic"].most_common(),
        control_topics=[topic.name for topic in taxonomy.control_topics],
        per_control_topic=len(controls) // len(taxonomy.control_topics),
    )
    return str(card)


def corpus_card(counts: Counts, dropped: Collection[str]) -> str:
    """The README.md of a corpus of elicited answers: counts by identity, what was kept apart and why, limits.

    Args:
        counts: Of `univar.corpus.building`.
        dropped: The reasons that kept answers apart.
    """
    langs = sorted({identity.lang for identity in counts})
    translators = sum((found.translators for found in counts.values()), Counter[str]())
    data = DatasetCardData(
        language=langs,
        tags=["human-values", "univar"],
        task_categories=["text-generation"],
        configs=[{"config_name": "default", "data_files": [{"split": "train", "path": "data/*.parquet"}]}],
    )
    card = DatasetCard.from_template(
        data,
        template_path=str(_TEMPLATES / "corpus.md.j2"),
        rows=[_corpus_row(identity, found) for identity, found in counts.items()],
        answers=sum(found.answers for found in counts.values()),
        kept=sum(found.kept for found in counts.values()),
        models=len({identity.model for identity in counts}),
        langs=len(langs),
        reasons=REASONS,
        dropped=list(dropped),
        translators=sorted(translators),
        translated=translators.total(),
        untranslated=sum(found.untranslated for found in counts.values()),
    )
    return str(card)


def _corpus_row(identity: Identity, found: IdentityCounts) -> list[str]:
    name = identity.model.replace("|", "\\|").replace("<", "&lt;")
    words = f"{found.words / found.kept:.0f}" if found.kept else "-"
    numbers = [found.reasons[reason] for reason in REASONS]
    counted = [f"{found.answers:,}", f"{found.kept:,}", words, f"{found.refusal_share:.0%}"]
    return [name, identity.lang, *counted, *(f"{number:,}" for number in numbers)]
