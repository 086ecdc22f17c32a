"""Shift: how the answers of one LLM moved, between checkpoints, fine-tunes, versions, system prompts or languages."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from univar.analysis.shift.moved_values import value_shifts
from univar.analysis.shift.paired import beyond, movement
from univar.analysis.shift.pairs import ShiftError, check_one_model, joined, moved_most, paired, parted
from univar.analysis.shift.results import Shifted, Shifts
from univar.analysis.statistics import holm
from univar.analysis.values.questions import asked
from univar.analysis.values.rulers import Rulers, rulers_by
from univar.model.embedded import Corpus, EmbeddedCorpus, EmbeddedCorpusError, embed, is_embedded, unread_of
from univar.model.pole_vectors import embedded_poles

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def shift(
    before: Corpus,
    after: Corpus | Mapping[str, Corpus],
    control_before: Corpus | None = None,
    control_after: Corpus | Mapping[str, Corpus] | None = None,
    *,
    model: "str | SentenceTransformer | None" = None,
    poles: EmbeddedCorpus | None = None,
    resamples: int = 1000,
    seed: int = 0,
    untranslated: bool = False,
    advance: Callable[[float], None] | None = None,
    **options: Any,
) -> Shifts:
    """How the answers of one LLM moved between two sets of them, and whether that is a shift of values.

    Answers are paired by question. The shift is the mean difference that all questions have in common, free of the
    length that chance gives it; its size is in units of the distance between two answers by the same LLM to one
    question. With answers to control questions, which elicit no values, it is told whether those to value questions
    moved further. Control questions of the bank may lie in the same corpora as the others.

    Which values moved is told on the scale of `univar.values`: a change is what that reads after less what it reads
    before. See `univar.analysis.shift.moved_values` for when it is more than one of style.

    Args:
        before: Answers of one LLM, or an embedded corpus; see `univar.embed`.
        after: Answers of the same LLM to the same questions, changed in whatever way; or several sets by their names.
        control_before: Its answers to control questions.
        control_after: The same after; of several sets by the names of `after`.
        model: What embeds the answers; by default `univar`. Embedded corpora must be by one and the same model.
        poles: As for `univar.values`: by default they are encoded once and kept in the cache of huggingface_hub.
            Without them, as where the model of an embedded corpus cannot be loaded, all but the values is told.
        resamples: Draws of questions behind the intervals.
        seed: Of intervals and tests.
        untranslated: Encode answers in languages that the model does not read as they are; see `univar.embed`.
        advance: Is told how many more poles are encoded.
        options: For `univar.read_corpus`, such as `columns=` and `lang=`.

    Raises:
        ShiftError: If fewer than two questions are shared, one side holds answers of several LLMs, or controls are
            given on one side only.
        EmbeddedCorpusError: If the vectors are of different models.
        CorpusError: If answers cannot be read.
        UntranslatedError: If some are in languages that the model does not read, and `untranslated` is not said.

    Example:
        >>> import univar
        >>> said = {"model": "me", "lang": "eng"}
        >>> before = [{"question": f"Why {n}?", "answer": f"So {n}.", **said} for n in range(8)]
        >>> after = [{"question": f"Why {n}?", "answer": f"So {n}.", **said} for n in range(8)]
        >>> print(univar.shift(before, after, model="univar-static"))
        No shift is seen from before to after: all answers to 8 questions are the same (n = 16, p = 1, no interval).
    """
    afters = dict(after) if isinstance(after, Mapping) else {_stem(after) or "after": after}
    controls: dict[str, Corpus] = {}
    if isinstance(control_after, Mapping):
        controls = dict(control_after)
    elif control_after is not None:
        controls = {next(iter(afters), "after"): control_after}
    if (control_before is None) == bool(controls) or (controls and controls.keys() != afters.keys()):
        raise ShiftError(
            "control answers are needed before and after: control_before, and control_after for each of the sets after "
            f"by its name ({', '.join(afters)}); give both, or none"
        )
    control = [] if control_before is None else [control_before, *(controls[name] for name in afters)]
    first, *others = embedded_by_one(
        [before, *afters.values(), *control], model, options | {"untranslated": untranslated}
    )
    later = dict(zip(afters, others, strict=False))
    beside = (others[len(later)], dict(zip(afters, others[len(later) + 1 :], strict=True))) if control else None
    known, why_not = (poles, "") if poles is not None else _poles(first, model, advance)
    found = shifts_between(first, later, controls=beside, poles=known, resamples=resamples, seed=seed)
    if why_not:
        not_read = dict.fromkeys(sorted({one.value for one in asked(first.records) if one.value}), why_not)
        found = replace(found, shifts=tuple(replace(one, unread=not_read) for one in found.shifts))
    return replace(found, before=_stem(before) or "before")


def shifts_between(
    before: EmbeddedCorpus,
    afters: Mapping[str, EmbeddedCorpus],
    *,
    controls: tuple[EmbeddedCorpus, Mapping[str, EmbeddedCorpus]] | None = None,
    poles: EmbeddedCorpus | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Shifts:
    """The same of vectors: nothing is read or encoded; see `shift` for what is measured and what is raised.

    Args:
        before: Answers of one LLM.
        afters: Its answers later, by the names of the sets.
        controls: Answers to control questions before, and after by the names of `afters`; beside those that lie in
            the corpora themselves.
        poles: Those that ship with their vectors by the same model; without them no value is read.
        resamples: Draws of questions behind the intervals.
        seed: Of intervals and tests.
    """
    if not afters:
        raise ShiftError("no answers after; give at least one set")
    rulers = None
    if poles is not None:
        check_one_model(before, poles)
        rulers = rulers_by(poles, seed=seed)
    found = []
    for name, after in afters.items():
        control = None if controls is None else (controls[0], controls[1][name])
        found.append(_shifted(name, before, after, control, rulers, resamples, seed))
    adjusted = holm([one.movement.p for one in found])
    of_values = iter(holm([value.p for one in found for value in one.values]))
    shifts = [
        replace(one, adjusted=p, values=tuple(replace(value, adjusted=next(of_values)) for value in one.values))
        for one, p in zip(found, adjusted, strict=True)
    ]
    beside = [] if controls is None else [controls[0], *controls[1].values()]
    unread = unread_of(before, *afters.values(), *beside)
    return Shifts("before", tuple(shifts), before.provenance.model, seed, unread)


def _shifted(
    name: str,
    before: EmbeddedCorpus,
    after: EmbeddedCorpus,
    control: tuple[EmbeddedCorpus, EmbeddedCorpus] | None,
    rulers: Rulers | None,
    resamples: int,
    seed: int,
) -> Shifted:
    """One shift, whose p are not corrected yet."""
    first, later, beside = _sides(before, after, control)
    pairs = paired(first, later)
    found = movement(pairs.apart, pairs.units, resamples=resamples, seed=seed)
    unit = float(np.nanmean(pairs.units))
    of_control = further = apart_control = None
    n = pairs.n
    if beside is not None:
        controls = paired(*beside)
        apart_control, n = controls.apart, n + controls.n
        of_control = movement(apart_control, np.full(len(apart_control), unit), resamples=resamples, seed=seed + 1)
        further = beyond(found, of_control)
    values, unread = [], {}
    if rulers is not None:
        values, unread = value_shifts(pairs.apart, pairs.values, pairs.asked, rulers, apart_control)
    return Shifted(
        name=name,
        n=n,
        movement=found,
        adjusted=found.p,
        unit=unit,
        unit_of=pairs.unit_of,
        control=of_control,
        beyond=further,
        values=tuple(values),
        unread=unread,
        pairs=tuple(moved_most(first, later, pairs)),
    )


def _sides(
    before: EmbeddedCorpus, after: EmbeddedCorpus, control: tuple[EmbeddedCorpus, EmbeddedCorpus] | None
) -> tuple[EmbeddedCorpus, EmbeddedCorpus, tuple[EmbeddedCorpus, EmbeddedCorpus] | None]:
    """Answers to value questions before and after, and those to control questions where both sides have them."""
    first, of_first = parted(before)
    later, of_later = parted(after)
    if first is None or later is None:
        side = "before" if first is None else "after"
        raise ShiftError(
            f"the answers {side} are to control questions alone, which elicit no values; give these as "
            f"--control-{side}, and answers to other questions beside them"
        )
    beside = joined([of_first, control and control[0]]), joined([of_later, control and control[1]])
    if beside[0] is None or beside[1] is None:
        return first, later, None
    return first, later, (beside[0], beside[1])


def embedded_by_one(
    corpora: Sequence[Corpus], model: "str | SentenceTransformer | None", options: Mapping[str, Any]
) -> list[EmbeddedCorpus]:
    """Corpora with their vectors, as `univar.embed` gives them; a model that has to encode several is loaded once."""
    name = model if isinstance(model, str) else None
    loaded = model
    if name is not None or (model is None and not all(map(is_embedded, corpora))):
        from univar.model.modeling import load_model  # here, not above: torch takes seconds

        name = name or "univar"
        loaded = load_model(name)
    of_its_own = model is None  # what is embedded already is then taken as it is
    return [
        embed(corpus, None if of_its_own and is_embedded(corpus) else loaded, name=name, **options)
        for corpus in corpora
    ]


def _poles(
    before: EmbeddedCorpus, model: "str | SentenceTransformer | None", advance: Callable[[float], None] | None
) -> tuple[EmbeddedCorpus | None, str]:
    """The poles by the model of the answers, if these are about values; or why they are not there."""
    if not any(one.value for one in asked(before.records)):
        return None, ""
    try:
        return embedded_poles(before.provenance, model, advance=advance), ""
    except EmbeddedCorpusError as error:
        return None, str(error)


def _stem(corpus: Any) -> str | None:
    return Path(corpus).resolve().stem if isinstance(corpus, str | os.PathLike) else None
