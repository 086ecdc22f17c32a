"""Measures how much of what identifies an LLM is style, and writes docs/style.md.

    make style DATA=folder

The folder is that of `make weights`; only questions that no weight was trained on are measured on.
"""

import argparse
import logging
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from recipes.identified import identified
from recipes.pages import filled
from recipes.restyling import restyle
from recipes.ship import CORPORA, DOCS, controls, sample
from univar.analysis.identification import Identification
from univar.analysis.representations import Encoder, representations
from univar.corpus.readers import read_corpus
from univar.corpus.records import QARecord, question_halves, question_hash
from univar.files import replacing

MOST_VALUES = 900
MOST_CONTROLS = 600
NAMES = ("base", "univar", "univar-static", "tfidf")

logger = logging.getLogger(__name__)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the corpora")
    parser.add_argument("--model", nargs="+", default=NAMES, metavar="NAME", help="what to compare")
    parser.add_argument("--out", type=Path, default=DOCS / "style.md")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logger.setLevel(logging.INFO)

    encoders, trained_on = representations(options.model)
    rows: dict[str, list[str]] = {"values": [], "control": []}
    for corpus in CORPORA:
        everything = list(read_corpus(options.data / f"{corpus}.parquet", lang=["eng"]))
        answering = {record.identity for record in everything}
        unseen, control = (
            sample([r for r in records if question_hash(r.question_key) not in trained_on], most)
            for records, most in (
                (everything, MOST_VALUES),
                ([r for r in controls(options.data, corpus) if r.identity in answering], MOST_CONTROLS),
            )
        )
        for name, encoder in encoders.items():
            logger.info("%s, %s", corpus, name)
            rows["values"].append(_row(corpus, name, restyled_values(unseen, encoder)))
            rows["control"].append(_row(corpus, name, asked_of_values(control, unseen, encoder)))
    text = filled("style.md", **{kind: "\n".join(lines) for kind, lines in rows.items()})
    with replacing(options.out) as temporary:
        temporary.write_text(text, encoding="utf-8")


def restyled_values(records: Sequence[QARecord], encoder: Encoder) -> list[Identification]:
    """k-NN and linear probe on answers as they are, then with the query restyled, then with gallery and query so."""
    gallery, query = question_halves(records)
    generator = random.Random(0)
    other_gallery, other_query = ([restyled(r, generator) for r in side] for side in (gallery, query))
    sides = ((gallery, query), (gallery, other_query), (other_gallery, other_query))
    return [score for first, second in sides for score in identified(first, second, encoder)]


def asked_of_values(control: Sequence[QARecord], values: Sequence[QARecord], encoder: Encoder) -> list[Identification]:
    """k-NN and linear probe on control answers, then on the same answers under value questions.

    Each control question is replaced by one value question, for all who answered it: what identifies then is style
    that is read where a question asks for values.
    """
    gallery, query = question_halves(control)
    questions = sorted({record.question for record in values})
    generator = random.Random(0)
    asked = {
        key: generator.choice(questions) for key in sorted({question_hash(record.question_key) for record in control})
    }
    swapped = [
        [replace(record, question=asked[question_hash(record.question_key)]) for record in side]
        for side in (gallery, query)
    ]
    return [
        score
        for pair in ((gallery, query), swapped)
        for score in identified(*pair, encoder, questions=[question_hash(record.question_key) for record in query])
    ]


def restyled(record: QARecord, generator: random.Random) -> QARecord:
    return replace(record, answer=restyle(record.answer, generator))


def _row(corpus: str, name: str, scores: Sequence[Identification]) -> str:
    cells = [corpus, name, str(scores[0].n), f"{100 * scores[0].chance:.1f}"]
    for knn, linear in zip(scores[::2], scores[1::2], strict=True):
        low, high = 100 * knn.interval.low, 100 * knn.interval.high
        cells.append(f"{100 * knn.accuracy:.1f} [{low:.1f}, {high:.1f}] / {100 * linear.accuracy:.1f}")
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
