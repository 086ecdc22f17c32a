"""What is known of societies, what of it reaches their languages, and scores of one's own."""

import contextlib
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from univar.analysis.people.societies import (
    Scores,
    ScoresError,
    geographic_distances,
    known_scores,
    linguistic_distances,
    read_scores,
)
from univar.corpus.languages import languages

HOFSTEDE, MAP, SCHWARTZ = known_scores()


# What is known


def test_all_research_covers_most_languages():
    assert [one.name for one in known_scores()] == ["Hofstede", "Inglehart-Welzel", "Schwartz"]
    assert [len(one.dimensions) for one in known_scores()] == [6, 2, 7]
    assert [sorted(set(languages()) - set(one.of)) for one in known_scores()] == [["hat"], [], ["hat", "vie"]]
    assert HOFSTEDE.missing == {"hat": ("HTI",)}
    for one in known_scores():
        assert all(1 / 3 <= share <= 1 + 1e-9 for share in one.shares.values())


def test_figures_are_in_standard_deviations_over_the_languages():
    for one in known_scores():
        figures = np.array(list(one.of.values()))
        np.testing.assert_allclose(figures.mean(axis=0), 0, atol=0.01)  # two decimals
        np.testing.assert_allclose(figures.std(axis=0), 1, atol=0.01)
    # Sweden has the highest self-expression, Japan the most secular values, English-speaking societies individualism.
    assert max(MAP.of, key=lambda lang: MAP.of[lang][1]) == "swe"
    assert max(MAP.of, key=lambda lang: MAP.of[lang][0]) == "jpn"
    assert max(HOFSTEDE.of, key=lambda lang: HOFSTEDE.of[lang][1]) == "eng"
    assert MAP.dimensions == ("secular rational", "self expression")
    # Schwartz knows Uganda and not Tanzania, which has .622 of the speakers.
    assert SCHWARTZ.shares["swh"] == pytest.approx(0.378)


def test_dimensions_count_alike_over_the_languages_compared():
    places = HOFSTEDE.standardised(["eng", "fra", "jpn", "swe"])
    np.testing.assert_allclose(places.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(places.var(axis=0), 1)
    # Quechua and Spanish of Peru alone would be the same society: what is equal for all is 0.
    same = Scores("same", ("a", "b"), {lang: np.array([1.0, place]) for place, lang in enumerate("xyz")}, {}, {})
    np.testing.assert_allclose(same.standardised(["x", "y", "z"])[:, 0], 0)


def test_distances_on_the_map():
    found = geographic_distances(["jpn", "fin"])
    # Tokyo 36 N 140 E, Helsinki 60 N 25 E, by the spherical law of cosines.
    a, b, turn = math.radians(36), math.radians(60), math.radians(115)
    expected = 6371 * math.acos(math.sin(a) * math.sin(b) + math.cos(a) * math.cos(b) * math.cos(turn))
    assert found == pytest.approx([expected])
    everywhere = geographic_distances(list(languages()))
    assert 0 < everywhere.min() < everywhere.max() < math.pi * 6371
    assert geographic_distances(["jpn", "ukr"]) is None


def test_distances_of_kinship():
    # Group, branch, family and nothing in common.
    assert linguistic_distances(["eng", "deu", "swe", "fra", "fin"]).tolist() == [
        *(0.25, 0.5, 0.75, 1),
        *(0.5, 0.75, 1),
        *(0.75, 1),
        1,
    ]
    assert linguistic_distances(["eng", "ukr"]) is None


# Scores of one's own


def test_scores_by_society_reach_their_languages(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("Society;trust\nDEU;1\n AUT ;3\nfra;2\nCHE;\n")
    found = read_scores(file)
    assert (found.name, found.dimensions) == ("mine", ("trust",))
    assert set(found.of) == {"deu", "fra"}
    assert found.of["deu"] == pytest.approx([(0.832 * 1 + 0.095 * 3) / 0.927])
    assert found.missing["jpn"] == ("JPN",)


def test_scores_by_language_need_no_society(tmp_path):
    file = tmp_path / "mine.tsv"
    file.write_text("lang\ttrust\twarmth\nde\t1\t2\nukr\t3\t4.5\nFrench\t5\t\n", encoding="utf-8-sig")
    found = read_scores(file)
    assert {lang: row.tolist() for lang, row in found.of.items()} == {"deu": [1, 2], "ukr": [3, 4.5]}
    assert found.missing == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has the columns none; it needs one named society"),
        ("land,trust\nFRA,1\n", r"has the columns 'land', 'trust'; it needs one named society .*or lang"),
        ("society\nFRA\n", "one for each dimension"),
        ("society,trust,trust\nFRA,1,2\n", "each with a name of its own"),
        ("society,\nFRA,1\n", "each with a name of its own"),
        ("society,trust\nFrance,1\n", "line 2: 'France' is no society; give its ISO 3166-1 alpha-3 code, as FRA"),
        ("lang,trust\nelvish,1\n", "line 2: unknown language 'elvish'"),
        ("society,trust\nFRA,1\nFRA,2\n", "line 3: FRA has a row already; keep one a society"),
        ("society,trust\nFRA,high\n", "line 2: 'trust' is 'high'; give a number, with a point, or leave it empty"),
        ("society,trust\nFRA,inf\n", "line 2: 'trust' is 'inf'"),
        ("society,trust\nFRA,1,5\n", "line 2: more fields than columns; mend the row"),
        ('"society,trust\nFRA,1\n', "its quotes do not pair"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(tmp_path, text, message):
    file = tmp_path / "mine.csv"
    file.write_text(text)
    with pytest.raises(ScoresError, match=message):
        read_scores(file)


def test_what_is_no_text_is_named(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_bytes(b"society,trust\n\xff\xfe,1\n")
    with pytest.raises(ScoresError, match="is no text in UTF-8"):
        read_scores(file)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.one_of(
        st.text(max_size=60), st.text(alphabet='society,lang\n\r;"FRA1. ', max_size=60).map("society,x\n".__add__)
    )
)
def test_any_text_is_scores_or_an_error(tmp_path, text):
    file = tmp_path / "any.csv"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(ScoresError):
        found = read_scores(file)
        assert all(np.isfinite(row).all() for row in found.of.values())
