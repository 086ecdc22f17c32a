import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.chat_server import Answer, serving
from tests.corpus.asking.test_elicitation import ask, llm, questions
from univar.corpus.asking.answers import ANSWERS, ElicitationError
from univar.corpus.asking.elicitation import Plan, Sampling
from univar.corpus.building import IdentityCounts, build_corpus, count_answers, refusing_identities, without
from univar.corpus.cards import corpus_card
from univar.corpus.filters import DROPPED
from univar.corpus.readers import read_corpus
from univar.corpus.records import Identity

USABLE = "Only to spare somebody who asked for it."
REFUSAL = "I'm sorry, but I can't help with that."
SAID = {
    "eng 0: may one lie?": USABLE,
    "eng 1: may one lie?": REFUSAL,
    "eng 2: may one lie?": Answer("Only to spare", finish_reason="length"),
    "eng 3: may one lie?": " ",
}


@pytest.fixture
def answers(tmp_path):
    """Four answers: a usable one, a refusal, one cut off, and nothing."""
    with serving(lambda prompt, _: SAID[prompt]) as server:
        ask(Plan(questions(4, ("eng",)), [llm("aya", server.url)], Sampling()), tmp_path / "answers")
    return tmp_path / "answers"


def test_answers_are_counted_with_their_reasons(answers):
    counts = count_answers(answers)
    (found,) = counts.values()
    assert list(counts) == [Identity("aya", "eng")]
    assert (found.answers, found.kept, found.words) == (4, 2, 8 + 3)
    assert found.reasons == {"refusal": 1, "cut off": 1, "empty": 1}


def test_a_corpus_holds_the_usable_answers_and_keeps_the_others_apart(answers, tmp_path):
    build_corpus(answers, tmp_path / "corpus")
    assert {record.question_id for record in read_corpus(tmp_path / "corpus")} == {"tact-00", "tact-02"}
    apart = pq.read_table(tmp_path / "corpus" / ".dropped" / "answers.parquet").to_pylist()
    assert {row["question_id"]: row["reasons"] for row in apart} == {"tact-01": ["refusal"], "tact-03": ["empty"]}


def test_refusals_can_be_kept(answers, tmp_path):
    build_corpus(answers, tmp_path / "corpus", drop=["empty", "cut off"])
    assert {record.question_id for record in read_corpus(tmp_path / "corpus")} == {"tact-00", "tact-01"}


@pytest.fixture
def refused(tmp_path):
    """Two LLMs of which the second refuses two of three answers in French, and none in English."""
    second = {"fra 0: may one lie?": REFUSAL, "fra 1: may one lie?": REFUSAL}
    with serving(lambda *_: USABLE) as one, serving(lambda prompt, _: second.get(prompt, USABLE)) as two:
        asked = questions(3, ("eng", "fra"))
        ask(Plan(asked, [llm("aya", one.url), llm("solar", two.url)], Sampling()), tmp_path / "answers")
    return tmp_path / "answers"


SOLAR = Identity("solar", "fra")


def test_the_share_of_refusals_is_told(refused):
    shares = {identity: found.refusal_share for identity, found in count_answers(refused).items()}
    assert shares == {Identity("aya", "eng"): 0, Identity("aya", "fra"): 0, Identity("solar", "eng"): 0, SOLAR: 2 / 3}
    assert IdentityCounts().refusal_share == 0


@pytest.mark.parametrize(("most", "refusing"), [(0, {SOLAR}), (0.66, {SOLAR}), (2 / 3, set()), (1, set())])
def test_an_identity_refuses_too_often_above_a_share(refused, most, refusing):
    assert refusing_identities(count_answers(refused), most) == refusing


def test_refusing_identities_are_kept_apart_wholly_and_come_back(refused, tmp_path):
    counts = build_corpus(refused, tmp_path / "corpus", drop=["empty"], refusing={SOLAR})
    assert counts == without(count_answers(refused, drop=["empty"]), {SOLAR})
    assert (counts[SOLAR].answers, counts[SOLAR].kept, counts[SOLAR].words) == (3, 0, 0)
    assert counts[SOLAR].reasons == {"refusal": 2, "refusing identity": 3}
    assert len(list(read_corpus(tmp_path / "corpus"))) == 9
    apart = pq.read_table(tmp_path / "corpus" / ".dropped" / "answers.parquet").to_pylist()
    assert {(row["model"], row["lang"]) for row in apart} == {("solar", "fra")}
    assert sorted(row["reasons"] for row in apart) == [["refusal", "refusing identity"]] * 2 + [["refusing identity"]]
    build_corpus(refused, tmp_path / "corpus", drop=["empty"])
    assert len(list(read_corpus(tmp_path / "corpus"))) == 12


def test_the_corpus_loads_without_univar_and_has_a_card(answers, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    build_corpus(answers, tmp_path / "corpus", card=lambda counts: corpus_card(counts, ["empty", "refusal"]))
    assert datasets.load_dataset(str(tmp_path / "corpus"))["train"].num_rows == 2
    found = datasets.load_dataset("univar-qa", "answers", data_dir=str(tmp_path / "corpus"))
    assert found["train"].num_rows == 2
    card = (tmp_path / "corpus" / "README.md").read_text()
    assert "2 answers of 1 LLM in 1 language, elicited" in card
    assert "| aya | eng | 4 | 2 | 6 | 25% | 1 | 0 | 0 | 0 | 0 | 1 | 0 | 1 | 0 |" in card
    assert "Kept apart in `.dropped`, with their reasons: empty, refusal." in card


@pytest.fixture
def translated(tmp_path):
    """Three answers in French: with an English version, with a bad one, with none."""
    asked = questions(3, ("fra",))
    with serving(lambda *_: USABLE) as server:
        ask(Plan(asked, [llm("aya", server.url)], Sampling()), tmp_path / "answers")
    shard = tmp_path / "answers" / "part-00000.parquet"
    rows = sorted(pq.read_table(shard).to_pylist(), key=lambda row: row["question_id"])
    for row, against in zip(rows[:2], ([], ["length", "numbers"]), strict=True):
        row.update(answer_eng="A version.", translator="nllb", translation_defects=against)
    pq.write_table(pa.Table.from_pylist(rows, schema=ANSWERS), shard)
    return tmp_path / "answers"


def test_bad_translations_are_kept_apart_and_missing_ones_told(translated, tmp_path):
    drop = [reason for reason in DROPPED if reason != "wrong language"]
    counts = build_corpus(translated, tmp_path / "corpus", drop=drop, card=lambda found: corpus_card(found, drop))
    (found,) = counts.values()
    assert (found.kept, found.reasons["bad translation"]) == (2, 1)
    assert (found.untranslated, found.translators) == (1, {"nllb": 1})
    texts = [record.text.partition("A: ")[2] for record in read_corpus(tmp_path / "corpus")]
    assert texts == ["A version.", USABLE]
    card = (tmp_path / "corpus" / "README.md").read_text()
    assert "- 1 answers have an English version, by machine (nllb)." in card
    assert "- 1 answers in other languages have no English version" in card


def test_stances_are_kept_and_their_shares_are_on_the_card(translated, tmp_path):
    shard = translated / "part-00000.parquet"
    rows = pq.read_table(shard).to_pylist()
    for row, stance in zip(rows, (1.0, -0.5, None), strict=True):
        row.update(stance=stance, claim="One may lie")
    pq.write_table(pa.Table.from_pylist(rows, schema=ANSWERS), shard)
    counts = build_corpus(translated, tmp_path / "corpus", drop=["empty"], card=lambda found: corpus_card(found, []))
    assert [found.stances for found in counts.values()] == [{"for": 1, "against": 1}]
    records = list(read_corpus(tmp_path / "corpus"))
    assert [(record.stance, record.claim) for record in records] == [
        (1.0, "One may lie"),
        (-0.5, "One may lie"),
        (None, "One may lie"),
    ]
    card = (tmp_path / "corpus" / "README.md").read_text()
    assert "2 of the 3 kept answers have a stance: 50% for, 50% against, 0% between." in card


def test_a_corpus_without_stances_has_none_on_its_card(answers, tmp_path):
    build_corpus(answers, tmp_path / "corpus", card=lambda found: corpus_card(found, []))
    assert "have a stance" not in (tmp_path / "corpus" / "README.md").read_text()


def test_without_translation_answers_are_encoded_as_they_were_written(translated, tmp_path):
    (found,) = build_corpus(translated, tmp_path / "corpus", drop=["bad translation"], translated=False).values()
    assert (found.kept, found.untranslated, found.translators) == (3, 3, {})
    assert {record.text.partition("A: ")[2] for record in read_corpus(tmp_path / "corpus")} == {USABLE}
    # The English question stays: it decides the split.
    assert {record.question_key for record in read_corpus(tmp_path / "corpus")} == {
        f"{n}: may one lie?" for n in range(3)
    }


def test_a_shard_without_columns_that_may_be_null_is_read_with_nulls(answers, tmp_path):
    """As a version wrote it that did not know them."""
    shard = answers / "part-00000.parquet"
    pq.write_table(pq.read_table(shard).drop(["top_k", "system", "stance", "claim"]), shard)
    build_corpus(answers, tmp_path / "corpus")
    built = pq.read_table(tmp_path / "corpus" / "data" / "answers.parquet")
    assert built.schema.names == ANSWERS.names
    assert [built[name].to_pylist() for name in ("top_k", "system")] == [[None, None], [None, None]]


def test_thoughts_in_a_shard_of_an_earlier_version_are_no_answers(answers, tmp_path):
    shard = answers / "part-00000.parquet"
    table = pq.read_table(shard).drop(["reasoning", "request"])
    rows = [{**row, "answer": f"<think>Hm.</think>{row['answer']}"} for row in table.to_pylist()]
    rows[0] = {**rows[0], "answer": "<think>Hm", "question_id": "cut"}
    rows = [{**row, "answer_eng": row["answer"]} for row in rows]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), shard)
    (found,) = build_corpus(answers, tmp_path / "corpus").values()
    assert found.reasons["only reasoning"] >= 1
    built = pq.read_table(tmp_path / "corpus" / "data" / "answers.parquet").to_pylist()
    assert built
    assert {row["reasoning"] for row in built} == {"Hm."}
    assert not any("think>" in row[column] for row in built for column in ("answer", "answer_eng"))


def test_what_is_no_folder_of_answers_is_refused(answers, tmp_path):
    with pytest.raises(ElicitationError, match=r"holds no elicited answers \(part-\*.parquet\)"):
        count_answers(tmp_path)
    with pytest.raises(ElicitationError, match="would be read as answers"):
        build_corpus(answers, answers / "corpus")
    pq.write_table(pq.read_table(answers / "part-00000.parquet").drop(["seconds"]), answers / "part-00001.parquet")
    with pytest.raises(ElicitationError, match="it lacks seconds"):
        build_corpus(answers, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


def test_a_corpus_is_replaced_and_an_empty_folder_filled(answers, tmp_path):
    (tmp_path / "corpus").mkdir()
    build_corpus(answers, tmp_path / "corpus", card=lambda _: "# Answers\n")
    build_corpus(answers, tmp_path / "corpus", drop=["empty"])
    assert len(list(read_corpus(tmp_path / "corpus"))) == 3


@pytest.mark.parametrize("thing", [".git", "thesis.txt", "data/mine.csv", ".dropped/notes"])
def test_a_folder_with_anything_but_a_corpus_is_not_replaced(answers, tmp_path, thing):
    build_corpus(answers, tmp_path / "corpus")
    (tmp_path / "corpus" / thing).write_text("three years")
    with pytest.raises(ElicitationError, match=rf"holds something else than a corpus \({thing}\)"):
        build_corpus(answers, tmp_path / "corpus")
    assert (tmp_path / "corpus" / thing).read_text() == "three years"


def test_a_project_with_data_and_a_readme_is_no_corpus(answers, tmp_path):
    data = tmp_path / "project" / "data"
    data.mkdir(parents=True)
    (data / "answers.parquet").write_bytes((answers / "part-00000.parquet").read_bytes())
    (tmp_path / "project" / "README.md").write_text("# Mine\n")
    with pytest.raises(ElicitationError, match="holds something else than a corpus"):
        build_corpus(answers, tmp_path / "project")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ElicitationError, match="is a file; name a folder"):
        build_corpus(answers, tmp_path / "file")


def test_a_folder_that_holds_the_answers_is_not_replaced(answers, tmp_path):
    inside = tmp_path / "project" / "data" / "answers"
    inside.parent.mkdir(parents=True)
    answers.rename(inside)
    with pytest.raises(ElicitationError, match=r"lie in .*project, which is replaced; name another folder"):
        build_corpus(inside, tmp_path / "project")
    assert count_answers(inside)
