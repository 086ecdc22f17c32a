"""Scores of languages, made from tables of societies."""

import csv

import numpy as np
import pytest

from recipes.society_scores import HEAD, UNKNOWN, _scores, write
from univar.analysis.people.societies import Scores, scores_by_language


def test_the_last_survey_counts_and_other_rows_are_averaged(tmp_path):
    surveys, means = tmp_path / "surveys.csv", tmp_path / "means.csv"
    surveys.write_text("iso3,year,a,b\nFRA,2001,1,1\nFRA,2018,3,5\nDEU,2018,,2\n")
    means.write_text(f"iso3,a\nCAN,1\nCAN,4\nUSA,{UNKNOWN}\n")
    assert {society: row.tolist() for society, row in _scores(surveys, ("a", "b")).items()} == {"FRA": [3, 5]}
    assert {society: row.tolist() for society, row in _scores(means, ("a",)).items()} == {"CAN": [2.5]}


def test_societies_count_by_their_share_of_the_speakers():
    found = scores_by_language("mine", ("trust",), {"DEU": np.array([35.0]), "AUT": np.array([11.0])})
    # German is of Germany by .832, of Austria by .095 and of Switzerland, which has no score, by .073.
    assert found.of["deu"] == pytest.approx([(0.832 * 35 + 0.095 * 11) / 0.927])
    assert found.shares["deu"] == pytest.approx(0.927)


def test_what_is_written_is_in_standard_deviations(tmp_path):
    known = {"eng": np.array([1.0]), "fra": np.array([5.0])}
    write({"mine": Scores("mine", ("trust",), known, {"eng": 1.0, "fra": 0.5}, {})}, tmp_path / "out.csv")
    text = (tmp_path / "out.csv").read_text()
    rows = {row["lang"]: row for row in csv.DictReader(text.removeprefix(HEAD).splitlines())}
    # The mean is 3 and the standard deviation 2.
    assert rows["eng"] == {"lang": "eng", "mine.trust": "-1.00", "share.mine": "1.000"}
    assert rows["fra"] == {"lang": "fra", "mine.trust": "1.00", "share.mine": "0.500"}
    assert rows["deu"] == {"lang": "deu", "mine.trust": "", "share.mine": ""}
