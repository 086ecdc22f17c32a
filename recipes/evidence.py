"""Measures the weights that ship on what nothing was trained on, and writes docs/evidence.md and evidence.json.

    make evidence DATA=folder

The folder is that of `make weights`. Three further trainings, of 8,000 pairs and of a seed each, tell how much is
chance of the training; each leaves out another third of the questions of the poles. Vectors are kept in build/evidence:
after an interruption the same command goes on.
"""

import argparse
import hashlib
import json
import logging
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recipes.frontier import draw_frontier, frontier_table, read_frontier
from recipes.grid import crossed, without_echo
from recipes.measured import (
    Named,
    control_corpora,
    identified,
    stance_tasks,
    value_corpora,
    value_precisions,
    views_named,
)
from recipes.pages import filled
from recipes.stance_corpora import FOLDS
from recipes.stances import SHORT_PAIRS, trained
from univar.analysis.axes import value_axes
from univar.analysis.geometry import geometry_agreement
from univar.analysis.representations import Encoder, sentence_encoder, tfidf
from univar.analysis.results import markdown_table
from univar.analysis.shift_ratio import shift_ratio
from univar.analysis.stance import Measured
from univar.analysis.statistics import cluster_bootstrap
from univar.corpus.questions.poles import poles
from univar.corpus.readers import read_corpus
from univar.corpus.records import split_of
from univar.corpus.simulation import simulate
from univar.files import replacing
from univar.model.modeling import load_model, weights_sha256

DOCS = Path(__file__).parents[1] / "docs"
FILE = DOCS / "evidence.json"
SECTIONS = ("stances", "values", "restyled", "control", "identification", "simulation", "axes", "grid")
SIMULATED_SEEDS = (2027, 2028, 2029)
RESTYLED = ("perspectrum", "valuebench", "poles")

Encoders = Mapping[str, Encoder]
Rows = list[dict[str, Any]]


class Section(NamedTuple):
    """What is shown of some rows."""

    columns: Sequence[str]
    rows: Rows

    def table(self) -> str:
        """In Markdown; columns of text come first."""
        texts = takewhile(lambda column: isinstance(self.rows[0].get(column), str), self.columns)
        cells = [[cell(row, column) for column in self.columns] for row in self.rows]
        return markdown_table(self.columns, cells, text_columns=len(list(texts)))


logger = logging.getLogger(__name__)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the corpora")
    parser.add_argument("--cache", type=Path, default=Path("build/evidence"), help="of vectors and trainings")
    parser.add_argument("--grid", type=Path, help="what recipes.grid has asked")
    parser.add_argument("--before", type=Path, help="a model to compare with, such as the weights that shipped before")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2], help="of the short trainings")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="the other sections stay as evidence.json has them")
    options = parser.parse_args()
    asked = options.only or [name for name in SECTIONS if name != "grid" or options.grid]
    if "grid" in asked and not options.grid:
        parser.error("the section grid needs the answers of an LLM: --grid FILE, as `python -m recipes.grid` writes it")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    logger.setLevel(logging.INFO)

    shown = {"univar": "univar", "base": "base", **({"before": str(options.before)} if options.before else {})}
    encoders = {name: kept(load_model(model), options.cache) for name, model in shown.items()} | {"tfidf": tfidf()}
    models = (
        trained(options.data, options.cache / f"seed-{seed}", seed=seed, pairs=SHORT_PAIRS, without=seed % FOLDS)
        for seed in options.seeds
    )
    seeds = [kept(model, options.cache) for model in models]
    sections: dict[str, Callable[[], Section]] = {
        "stances": lambda: stances(options.data, encoders, seeds),
        "values": lambda: human_values(options.data, encoders, seeds),
        "restyled": lambda: restyled(options.data, encoders),
        "control": lambda: controls(options.data, encoders, seeds),
        "identification": lambda: identification(options.data, encoders),
        "simulation": lambda: simulation(encoders, seeds),
        "axes": lambda: axes(encoders),
        "grid": lambda: grid(options.grid, encoders),
    }
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for name in asked:
        logger.info("measuring: %s", name)
        found[name] = sections[name]()._asdict()
        with replacing(FILE) as temporary:
            temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    write_page({name: Section(**section).table() for name, section in found.items()})


def write_page(tables: Mapping[str, str]) -> None:
    """docs/evidence.md, with the figure of what was tried where there are points."""
    points = read_frontier()
    if points:
        draw_frontier(points, DOCS / "frontier.png")
    missing = dict.fromkeys(SECTIONS, "Not measured.\n")
    frontier = frontier_table(points) if points else ""
    text = filled("evidence.md", **{**missing, **tables}, poles=poles_counted(), frontier=frontier)
    with replacing(DOCS / "evidence.md") as temporary:
        temporary.write_text(text, encoding="utf-8")


def kept(model: Any, folder: Path) -> Encoder:
    """An encoder whose vectors are kept in files, by its weights and the texts."""
    weights, encode = weights_sha256(model), sentence_encoder(model)

    def once(gallery: list[str], query: list[str]) -> tuple[Any, Any]:
        texts = list(dict.fromkeys(gallery + query))
        file = folder / f"{hashlib.sha256(json.dumps([weights, texts]).encode()).hexdigest()[:24]}.npy"
        if not file.exists():
            with replacing(file) as temporary:
                np.save(temporary, encode(texts, texts[:1])[0])
        row_of, vectors = {text: row for row, text in enumerate(texts)}, np.load(file)
        first, second = (vectors[[row_of[text] for text in side]] for side in (gallery, query))
        return first, second

    return once


def stances(folder: Path, encoders: Encoders, seeds: Sequence[Encoder]) -> Section:
    """Every measure of stances: scores with their intervals, what is gained over base and words, and the seeds."""
    rows: Rows = []
    for task in stance_tasks(folder):
        logger.info("stances: %s", task.name)
        found = {name: task.measured(encode) for name, encode in encoders.items()}
        of_seeds = [task.measured(encode) for encode in seeds]
        for measure in task.measures:
            scores: dict[str, Measured] = {name: of[measure] for name, of in found.items()}
            gains = {f"over {name}": scores["univar"].difference(scores[name]) for name in ("base", "tfidf")}
            rows.append(
                {
                    "answers": task.name,
                    "measure": measure,
                    "n": scores["univar"].n,
                    "groups": len(scores["univar"].groups),
                    "chance": scores["univar"].chance,
                    **{name: {"score": of.score, **of.interval()._asdict()} for name, of in scores.items()},
                    **{name: {"score": gain, **ends._asdict()} for name, (gain, ends) in gains.items()},
                    "seeds": [of[measure].score for of in of_seeds],
                }
            )
    return Section(("answers", "measure", "n", "groups", "chance", *encoders, "over base", "over tfidf", "seeds"), rows)


def human_values(folder: Path, encoders: Encoders, seeds: Sequence[Encoder]) -> Section:
    """Mean average precision over the values that people saw in arguments."""
    found = {name: value_precisions(folder, encode) for name, encode in encoders.items()}
    chance = found["univar"][1]
    rows: Rows = []
    for name, (precisions, _) in found.items():
        gains = {
            f"over {other}": _mean([precisions[value] - found[other][0][value] for value in precisions])
            for other in ("base", "tfidf")
            if other != name
        }
        of_seeds = {"seeds": [statistics.mean(value_precisions(folder, encode)[0].values()) for encode in seeds]}
        given = {"representation": name, "values": len(precisions), "chance": chance}
        mean = {"mean average precision": _mean(precisions.values())}
        rows.append({**given, **mean, **gains, **(of_seeds if name == "univar" else {})})
    precision = "mean average precision"
    return Section(("representation", "values", "chance", precision, "over base", "over tfidf", "seeds"), rows)


def restyled(folder: Path, encoders: Encoders) -> Section:
    """What is lost of each measure when the same answers are said in another style."""
    rows: Rows = []
    for task in stance_tasks(folder):
        if task.name not in RESTYLED:
            continue
        for name, encode in encoders.items():
            plain, other = task.measured(encode), task.restyled().measured(encode)
            for measure in task.measures:
                lost, ends = other[measure].difference(plain[measure])
                scores = {"as written": plain[measure].score, "restyled": other[measure].score}
                change = {"change": {"score": lost, **ends._asdict()}}
                rows.append({"answers": task.name, "measure": measure, "representation": name, **scores, **change})
    return Section(("answers", "measure", "representation", "as written", "restyled", "change"), rows)


def controls(folder: Path, encoders: Encoders, seeds: Sequence[Encoder]) -> Section:
    """Which LLM answered an instruction that elicits no values: what an encoder of values should not know."""
    rows: Rows = []
    for corpus, records in control_corpora(folder).items():
        found = {name: identified(records, encode) for name, encode in encoders.items()}
        of_seeds = [identified(records, encode) for encode in seeds]
        for place, method in enumerate(("k-NN", "linear")):
            one = found["univar"][place]
            rows.append(
                {
                    "answers": corpus,
                    "method": method,
                    "n": one.n,
                    "questions": one.questions,
                    "chance": one.chance,
                    **{n: {"score": of[place].accuracy, **of[place].interval._asdict()} for n, of in found.items()},
                    "seeds": [of[place].accuracy for of in of_seeds],
                }
            )
    return Section(("answers", "method", "n", "questions", "chance", *encoders, "seeds"), rows)


def identification(folder: Path, encoders: Encoders) -> Section:
    """Which LLM said what is in a view of 1, 5, 20 or 80 answers to value questions."""
    rows: Rows = []
    for corpus, records in value_corpora(folder).items():
        found = {name: views_named(records, encode) for name, encode in encoders.items()}
        sizes: list[Named] = found["univar"][0]
        for place, one in enumerate(sizes):
            scores = {
                name: {"score": of[place].right, **of[place].interval._asdict()} for name, (of, _) in found.items()
            }
            given = {"answers": corpus, "QAs a view": one.qas, "views": one.views, "chance": found["univar"][1]}
            rows.append({**given, **scores})
    return Section(("answers", "QAs a view", "views", "chance", *encoders), rows)


def simulation(encoders: Encoders, seeds: Sequence[Encoder]) -> Section:
    """How distances between simulated LLMs follow their known stances and styles, on new identities."""
    every = {**encoders, **{f"short training {number}": encode for number, encode in enumerate(seeds, 1)}}
    rows: Rows = []
    for seed in SIMULATED_SEEDS:
        simulated = simulate(32, 384, seed=seed)
        places = {identity: row for row, identity in enumerate(simulated.identities)}
        unseen = [record for record in simulated.records if split_of(record.question_key) != "train"]
        texts = [record.text for record in unseen]
        for name, encode in every.items():
            vectors, _ = encode(texts, texts[:1])
            dense = vectors.toarray() if hasattr(vectors, "toarray") else vectors
            found = geometry_agreement(
                dense,
                [places[record.identity] for record in unseen],
                [record.value for record in unseen],
                simulated,
            )
            described = found.to_dict()
            truths = {
                what: {"score": described[what], **described[f"{what}_interval"]} for what in ("stances", "style")
            }
            given = {"representation": name, "simulation": seed, "pairs of LLMs": found.n_pairs}
            rows.append({**given, "measure": "correlation", **truths})
    rows.sort(key=lambda row: list(every).index(row["representation"]))
    return Section(("representation", "simulation", "pairs of LLMs", "stances", "style"), rows)


def grid(file: Path, encoders: Encoders) -> Section:
    """How far one real LLM moves with prompts of values, over how far with prompts of style."""
    records = crossed(list(read_corpus(file)))
    values, styles = zip(*(record.model.split() for record in records), strict=True)
    questions = [record.question_id for record in records]
    rows: Rows = []
    for words, texts in (
        ("all", [record.text for record in records]),
        ("without those of the prompts", [without_echo(record).text for record in records]),
    ):
        for name, encode in encoders.items():
            found = shift_ratio(encode(texts, texts[:1])[0], questions, values, styles)
            ratio = {"score": found.to_dict()["ratio"], **found.to_dict()["interval"]}
            given = {"representation": name, "words": words, "n": found.n, "questions": found.questions}
            rows.append({**given, "measure": "correlation", "by values over by style": ratio})
    return Section(("representation", "words", "n", "questions", "by values over by style"), rows)


def axes(encoders: Encoders) -> Section:
    """How many values have an axis that holds on questions and voices it was not made of, and the weakest ten."""
    written = poles()
    texts = [pole.record.text for pole in written]
    rows: Rows = []
    for name, encode in encoders.items():
        vectors, _ = encode(texts, texts[:1])
        if not hasattr(vectors, "toarray"):
            found = value_axes(vectors, written)
            holding = f"{sum(axis.holds for axis in found.axes)} of {len(found.axes)}"
            order = {"score": found.accuracy, **found.interval._asdict()}
            weakest = ", ".join(axis.value for axis in found.axes[-10:])
            given = {"representation": name, "values whose axis holds": holding, "weakest ten": weakest}
            rows.append({**given, "pairs in the right order": order})
    return Section(("representation", "values whose axis holds", "pairs in the right order", "weakest ten"), rows)


def poles_counted() -> str:
    """How many poles there are, by voice and stance."""
    counts: dict[tuple[str, int], int] = {}
    for pole in poles():
        counts[pole.voice, pole.stance] = counts.get((pole.voice, pole.stance), 0) + 1
    voices = sorted({voice for voice, _ in counts})
    return markdown_table(
        ("voice", "for", "against"), [(voice, f"{counts[voice, 1]:,}", f"{counts[voice, -1]:,}") for voice in voices]
    )


def cell(row: Mapping[str, Any], column: str) -> str:
    """A number as it is read: shares in percent, correlations and ratios with two decimals, intervals in brackets."""
    found, plain = row.get(column), row.get("measure") == "correlation"

    def figure(number: float) -> str:
        sign = "+" if column.startswith(("over", "change")) else ""
        return f"{number:{sign}.2f}" if plain else f"{100 * number:{sign}.1f}"

    if isinstance(found, Mapping):
        score, low, high = found["score"], found["low"], found["high"]
        return "-" if score is None else f"{figure(score)} [{figure(low)}, {figure(high)}]"
    if isinstance(found, list) and len(found) > 1:
        return f"{figure(statistics.mean(found))} ± {figure(statistics.stdev(found))}"
    if isinstance(found, float):
        return figure(found)
    if isinstance(found, int) and column != "simulation":
        return f"{found:,}"
    return str(found or "-")


def _mean(values: Iterable[float]) -> dict[str, Any]:
    numbers = list(values)
    return {"score": statistics.mean(numbers), **cluster_bootstrap(numbers, range(len(numbers)))._asdict()}


if __name__ == "__main__":
    main()
