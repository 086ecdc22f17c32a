"""Judges what the poles of questions not met show of values, and writes univar/assets/model/rulers.json.

    python -m recipes.rulers FOLDER

The weights that ship were trained on most poles, and cannot tell what answers to other questions would show. So three
short trainings, those of `recipes.evidence`, each leave out a third of the questions of every value, and judge these.
The folder is that of `make weights`.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recipes.stance_corpora import FOLDS, fold_of
from recipes.stances import SHORT_PAIRS, trained
from univar.analysis.values.rulers import Pairs, judge, pairs_of
from univar.analysis.values.scales import Judged, KnownScales, scale_of
from univar.corpus.questions.poles import Pole, poles
from univar.files import replacing
from univar.model.embedded import embed
from univar.model.modeling import load_model, weights_sha256

OUT = Path(__file__).parents[1] / "univar" / "assets" / "model" / "rulers.json"

logger = logging.getLogger(__name__)


class Fold(NamedTuple):
    """What one model shows of the questions that it has not met, in units of what it shows of those that it has."""

    own_share: float
    by_question: Judged
    by_axis: Judged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the corpora")
    parser.add_argument("--cache", type=Path, default=Path("build/evidence"), help="of the trainings")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    written = poles()
    folds = []
    for fold in range(FOLDS):
        out = options.cache / f"seed-{fold}"
        model = trained(options.data, out, seed=fold, pairs=SHORT_PAIRS, without=fold)
        vectors = embed([pole.record for pole in written], model, name=out.name).embeddings
        folds.append(judged(vectors, written, fold))
        logger.info("fold %d: own share %.2f, units %.3f and %.3f", fold, *units(folds[-1]))
    known = together(folds, pairs_of(np.zeros((len(written), 1)), written, [False] * len(written)).values)
    content = {
        "fingerprint": weights_sha256(load_model("univar")),
        "judged_by": f"{FOLDS} trainings of {SHORT_PAIRS:,} pairs, each without a third of the questions of the poles",
        **known.to_dict(),
    }
    with replacing(OUT) as temporary:
        temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")
    for name, scale in (("by question", known.by_question), ("along axes", known.by_axis)):
        readable = scale.carries([[value] for value in range(len(known.values))])
        logger.info("%s: %d of %d values readable, unit %.3f", name, readable.sum(), len(readable), scale.unit)


def units(fold: Fold) -> tuple[float, float, float]:
    """The own share, and how far apart what was not met lies, over what was."""
    return fold.own_share, fold.by_question.unit, fold.by_axis.unit


def judged(vectors: npt.NDArray[np.floating], written: Sequence[Pole], fold: int) -> Fold:
    """What vectors by a model that has not met a fold show of it."""
    met = [pole.split == "train" and fold_of(pole) != fold for pole in written]
    pairs = pairs_of(np.asarray(vectors, dtype=np.float64), written, met)
    left_out = np.array([fold_of(pole) == fold for pole in _one_a_question(pairs, written)])[pairs.question]
    unseen = judge(pairs, left_out & ~pairs.met)
    seen = judge(pairs, pairs.met, unseen.own_share)
    return Fold(
        unseen.own_share,
        unseen.by_question.over(seen.by_question.unit),
        unseen.by_axis.over(seen.by_axis.unit),
    )


def _one_a_question(pairs: Pairs, written: Sequence[Pole]) -> list[Pole]:
    """A pole of each question, in the order of their rows."""
    by_question = {pole.question.question_id: pole for pole in written}
    return [by_question[question] for question in pairs.questions]


def together(folds: Sequence[Fold], values: tuple[str, ...]) -> KnownScales:
    """The scales that the folds show together; each question is of one."""

    def scale(parts: Sequence[Judged]) -> Judged:
        columns = (np.concatenate(column) for column in zip(*(part[:-1] for part in parts), strict=True))
        places = np.zeros(len(parts[0].places))
        for part in parts:
            own = np.unique(part.question)
            places[own] = part.places[own]
        return Judged(*columns, places)

    return KnownScales(
        scale_of(scale([fold.by_question for fold in folds]), len(values)),
        scale_of(scale([fold.by_axis for fold in folds]), len(values)),
        float(np.mean([fold.own_share for fold in folds])),
        values,
    )


if __name__ == "__main__":
    main()
