"""Languages against societies: planted relations are seen, nothing is seen where there is none, and words say so."""

import json

import numpy as np
import plotly.graph_objects as go
import pytest

import univar
from univar.analysis.people.languages import LanguageDistances, language_distances
from univar.analysis.people.reading import compare_with_people
from univar.analysis.people.societies import ScoresError, known_scores
from univar.analysis.pictures.people_figure import people_plot
from univar.analysis.report.page import write_page
from univar.corpus.languages import languages
from univar.corpus.records import QARecord
from univar.model.encoding import Provenance

TWELVE = ("arb", "deu", "eng", "fra", "hin", "ind", "ita", "jpn", "kor", "rus", "swe", "zho")
MADE = Provenance("mine", "0" * 64, None)


def corpus(
    langs: tuple[str, ...] = TWELVE,
    *,
    research: int | None = 0,
    translated: bool = True,
    models: int = 1,
    seed: int = 0,
) -> univar.EmbeddedCorpus:
    """Answers in languages that lie as their societies do in one line of research, or anyhow."""
    generator = np.random.default_rng(seed)
    if research is None:
        places = generator.normal(size=(len(langs), 6))
    else:
        places = known_scores()[research].standardised(langs)
    turn = np.linalg.qr(generator.normal(size=(16, places.shape[1])))[0].T
    records, rows = [], []
    for model in range(models):
        for number, lang in enumerate(langs):
            for question in range(12):
                english = {"question_eng": f"Why {question}?", "answer_eng": "So."} if translated else {}
                records.append(QARecord(f"q{question}", f"? {question}", "…", f"m{model}", lang, **english))
                rows.append(places[number] @ turn + generator.normal(size=16))
    return univar.EmbeddedCorpus(tuple(records), np.array(rows, dtype=np.float32), MADE)


@pytest.fixture(scope="module")
def found() -> univar.PeopleComparison:
    return univar.people(corpus(models=2))


def test_a_planted_relation_is_seen_and_said(found):
    hofstede, cultural_map, schwartz = found.relations
    assert hofstede.seen
    assert hofstede.mantel.r > 0.6
    assert hofstede.partial.p < 0.05
    assert hofstede.fit.p < 0.05
    assert (hofstede.people, cultural_map.people, schwartz.people) == ("Hofstede", "Inglehart-Welzel", "Schwartz")
    assert hofstede.corrected >= hofstede.mantel.p
    assert len(found.dimensions) == 6 + 2 + 7
    assert 0.8 < found.ceiling <= 1
    said = str(found)
    assert said.startswith(
        "The languages lie apart as the societies that speak them do in Hofstede (Spearman Mantel r = "
    )
    assert "12 languages; with distance on the map and kinship of languages held fixed" in said
    assert "leaves room for r up to" in said
    assert "(n = 288 answers of 2 LLMs to 12 questions; " in said
    assert "of 22 identities in other languages 22 read in English versions" in said
    assert any(note.startswith("English alone was never translated") for note in found.notes())


def test_nothing_is_seen_where_there_is_nothing():
    made = [corpus(research=None, seed=seed) for seed in range(10)]
    distances = [language_distances(one.records, one.embeddings, halvings=2) for one in made]
    none = [compare_with_people(one, orders=199, seed=seed) for seed, one in enumerate(distances)]
    seen = [any(one.seen for one in found.relations) for found in none]
    assert sum(seen) <= 2
    said = str(none[seen.index(False)])
    assert said.startswith("No relation is seen between how the languages lie apart and how the societies")
    least = max(one.mantel.threshold for one in none[seen.index(False)].relations)
    assert f"; only r above {least:.2f} would have been; the noise " in said


def test_four_languages_can_show_nothing():
    # Of 24 orders one has a p of 1/24, and that three times is above .05.
    found = univar.people(corpus(("deu", "eng", "jpn", "swe")))
    assert all(one.mantel.orders == 24 for one in found.relations)
    assert not any(one.seen for one in found.relations)
    assert "with 4 languages p is never below 1/24, so that nothing could have been seen in 3 comparisons" in str(found)
    assert found.relations[0].corrected >= 3 / 24 - 1e-9


def test_all_of_it_is_plain_json_and_tables(found):
    described = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert len(described["relations"]) == 3 + 2 + 15
    first = described["relations"][0]
    assert (first["people"], first["n"], len(first["answers"]), len(first["societies"])) == ("Hofstede", 12, 66, 66)
    assert np.shape(first["places_of_languages"]) == np.shape(first["places_of_societies"]) == (12, 2)
    assert described["sentence"] == str(found)
    assert described["relations"][3]["partial_r"] is None
    assert list(found.to_pandas()["people"][:5]) == [
        *("Hofstede", "Inglehart-Welzel", "Schwartz"),
        *("distance on the map", "kinship of languages"),
    ]
    assert "| Hofstede: power distance | 12 | " in found.to_markdown()


def test_the_same_seed_gives_the_same(found):
    assert univar.people(corpus(models=2)).to_dict() == found.to_dict()
    assert univar.people(corpus(models=2), seed=1).to_dict() != found.to_dict()


def test_other_coefficients_are_named():
    said = str(univar.people(corpus(), coefficient="pearson"))
    assert "Pearson Mantel r = " in said
    with pytest.raises(ValueError, match="unknown coefficient 'kendall'"):
        univar.people(corpus(), coefficient="kendall")


# What limits it is said


def test_answers_without_an_english_version_are_told():
    found = univar.people(corpus(translated=False))
    assert "of 11 identities in other languages 0 read in English versions" in str(found)
    assert any("11 have answers without an English version" in note for note in found.notes())


def test_other_llms_in_other_languages_are_told():
    made = corpus()
    records = tuple(
        QARecord(record.question_id, record.question, record.answer, f"only {record.lang}", record.lang)
        for record in made.records
    )
    found = univar.people(univar.EmbeddedCorpus(records, made.embeddings, MADE))
    assert "12 questions, other LLMs in other languages;" in str(found)
    assert "may be how these differ" in found.notes()[0]


def test_languages_without_scores_are_named():
    found = univar.people(corpus(("deu", "eng", "hat", "jpn", "swe", "vie"), research=1))
    assert [one.languages for one in found.relations] == [
        ("deu", "eng", "jpn", "swe", "vie"),
        ("deu", "eng", "hat", "jpn", "swe", "vie"),
        ("deu", "eng", "jpn", "swe"),
    ]
    assert found.notes()[:2] == [
        "Hofstede has no scores for hat (HTI).",
        "Schwartz has no scores for hat (HTI), vie (VNM).",
    ]


# Scores of one's own


def test_scores_of_ones_own_replace_those_that_are_known(tmp_path):
    file = tmp_path / "trust.csv"
    rows = [f"{society},{number}\n" for number, society in enumerate(("DEU", "FRA", "ITA", "JPN", "SWE", "IND"))]
    file.write_text("society,trust\n" + "".join(rows))
    found = univar.people(corpus(), scores=file)
    (own,) = found.relations
    assert (own.people, own.languages, own.corrected) == (
        "trust",
        ("deu", "fra", "hin", "ita", "jpn", "swe"),
        own.mantel.p,
    )
    assert found.dimensions == ()
    assert any(note.startswith("trust has no scores for arb (EGY, SAU, ") for note in found.notes())


def test_scores_without_the_societies_are_refused_by_name(tmp_path):
    file = tmp_path / "trust.csv"
    file.write_text("society,trust\nDEU,1\nFRA,2\nJPN,3\n")
    with pytest.raises(
        ValueError, match=r"fewer than 4 of the languages have scores .*trust has no scores for .*swe \(SWE\)"
    ):
        univar.people(corpus(), scores=file)
    with pytest.raises(ScoresError, match="it needs one named society"):
        univar.people("no such file", scores=__file__)


def test_a_dimension_that_is_the_same_everywhere_is_not_readable(tmp_path):
    file = tmp_path / "same.csv"
    file.write_text("lang,a\n" + "".join(f"{lang},1\n" for lang in TWELVE))
    found = univar.people(corpus(), scores=file)
    assert "in same (not readable: all societies are equally far apart); nothing could be compared" in str(found)
    assert found.relations[0].fit is None
    assert json.dumps(found.to_dict(), allow_nan=False)
    assert found.plot().data


# Distances from elsewhere, and pictures


def test_the_distances_of_a_paper_can_be_read():
    # Two lines of three languages each, far from one another, as their families are.
    langs = ("deu", "eng", "ind", "swe", "tgl", "zsm")
    family = {"deu": 0, "eng": 0, "swe": 0, "ind": 1, "tgl": 1, "zsm": 1}
    made = LanguageDistances(
        langs, np.array([1.0 + 3 * (family[a] != family[b]) for i, a in enumerate(langs) for b in langs[i + 1 :]])
    )
    found = compare_with_people(made)
    kinship = found.near[1]
    assert (kinship.people, kinship.mantel.exact, kinship.mantel.orders) == ("kinship of languages", True, 720)
    assert kinship.mantel.r > 0.8
    assert np.isnan(found.ceiling)
    assert "read in English" not in str(found)


def test_both_configurations_are_overlaid(found):
    figure = people_plot(found)
    assert isinstance(figure, go.Figure)
    overlays = [trace for trace in figure.data if trace.mode == "lines"]
    assert len(overlays) == 3
    # A line from each language to its society, and a gap after it.
    assert len(overlays[0].x) == 3 * 12
    dots = [trace for trace in figure.data if trace.mode == "markers" and len(trace.x) == 66]
    assert len(dots) == 3
    assert "Arabic" in " ".join(dots[0].hovertext)
    names = [text for trace in figure.data if trace.mode == "markers+text" for text in trace.text]
    assert {"Chinese", "Swedish"} <= set(names)
    assert set(languages()) >= set(TWELVE)


def test_a_page_needs_no_network_and_escapes_names(tmp_path):
    file = tmp_path / "<img src=x>.csv"
    file.write_text("lang,a,b\n" + "".join(f"{lang},{n},{n % 3}\n" for n, lang in enumerate(TWELVE)))
    found = univar.people(corpus(), scores=file)
    write_page(found, "people", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<img src=x>" not in page
    assert "&lt;img src=x&gt;" in page
    assert 'src="http' not in page
