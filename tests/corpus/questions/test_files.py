import csv
import json
from dataclasses import replace

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from univar.corpus.questions.bank import Question, control_questions, question_bank, translated_questions
from univar.corpus.questions.files import QuestionsError, read_questions, write_questions
from univar.corpus.questions.taxonomy import reference_taxonomy
from univar.corpus.records import question_hash


def question(number: int, text: str, value: str | None = "honesty") -> Question:
    return Question(f"honesty-{number:02d}", text, text, "eng", value, "advice", "work")


def alone(text: str) -> Question:
    return Question(question_hash(text), text, text, "eng", None, None, None)


texts = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).filter(str.strip), min_size=1, max_size=5
)


@given(texts)
def test_what_is_written_reads_back(tmp_path_factory, texts):
    asked = [replace(question(n, text), paraphrases=(text, "b")) for n, text in enumerate(texts)]
    asked += [Question("oui", texts[0], None, "fra", None, None, None)]
    file = tmp_path_factory.mktemp("questions") / "q.jsonl"
    write_questions(asked, file)
    assert read_questions(file) == asked


# Questions of one's own

LIES, THRIFT = "Is it kind, now and then, to lie?", "Is thrift a virtue?"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("q.txt", f"{LIES}\n\n  {THRIFT}\r\n"),
        ("q.txt", f"\ufeff{LIES}\n{THRIFT}"),
        ("q.csv", f'question\n"{LIES}"\n{THRIFT}\n'),
        ("q.csv", f'\ufeffnotes, Question \n,"{LIES}"\nmine, {THRIFT}\n'),
        ("q.tsv", f"prompt\tnotes\n{LIES}\tnone\n{THRIFT}\t\n"),
        ("q.csv", f"notes;question\nmine;{LIES}\n;{THRIFT}\n"),
        ("q.jsonl", f'{{"question": "{LIES}"}}\n"{THRIFT}"\n'),
        ("q", f'"{LIES}"\n"{THRIFT}"\n'),
        ("q.json", f'[\n  {{"question": "{LIES}", "value": null, "form": ""}},\n  "{THRIFT}"\n]\n'),
        ("q.json", f'{{"instruction": "{LIES}"}}\n{{"instruction": "{THRIFT}"}}\n'),
    ],
)
def test_a_question_is_all_that_is_needed(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    found = read_questions(tmp_path / name)
    assert found == [alone(LIES), alone(THRIFT)]
    assert not any(each.control for each in found)


FULL = [
    {"question_id": "lies", "question": LIES, "lang": "en", "value": "tact", "form": "opinion", "topic": "work",
     "paraphrases": ['Is it "kind"?', "It's kind, isn't it, to lie?"]},
    {"question_id": "lies", "question": "Mentir ?", "question_eng": LIES, "lang": "fr", "value": "tact"},
    {"question": "Est-ce juste ?", "language": "fra"},
    {"id": 7, "question": THRIFT},
    {"question_id": "control-sums", "question": "What is 17 + 25?", "topic": "sums"},
]  # fmt: skip
READ = [
    Question("lies", LIES, LIES, "eng", "tact", "opinion", "work", tuple(FULL[0]["paraphrases"])),
    Question("lies", "Mentir ?", LIES, "fra", "tact", None, None),
    Question(question_hash("Est-ce juste ?"), "Est-ce juste ?", None, "fra", None, None, None),
    Question("7", THRIFT, THRIFT, "eng", None, None, None),
    Question("control-sums", "What is 17 + 25?", "What is 17 + 25?", "eng", None, None, "sums"),
]


def test_every_format_says_the_same(tmp_path):
    frame = pd.DataFrame(FULL).drop(columns=["language", "id"])
    frame.loc[2, "lang"], frame.loc[3, "question_id"] = "fra", "7"
    (tmp_path / "q.json").write_text(json.dumps(FULL))
    frame.to_csv(tmp_path / "q.csv", index=False)
    frame.to_parquet(tmp_path / "q.parquet")
    frame.astype({"value": "category"}).to_parquet(tmp_path / "category.parquet")
    frame.to_json(tmp_path / "frame.json", orient="records")
    datasets.Dataset.from_pandas(frame).save_to_disk(tmp_path / "q")
    for name in ("q.json", "q.csv", "q.parquet", "category.parquet", "frame.json", "q"):
        assert read_questions(tmp_path / name) == READ, name
    assert [each.control for each in READ] == [False, False, False, False, True]


def test_the_question_of_another_language_is_no_english_original(tmp_path):
    """It would be taken for the translation that its answer is compared with."""
    (tmp_path / "q.csv").write_text("question,lang\nMentir ?,fra\n")
    (found,) = read_questions(tmp_path / "q.csv")
    assert (found.question_eng, found.question_key) == (None, "Mentir ?")


# The bank as a data set


@pytest.fixture(scope="module")
def of_the_bank():
    """Questions of all kinds, and the data set that they are as the builder of `univar-qa` has it."""
    from univar.corpus import builder

    chosen = [*question_bank()[::500], *translated_questions()[::500], *control_questions()[::200]]
    chosen.append(next(each for each in question_bank() if any("'" in text for text in each.paraphrases)))
    rows = [builder._question_row(each) for each in chosen]
    return chosen, datasets.Dataset.from_list(rows, features=builder._question_features())


@pytest.mark.parametrize("name", ["q.jsonl", "q.csv", "q.parquet", "folder", "splits"])
def test_the_data_set_of_the_bank_is_read_as_it_is_written(tmp_path, of_the_bank, name):
    asked, dataset = of_the_bank
    write = {
        "q.jsonl": dataset.to_json,
        "q.csv": dataset.to_csv,
        "q.parquet": dataset.to_parquet,
        "folder": dataset.save_to_disk,
        "splits": datasets.DatasetDict(train=dataset.select([0, 1]), test=dataset.skip(2)).save_to_disk,
    }
    write[name](tmp_path / name)
    assert read_questions(tmp_path / name) == asked


def test_questions_of_the_bank_are_known_by_their_words_where_the_id_is_left_out(tmp_path, of_the_bank):
    asked, dataset = of_the_bank
    dataset.select_columns(["question", "lang", "value"]).to_json(tmp_path / "q.jsonl")
    assert [each.value for each in read_questions(tmp_path / "q.jsonl")] == [each.value for each in asked]


def test_numbers_of_another_data_set_have_its_names(tmp_path):
    features = datasets.Features(
        {"question": datasets.Value("string"), "value": datasets.ClassLabel(names=["tact", "thrift"])}
    )
    rows = [{"question": LIES, "value": 0}, {"question": THRIFT, "value": 1}, {"question": "Why?", "value": None}]
    datasets.Dataset.from_list(rows, features=features).to_parquet(tmp_path / "q.parquet")
    assert [each.value for each in read_questions(tmp_path / "q.parquet")] == ["tact", "thrift", None]


# What is wrong

ROW = {"question_id": "a-1", "question": "Is it so?", "value": "a", "form": "advice", "topic": "work"}
THIRD = reference_taxonomy().values[3].id


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{}", r"line 2: no question: it has the fields \(none\); expected question \(or prompt or instruction"),
        ('{"text": "Why?", "value": 1}', "line 2: no question: it has the fields 'text', 'value'; expected question"),
        ('{"question": " "}', "line 2: question: got ' '; expected a text"),
        ('{"question": ["Why?"]}', r"line 2: question: got \['Why\?'\]; expected a text"),
        ('{"question": "\\ud800"}', "line 2: question: got '.ud800', which is not UTF-8"),
        (f'{{"question": "{"why " * 6000}"}}', "line 2: question: got 24,000 characters; at most 20,000 are allowed"),
        ("{", r"line 2: no JSON \(Expecting property name.*plain questions, one a line, go into a .txt"),
        ("Is it so?", r"line 2: no JSON \(Expecting value.*plain questions, one a line, go into a .txt"),
        ("[" * 100_000, r"line 2: no JSON \(maximum recursion depth"),
        ("[]", r"line 2: no question, got \[\]; expected an object with the field question, or a text"),
        (json.dumps({**ROW, "form": "song"}), "line 2: form: got 'song'; expected one of advice, opinion, trade-off, "),
        (json.dumps({**ROW, "lang": "Klingonese"}), "line 2: lang: .*Klingonese"),
        (json.dumps({**ROW, "question_id": [1]}), r"line 2: question_id: got \[1\]; expected a text"),
        (json.dumps({**ROW, "value": True}), "line 2: value: got True; expected a text"),
        (json.dumps({**ROW, "paraphrases": [1]}), r"line 2: paraphrases: got \[1\]; expected a list of texts"),
        (json.dumps({**ROW, "paraphrases": "Or 'so'?"}), "line 2: paraphrases: got .*; expected a list of texts"),
        (json.dumps(ROW), "line 2: the id 'a-1' occurs a second time in eng, after line 1; give every question an id"),
        (json.dumps({**ROW, "question_id": "b", "value": 3}), f"line 2: value: got 3, a number.* it is '{THIRD}'"),
        (
            json.dumps({**ROW, "question_id": "b", "value": 87}),
            "line 2: value: got 87, a num.* 'b' is none of them$",
        ),
        (
            json.dumps({**ROW, "question_id": "b", "topic": "5"}),
            "line 2: topic: got '5', a n.* 'b' is none of them$",
        ),
    ],
)
def test_a_line_that_is_no_question_is_named(tmp_path, line, message):
    file = tmp_path / "q.jsonl"
    file.write_text(json.dumps(ROW) + "\n" + line + "\n")
    with pytest.raises(QuestionsError, match=rf"q\.jsonl, {message}"):
        read_questions(file)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("q.jsonl", b"", "holds no questions"),
        ("q.csv", b"", "holds no questions"),
        ("q.csv", b"question\n", "holds no questions"),
        ("q.json", b"[]", "holds no questions"),
        ("q.jsonl", b"\xff\xfe", "cannot be read: .*; save it as UTF-8"),
        ("q.csv", b"\xff\xfeq", "is UTF-16; save it as UTF-8"),
        ("q.csv", b"question\nIs it \xe9?\n", "line 2: question: got .*, which is not UTF-8"),
        (
            "q.csv",
            b"question\nIs it right, now?\n",
            r"line 2: more fields than columns, 'Is it right, now\?'; put texts",
        ),
        ("q.csv", b"Is it so?\nIs it not?\n", r"line 2: no question: it has the fields 'is it so\?'; expected"),
        ("q.json", b'["Is it so?"', r"no JSON \(Expecting ',' delimiter"),
        ("q.json", b'["Is it so?", 3]', "entry 2: no question, got 3"),
        ("q.txt", b"Is it so?\n\nis it SO\n", "line 3: the same question as in line 1; leave one of them out"),
        ("q.parquet", b"PAR1", "cannot be read"),
        ("q.xlsx", b"PK", "is no format that questions are read from; give .jsonl, .json, .csv"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(QuestionsError, match=message):
        read_questions(tmp_path / name)


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(QuestionsError, match=r"none\.jsonl cannot be read: .*No such file"):
        read_questions(tmp_path / "none.jsonl")
    with pytest.raises(QuestionsError, match="is no data set that save_to_disk wrote; name a file"):
        read_questions(tmp_path)


def test_bytes_that_are_no_text_are_refused_in_parquet(tmp_path):
    table = pa.table({"question": pa.array([b"Is it \xff?"]).view(pa.binary())})
    pq.write_table(table, tmp_path / "q.parquet")
    with pytest.raises(QuestionsError, match=r"row 1: question: got b'Is it .*; expected a text"):
        read_questions(tmp_path / "q.parquet")


@given(st.lists(st.dictionaries(st.sampled_from([*ROW, "lang", "paraphrases", "x"]), st.text(max_size=5)), max_size=4))
def test_any_table_of_texts_is_questions_or_refused_with_its_place(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("questions") / "q.csv"
    with file.open("w", encoding="utf-8", errors="surrogatepass", newline="") as lines:
        writer = csv.DictWriter(lines, [*ROW, "lang", "paraphrases", "x"])
        writer.writeheader()
        writer.writerows(rows)
    try:
        found = read_questions(file)
    except QuestionsError as error:
        found, said = [], str(error)
    if not found:
        assert said.startswith(str(file))
        return
    assert [each.question for each in found] == [row["question"].strip() for row in rows]
    write_questions(found, file.with_suffix(".jsonl"))
    assert read_questions(file.with_suffix(".jsonl")) == found
