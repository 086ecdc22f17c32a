"""The societies that languages stand for: their scores in cultural research, and how near languages are as such.

Scores are of `univar/assets/language_scores.csv`, which names their sources, or of a csv of a user's own; places are of
`univar/assets/societies.csv`.
"""

import csv
import functools
import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import pdist

from univar.analysis.names import printable
from univar.corpus.formats.delimited import read_header, read_rows
from univar.corpus.formats.rejects import CorpusError
from univar.corpus.languages import language_code, languages

FloatArray = npt.NDArray[np.float64]

LEAST_SHARE = 1 / 3
"""Of a language's speakers, those whose societies have scores; with fewer the language has none."""

_EARTH_RADIUS = 6371.0  # km, the mean
COLUMNS = {
    "Hofstede": (
        "power distance",
        "individualism",
        "masculinity",
        "uncertainty avoidance",
        "long term orientation",
        "indulgence",
    ),
    "Inglehart-Welzel": ("secular rational", "self expression"),
    "Schwartz": (
        "harmony",
        "embeddedness",
        "hierarchy",
        "mastery",
        "affective autonomy",
        "intellectual autonomy",
        "egalitarianism",
    ),
}
"""The dimensions of each research."""

_KEYS = ("society", "lang")


class ScoresError(ValueError):
    """Scores of societies that cannot be used; the message says where and what to do."""


@dataclass(frozen=True, eq=False, slots=True)
class Scores:
    """What one line of research, or one file, says of the societies that languages stand for.

    Attributes:
        name: Of the research, or of the file.
        dimensions: What was measured.
        of: `(k,)` scores by language, means over its societies by their share of its speakers.
        shares: Of each language, the share of its speakers whose societies have scores, in (0, 1].
        missing: The societies of the languages that have no scores, by language.
    """

    name: str
    dimensions: tuple[str, ...]
    of: Mapping[str, FloatArray]
    shares: Mapping[str, float]
    missing: Mapping[str, tuple[str, ...]]

    def standardised(self, langs: Sequence[str]) -> FloatArray:
        """`(n, k)` scores, each dimension of variance 1 over these languages, or 0 where it is the same for all.

        Source: Kogut & Singh, The effect of national culture on the choice of entry mode (1988).
        """
        scores = np.array([self.of[lang] for lang in langs])
        spread = scores.std(axis=0)
        return np.asarray((scores - scores.mean(axis=0)) / np.where(spread > 1e-9, spread, np.inf))


@functools.cache
def known_scores() -> tuple[Scores, ...]:
    """Hofstede's dimensions, the Inglehart-Welzel map and Schwartz's orientations, for the languages of the corpus.

    In standard deviations over these languages.
    """
    rows = _rows("language_scores.csv", "lang")
    found = []
    for name, dimensions in COLUMNS.items():
        known = {lang: row for lang, row in rows.items() if row[f"share.{name}"]}
        of = {lang: np.array([float(row[f"{name}.{one}"]) for one in dimensions]) for lang, row in known.items()}
        shares = {lang: float(row[f"share.{name}"]) for lang, row in known.items()}
        missing = {lang: tuple(languages()[lang].societies) for lang in rows if lang not in known}
        found.append(Scores(name, dimensions, of, shares, missing))
    return tuple(found)


def read_scores(path: str | os.PathLike[str]) -> Scores:
    """Scores of a csv file: a column `society` (ISO 3166-1 alpha-3) or `lang`, all others numbers.

    Societies count for their languages by their share of the speakers (`univar/assets/languages.yaml`). An empty field
    is one that is not known, and a society or language with one has no scores.

    Raises:
        OSError: If there is no such file.
        ScoresError: If it is no such table; the message names the line.
    """
    file = Path(path)
    try:
        lines = list(io.StringIO(file.read_bytes().decode("utf-8-sig"), newline=""))
        header = read_header(str(file), lines, "," if file.suffix.lower() != ".tsv" else "\t")
    except UnicodeDecodeError as error:
        raise ScoresError(f"{file} is no text in UTF-8; save it as csv in UTF-8") from error
    except CorpusError as error:
        raise ScoresError(str(error)) from error
    names = header.names if header else ()
    key = next((name for name in names if name.casefold() in _KEYS), None)
    dimensions = tuple(name for name in names if name != key)
    if header is None or key is None or not dimensions or len(set(names)) < len(names) or not all(names):
        raise ScoresError(
            f"{file} has the columns {', '.join(map(repr, names)) or 'none'}; it needs one named society (ISO 3166-1 "
            "alpha-3, as FRA) or lang (as fra), and one for each dimension, each with a name of its own"
        )
    scores: dict[str, FloatArray] = {}
    for row in read_rows(lines, header):
        where = f"{file}, line {row.line}"
        if row.problem is not None:
            raise ScoresError(f"{where}: {row.problem}; mend the row")
        name = _checked_name(row.content[key], key.casefold(), where)
        if name in scores:
            raise ScoresError(f"{where}: {name} has a row already; keep one a {key.casefold()}")
        scores[name] = np.array([_number(row.content[column], column, where) for column in dimensions])
    whole = {name: row for name, row in scores.items() if not np.isnan(row).any()}
    shown = tuple(map(printable, dimensions))
    if key.casefold() == "lang":
        return Scores(printable(file.stem), shown, whole, dict.fromkeys(whole, 1.0), {})
    return scores_by_language(printable(file.stem), shown, whole)


def geographic_distances(langs: Sequence[str]) -> FloatArray | None:
    """Condensed great-circle distances in km between the middles of the languages' societies, by shares of speakers.

    None if one of the languages is not one of the corpus.
    """
    if not languages().keys() >= set(langs):
        return None
    places = np.array([_middle(languages()[lang].societies) for lang in langs])
    # Half the chord between two places on the unit sphere is the sine of half their angle.
    return np.asarray(2 * _EARTH_RADIUS * np.arcsin(np.clip(pdist(places) / 2, 0, 1)))


def linguistic_distances(langs: Sequence[str]) -> FloatArray | None:
    """Condensed distances between languages in (0, 1]: the share of family, branch, group and language not shared.

    Languages of one group have 1/4, of one branch 1/2, of one family 3/4. None if one is not one of the corpus.
    """
    if not languages().keys() >= set(langs):
        return None
    levels = [(*languages()[lang].family, lang) for lang in langs]
    shared = [
        sum(a[: depth + 1] == b[: depth + 1] for depth in range(4))
        for place, a in enumerate(levels)
        for b in levels[place + 1 :]
    ]
    return 1 - np.array(shared) / 4


def scores_by_language(name: str, dimensions: tuple[str, ...], scores: Mapping[str, FloatArray]) -> Scores:
    """Scores of societies, by ISO 3166-1 alpha-3 code, as those of the languages of the corpus."""
    of, shares, missing = {}, {}, {}
    for lang, language in languages().items():
        known = {society: weight for society, weight in language.societies.items() if society in scores}
        share = sum(known.values())
        if share >= LEAST_SHARE:
            of[lang] = np.sum([weight * scores[society] for society, weight in known.items()], axis=0) / share
            shares[lang] = share
        else:
            missing[lang] = tuple(society for society in language.societies if society not in scores)
    return Scores(name, dimensions, of, shares, missing)


@functools.cache
def _rows(asset: str, key: str) -> dict[str, dict[str, str]]:
    """The rows of a table in assets, by one of its columns."""
    text = (files("univar") / "assets" / asset).read_text("utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {row[key]: row for row in rows}


def _middle(weights: Mapping[str, float]) -> FloatArray:
    """`(3,)` the point on the unit sphere in the middle of societies that count by their weights."""
    rows = _rows("societies.csv", "society")
    places = np.radians([[float(rows[society][name]) for name in ("latitude", "longitude")] for society in weights])
    up, round_ = places.T
    points = np.column_stack([np.cos(up) * np.cos(round_), np.cos(up) * np.sin(round_), np.sin(up)])
    middle = np.array(list(weights.values())) @ points
    return np.asarray(middle / np.linalg.norm(middle))


def _checked_name(given: str, key: str, where: str) -> str:
    if key == "lang":
        try:
            return language_code(given)
        except ValueError as error:
            raise ScoresError(f"{where}: {error}") from None
    name = given.strip().upper()
    if len(name) != 3 or not name.isascii() or not name.isalpha():
        raise ScoresError(f"{where}: {given!r:.40} is no society; give its ISO 3166-1 alpha-3 code, as FRA")
    return name


def _number(given: str, column: str, where: str) -> float:
    """A number; NaN where the field is empty."""
    text = given.strip()
    if not text:
        return math.nan
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ScoresError(f"{where}: {column!r:.40} is {given!r:.40}; give a number, with a point, or leave it empty")
    return number
