"""The main job on answers whose values are known: simulate, identify, compare geometries, draw."""

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from univar.analysis.comparison import OPENING, Comparison, side_by_side
from univar.analysis.geometry import GeometryAgreement, geometry_agreement, identity_distances
from univar.analysis.map.reading import build_map
from univar.analysis.map.results import CAVEAT
from univar.analysis.pictures.agreement_figure import draw_agreement
from univar.analysis.pictures.map_figure import draw_map
from univar.analysis.pictures.map_page import write_map_html
from univar.analysis.representations import sentence_encoder, tfidf
from univar.corpus.records import QARecord, question_hash, write_corpus
from univar.corpus.simulation import (
    Simulation,
    asked_questions,
    question_bank,
    simulate,
    simulate_controls,
    stance_distances,
    style_distances,
)
from univar.files import replacing
from univar.model.encoding import SentenceModel, as_read
from univar.model.modeling import load_model

MODELS = ("univar", "base")
FILES = {
    "map.html": "the value map, to open in a browser",
    "map.png": "the same map, to put into a paper",
    "distances.png": "distances between the LLMs over the known ones",
    "README.md": "this text",
    "geometry.json": "the first table for programs",
    "identification.md": "the second table with its notes",
    "identification.json": "the same numbers for programs",
    "answers.parquet": "the simulated answers, a corpus like your own would be",
    "controls.parquet": "simulated answers of the same LLMs that elicit no values",
}
"""What a demo writes, and what each file is."""
_ALWAYS_WRITTEN = {"map.html", "README.md", "geometry.json", "identification.json", "answers.parquet"}

ONE_ANSWER = (
    "One answer tells one stance, which several LLMs share, and words tell the style at once: on these answers a "
    "representation of values alone is behind one of words, and is meant to be."
)
"""Why identification is low here where the geometry is good."""

_FEWEST_QUESTIONS = 20
_QAS_AT_ONCE = 64

Track = Callable[[Sequence[Sequence[str]], str], Iterable[Sequence[str]]]
"""From batches of texts, and what is done with them, to the same batches one by one: a progress bar."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What a demo found and where it lies.

    Attributes:
        comparison: Identification by each representation.
        geometry: For each model, how distances between identities follow the known stances and styles.
        folder: What was written is in `FILES`.
    """

    comparison: Comparison
    geometry: dict[str, GeometryAgreement]
    folder: Path

    def to_dict(self) -> dict[str, Any]:
        """The numbers as plain JSON values; a correlation that is not defined is None."""
        geometry = {name: agreement.to_dict() for name, agreement in self.geometry.items()}
        return {"identification": self.comparison.to_dict(), "geometry": geometry}


def run_demo(
    folder: str | os.PathLike[str],
    *,
    identities: int = 16,
    questions: int = 96,
    seed: int = 2026,
    step: Callable[[str], None] = lambda _: None,
    track: Track = lambda batches, _: batches,
) -> Demo:
    """Simulates LLMs with known stances and styles and reads them with the shipped weights.

    The questions are those of the simulation's bank that the weights were not trained on, and the identities are new.
    Every text is encoded once by each model. `folder` appears whole or not at all.

    Args:
        folder: Of the report; an earlier demo there is replaced.
        identities: Simulated LLMs, at least 4.
        questions: Value-eliciting questions, at least 20, each answered by every identity; half as many are control.
        seed: Of the simulation, the bootstrap and the map.
        step: Told what is being done, a sentence at a time.
        track: Follows the encoding.

    Raises:
        FileExistsError: If `folder` holds anything else than an earlier demo; nothing is touched.
        ValueError: If a number is out of range.
        univar.model.weights.WeightsError: If shipped weights are missing or damaged.
    """
    folder = Path(folder).resolve()
    _check_replaceable(folder)
    models: dict[str, Any] = {name: load_model(name) for name in MODELS}
    trained_on = frozenset(getattr(models["univar"], "training_record", {}).get("questions", ()))
    step(f"Simulating the answers of {identities} LLMs to {questions} value and {questions // 2} control questions ...")
    simulation = _simulated(identities, questions, trained_on, seed)
    controls = simulate_controls(simulation, questions // 2, seed=seed)
    encoded = {
        name: _encode(model, [*simulation.records, *controls], name, track=track) for name, model in models.items()
    }
    step("Telling the LLMs apart by one answer, and comparing the distances between them with the known ones ...")
    encoders = {**{name: sentence_encoder(known) for name, known in encoded.items()}, "tfidf": tfidf()}
    cut = {"max_characters": OPENING}  # which no simulated answer reaches
    comparison = side_by_side(simulation.records, encoders, control=controls, seed=seed, trained_on=trained_on, **cut)
    vectors = {name: known.encode(_texts(simulation.records)) for name, known in encoded.items()}
    demo = Demo(comparison, _geometry(vectors, simulation, seed), folder)
    step("Drawing the value map ...")
    with replacing(folder) as temporary:
        temporary.mkdir()
        write_corpus(simulation.records, temporary / "answers.parquet")
        write_corpus(controls, temporary / "controls.parquet")
        _write_report(demo, simulation, temporary)
        value_map = build_map(simulation.records, vectors["univar"], seed=seed)
        write_map_html(value_map, temporary / "map.html", title="Simulated LLMs with known values")
        draw_map(value_map, temporary / "map.png", title="Simulated LLMs with known values")
        _draw_distances(demo, vectors, simulation, temporary / "distances.png")
    return demo


def agreement_sentence(name: str, agreement: GeometryAgreement) -> str:
    """What the geometry of one model says, with its intervals and n."""
    return (
        f"{name}: the distances between LLMs, value by value, follow their stances with Spearman's rho "
        f"{_with_interval(agreement, 'stances')} and their style with {_with_interval(agreement, 'style')} "
        f"(n = {agreement.n_pairs} pairs of {agreement.n_identities} LLMs; 95 % intervals by bootstrap over LLMs)."
    )


@dataclass(frozen=True, slots=True)
class _Encoded:
    """Embeddings by text: stands in for the model that made them, so that no text is encoded twice."""

    rows: dict[str, int]
    embeddings: npt.NDArray[np.float32]

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return self.embeddings[[self.rows[text] for text in texts]]


def _encode(model: SentenceModel, records: Sequence[QARecord], name: str, *, track: Track) -> _Encoded:
    # By length, so that little of a batch is padding.
    texts = sorted(dict.fromkeys(_texts(records)), key=len, reverse=True)
    batches = [texts[start : start + _QAS_AT_ONCE] for start in range(0, len(texts), _QAS_AT_ONCE)]
    parts = [
        np.asarray(model.encode(as_read(model, batch), batch_size=_QAS_AT_ONCE, show_progress_bar=False))
        for batch in track(batches, f"Encoding with {name}")
    ]
    return _Encoded({text: row for row, text in enumerate(texts)}, np.concatenate(parts))


def _texts(records: Iterable[QARecord]) -> list[str]:
    """As `compare` cuts them."""
    return [record.text[:OPENING] for record in records]


def _simulated(identities: int, questions: int, trained_on: AbstractSet[str], seed: int) -> Simulation:
    """A simulation of questions that were not trained on."""
    asked = asked_questions(len(question_bank()), seed=seed)
    new = [number for number, question in enumerate(asked, 1) if question_hash(question.text) not in trained_on]
    if not _FEWEST_QUESTIONS <= questions <= len(new):
        raise ValueError(f"questions must be {_FEWEST_QUESTIONS} to {len(new)}, got {questions}")
    # A larger simulation begins with the questions of a smaller one: this one ends with the last that is needed.
    simulation = simulate(identities, new[questions - 1], seed=seed)
    records = [record for record in simulation.records if question_hash(record.question_key) not in trained_on]
    return dataclasses.replace(simulation, records=records)


def _geometry(
    vectors: Mapping[str, npt.NDArray[np.float32]], simulation: Simulation, seed: int
) -> dict[str, GeometryAgreement]:
    labels, values = _labels_and_values(simulation)
    return {name: geometry_agreement(rows, labels, values, simulation, seed=seed) for name, rows in vectors.items()}


def _labels_and_values(simulation: Simulation) -> tuple[list[int], list[str | None]]:
    """Of every answer, whose it is and what it is about."""
    row_of = {identity: row for row, identity in enumerate(simulation.identities)}
    return [row_of[record.identity] for record in simulation.records], [record.value for record in simulation.records]


def _draw_distances(
    demo: Demo, vectors: Mapping[str, npt.NDArray[np.float32]], simulation: Simulation, path: Path
) -> None:
    labels, values = _labels_and_values(simulation)
    titles = {
        (name, truth): f"{name}: {truth}, rho {_with_interval(agreement, truth)}, n = {agreement.n_pairs} pairs"
        for name, agreement in demo.geometry.items()
        for truth in ("stances", "style")
    }
    draw_agreement(
        {name: identity_distances(rows, labels, values) for name, rows in vectors.items()},
        {"stances": stance_distances(simulation), "style": style_distances(simulation)},
        titles,
        path,
    )


def _check_replaceable(folder: Path) -> None:
    """Raises FileExistsError unless nothing but an earlier demo is lost if `folder` is replaced."""
    if not folder.exists():
        return
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
    # Earlier versions wrote fewer files.
    if folder.is_dir() and (not found or _ALWAYS_WRITTEN <= found <= FILES.keys()):
        return
    others = ", ".join(sorted(found - FILES.keys())[:3]) or "only a part of a demo"
    raise FileExistsError(f"{folder} holds something else than an earlier demo ({others}); give a new folder")


def _write_report(demo: Demo, simulation: Simulation, folder: Path) -> None:
    table = demo.comparison.to_markdown()
    numbers = demo.to_dict()
    texts = {
        "README.md": _report(demo, simulation, table),
        "identification.md": table,
        "identification.json": json.dumps(numbers["identification"], indent=2),
        "geometry.json": json.dumps(numbers["geometry"], indent=2),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _report(demo: Demo, simulation: Simulation, table: str) -> str:
    """The report in Markdown, for who has not heard of any of this."""
    rows = [
        f"| {name} | {_with_interval(agreement, 'stances')} | {_with_interval(agreement, 'style')} |"
        for name, agreement in demo.geometry.items()
    ]
    pairs = next(iter(demo.geometry.values())).n_pairs
    return "\n".join(
        [
            "# Which values do these LLMs express?",
            "",
            f"{len(simulation.identities)} LLMs were simulated, so that the truth is known: each has a stance on each "
            f"of {len(simulation.values)} values and, independently of it, a style of writing. Nobody was asked and "
            "nobody's opinion is shown. What univar finds in their answers is compared with that truth.",
            "",
            f"**Open [map.html](map.html):** every dot is an answer, every large mark one LLM. {CAVEAT}",
            "",
            "## Do LLMs lie near each other that share values?",
            "",
            f"Spearman's correlation of the distances between LLMs with the known ones, n = {pairs} pairs of "
            f"{len(simulation.identities)} LLMs; in brackets 95 % intervals by bootstrap over LLMs. A distance is that "
            "between what two LLMs say of a value, root mean square over all values. A representation of values has a "
            "high number in the first column and one near 0 in the second. The weights that ship have seen simulated "
            "LLMs in training, with other stances and styles but made of the same sentences: real answers are harder.",
            "",
            "| representation | values | style |",
            "| --- | ---: | ---: |",
            *rows,
            "",
            "![Distances between LLMs over the known ones](distances.png)",
            "",
            "## Who wrote this answer?",
            "",
            "How often an answer to a new question is recognised as that of its LLM, by three representations: "
            "`univar`, `base` (the encoder that univar was trained from) and `tfidf` (words alone). The `control` rows "
            "are answers to questions about arithmetic or cooking, which elicit no values: what is above chance there "
            f"is style. {ONE_ANSWER}",
            "",
            table,
            "## Files",
            "",
            *(f"- `{name}`: {content}" for name, content in FILES.items()),
            "",
            "The same with your own LLMs: `univar evaluate answers.parquet` and `univar map answers.parquet --out "
            "map.html`.",
            "",
        ]
    )


def _with_interval(agreement: GeometryAgreement, truth: str) -> str:
    low, high = getattr(agreement, f"{truth}_interval")
    return f"{getattr(agreement, truth):.2f} [{low:.2f}, {high:.2f}]"
