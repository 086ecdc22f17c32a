"""Texts of people, labelled with their stance on a topic, and labels as they are kept elsewhere."""

import csv
import json
from decimal import Decimal
from itertools import groupby

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from univar.corpus.formats.positions import ASKING, LABELS, question_about, stance_of
from univar.corpus.formats.rejects import UnusableRowError
from univar.corpus.readers import CorpusError, NoUsableRowError, Rejects, read_corpus
from univar.corpus.records import QARecord, question_hash, split_of

TAX, FUR = "Fuel should be taxed", "Fur farming should be banned"
SAID = [
    {"topic": TAX, "text": "It keeps the air clean.", "label": 1, "author": "", "lang": "en"},
    {"topic": TAX, "text": "It hits the poor.", "label": -1, "author": "Ann", "lang": "en"},
    {"topic": FUR, "text": "Both sides have a point.", "label": 0, "author": "Bob", "lang": "en"},
]
ROW = {"question": "Is it right to lie?", "answer": "No.", "model": "aya", "lang": "eng"}


def read(source, **options):
    rejects = Rejects()
    return list(read_corpus(source, rejects=rejects, **options)), rejects


def table(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def in_every_way(rows, folder):
    """The same rows as files and objects."""
    pq.write_table(pa.Table.from_pylist(rows), folder / "c.parquet")
    (folder / "c.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    data = datasets.Dataset.from_list(rows)
    files = table(folder / "c.csv", rows), folder / "c.parquet", folder / "c.jsonl"
    return *files, data, data.to_iterable_dataset(), pd.DataFrame(rows), rows, iter(rows)


# Topics, texts and labels


def test_texts_of_people_are_answers_to_questions_about_their_topic(tmp_path):
    for source in in_every_way(SAID, tmp_path):
        records, rejects = read(source)
        assert [(r.answer, r.claim, r.stance, r.model, r.lang) for r in records] == [
            ("It keeps the air clean.", TAX, 1.0, "people", "eng"),
            ("It hits the poor.", TAX, -1.0, "Ann", "eng"),
            ("Both sides have a point.", FUR, 0.0, "Bob", "eng"),
        ]
        assert {r.question for r in records} <= {f"{form}: {r.claim}" for r in records for form in ASKING["eng"]}
        assert [r.question_id for r in records] == [question_hash(TAX)] * 2 + [question_hash(FUR)]
        assert [note.partition(": ")[2] for note in rejects.notes] == [
            "text was read as answer, author as model, topic as claim, label as stance; no column for question, asked "
            "about each claim without taking a side; 'people' is the model where author names none "
            "(--set model=NAME says otherwise)"
        ]
        assert rejects.counts == {}


def test_without_authors_all_are_people_or_who_the_user_says():
    rows = [{name: row[name] for name in ("topic", "text", "label", "lang")} for row in SAID]
    records, rejects = read(rows)
    assert {r.model for r in records} == {"people"}
    assert "'people' is the model of all (--set model=NAME says otherwise)" in rejects.notes[0]
    records, rejects = read(rows, constants={"model": "debaters"})
    assert {r.model for r in records} == {"debaters"}
    assert "is the model" not in rejects.notes[0]


@pytest.mark.parametrize(
    "names",
    [("claim", "argument", "stance"), ("Motion", "Comment", "Label"), ("proposition", "opinion", "position")],
)
def test_other_names_of_topic_text_and_label_are_known(names):
    claim, text, label = names
    (record,), _ = read([{claim: TAX, text: "It hits the poor.", label: "con", "lang": "en"}])
    assert (record.claim, record.answer, record.stance) == (TAX, "It hits the poor.", -1.0)


def test_columns_that_the_user_names_make_positions_too():
    row = {"these": TAX, "wer": "Ann", "was": "Es trifft die Armen.", "wie": "against", "lang": "deu"}
    columns = {"claim": "these", "model": "wer", "answer": "was", "stance": "wie"}
    (record,), _ = read([row], columns=columns)
    assert (record.claim, record.model, record.stance) == (TAX, "Ann", -1.0)
    assert record.question in {f"{form}: {TAX}" for form in ASKING["deu"]}


def test_a_file_with_questions_keeps_its_label_and_topic_to_itself():
    (record,), _ = read([{**ROW, "topic": "ethics", "label": 3, "text": "-"}])
    assert record == QARecord(question_hash(ROW["question"]), *ROW.values())


def test_all_about_a_topic_is_on_one_side_of_a_split_however_it_is_asked():
    rows = [
        {"topic": f"Law {number} should pass", "text": f"Reason {n}.", "label": 1, "lang": "en"}
        for number in range(60)
        for n in range(12)
    ]
    records, _ = read(rows)
    assert len({r.question for r in records}) > 3 * 60  # most forms of every topic
    by_topic = {topic: {split_of(r.question_key) for r in of} for topic, of in groupby(records, lambda r: r.claim)}
    assert {len(splits) for splits in by_topic.values()} == {1}
    assert set.union(*by_topic.values()) == {"train", "validation", "test"}


def test_languages_are_asked_in_their_own_words_and_others_have_the_claim_alone():
    said = {"de": "Wer fährt, soll zahlen.", "zh": "污染者应当付费。", "fr": "Qui pollue paie.", "en": "Polluters pay."}
    rows = [{"topic": TAX, "text": text, "label": 1, "lang": lang} for lang, text in said.items()]
    german, chinese, french, english = read(rows)[0]
    assert [r.lang for r in (german, chinese, french, english)] == ["deu", "zho", "fra", "eng"]
    assert german.question in {f"{form}: {TAX}" for form in ASKING["deu"]}
    assert chinese.question in {f"{form}: {TAX}" for form in ASKING["zho"]}
    assert french.question == TAX


def test_a_language_that_no_column_gives_is_detected_without_questions():
    long = "I believe that honesty is the best policy in nearly every case, for people trust you more."
    rows = [{"topic": TAX, "text": f"{long} {n}", "label": (-1) ** n} for n in range(3)]
    records, rejects = read(rows)
    assert {r.lang for r in records} == {"eng"}
    assert "detected eng in 3 of 3 rows" in rejects.notes[0]


def test_a_question_that_a_later_row_brings_takes_no_place_of_the_claim(tmp_path):
    path = tmp_path / "c.jsonl"
    rows = [*({**SAID[0], "text": f"Reason {n}."} for n in range(150)), {**SAID[1], "question": "Why?"}, SAID[2]]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    records, rejects = read(path)
    assert len(records) == 152
    assert rejects.counts == {}
    assert [r.claim for r in records[-2:]] == [TAX, FUR]


@pytest.mark.parametrize("lang", ASKING)
def test_a_claim_is_asked_about_in_every_form_and_a_question_as_it_is(lang):
    asked = {question_about(TAX, f"Reason {n}.", lang) for n in range(60)}
    assert asked == {f"{form}: {TAX}" for form in ASKING[lang]}
    assert len(asked) == 4
    assert question_about("Should fuel be taxed?", "Yes.", lang) == "Should fuel be taxed?"


def test_what_asks_takes_no_side():
    for form in ASKING["eng"]:
        assert not {"why", "not", "agree", "support", "oppose", "wrong", "right"} & set(form.casefold().split())


# Labels


@pytest.mark.parametrize(("word", "stance"), [(word, stance) for stance, words in LABELS.items() for word in words])
def test_words_are_stances_whatever_their_case(word, stance):
    for written in (word, word.upper(), word.title().replace(" ", "_")):
        assert stance_of(written) == stance


@given(st.floats(-1, 1))
def test_numbers_are_taken_as_they_are(stance):
    assert stance_of(str(stance)) == stance


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        *((label, "stance is not from -1 to 1") for label in ("1.5", "-2", "inf", "-inf", "1e400", "-nan")),
        *((label, "stance is no number from -1 to 1") for label in ("left", "0,5", "True", "strongly agree", "-")),
    ],
)
def test_what_is_no_stance_is_told_with_its_value(label, reason):
    with pytest.raises(UnusableRowError, match=reason) as problem:
        stance_of(label)
    assert problem.value.value == label


def test_a_minus_sign_is_a_minus():
    assert stance_of("\N{MINUS SIGN}1") == -1.0


def test_a_slip_costs_its_row_and_what_is_missing_nothing(tmp_path):
    labels = ["1", "-1", "0.5", "7", "pro", "none", "", "nan"]
    rows = [{**ROW, "answer": f"No {n}.", "stance": label} for n, label in enumerate(labels)]
    with Rejects(tmp_path / "rejects.jsonl") as rejects:
        records = list(read_corpus(table(tmp_path / "c.csv", rows), rejects=rejects))
    assert [r.stance for r in records] == [1.0, -1.0, 0.5, 1.0, None, None, None]
    assert rejects.summary().startswith("1 row rejected (1 row: stance is not from -1 to 1 '7')")
    (reject,) = map(json.loads, (tmp_path / "rejects.jsonl").read_text().splitlines())
    # Four rows and the header come before it.
    assert (reject["row"], reject["line"], reject["content"]["stance"]) == (4, 5, "7")


def test_a_number_that_is_none_is_no_stance():
    rows = [{**ROW, "answer": f"No {n}.", "stance": stance} for n, stance in enumerate([float("nan"), None, 1])]
    assert [r.stance for r in read(rows)[0]] == [None, None, 1.0]
    assert [r.stance for r in read(pd.DataFrame(rows))[0]] == [None, None, 1.0]


@pytest.mark.parametrize("kind", [int, float, str, Decimal, np.int8, np.int64, np.float32, np.float64])
def test_numbers_of_every_kind_are_stances(kind):
    rows = [{**ROW, "answer": f"No {n}.", "stance": kind(n)} for n in (-1, 0, 1)]
    assert [r.stance for r in read(rows)[0]] == [-1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        (["left", "right", "pro"], "'left', 'right', which are no stances"),
        ([1, 2, 3, 4, 5], "'2', '3', '4', '5', which are no stances"),
        ([True, False, True], "'True', 'False', which are no stances"),
        (["x" * 99, "y"], f"'{'x' * 30}…', 'y', which are no stances"),
    ],
)
def test_labels_of_another_scale_are_refused_with_what_is_allowed(labels, shown):
    rows = [{**ROW, "answer": f"No {n}.", "stance": label} for n, label in enumerate(labels)]
    with pytest.raises(CorpusError) as refusal:
        read(rows)
    assert str(refusal.value) == (
        f"the rows given has in its column 'stance' {shown}: a stance is a number from -1 (against) to 1 (for), or a "
        "word such as for, against, neutral. Write those, or rename the column if it holds something else"
    )


def test_one_label_that_is_no_stance_leaves_no_row():
    with pytest.raises(NoUsableRowError, match="1 row: stance is no number from -1 to 1 'left'"):
        read([{**ROW, "stance": "left"}])


def test_labels_of_0_and_1_are_taken_where_the_user_says_that_they_are_stances():
    rows = [{**row, "label": number % 2} for number, row in enumerate(SAID)]
    with pytest.raises(CorpusError, match=r"'0', '1', of which 0 may be against or neither: .* --column stance=label$"):
        read(rows)
    assert [r.stance for r in read(rows, columns={"stance": "label"})[0]] == [0.0, 1.0, 0.0]


def test_topics_with_other_labels_are_passed_over_in_a_folder(tmp_path):
    table(tmp_path / "a.csv", [{**SAID[n], "label": word} for n, word in enumerate(("sport", "art", "sport"))])
    table(tmp_path / "b.csv", SAID)
    records, rejects = read(tmp_path)
    assert len(records) == 3
    assert "passed over, for they hold no answers: a.csv (its column 'label' holds no stances)" in rejects.notes[-1]


def test_names_of_class_labels_are_read_and_not_their_numbers(tmp_path):
    features = datasets.Features({**{n: datasets.Value("string") for n in ("topic", "text", "lang")}})
    features["label"] = datasets.ClassLabel(names=["con", "pro"])
    rows = [{"topic": TAX, "text": f"Reason {n}.", "lang": "en", "label": n} for n in (0, 1, -1)]
    data = datasets.Dataset.from_list(rows, features=features)
    data.to_parquet(tmp_path / "c.parquet")
    for source in (data, data.to_iterable_dataset(), tmp_path / "c.parquet"):
        # Of datasets, -1 is no label.
        assert [r.stance for r in read(source)[0]] == [-1.0, 1.0, None]


def test_an_answer_that_is_said_with_another_stance_is_told():
    rows = [SAID[0], SAID[0], {**SAID[0], "label": -1}]
    records, rejects = read(rows)
    assert [r.stance for r in records] == [1.0]
    assert rejects.counts == {"duplicate": 1, "duplicate with another stance": 1}
