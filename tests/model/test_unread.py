"""Texts in languages that a model does not read are never encoded in silence."""

import json
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from sentence_transformers import SentenceTransformer

import univar
from univar.analysis.map.results import caption
from univar.analysis.reference import build_reference
from univar.corpus.records import QARecord, write_corpus
from univar.model import weights
from univar.model.embedded import EmbeddedCorpus, embed
from univar.model.encoding import Provenance, write_embeddings
from univar.model.modeling import UniVaR, load_model
from univar.model.training import _languages
from univar.model.unread import UntranslatedError, check_read, languages_read, text_languages, unread_notes

ENGLISH = frozenset({"eng"})


def qa(number: int, lang: str = "eng", model: str = "aya", **english: str) -> QARecord:
    return QARecord(f"q{number}", f"is it right {number}", f"yes {number}", model, lang, **english)


@pytest.fixture
def english_model(tiny_model: UniVaR) -> UniVaR:
    """A model whose card says that it reads English."""
    tiny_model.set_model_card(tiny_model.render_card())
    return tiny_model


# What a model reads


@pytest.mark.parametrize("name", ["univar", "univar-static", "base"])
def test_the_models_that_ship_read_english(name):
    assert languages_read(load_model(name)) == ENGLISH


@pytest.mark.parametrize(
    ("head", "reads"),
    [
        ("language: en", ENGLISH),
        ("language:\n- en\n- fr\n- pt-br\n- no", {"eng", "fra", "por", "nor"}),
        ("language: no", {"nor"}),  # which YAML takes for false
        ("language:\n- multilingual\n- ar", {"arb"}),
        ("language: multilingual", None),
        ("license: mit", None),
        ("language: [en", None),
        ("- language", None),
        ("language: []", None),
    ],
)
def test_a_card_says_what_a_model_reads(tiny_model, head, reads):
    tiny_model.set_model_card(f"---\n{head}\n---\n# A model\n\n---\nlanguage: de\n---\n")
    assert languages_read(tiny_model) == reads


def test_a_model_without_a_card_reads_nobody_knows_what(tiny_model):
    assert languages_read(tiny_model) is None
    assert languages_read(SimpleNamespace(encode=None)) is None


def test_what_is_set_for_the_next_card_comes_first(english_model):
    english_model.model_card_data.language = ["fr"]
    assert languages_read(english_model) == {"fra"}


def test_what_a_model_was_trained_on_it_reads_and_its_card_says_so(tiny_model, tmp_path, caplog):
    corpora = [[qa(1), qa(2, "fra")], [qa(3, "fra")]]
    tiny_model.training_record = {"languages": _languages(corpora, {"languages": ["deu"]})}
    assert "other languages than English, as they were written (fra 2)" in caplog.text
    tiny_model.save(str(tmp_path / "mine"))
    loaded = UniVaR(str(tmp_path / "mine"), device="cpu")
    assert languages_read(loaded) == {"eng", "fra", "deu"}
    stock = SentenceTransformer(str(tmp_path / "mine"), device="cpu")  # without the record, by the card
    assert languages_read(stock) == {"eng", "fra", "deu"}


def test_training_on_english_alone_leaves_no_trace(caplog):
    assert _languages([[qa(1), qa(2, "fra", question_eng="is it", answer_eng="yes")]], {}) == []
    assert caplog.text == ""


# What is said of texts


def test_texts_are_english_where_their_english_version_is_encoded():
    records = [qa(1), qa(2, "fra"), qa(3, "fra", question_eng="is it", answer_eng="yes")]
    records += [qa(4, "fra", answer_eng="yes"), qa(5, "deu", question_eng="is it", answer_eng="")]
    assert text_languages(records) == {"eng": 2, "fra": 2, "deu": 1}
    for record in records:
        assert (record.text_lang == "eng") == (record.lang == "eng" or record.text == "Q: is it A: yes")


def test_what_is_no_record_is_named():
    with pytest.raises(TypeError, match="is no QARecord"):
        text_languages([{"question": "Why?"}])


LANGS = Counter({"eng": 280, "fra": 80, "deu": 40})


def test_the_error_says_what_was_found_how_many_and_what_to_do():
    expected = (
        r"^120 of 400 QAs are in languages that univar and base do not read \(fra 80, deu 40; the model card names "
        r"eng\) and have no English version: .*`univar corpus translate ANSWERS --out ENGLISH`, .* --lang eng, "
        r".* --untranslated \(in Python untranslated=True\)$"
    )
    with pytest.raises(UntranslatedError, match=expected):
        check_read(LANGS, {"univar": ENGLISH, "mine": None, "base": ENGLISH}, untranslated=False)
    check_read(LANGS, {"univar": ENGLISH}, untranslated=True)
    check_read(LANGS, {"mine": None, "polyglot": frozenset(LANGS)}, untranslated=False)
    check_read(Counter(eng=5), {"univar": ENGLISH}, untranslated=False)


def test_models_that_read_the_same_languages_share_a_note():
    reads = {"univar": ENGLISH, "polyglot": frozenset({"eng", "fra"}), "base": ENGLISH, "mine": None}
    ends = "; they may lie apart for their language alone."
    assert set(unread_notes(LANGS, reads)) == {
        "Untranslated: 120 of 400 QAs were encoded as they were written, in other languages than English, and it is "
        f"not known whether mine can read them (fra 80, deu 40){ends}",
        "Untranslated: 120 of 400 QAs were encoded as they were written, in languages that univar and base do not read "
        f"(fra 80, deu 40){ends}",
        "Untranslated: 40 of 400 QAs were encoded as they were written, in languages that polyglot does not read "
        f"(deu 40){ends}",
    }
    assert unread_notes(Counter(eng=5), reads) == ()


# Encoding


def test_nothing_is_encoded_in_silence(english_model, tmp_path):
    records = [qa(1), qa(2), qa(3, "fra")]
    with pytest.raises(UntranslatedError, match=r"^1 of 3 QAs .* tiny does not read \(fra 1;"):
        embed(records, english_model, name="tiny")
    with pytest.raises(UntranslatedError, match="1 of 3 QAs"):
        write_embeddings(records, english_model, tmp_path / "e.parquet")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UntranslatedError, match=r"2 of 4 QAs .* UniVaR does not read"):
        build_reference({"mine": [*records[:2], qa(3, "fra"), qa(4, "fra")]}, english_model)
    assert embed(records[:2], english_model).unread is None


def test_an_embedded_corpus_remembers_that_it_is_untranslated(english_model, tmp_path):
    records = [qa(1), qa(2, "deu"), qa(3, "fra")]
    made = embed(records, english_model, name="tiny", untranslated=True)
    write_embeddings(records, english_model, tmp_path / "e.parquet", name="tiny", untranslated=True)
    read = EmbeddedCorpus.load(tmp_path / "e.parquet")
    assert read.provenance == made.provenance
    assert read.provenance.reads == ENGLISH
    assert read.unread == made.unread
    assert made.unread is not None
    assert made.unread.startswith("Untranslated: 2 of 3 QAs were encoded as they were written")
    assert "1 of 2 QAs" in (read.of_languages(["eng", "fra"]).unread or "")
    assert read.of_languages(["eng"]).unread is None


def test_files_of_earlier_versions_load_and_say_that_nobody_knows(tmp_path):
    corpus = EmbeddedCorpus((qa(1), qa(2, "fra")), np.eye(2, 4, dtype=np.float32), Provenance("tiny", "0" * 64, None))
    corpus.save(tmp_path / "e.parquet")
    earlier = json.loads(corpus.provenance.to_metadata()[Provenance.KEY])
    del earlier["reads"]
    table = pq.read_table(tmp_path / "e.parquet").replace_schema_metadata({Provenance.KEY: json.dumps(earlier)})
    pq.write_table(table, tmp_path / "e.parquet")
    found = embed(tmp_path / "e.parquet")
    assert found.provenance.reads is None
    assert "it is not known whether tiny can read them (fra 1)" in (found.unread or "")


# What follows


@pytest.fixture
def untranslated(english_model: UniVaR) -> EmbeddedCorpus:
    """Two identities of whom one answers in French, to 24 questions."""
    answers = [qa(number, lang, model) for number in range(24) for model, lang in (("aya", "eng"), ("solar", "fra"))]
    return embed(answers, english_model, name="tiny", untranslated=True)


def test_every_map_says_it(untranslated, tmp_path):
    drawn = univar.value_map(untranslated)
    note = "Untranslated: 24 of 48 QAs were encoded as they were written"
    assert note in caption(drawn)
    assert note in drawn.to_markdown()
    assert drawn.to_dict()["unread"] == untranslated.unread
    assert note in drawn.plot().layout.title.text.replace("<br>", " ")
    from univar.analysis.pictures.map_page import write_map_html

    write_map_html(drawn, tmp_path / "map.html")
    assert note in (tmp_path / "map.html").read_text()
    assert univar.value_map(untranslated.of_languages(["eng"])).unread is None


def test_every_comparison_says_it_and_encodes_nothing_more_in_silence(untranslated, english_model):
    note = "Untranslated: 24 of 48 QAs were encoded as they were written, in languages that tiny does not read (fra 24)"
    compared = univar.compare(untranslated)  # the vectors that there are, and words alone
    assert any(one.startswith(note) for one in compared.notes())
    assert note in compared.to_markdown()
    assert compared.to_dict()["unread"] == list(compared.unread)
    assert note in compared.plot().layout.title.text.replace("<br>", " ")
    other = replace(untranslated, provenance=replace(untranslated.provenance, model="stored"))
    with pytest.raises(UntranslatedError, match="that second does not read"):
        univar.compare(other, models=[other, "second"], load=lambda _: english_model)
    both = univar.compare(other)
    assert both.unread[0].startswith(note.replace("tiny", "stored"))


def test_stances_are_compared_in_no_silence_either(english_model):
    answers = [
        replace(qa(question, "fra", model), stance=stance, answer=f"{answer} {model}")
        for question in range(30)
        for model in ("aya", "solar")
        for stance, answer in ((1.0, "yes"), (-1.0, "no"))
    ]
    with pytest.raises(UntranslatedError, match=r"120 of 120 QAs .* that mine does not read"):
        univar.compare_stances(answers, models=["mine"], load=lambda _: english_model)
    compared = univar.compare_stances(answers, models=["mine"], load=lambda _: english_model, untranslated=True)
    assert "120 of 120 QAs" in compared.unread[0]
    assert compared.unread[0] in compared.notes()
    assert compared.to_dict()["unread"] == list(compared.unread)
    assert "Untranslated" in compared.plot().layout.title.text


def test_every_placement_says_it(untranslated, english_model):
    answers = [qa(number, model=model) for number in range(30) for model in ("aya", "solar", "mixtral")]
    known = build_reference({"mine": answers}, english_model)
    placed = univar.place(untranslated, reference=known)
    assert placed.unread == untranslated.unread
    assert placed.unread in placed.notes()
    assert placed.unread in placed.to_markdown()
    assert placed.to_dict()["unread"] == placed.unread
    assert "Untranslated" in placed.plot().layout.title.text
    alone = univar.place(untranslated.of_languages(["fra"]), reference=known)
    assert alone.notes()[-1].startswith("Untranslated: 24 of 24 QAs")
    assert univar.place(untranslated.of_languages(["eng"]), reference=known).unread is None


# The command line


@pytest.fixture
def mine(english_model: UniVaR, tmp_path) -> str:
    """A folder of a model that reads English, and French answers beside it."""
    english_model.save(str(tmp_path / "mine"))
    write_corpus([qa(number, lang) for number in range(24) for lang in ("eng", "fra")], tmp_path / "answers.parquet")
    return "mine"


@pytest.mark.parametrize(
    "command",
    [("encode", "--out", "e.parquet"), ("map", "--out", "map.html"), ("evaluate", "--out", "table.md"), ("place",)],
)
def test_commands_stop_in_one_line(univar, mine, tmp_path, command):
    run = univar(command[0], "answers.parquet", "--model", mine, *command[1:])
    assert run.code == 1
    assert run.err.count("\n") == 1
    assert "24 of 48 QAs are in languages that mine does not read (fra 24; the model card names eng)" in run.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.parquet", "mine"]


def test_commands_go_on_where_they_are_told_to_and_say_it(univar, mine, tmp_path):
    note = "Untranslated: 24 of 48 QAs were encoded as they were written, in languages that mine does not read (fra 24)"
    run = univar("encode", "answers.parquet", "--model", mine, "--out", "e.parquet", "--untranslated")
    assert (run.code, note in run.out) == (0, True)
    run = univar("map", "e.parquet", "--out", "map.html")  # what was said once is said for what is made of it
    assert (run.code, note in run.out, note in (tmp_path / "map.html").read_text()) == (0, True, True)
    run = univar("map", "answers.parquet", "--model", mine, "--out", "map.png", "--untranslated", "--json")
    assert json.loads(run.out)["unread"].startswith(note)
    run = univar("evaluate", "answers.parquet", "--model", mine, "--out", "table.md", "--untranslated")
    assert (run.code, note in run.out, note in (tmp_path / "table.md").read_text()) == (0, True, True)
    run = univar("encode", "answers.parquet", "--model", mine, "--lang", "eng", "--out", "e.parquet", "--json")
    assert json.loads(run.out)["unread"] is None


def test_the_card_of_the_weights_that_ship_names_english(shipped):
    """In small: what is said of `univar` follows its card."""
    (weights.ASSETS / weights.CARD_FILE).write_text("---\nlanguage: en\n---\n# The card\n")
    with pytest.raises(UntranslatedError, match="that univar does not read"):
        embed([qa(1, "fra")])
    assert shipped is not None
