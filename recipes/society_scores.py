"""Makes `univar/assets/language_scores.csv`: what cultural research says of the societies that languages stand for.

    python -m recipes.society_scores FOLDER

The folder holds hofstede_insights.csv (iso3, pdi, idv, mas, uai, lto, ind; -1 where nothing is known),
ivs_inglehart_welzel.csv (iso3, year, secular_rational, self_expression; the last survey of a society counts) and
schwartz_cultural_orientations.csv (iso3 and seven orientations; several rows of a society are averaged). None of their
rows is kept: what is written are means over the societies of a language by their share of its speakers, in standard
deviations over the languages of the corpus.
"""

import argparse
import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from univar.analysis.people.societies import COLUMNS, Scores, scores_by_language
from univar.corpus.languages import languages
from univar.files import replacing

OUT = Path(__file__).parents[1] / "univar" / "assets" / "language_scores.csv"
HOFSTEDE = ("pdi", "idv", "mas", "uai", "lto", "ind")
UNKNOWN = "-1.0"  # of Hofstede's dimensions, which are from 0 to 100; no other table has exactly this
HEAD = """\
# Scores of the languages of the corpus: means over the societies that a language stands for (languages.yaml), by their
# share of its speakers, in standard deviations over the languages; empty where societies of less than a third of the
# speakers have scores. share.*: of the speakers, those whose societies have scores. Made by recipes/society_scores.py.
# Hofstede: Hofstede, Hofstede & Minkov, Cultures and Organizations (2010), scores of Hofstede Insights.
# Inglehart-Welzel: EVS/WVS, Integrated Values Surveys 1981-2022, the last survey of each society; after Inglehart &
#   Welzel, Modernization, Cultural Change, and Democracy (2005).
# Schwartz: Schwartz, The 7 Schwartz cultural value orientation scores for 80 countries (2008).
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the three tables")
    folder = parser.parse_args().data
    research = {
        "Hofstede": _scores(folder / "hofstede_insights.csv", HOFSTEDE),
        "Inglehart-Welzel": _scores(folder / "ivs_inglehart_welzel.csv", ("secular_rational", "self_expression")),
        "Schwartz": _scores(
            folder / "schwartz_cultural_orientations.csv",
            tuple(name.replace(" ", "_") for name in COLUMNS["Schwartz"]),
        ),
    }
    write({name: scores_by_language(name, COLUMNS[name], scores) for name, scores in research.items()}, OUT)


def _scores(file: Path, columns: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Of each society, what its rows with all the columns say: those of its last year, or else the mean of them."""
    rows: dict[str, list[tuple[int, list[float]]]] = {}
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if all(row[column] and row[column] != UNKNOWN for column in columns):
                year = int(row.get("year") or 0)
                rows.setdefault(row["iso3"], []).append((year, [float(row[column]) for column in columns]))
    return {
        society: np.mean([scores for year, scores in of if year == max(of)[0]], axis=0) for society, of in rows.items()
    }


def write(research: Mapping[str, Scores], out: Path) -> None:
    """A row a language; scores of all research beside each other, to two decimals."""
    fields = ["lang"]
    rows: dict[str, dict[str, str]] = {lang: {"lang": lang} for lang in languages()}
    for name, scores in research.items():
        known = list(scores.of)
        for place, dimension in enumerate(scores.dimensions):
            fields.append(f"{name}.{dimension}")
            for lang, score in zip(known, scores.standardised(known)[:, place], strict=True):
                rows[lang][fields[-1]] = f"{score:.2f}"
        fields.append(f"share.{name}")
        for lang, share in scores.shares.items():
            rows[lang][fields[-1]] = f"{share:.3f}"
    with replacing(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(HEAD)
        table = csv.DictWriter(file, fields, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(rows.values())


if __name__ == "__main__":
    main()
