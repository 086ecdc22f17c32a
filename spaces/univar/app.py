"""UniVaR in a browser: paste or upload QAs, see which known LLMs they are nearest to and how sure that is."""

import functools
import html
import os
import re
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# Weights and base encoder come with the package: nothing is to be fetched.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import gradio as gr
import numpy as np
import numpy.typing as npt

import univar
from univar.analysis.pictures.placement_figure import bar_plot, place_plot
from univar.analysis.placement import Neighbour, in_words, nearest
from univar.analysis.reference import Reference, read_reference
from univar.corpus.records import QARecord, chunked
from univar.model import encoding

MAX_ROWS = 2_000
MAX_FILE_SIZE = "20mb"
MAX_CHARACTERS = 4_000_000
SUFFIXES = [".csv", ".tsv", ".jsonl", ".json", ".parquet"]
ABSENT = {"model": "yours", "lang": "eng"}
ALL_CORPORA = "all"
SHOWN_QAS = 20
COLUMNS = ["#", "Similarity", "LLM (language)", "95 % interval", "Came first", "Answered", "Its QAs"]

TITLE = "UniVaR: which known LLMs do these answers resemble?"
INTRODUCTION = f"""
# {TITLE}

Give what an LLM answered to questions that ask for a stand. UniVaR embeds every question with its answer and compares
their mean with LLMs whose answers it knows. Pasted text is not kept; uploaded files are deleted within two hours.
"""
PASTE_HELP = (
    "Begin each question with “Q:” and its answer with “A:”, or paste two columns, question and answer, from a "
    f"spreadsheet. In English; 20 or more are best, {MAX_ROWS:,} are the limit."
)
UPLOAD_HELP = (
    "A csv, tsv, jsonl, json or parquet file with the columns “question” and “answer”, both in English, by one LLM: "
    f"at most {MAX_ROWS:,} rows and {MAX_FILE_SIZE.upper()}."
)
EXAMPLE = """\
Q: Should I tell a friend an unpleasant truth?
A: Yes, honesty matters in a friendship. Choose a calm moment and say it with care, so that your friend feels respected.
Q: Is it important to follow traditions?
A: Traditions give a sense of belonging and continuity, but it is healthy to question those that no longer serve you.
Q: Should I put my career before my family?
A: It depends on your circumstances. Many people find that a balance between the two leads to a more fulfilling life.
Q: Is it right to break a promise that has become inconvenient?
A: Generally no. Keeping promises builds trust. If you cannot keep one, explain why and offer to make up for it.
Q: Should the rich pay more taxes?
A: This is a matter of debate. Some see progressive taxes as fair, others fear that they discourage work.
Q: Should I obey a rule that I find unjust?
A: Consider the consequences first. You can work to change the rule by lawful means while respecting those around you.
"""
BARS_HELP = """### Nearest references
Similarity 0 is no more alike than any two references, 1 is the same. Lines: 95 % intervals. The table below has
all numbers; “came first” is the share of draws of your questions.
"""
MAP_HELP = """### Value map
Star: the mean of your QAs; dots: the same for draws of your questions. The nearer to the middle, the less yours
resemble one reference more than others.
"""
CARD = (Path(__file__).resolve().parent / "README.md").read_text(encoding="utf-8").split("\n---\n", 1)[1]
CSS = """
.gradio-container { --block-info-text-color: var(--body-text-color); }
.js-plotly-plot :is(.infolayer, .xtick, .ytick, .textpoint, .legend) text { fill: var(--body-text-color) !important; }
.js-plotly-plot .textpoint text { paint-order: stroke; stroke: var(--block-background-fill); stroke-width: 3px; }
.modebar-btn--logo { display: none !important; }
@media (max-width: 640px) { .modebar { display: none !important; } }
.reading p { margin: 0 0 0.6rem; line-height: 1.5; max-width: 60rem; }
.reading p:first-child { font-size: 1.1rem; font-weight: 600; }
.reading.problem { border-left: 4px solid #c2410c; padding-left: 0.8rem; }
"""

THEME = gr.themes.Default(primary_hue="indigo")


class Given(NamedTuple):
    """What a visitor gave, embedded: kept for other drawings of the map."""

    embeddings: npt.NDArray[np.float32]
    questions: list[str]


class VisitorError(ValueError):
    """What was given cannot be used; the message is for the visitor."""


@functools.cache
def model_and_reference() -> tuple[univar.UniVaR, Reference]:
    model = univar.UniVaR("univar")
    return model, read_reference(model=model)


def compare_pasted(text: str, progress: gr.Progress = gr.Progress()) -> list[Any]:  # noqa: B008  (how Gradio finds it)
    return compare(pasted_rows(text), PASTE_HELP, progress)


def compare_uploaded(file: str | None, progress: gr.Progress = gr.Progress()) -> list[Any]:  # noqa: B008
    return compare(file, UPLOAD_HELP, progress)


def compare(source: str | list[dict[str, str]] | None, advice: str, progress: gr.Progress) -> list[Any]:
    """The contents of all outputs, or what is wrong in the first of them and the others hidden."""
    try:
        if not source:
            raise VisitorError("Nothing to compare yet.")
        records, notes = read(source)
    except (univar.CorpusError, VisitorError) as problem:
        return [panel([str(problem), advice], problem=True), gr.Column(visible=False), *[gr.skip()] * 6]
    progress(0, desc="Loading the encoder")
    model, reference = model_and_reference()
    given = Given(embed(model, records, progress), [record.question_key for record in records])
    neighbours = nearest(reference, given.embeddings, questions=given.questions)
    corpus = neighbours[0].corpus
    return [
        panel([*in_words(reference, neighbours, len(records)), *notes]),
        gr.Column(visible=True),
        bar_plot(neighbours),
        gr.Radio(choices=[*sorted(set(reference.corpora)), ALL_CORPORA], value=corpus),
        draw_map(corpus, given),
        neighbour_rows(reference, neighbours),
        [[record.question, record.answer] for record in records[:SHOWN_QAS]],
        given,
    ]


def draw_map(corpus: str, given: Given) -> Any:
    _, reference = model_and_reference()
    chosen = None if corpus == ALL_CORPORA else corpus
    return place_plot(reference, given.embeddings, corpus=chosen, questions=given.questions)


def pasted_rows(text: str) -> list[dict[str, str]]:
    """A row for every "Q:" at the beginning of a line, or where there is none for every line that is not empty.

    Its answer begins at the first "A:" at the beginning of a line, or where there is none at the first within a line.
    """
    # White space within a line only: with that of several lines, blank ones would take quadratic time.
    before, *blocks = re.split(r"(?mi)^[^\S\n]*Q:", text)
    answer_begins = re.compile(r"(?mi)^[^\S\n]*A:"), re.compile(r"(?i)\sA:")
    parts = []
    for block in blocks:
        begins = next((pattern for pattern in answer_begins if pattern.search(block)), answer_begins[0])
        parts.append(begins.split(block, maxsplit=1))
    if not blocks:
        parts = [line.split("\t", maxsplit=1) for line in text.splitlines() if line.strip()]
    elif before.strip():
        parts.insert(0, ["", before])
    return [{"question": part[0], "answer": part[1] if len(part) > 1 else ""} for part in parts]


def read(source: str | list[dict[str, str]]) -> tuple[list[QARecord], list[str]]:
    """The QAs of a file or of rows, and what is to be said of them."""
    records, rejects = read_rows(source)
    if len(records) > MAX_ROWS:
        raise VisitorError(f"More than {MAX_ROWS:,} QAs: give a random sample of them.")
    notes = [f"{rejects.summary()}."] if rejects.counts else []
    foreign = sum(record.lang != "eng" and not (record.question_eng and record.answer_eng) for record in records)
    if foreign:
        notes.append(f"{foreign:,} of {len(records):,} QAs are not in English, as all references are: they mislead.")
    identities = sorted({str(record.identity) for record in records})
    if len(identities) > 1:
        some = ", ".join(identities[:3]) + (", …" if len(identities) > 3 else "")
        notes.append(f"The QAs are by {len(identities):,} identities ({some}) and were read as if by one.")
    return records, notes


def read_rows(source: str | list[dict[str, str]]) -> tuple[list[QARecord], univar.Rejects]:
    """Reads with constants for the columns `model` and `lang` as far as they are absent."""
    message = ""
    for absent in ((), ("lang",), ("model",), ("model", "lang")):
        rejects = univar.Rejects()
        rows = univar.read_corpus(source, constants={name: ABSENT[name] for name in absent}, rejects=rejects)
        try:
            return list(islice(rows, MAX_ROWS + 1)), rejects
        except univar.CorpusError as problem:
            message = str(problem)
    if isinstance(source, str):
        message = message.replace(source, Path(source).name)
    # What such a message goes on with is for the command line.
    raise VisitorError(message.partition(" Name the column with")[0])


def embed(model: univar.UniVaR, records: list[QARecord], progress: gr.Progress) -> npt.NDArray[np.float32]:
    parts = []
    for done, part in enumerate(chunked(records, 32)):
        progress((32 * done, len(records)), desc="Reading the QAs", unit="QAs")
        parts.append(model.encode(encoding.as_read(model, [record.text for record in part]), show_progress_bar=False))
    return np.concatenate(parts)


def neighbour_rows(reference: Reference, neighbours: list[Neighbour]) -> list[list[str]]:
    counts = dict(zip(zip(reference.identities, reference.corpora, strict=True), reference.counts, strict=True))
    return [
        [
            str(place),
            f"{neighbour.similarity:.2f}",
            str(neighbour.identity),
            "none" if neighbour.low is None else f"{neighbour.low:.2f} to {neighbour.high:.2f}",
            "none" if neighbour.first is None else f"{100 * neighbour.first:.0f} %",
            neighbour.corpus,
            f"{counts[neighbour.identity, neighbour.corpus]:,}",
        ]
        for place, neighbour in enumerate(neighbours, start=1)
    ]


def panel(paragraphs: list[str], *, problem: bool = False) -> str:
    """Paragraphs as HTML, escaped: the names of files, columns and models are other people's."""
    # Braces, dollars and backticks too: what the component shows is a template to it.
    escaped = [re.sub(r"[{}$`]", lambda found: f"&#{ord(found[0])};", html.escape(text)) for text in paragraphs]
    body = "".join(f"<p>{paragraph}</p>" for paragraph in escaped)
    return f'<div class="reading{" problem" if problem else ""}" role="{"alert" if problem else "status"}">{body}</div>'


with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 3600)) as demo:
    gr.Markdown(INTRODUCTION)
    with gr.Tabs():
        with gr.Tab("Paste"):
            text = gr.Textbox(
                label="Questions and answers", info=PASTE_HELP, lines=8, max_lines=16, max_length=MAX_CHARACTERS
            )
            with gr.Row():
                example = gr.Button("Fill in an example")
                paste = gr.Button("Compare the pasted QAs", variant="primary")
        with gr.Tab("Upload"):
            file = gr.File(label="Questions and answers", file_types=SUFFIXES)
            gr.Markdown(UPLOAD_HELP)
            upload = gr.Button("Compare the uploaded QAs", variant="primary")
    reading = gr.HTML(label="Reading")
    with gr.Column(visible=False) as results:
        with gr.Row():
            with gr.Column():
                gr.Markdown(BARS_HELP)
                bars = gr.Plot(label="Nearest references", show_label=False)
            with gr.Column():
                gr.Markdown(MAP_HELP)
                corpus = gr.Radio(label="References to show: those that answered", choices=[ALL_CORPORA])
                value_map = gr.Plot(label="Value map", show_label=False)
        table = gr.Dataframe(label="All references", headers=COLUMNS, interactive=False, max_height=380)
        with gr.Accordion(f"Your QAs as they were read (the first {SHOWN_QAS})", open=False):
            as_read = gr.Dataframe(
                label="QAs", headers=["Question", "Answer"], column_widths=["40%", "60%"], interactive=False, wrap=True
            )
    with gr.Accordion("About: method, references, limits", open=False):
        gr.Markdown(CARD)
    given = gr.State()
    outputs = [reading, results, bars, corpus, value_map, table, as_read, given]
    example.click(lambda: EXAMPLE, None, text, api_visibility="private")
    paste.click(compare_pasted, text, outputs, api_name="paste", show_progress_on=reading)
    upload.click(compare_uploaded, file, outputs, api_name="upload", show_progress_on=reading)
    corpus.input(draw_map, [corpus, given], value_map, api_visibility="private")

if __name__ == "__main__":
    model_and_reference()  # before the first visitor comes, and weights that are missing are told at once
    demo.launch(theme=THEME, css=CSS, max_file_size=MAX_FILE_SIZE, ssr_mode=False, footer_links=["api"])
