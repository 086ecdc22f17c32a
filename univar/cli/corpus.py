"""The commands below `univar corpus`: elicited answers to a corpus."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from univar.cli.options import Json, output_file, output_folder
from univar.cli.terminal import bar, out, printable, result, say, tell_of_cut_off, working
from univar.cli.translate import answer_commands

if TYPE_CHECKING:
    from univar.corpus.building import Counts

app = typer.Typer(
    name="corpus",
    help="Make a corpus of elicited answers: translate, count, build, push.",
    epilog="Example:  univar corpus build answers/ --out corpus/",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.add_typer(answer_commands)


class ReasonName(StrEnum):
    """What may speak against an answer."""

    empty = "empty"
    only_reasoning = "only reasoning"
    filtered = "filtered"
    prompt_echo = "prompt echo"
    repetition = "repetition"
    refusal = "refusal"
    wrong_language = "wrong language"
    cut_off = "cut off"
    bad_translation = "bad translation"


AnswersPath = Annotated[
    Path,
    typer.Argument(
        metavar="DIR", exists=True, file_okay=False, help="Answers that `univar elicit` wrote.", show_default=False
    ),
]
Dropped = Annotated[
    list[ReasonName] | None,
    typer.Option(
        "--drop",
        metavar="REASON",
        help=f"Keep such answers apart: {', '.join(ReasonName)}; repeatable.",
        show_default="all but cut off",
    ),
]
MostRefusals = Annotated[
    float | None,
    typer.Option(
        "--max-refusals",
        metavar="SHARE",
        min=0,
        max=1,
        help="Keep an LLM apart in a language in which more of its answers refuse.",
        show_default="any share",
    ),
]


@app.command(epilog="Example:  univar corpus build answers/ --out corpus/ --drop empty --drop repetition")
def build(
    folder: AnswersPath,
    out_folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the corpus.")],
    drop: Dropped = None,
    max_refusals: MostRefusals = None,
    translation: Annotated[
        bool,
        typer.Option(
            "--translation/--no-translation",
            help="Other languages by their English version, or as they were written, for multilingual encoders.",
        ),
    ] = True,
    as_json: Json = False,
) -> None:
    """Make a corpus of the usable answers; the others are kept apart with their reasons."""
    from univar.corpus.building import REFUSING, build_corpus, count_answers, refusing_identities
    from univar.corpus.cards import corpus_card
    from univar.corpus.filters import DROPPED
    from univar.corpus.records import Identity

    output_folder(out_folder)
    reasons = [reason.value for reason in drop] if drop else list(DROPPED)
    told, refusing = list(reasons), frozenset[Identity]()
    if max_refusals is not None:
        with bar(f"Counting {folder}", unit="answers") as advance:
            refusing = refusing_identities(count_answers(folder, advance=advance), max_refusals)
        told.append(f"{REFUSING} (an LLM in a language in which more than {max_refusals:.0%} of its answers refuse)")
    with bar(f"Reading {folder}", unit="answers") as advance:
        counts = build_corpus(
            folder,
            out_folder,
            drop=reasons,  # type: ignore[arg-type]
            refusing=refusing,
            translated=translation,
            card=lambda found: corpus_card(found, told),
            advance=advance,
        )
    untranslated = sum(found.untranslated for found in counts.values())
    if translation and untranslated:
        say(
            f"{untranslated:,} answers in other languages have no English version, and encoders of English stop at "
            "them; translate them with `univar corpus translate`, or say --no-translation for a multilingual encoder",
            "yellow",
        )
    _show_counts(counts, as_json=as_json, path=out_folder)


@app.command(epilog="Example:  univar corpus stats answers/ --out stats.png")
def stats(
    folder: AnswersPath,
    drop: Dropped = None,
    max_refusals: MostRefusals = None,
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            callback=output_file(".png", ".svg", ".pdf"),
            help="Also draw it: .png, .svg, .pdf.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Count the answers by LLM and language, and what speaks against them."""
    from univar.corpus.building import count_answers, refusing_identities, without
    from univar.corpus.filters import DROPPED

    reasons = [reason.value for reason in drop] if drop else list(DROPPED)
    with bar(f"Counting {folder}", unit="answers") as advance:
        counts = count_answers(folder, drop=reasons, advance=advance)  # type: ignore[arg-type]
    if max_refusals is not None:
        counts = without(counts, refusing_identities(counts, max_refusals))
    if out_file is not None:
        from univar.analysis.pictures.corpus_figure import draw_counts

        draw_counts(counts, out_file)
    _show_counts(counts, as_json=as_json, path=out_file)


@app.command(epilog="Example:  univar corpus push corpus/ me/answers-of-aya")
def push(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", exists=True, file_okay=False, help="What `univar corpus build` wrote.", show_default=False
        ),
    ],
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Data set of the Hub.", show_default=False)],
    public: Annotated[bool, typer.Option("--public", help="For everybody to see, if it is made now.")] = False,
    as_json: Json = False,
) -> None:
    """Publish a corpus on the Hub, private unless told otherwise; log in before with `hf auth login`."""
    from univar.corpus.building import push_corpus

    with working(f"Uploading {folder}"):
        url = push_corpus(folder, repo, private=not public)
    result({"url": url}, f"Published: {url}", as_json=as_json)


def _show_counts(counts: "Counts", *, as_json: bool, path: Path | None = None) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("LLM", overflow="fold")
    table.add_column("language")
    for column in ("answers", "kept", "words"):
        table.add_column(column, justify="right")
    table.add_column("what speaks against answers")
    for identity, found in counts.items():
        words = f"{found.words / found.kept:.0f}" if found.kept else "-"
        against = ", ".join(
            f"{reason} {count:,} ({count / found.answers:.0%})" for reason, count in found.reasons.most_common()
        )
        name = Text(printable(identity.model))
        table.add_row(name, identity.lang, f"{found.answers:,}", f"{found.kept:,}", words, against)
        tell_of_cut_off(str(identity), found.reasons["cut off"], found.answers)
    if not as_json:
        out.print(table)
    rows = [
        {"model": identity.model, "lang": identity.lang, **vars(found), "refusal_share": found.refusal_share}
        for identity, found in counts.items()
    ]
    where = {"path": str(path.resolve())} if path else {}
    kept, answers = (sum(getattr(found, name) for found in counts.values()) for name in ("kept", "answers"))
    sentence = f"{kept:,} of {answers:,} answers kept" + (f"; written: {path.resolve()}" if path else "")
    result({"identities": rows, "kept": kept, "answers": answers, **where}, sentence, as_json=as_json)
