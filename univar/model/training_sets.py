"""What a recipe makes of corpora before it trains: pairs of views, of stances, of control answers, and their labels."""

import itertools
import logging
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from datasets import Dataset
from torch import Tensor
from torch.nn import functional

from univar.corpus.records import QARecord, check_record, normalised_question, passage_characters, passages, split_of
from univar.model.controls import control_pairs
from univar.model.modeling import UniVaR
from univar.model.recipes import Recipe
from univar.model.stance_pairs import pairable, stance_pairs
from univar.model.views import Texts, check_same_value, same_value_view_pairs, view_pairs, whole_text

_VIEWS_OF_A_PROXY = 16

logger = logging.getLogger(__name__)


def to_train_on(records: Sequence[QARecord]) -> list[QARecord]:
    """The records whose questions are for training."""
    seen = []
    for record in records:
        check_record(record)
        if split_of(record.question_key) == "train":
            seen.append(record)
    return seen


def check_corpora(seen: Mapping[str, Sequence[QARecord]], recipe: Recipe) -> None:
    """Raises ValueError if a recipe asks for what the records to train on, by the name of their corpus, do not have.

    That is stances; names for which it has a weight; and of a corpus that names the values of its questions, answers
    enough that share one.
    """
    names = ", ".join(seen) or "none"
    for field, named in (("corpus_weights", recipe.corpus_weights), ("identities_of", recipe.identities_of or ())):
        if unknown := sorted(set(named) - seen.keys()):
            raise ValueError(
                f"{field} names {', '.join(unknown)}, but the corpora are {names}; write one of these names instead"
            )
    if recipe.stance_share and not any(map(_has_stances, seen.values())):
        raise ValueError(
            f"stance_share is {recipe.stance_share:g}, but no answer to a training question has a stance; the corpora "
            f"are {names}. Give a column stance, from -1 (against) to 1 (for), or set stance_share: 0 in the recipe"
        )
    for name in stances_from(seen, recipe):
        with _naming(name):
            pairable(seen[name], margin=recipe.stance_margin)
    for name in views_from(seen, recipe):
        if _on_one_value(seen[name], recipe):
            with _naming(name):
                check_same_value(seen[name], min_qas=recipe.min_qas)


def stances_from(seen: Mapping[str, Sequence[QARecord]], recipe: Recipe) -> list[str]:
    """The names of the corpora whose stances are trained on."""
    return [name for name, records in seen.items() if recipe.stance_share and _has_stances(records)]


def views_from(seen: Mapping[str, Sequence[QARecord]], recipe: Recipe) -> list[str]:
    """The names of the corpora whose identities are told apart.

    Those that the recipe names, or all of them, but for those whose stances are trained on and which have no two
    identities to tell apart; and none where the recipe leaves no steps for it.
    """
    if not recipe.view_share:
        return []
    if recipe.identities_of is not None:
        return [name for name in seen if name in recipe.identities_of]
    of_stances = stances_from(seen, recipe)
    return [name for name, records in seen.items() if name not in of_stances or _has_views(records, recipe)]


def _has_stances(records: Sequence[QARecord]) -> bool:
    return any(record.stance is not None for record in records)


def _has_views(records: Sequence[QARecord], recipe: Recipe) -> bool:
    questions = defaultdict(set)
    for record in records:
        questions[record.identity].add(normalised_question(record.question_key))
    return sum(len(asked) >= 2 * recipe.min_qas for asked in questions.values()) > 1


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Has an error name the corpus that it is about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def stance_sets(seen: Mapping[str, Sequence[QARecord]], recipe: Recipe) -> dict[str, Dataset]:
    """The pairs of answers that stand apart, of each corpus that has stances; none without a share of the steps.

    Args:
        seen: Records to train on, by the name of their corpus.
        recipe: What decides how they are drawn.

    Raises:
        ValueError: If the stances of a corpus can teach nothing; the message names it.
    """
    used = {}
    for name in stances_from(seen, recipe):
        with _naming(name):
            used[name] = pairable(seen[name], margin=recipe.stance_margin)
    pairs = round(recipe.pairs * recipe.stance_share / (1 - recipe.control_share))
    return {name: _stance_pairs(seen[name], share, recipe) for name, share in _shares(used, pairs, recipe).items()}


def _stance_pairs(records: Sequence[QARecord], pairs: int, recipe: Recipe) -> Dataset:
    return stance_pairs(
        records,
        pairs,
        batch_pairs=recipe.batch_pairs,
        seed=recipe.seed,
        margin=recipe.stance_margin,
        texts=_texts(recipe),
    )


def view_sets(seen: Mapping[str, Sequence[QARecord]], recipe: Recipe) -> tuple[dict[str, Dataset], list[int]]:
    """The view pairs of each corpus, and with proxies the number of identities of each that has any.

    With proxies, labels go on from corpus to corpus in the order of these numbers, and those of views on one value lie
    beyond all others; without, they begin at 0 in every corpus.

    Args:
        seen: Records to train on, by the name of their corpus.
        recipe: What decides how they are drawn.

    Raises:
        ValueError: If there is no corpus, or one has too few identities or questions; the message names it.
    """
    if not seen:
        raise ValueError("no corpora: training needs the QAs of at least 2 identities")
    used = {name: seen[name] for name in views_from(seen, recipe)}
    if recipe.view_share and not used:
        raise ValueError(
            f"stance_share {recipe.stance_share:g} and control_share {recipe.control_share:g} leave steps to tell "
            f"identities apart, but of the corpora, {', '.join(seen)}, none has two identities that answered "
            f"{2 * recipe.min_qas} questions each; raise the shares until together they are 1, or add answers of other "
            "LLMs or people"
        )
    all_pairs = round(recipe.pairs * recipe.view_share / (1 - recipe.control_share))
    datasets = {}
    for name, pairs in _shares(used, all_pairs, recipe).items():
        try:
            datasets[name] = _view_pairs(seen[name], pairs, recipe)
        except ValueError as error:
            raise ValueError(f"{name}: {error} (of its training questions)") from error
    return _apart(datasets, seen, recipe) if recipe.positives == "proxy" else (datasets, [])


def _apart(
    datasets: dict[str, Dataset], seen: Mapping[str, Sequence[QARecord]], recipe: Recipe
) -> tuple[dict[str, Dataset], list[int]]:
    counts = {
        name: max(pairs["label"]) + 1 for name, pairs in datasets.items() if not _on_one_value(seen[name], recipe)
    }
    starts = dict(zip(counts, itertools.accumulate(counts.values(), initial=0), strict=False))
    beyond = sum(counts.values())

    def moved(name: str, pairs: Dataset) -> Dataset:
        labels = [label + starts.get(name, beyond) for label in pairs["label"]]
        return pairs.remove_columns("label").add_column("label", labels)

    return {name: moved(name, pairs) for name, pairs in datasets.items()}, list(counts.values())


def first_directions(model: UniVaR, datasets: Mapping[str, Dataset], identities: Sequence[int]) -> list[Tensor]:
    """For each corpus that has proxies, where the model has its identities before the training: `(n, D)` float32.

    Each is the unit mean of up to 16 of the identity's views. Directions drawn at random would first lead a trained
    encoder away from what it knows.

    Args:
        model: Not trained yet.
        datasets: As `view_sets` gives them, their labels one after the other.
        identities: The number of each corpus that has proxies.
    """
    if not identities:
        return []
    views: dict[int, list[list[str]]] = defaultdict(list)
    for pairs in datasets.values():
        for view, label in zip(pairs["view_a"], pairs["label"], strict=True):
            if label < sum(identities) and len(views[label]) < _VIEWS_OF_A_PROXY:
                views[label].append(view)
    labels = [label for label in sorted(views) for _ in views[label]]
    drawn = [view for label in sorted(views) for view in views[label]]
    embedded = torch.from_numpy(model.encode(drawn, show_progress_bar=sys.stderr.isatty()))
    sums = torch.zeros(sum(identities), embedded.shape[1]).index_add(0, torch.tensor(labels), embedded.float())
    sums[sums.norm(dim=1) == 0] = sums.sum(dim=0)  # of whom no view was drawn, in a very short training
    return list(torch.split(functional.normalize(sums), list(identities)))


def _view_pairs(records: Sequence[QARecord], pairs: int, recipe: Recipe) -> Dataset:
    if _on_one_value(records, recipe):
        return same_value_view_pairs(
            records,
            pairs,
            batch_pairs=recipe.batch_pairs,
            min_qas=recipe.min_qas,
            max_qas=recipe.max_qas,
            seed=recipe.seed,
            texts=_texts(recipe),
        )
    return view_pairs(
        records,
        pairs,
        min_qas=recipe.min_qas,
        max_qas=recipe.max_qas,
        seed=recipe.seed,
        texts=_texts(recipe),
    )


def _on_one_value(records: Sequence[QARecord], recipe: Recipe) -> bool:
    return recipe.same_value and bool(records) and all(record.value is not None for record in records)


def _shares(corpora: Mapping[str, Sequence[QARecord]], pairs: int, recipe: Recipe) -> dict[str, int]:
    """Pairs for each corpus: by its texts raised to the recipe's exponent, and its weight; a batch at least."""
    texts = _texts(recipe)
    sizes = {name: sum(len(texts(record)) for record in records) for name, records in corpora.items()}
    powers = {name: size**recipe.corpus_exponent * recipe.corpus_weights.get(name, 1.0) for name, size in sizes.items()}
    total = sum(powers.values()) or 1.0
    return {name: max(recipe.batch_pairs, round(pairs * power / total)) for name, power in powers.items()}


def _texts(recipe: Recipe) -> Texts:
    """What a recipe reads of a QA."""
    if not recipe.passages:
        return whole_text
    characters = passage_characters(recipe.max_tokens)
    return lambda record: passages(record.text, characters=characters)


def control_set(records: Sequence[QARecord], model: UniVaR, datasets: Iterable[Dataset], recipe: Recipe) -> Dataset:
    """Control answers for their share of the steps, the others being those on some data sets."""
    batches = sum(len(pairs) // recipe.batch_pairs for pairs in datasets)
    batches_of_control = max(1, round(batches * recipe.control_share / (1 - recipe.control_share)))
    return control_pairs(
        records, batches_of_control * recipe.batch_pairs, model, seed=recipe.seed, texts=_texts(recipe)
    )


def cut(model: UniVaR, datasets: Iterable[Dataset]) -> dict[str, int]:
    """What of joined views is not read: views longer than the window and tokens beyond it, with their totals."""
    lengths: list[int] = []
    for pairs in datasets:
        for part in pairs.iter(batch_size=1_000):
            texts = ["\n".join(view) for view in part["view_a"] + part["view_b"]]
            lengths.extend(map(len, model.tokenizer(texts, verbose=False)["input_ids"]))
    window = model.max_seq_length or sys.maxsize
    beyond = [length - window for length in lengths if length > window]
    if beyond:
        logger.warning(
            "%s of %s joined views are longer than the %s tokens that are read, %.0f %% of all tokens are cut off; "
            "raise max_tokens, lower max_qas, or set view_encoder: pool",
            *(f"{number:,}" for number in (len(beyond), len(lengths), window)),
            100 * sum(beyond) / sum(lengths),
        )
    return {
        "views": len(lengths),
        "views_cut": len(beyond),
        "tokens": sum(lengths),
        "tokens_cut": sum(beyond),
    }
