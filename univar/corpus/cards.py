"""Data set cards, rendered from templates: of the question bank, and of a corpus of elicited answers."""

from collections import Counter
from collections.abc import Collection
from importlib.resources import files

from huggingface_hub import DatasetCard, DatasetCardData

from univar.corpus.building import Counts, IdentityCounts
from univar.corpus.filters import REASONS
from univar.corpus.languages import languages
from univar.corpus.questions.bank import FORMS, bank_languages, control_questions, question_bank
from univar.corpus.questions.checks import distribution
from univar.corpus.questions.poles import VOICES, poles
from univar.corpus.questions.taxonomy import reference_taxonomy
from univar.corpus.records import Identity
from univar.corpus.stances import SIDES, Side

_TEMPLATES = files("univar") / "assets" / "cards"


def dataset_card() -> str:
    """The README.md of the question bank: use, composition, how it was made and checked, limits, citation."""
    taxonomy, bank, controls = reference_taxonomy(), question_bank(), control_questions()
    found, of_controls = distribution(bank, taxonomy), distribution(controls, taxonomy)
    spoken = Counter(pole.voice for pole in poles())
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
        poles=len(poles()),
        pole_questions=len({pole.question.question_id for pole in poles()}),
        pole_splits=Counter(pole.split for pole in poles()).most_common(),
        voices={voice: (spoken[voice], like) for voice, like in VOICES.items()},
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
        stances=_shares(sum((found.stances for found in counts.values()), Counter[Side]())),
        with_stance=sum(found.stances.total() for found in counts.values()),
    )
    return str(card)


def _shares(stances: Counter[Side]) -> str:
    """For example `60% for, 30% against, 10% between`."""
    return ", ".join(f"{stances[side] / (stances.total() or 1):.0%} {side}" for side in SIDES)


def _corpus_row(identity: Identity, found: IdentityCounts) -> list[str]:
    name = identity.model.replace("|", "\\|").replace("<", "&lt;")
    words = f"{found.words / found.kept:.0f}" if found.kept else "-"
    numbers = [found.reasons[reason] for reason in REASONS]
    counted = [f"{found.answers:,}", f"{found.kept:,}", words, f"{found.refusal_share:.0%}"]
    return [name, identity.lang, *counted, *(f"{number:,}" for number in numbers)]
