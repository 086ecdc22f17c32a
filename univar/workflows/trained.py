"""Training with its measurement: the checkpoint is chosen on validation questions, the table made on test questions."""

import logging
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.evaluation import BaseEvaluator
from sentence_transformers.util import get_rank
from transformers.trainer import TRAINER_STATE_NAME

from univar.analysis.comparison import Comparison, side_by_side
from univar.analysis.identification import identify_knn
from univar.analysis.representations import Encoder, sentence_encoder, tfidf
from univar.analysis.stance import lacking, pairs
from univar.analysis.stance_comparison import StanceComparison, stances_side_by_side
from univar.corpus.records import QARecord, question_halves, question_hash, split_of
from univar.corpus.stances import group_of
from univar.files import replacing
from univar.model.encoding import as_read
from univar.model.modeling import UniVaR, is_univar_folder, load_model
from univar.model.recipes import Recipe, read_recipe
from univar.model.training import check_complete, train
from univar.model.training_sets import check_corpora, stances_from, to_train_on, views_from

logger = logging.getLogger(__name__)


class IdentificationEvaluator(BaseEvaluator):
    """k-NN identification on the validation questions of each corpus, the mean of which chooses the checkpoint.

    With control answers, identification on those of the same identities is taken off first: style tells them apart on
    both. Half of the validation questions are the gallery, the other half the query. What is too small for that is
    left out; `corpora` and `controls` hold the validation QAs of the others, by the name of the corpus.
    """

    def __init__(self, corpora: Mapping[str, Sequence[QARecord]], control: Sequence[QARecord] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.corpora = _measurable({name: _of_validation(records) for name, records in corpora.items()})
        in_control = _of_validation(control)
        self.controls = _measurable({name: _of_the_same(in_control, records) for name, records in self.corpora.items()})
        self.primary_metric: str = "knn_accuracy_minus_control" if self.controls else "knn_accuracy"

    def __call__(  # type: ignore[override]  # only models of sentences are trained here
        self, model: SentenceTransformer, output_path: str | None = None, epoch: int = -1, steps: int = -1
    ) -> dict[str, float]:
        """The k-NN accuracy of each corpus and its control, in 0..1, and what the checkpoint is chosen by."""
        scores = {name: _knn_accuracy(model, records) for name, records in self.corpora.items()}
        of_controls = {name: _knn_accuracy(model, records) for name, records in self.controls.items()}
        without_style = [score - of_controls.get(name, 0.0) for name, score in scores.items()]
        named = {f"{name}_knn_accuracy": score for name, score in scores.items()}
        named |= {f"{name}_control_knn_accuracy": score for name, score in of_controls.items()}
        return {**named, self.primary_metric: float(np.mean(without_style)) if without_style else 0.0}


class StanceEvaluator(BaseEvaluator):
    """Which of two answers is nearer, on the validation questions of each corpus with stances: their mean chooses.

    See `univar.analysis.stance.pairs`. What is too small for that is left out; `corpora` holds the validation QAs of
    the others that have a stance, by the name of the corpus.
    """

    def __init__(self, corpora: Mapping[str, Sequence[QARecord]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        sided = {name: [r for r in _of_validation(records) if r.stance] for name, records in corpora.items()}
        self.corpora = {name: records for name, records in sided.items() if records and not _lacks_pairs(records)}
        self.primary_metric: str = "stance_pairs"

    def __call__(  # type: ignore[override]  # only models of sentences are trained here
        self, model: SentenceTransformer, output_path: str | None = None, epoch: int = -1, steps: int = -1
    ) -> dict[str, float]:
        """The share of pairs of each corpus of which the right one is nearer, in 0..1, and the mean of corpora."""
        scores = {}
        for name, records in self.corpora.items():
            vectors = model.encode(as_read(model, [record.text for record in records]))
            scores[name] = pairs(vectors, *_groups_and_stances(records)).score
        named = {f"{name}_stance_pairs": score for name, score in scores.items()}
        return {**named, self.primary_metric: float(np.mean(list(scores.values()))) if scores else 0.0}


def _groups_and_stances(records: Sequence[QARecord]) -> tuple[list[str], list[float]]:
    return [group_of(record) for record in records], [record.stance or 0.0 for record in records]


def _lacks_pairs(records: Sequence[QARecord]) -> bool:
    return lacking("pairs", *_groups_and_stances(records)) is not None


def _of_validation(records: Sequence[QARecord]) -> list[QARecord]:
    return [record for record in records if split_of(record.question_key) == "validation"]


def _measurable(corpora: Mapping[str, list[QARecord]]) -> dict[str, list[QARecord]]:
    return {name: records for name, records in corpora.items() if _can_be_split(records)}


def _of_the_same(control: Sequence[QARecord], records: Sequence[QARecord]) -> list[QARecord]:
    owners = {record.identity for record in records}
    return [record for record in control if record.identity in owners]


def _can_be_split(records: Sequence[QARecord]) -> bool:
    """Whether `identify_knn` can score the halves."""
    gallery, query = question_halves(records)
    owners = Counter(record.identity for record in gallery)
    scored = {question_hash(record.question_key) for record in query if record.identity in owners}
    return len(owners) > 1 and min(owners.values()) > 1 and len(scored) > 1


def _knn_accuracy(model: SentenceTransformer, records: Sequence[QARecord]) -> float:
    halves = question_halves(records)
    gallery, query = (model.encode(as_read(model, [r.text for r in half])) for half in halves)
    labels = [[str(record.identity) for record in half] for half in halves]
    questions = [question_hash(record.question_key) for record in halves[1]]
    return identify_knn(gallery, labels[0], query, labels[1], questions).accuracy


class Measurements(NamedTuple):
    """How good a model is on test questions, by the name of the corpus: those of which there are enough."""

    identification: dict[str, Comparison]
    stances: dict[str, StanceComparison]


def train_and_measure(
    corpora: Mapping[str, Sequence[QARecord]],
    out: str | os.PathLike[str],
    *,
    recipe: str | os.PathLike[str] = "minilm",
    control: Sequence[QARecord] = (),
    restart: bool = False,
    report_to: str = "none",
    step: Callable[[str], None] = lambda _: None,
) -> Measurements:
    """Trains, measures on the test questions beside the base encoder and TF-IDF, and saves model and card to `out`.

    Where the recipe gives stances a share of the steps, they choose the checkpoint, else identification does.
    Checkpoints lie in `checkpoint_folder(out)` until the model is saved: the same call goes on from the last one
    after an interruption. `out` appears whole or not at all.

    Args:
        corpora: Records by the name of their corpus.
        out: Folder of the model; a UniVaR model that stands there is replaced in the end.
        recipe: Name or file of a recipe.
        control: QAs that elicit no values.
        restart: Throw away the checkpoints of an interrupted run.
        report_to: As for `TrainingArguments`.
        step: Told what is being done, a sentence at a time.

    Returns:
        A comparison for each corpus that has enough test questions to be measured, and of stances where the recipe
        gives them a share of the steps; nothing in the processes that only help to train, where `torchrun` started
        several.

    Raises:
        FileExistsError: If `out` is something other than a UniVaR model; nothing is touched.
        ValueError: See `univar.model.training.train`: too few identities, or checkpoints of another run.
    """
    out = Path(out).resolve()
    _check_replaceable(out)
    chosen = read_recipe(recipe)
    measured = StanceEvaluator(corpora) if chosen.stance_share else IdentificationEvaluator(corpora, control)
    evaluator = measured if measured.corpora else None
    check_complete(chosen, control, evaluator)  # `train` would say so too, but only after it was announced
    seen = {name: to_train_on(records) for name, records in corpora.items()}
    check_corpora(seen, chosen)
    checkpoints = checkpoint_folder(out)
    step(_training_sentence(seen, chosen, [*measured.corpora], None if restart else last_checkpoint(out)))
    try:
        model = train(
            corpora,
            checkpoints,
            control=control,
            recipe=chosen,
            evaluator=evaluator,
            resume=not restart,
            report_to=report_to,
        )
        if get_rank() > 0:
            return Measurements({}, {})  # the process of rank 0 measures and saves for all
        step("Measuring on test questions, which neither training nor the choice of the checkpoint has seen ...")
        measurements = measure(model, corpora, control)
        tables = {name: found.to_markdown() for name, found in measurements.identification.items()}
        tables |= {f"{name}, stances": found.to_markdown() for name, found in measurements.stances.items()}
        model.set_model_card(model.render_card(comparisons=tables))
        with replacing(out) as temporary:
            model.save_pretrained(str(temporary))
    except BaseException:
        _keep_whole_checkpoints(checkpoints)
        raise
    shutil.rmtree(checkpoints, ignore_errors=True)
    return measurements


def measure(model: UniVaR, corpora: Mapping[str, Sequence[QARecord]], control: Sequence[QARecord]) -> Measurements:
    """Identification, and stances if it was trained on them, by a trained model, the base it started from and TF-IDF.

    Questions that the model or its base was trained on are left out. So is, with a warning, a corpus with too few
    others, so that hours of training are not lost for it; and so are control answers that are too few, alone. What
    only one identity answered is not measured by identification where its stances are.
    """
    recipe: dict[str, Any] = model.training_record["recipe"]
    base = load_model("base" if recipe["base"] == "univar-base" else recipe["base"])
    encoders = {"univar": sentence_encoder(model), "base": sentence_encoder(base), "tfidf": tfidf()}
    known = getattr(base, "training_record", {}).get("questions", ())  # models of earlier versions do not hold these
    trained_on = frozenset([*model.training_record["questions"], *known])
    found = Measurements({}, {})
    for name, records in corpora.items():
        if recipe.get("stance_share") and any(record.stance is not None for record in records):
            with _told_if_not_measured(f"the stances of {name} were"):
                found.stances[name] = stances_side_by_side(records, encoders, part="test", trained_on=trained_on)
        if name not in found.stances or len({record.identity for record in records}) > 1:
            with _told_if_not_measured(f"{name} was"):
                of_same = _of_the_same(control, records)
                found.identification[name] = _compared(name, records, of_same, encoders, trained_on)
    return found


@contextmanager
def _told_if_not_measured(what: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        logger.warning("%s not measured: %s", what, error)


def _compared(
    name: str,
    records: Sequence[QARecord],
    control: Sequence[QARecord],
    encoders: Mapping[str, Encoder],
    trained_on: frozenset[str],
) -> Comparison:
    """The comparison on a corpus, without control answers where it is they that do not allow it."""
    try:
        return side_by_side(records, encoders, control=control or None, trained_on=trained_on)
    except ValueError as error:
        if not control:
            raise
        comparison = side_by_side(records, encoders, trained_on=trained_on)  # raises again what the corpus itself does
        logger.warning("%s was measured without control answers: %s", name, error)
        return comparison


def checkpoint_folder(out: str | os.PathLike[str]) -> Path:
    """Where the checkpoints of a run lie until its model is saved to `out`: a hidden folder beside it."""
    path = Path(out).resolve()
    return path.with_name(f".{path.name}.checkpoints")


def last_checkpoint(out: str | os.PathLike[str]) -> int | None:
    """The training step from which a run that was interrupted goes on; None if there is none."""
    return max((int(folder.name.rpartition("-")[2]) for folder in _whole(checkpoint_folder(out))), default=None)


def _check_replaceable(out: Path) -> None:
    """Raises FileExistsError unless nothing is lost if `out` is replaced by a model."""
    if not out.exists() or is_univar_folder(out) or (out.is_dir() and not any(out.iterdir())):
        return
    kind = "a folder that holds no UniVaR model" if out.is_dir() else "a file"
    raise FileExistsError(f"{out} is {kind} and would be lost; give a new folder")


def _whole(checkpoints: Path) -> set[Path]:
    # The Trainer writes its state last: a checkpoint without it was cut off while it was written.
    return {state.parent for state in checkpoints.glob(f"checkpoint-*/{TRAINER_STATE_NAME}")}


def _keep_whole_checkpoints(checkpoints: Path) -> None:
    """Removes what an interruption left that nothing can go on from."""
    for broken in set(checkpoints.glob("checkpoint-*")) - _whole(checkpoints):
        shutil.rmtree(broken, ignore_errors=True)
    if not _whole(checkpoints):
        shutil.rmtree(checkpoints, ignore_errors=True)


def _training_sentence(
    seen: Mapping[str, Sequence[QARecord]], recipe: Recipe, measured: Sequence[str], start: int | None
) -> str:
    """What is about to be trained on: how many steps on what, of which corpora."""
    steps = recipe.pairs / recipe.batch_pairs / (1 - recipe.control_share)  # those on control answers too
    parts = {
        "stances": (recipe.stance_share, stances_from(seen, recipe)),
        "identities": (recipe.view_share, views_from(seen, recipe)),
        "control answers": (recipe.control_share, []),
    }
    shares = [
        f"{round(share * steps):,} on {what}" + (f" ({', '.join(names)})" if names and recipe.stance_share else "")
        for what, (share, names) in parts.items()
        if share
    ]
    used = [name for name in seen if any(name in names for _, names in parts.values())]
    verb = f"Going on from step {start:,} of about {round(steps):,}" if start else f"About {round(steps):,} steps"
    chosen_by = parts["stances" if recipe.stance_share else "identities"][1]
    unheard = ", ".join(name for name in chosen_by if name not in measured)
    note = f" Too few validation questions to help choose the checkpoint: {unheard}." if unheard else ""
    return f"Training on {', '.join(used)}. {verb}, {recipe.batch_pairs} pairs a step: {', '.join(shares)}.{note}"
