"""Shift: how the answers of one LLM moved, between checkpoints, fine-tunes, versions, system prompts or languages."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from univar.analysis.shift.moved_values import Axis, axes_of, holm, value_shifts
from univar.analysis.shift.paired import beyond, movement
from univar.analysis.shift.pairs import ShiftError, check_one_model, joined, moved_most, paired, parted
from univar.analysis.shift.results import Shifted, Shifts
from univar.corpus.questions.poles import poles as written_poles
from univar.model.embedded import Corpus, EmbeddedCorpus, EmbeddedCorpusError, embed, is_embedded

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
    **options: Any,
) -> Shifts:
    """How the answers of one LLM moved between two sets of them, and whether that is a shift of values.

    Answers are paired by question. The shift is the mean difference that all questions have in common, free of the
    length that chance gives it; its size is in units of the distance between two answers by the same LLM to one
    question. With answers to control questions, which elicit no values, it is told whether those to value questions
    moved further. Control questions of the bank may lie in the same corpora as the others.

    Args:
        before: Answers of one LLM, or an embedded corpus; see `univar.embed`.
        after: Answers of the same LLM to the same questions, changed in whatever way; or several sets by their names.
        control_before: Its answers to control questions.
        control_after: The same after; of several sets by the names of `after`.
        model: What embeds the answers; by default `univar`. Embedded corpora must be by one and the same model.
        poles: The written poles as an embedded corpus of that model; by default those of the values that are asked
            about are encoded, which takes the model.
        resamples: Draws of questions behind the intervals.
        seed: Of intervals and tests.
        options: For `univar.read_corpus`, such as `columns=` and `lang=`.

    Raises:
        ShiftError: If fewer than two questions are shared, one side holds answers of several LLMs, or controls are
            given on one side only.
        EmbeddedCorpusError: If the vectors are of different models.
        CorpusError: If answers cannot be read.

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
    first, *others = embedded_by_one([before, *afters.values(), *control], model, options)
    later = dict(zip(afters, others, strict=False))
    beside = (others[len(later)], dict(zip(afters, others[len(later) + 1 :], strict=True))) if control else None
    known, why_not = (poles, "") if poles is not None else _encoded_poles([first, *later.values()], model)
    found = shifts_between(first, later, controls=beside, poles=known, resamples=resamples, seed=seed)
    if why_not:
        unread = dict.fromkeys(sorted(_values_of([first])), why_not)
        found = replace(found, shifts=tuple(replace(one, unread=unread) for one in found.shifts))
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
        poles: Those that ship with their vectors by the same model, all or those of some values; without them no value
            is read.
        resamples: Draws of questions behind the intervals.
        seed: Of intervals and tests.
    """
    if not afters:
        raise ShiftError("no answers after; give at least one set")
    axes = None
    if poles is not None:
        check_one_model(before, poles)
        axes = axes_of(poles)
    found = []
    for name, after in afters.items():
        control = None if controls is None else (controls[0], controls[1][name])
        found.append(_shifted(name, before, after, control, axes, resamples, seed))
    adjusted = holm([one.movement.p for one in found])
    of_values = iter(holm([value.p for one in found for value in one.values]))
    shifts = [
        replace(one, adjusted=p, values=tuple(replace(value, adjusted=next(of_values)) for value in one.values))
        for one, p in zip(found, adjusted, strict=True)
    ]
    return Shifts("before", tuple(shifts), before.provenance.model, seed)


def _shifted(
    name: str,
    before: EmbeddedCorpus,
    after: EmbeddedCorpus,
    control: tuple[EmbeddedCorpus, EmbeddedCorpus] | None,
    axes: Mapping[str, Axis] | None,
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
    values, unread = ([], {}) if axes is None else value_shifts(pairs.apart, pairs.values, axes, apart_control)
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


def _encoded_poles(
    corpora: Sequence[EmbeddedCorpus], model: "str | SentenceTransformer | None"
) -> tuple[EmbeddedCorpus | None, str]:
    """The poles of the values that are asked about, by the model of the answers; or why they are not there."""
    made, asked = corpora[0].provenance, _values_of(corpora)
    records = [pole.record for pole in written_poles() if pole.question.value in asked]
    if len({record.value for record in records}) < 2:
        return None, "axes are tested side by side, and fewer than two values have written poles" if asked else ""
    from univar.model.modeling import load_model  # here, not above: torch takes seconds

    name = model if isinstance(model, str) else made.model
    try:
        found = embed(records, load_model(name) if model is None or isinstance(model, str) else model, name=name)
        check_one_model(corpora[0], found)
    except EmbeddedCorpusError:
        return None, f"their poles must be embedded by the model of the answers, and {name!r} is another one now"
    except Exception as error:  # what is in its folder, or not in it, may raise anything
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return (
            None,
            f"their poles must be embedded by {name!r}, which cannot be loaded ({reason}); give it as the model",
        )
    return found, ""


def _values_of(corpora: Iterable[EmbeddedCorpus]) -> set[str]:
    return {record.value for corpus in corpora for record in corpus.records if record.value is not None}


def _stem(corpus: Any) -> str | None:
    return Path(corpus).resolve().stem if isinstance(corpus, str | os.PathLike) else None
