"""Whether languages lie apart in what LLMs answer as the societies lie apart in which they are spoken."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import pdist

from univar.analysis.people.languages import LanguageDistances, language_distances
from univar.analysis.people.matrices import (
    ARRANGEMENTS,
    FEWEST,
    Coefficient,
    ceiling,
    coordinates,
    mantel,
    procrustes_test,
)
from univar.analysis.people.results import KIN, LEVEL, MAP, PeopleComparison, Relation
from univar.analysis.people.societies import (
    Scores,
    geographic_distances,
    known_scores,
    linguistic_distances,
    read_scores,
)
from univar.analysis.statistics import Interval, holm
from univar.corpus.records import QARecord
from univar.model.embedded import Corpus, embed

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

FloatArray = npt.NDArray[np.float64]


def people(
    corpus: Corpus,
    *,
    scores: str | os.PathLike[str] | None = None,
    model: "str | SentenceTransformer | None" = None,
    coefficient: Coefficient = "spearman",
    seed: int = 0,
    untranslated: bool = False,
    **options: Any,
) -> PeopleComparison:
    """Whether the languages of LLMs' answers lie apart as the societies that speak them do.

    Languages are compared within each LLM over the questions that were asked in both, societies by Hofstede's six
    dimensions, the Inglehart-Welzel map and Schwartz's seven orientations: by the Mantel correlation of the two sets of
    distances, by the partial one with distance on the map and kinship of languages held fixed, and by Procrustes.

    Args:
        corpus: Answers in four languages or more, or an embedded corpus; see `univar.embed`.
        scores: A csv of other scores instead: a column `society` (ISO 3166-1 alpha-3) or `lang`, all others numbers.
        model: What embeds the answers; by default `univar`, of an embedded corpus the model that it is of.
        coefficient: `spearman` compares the ranks of distances, `pearson` the distances.
        seed: Of the orders and of the halves of the questions.
        untranslated: Encode answers in languages that the model does not read as they are; see `univar.embed`.
        options: For `univar.read_corpus`.

    Raises:
        CorpusError: If the answers cannot be read.
        UntranslatedError: If some are in languages that the model does not read, and `untranslated` is not said.
        EmbeddedCorpusError: If they are embedded by another model.
        ValueError: If fewer than four languages can be compared or have scores, or nothing lies apart; also
            `ScoresError`, if the csv is no such table.
    """
    known = known_scores() if scores is None else (read_scores(scores),)
    embedded = embed(corpus, model, untranslated=untranslated, **options)
    distances = language_distances(embedded.records, embedded.embeddings, seed=seed)
    found = compare_with_people(distances, known, coefficient=coefficient, seed=seed)
    translated = _translated(embedded.records)
    return replace(found, translated=sum(translated.values()), others=len(translated), unread=embedded.unread)


def compare_with_people(
    distances: LanguageDistances,
    scores: Sequence[Scores] | None = None,
    *,
    coefficient: Coefficient = "spearman",
    orders: int = ARRANGEMENTS,
    seed: int = 0,
) -> PeopleComparison:
    """Distances between languages, from anywhere, against those between the societies that speak them.

    Args:
        distances: Between four languages or more.
        scores: Of the societies; by default all that are known.
        coefficient: See `people`.
        orders: Random orders of a test.
        seed: Of the orders.

    Raises:
        ValueError: If in no research four of the languages have scores.

    Example:
        >>> import numpy as np
        >>> made = LanguageDistances(("eng", "fra", "jpn", "zho"), np.array([0.43, 0.54, 0.6, 0.37, 0.5, 0.09]))
        >>> found = compare_with_people(made)
        >>> found.relations[0].people, found.relations[0].mantel.orders
        ('Hofstede', 24)
    """
    known = known_scores() if scores is None else tuple(scores)
    unreadable = [f"Left out: {lang}, {why}." for lang, why in distances.left_out.items()]
    unreadable += [sentence for one in known for sentence in _without_scores(one, distances.languages)]
    readable = {one.name: [lang for lang in distances.languages if lang in one.of] for one in known}
    compared = [one for one in known if len(readable[one.name]) >= FEWEST]
    if not compared:
        raise ValueError(f"fewer than {FEWEST} of the languages have scores to compare with. {' '.join(unreadable)}")
    unreadable += [
        f"{one.name} is not compared: fewer than {FEWEST} languages." for one in known if one not in compared
    ]
    options: dict[str, Any] = {"coefficient": coefficient, "orders": orders, "seed": seed}
    relations: list[Relation] = []
    dimensions: list[Relation] = []
    for one in compared:
        own, places = distances.of(readable[one.name]), one.standardised(readable[one.name])
        strict = options | {"level": LEVEL / len(compared)}
        relations.append(_with_fit(_relation(own, one, None, pdist(places), strict), places, options))
        if len(one.dimensions) > 1:
            sides = zip(one.dimensions, places.T, strict=True)
            dimensions += _holm([_relation(own, one, name, pdist(side[:, None]), options) for name, side in sides])
    highest = interval = None
    if distances.halves.size:
        one_half, other_half = _comparable(distances.halves, coefficient)
        highest, interval = ceiling(one_half, other_half, coefficient)
    return PeopleComparison(
        distances=distances,
        relations=tuple(_holm(relations)),
        dimensions=tuple(dimensions),
        near=tuple(_nearness(distances, options)),
        ceiling=math.nan if highest is None else highest,
        ceiling_interval=interval or Interval(math.nan, math.nan),
        unreadable=tuple(unreadable),
        translated=0,
        others=0,
        coefficient=coefficient,
        seed=seed,
    )


def _relation(
    made: LanguageDistances, scores: Scores, dimension: str | None, societies: FloatArray, options: Mapping[str, Any]
) -> Relation:
    answers = _comparable(made.squared, options["coefficient"])
    found = mantel(answers, societies, **options)
    return Relation(scores.name, dimension, made.languages, made.squared, societies, found)


def _with_fit(relation: Relation, places: FloatArray, options: Mapping[str, Any]) -> Relation:
    """With what is left when nearness is held fixed, and with Procrustes; `places` `(n, k)` are those of societies."""
    langs, coefficient = relation.languages, options["coefficient"]
    near = [side for side in (geographic_distances(langs), linguistic_distances(langs)) if side is not None]
    partial = None
    if near:
        partial = mantel(_comparable(relation.answers, coefficient), relation.societies, near, **options)
    fit = procrustes_test(
        coordinates(relation.answers),
        coordinates(pdist(places, "sqeuclidean")),
        orders=options["orders"],
        seed=options["seed"],
    )
    return replace(relation, partial=partial, fit=fit)


def _nearness(made: LanguageDistances, options: Mapping[str, Any]) -> list[Relation]:
    """How the languages' distances follow those on the map and those of kinship."""
    answers = _comparable(made.squared, options["coefficient"])
    sides = ((MAP, geographic_distances(made.languages)), (KIN, linguistic_distances(made.languages)))
    return _holm(
        [
            Relation(name, None, made.languages, made.squared, side, mantel(answers, side, **options))
            for name, side in sides
            if side is not None
        ]
    )


def _holm(relations: Sequence[Relation]) -> list[Relation]:
    raised = holm([one.mantel.p for one in relations])
    return [replace(one, corrected=p) for one, p in zip(relations, raised, strict=True)]


def _comparable(squared: FloatArray, coefficient: Coefficient) -> FloatArray:
    """What is correlated: ranks need no root, and distances keep the sign of squares that came out negative."""
    return squared if coefficient == "spearman" else np.sign(squared) * np.sqrt(np.abs(squared))


def _without_scores(scores: Scores, langs: Sequence[str]) -> list[str]:
    """Which of the languages have no scores, and of which societies they are missing."""
    lacking = [lang for lang in langs if lang not in scores.of]
    named = [f"{lang} ({', '.join(scores.missing[lang])})" if lang in scores.missing else lang for lang in lacking]
    return [f"{scores.name} has no scores for {', '.join(named)}."] if named else []


def _translated(records: Sequence[QARecord]) -> dict[Any, bool]:
    """Of each identity in another language than English, whether all that is read of it is an English version."""
    found: dict[Any, bool] = {}
    for record in records:
        if record.lang != "eng":
            whole = bool(record.question_eng and record.answer_eng)
            found[record.identity] = found.get(record.identity, True) and whole
    return found
