"""Columns by their usual names, languages that no column gives, and what is said of both."""

import csv
import itertools
import json

import pytest

from univar.corpus.formats import opening
from univar.corpus.formats.columns import ALIASES, REQUIRED
from univar.corpus.formats.spoken import spoken
from univar.corpus.readers import CorpusError, Rejects, read_corpus

ENGLISH = "I believe that honesty is the best policy in nearly every case, for people trust you more."
FRENCH = "Je pense que la franchise est presque toujours la meilleure des politiques, et on vous fait confiance."
CHINESE = "我认为诚实几乎总是最好的策略,因为人们会更加信任你。"


def table(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def read(source, **options):
    rejects = Rejects()
    return list(read_corpus(source, rejects=rejects, **options)), rejects


def own(*answers, **more):
    return [{"Prompt": f"Why {n}?", "Response": text, "LLM": "aya", **more} for n, text in enumerate(answers)]


# Names


@pytest.mark.parametrize(("field", "name"), [(field, name) for field in REQUIRED for name in ALIASES[field]])
def test_usual_names_are_found_whatever_their_case_and_told(field, name):
    row = {"question": "Why?", "answer": "So.", "model": "aya", "lang": "eng"}
    for written in (name, name.upper(), name.title().replace("_", " ")):
        renamed = {written if key == field else key: value for key, value in row.items()}
        (record,), rejects = read([renamed])
        assert getattr(record, field) == row[field]
        assert rejects.notes == ([] if written == field else [f"the rows given: {written} was read as {field}"])


def test_what_is_called_by_its_own_name_goes_first():
    row = {"output": "Other.", "Answer": "So.", "question": "Why?", "model": "aya", "lang": "eng"}
    assert read([row])[0][0].answer == "So."


def test_what_is_guessed_is_told_once_for_a_folder(tmp_path):
    for name in "ab":
        table(tmp_path / f"{name}.csv", own(f"{ENGLISH} {name}", f"{ENGLISH} {name} too"))
    records, rejects = read(tmp_path)
    assert len(records) == 4
    assert rejects.notes == [
        f"{tmp_path / 'a.csv'}: Prompt was read as question, Response as answer, LLM as model; "
        "no column for lang, detected eng in 2 of 2 rows (--set lang=CODE says otherwise)"
    ]


def test_without_rejects_what_is_guessed_is_a_warning_before_the_first_qa(tmp_path, caplog):
    next(read_corpus(table(tmp_path / "c.csv", own(ENGLISH))))
    assert "Prompt was read as question" in caplog.text


def test_columns_that_nobody_could_guess_end_with_options_to_paste(tmp_path):
    rows = [
        {"KI": "aya", "Frage": f"Wozu {n}?", "Antwort": f"Damit man dir im Leben ganz vertraut, {n}."} for n in (1, 2)
    ]
    path = table(tmp_path / "c.csv", rows)
    options = ["--column", "question=Frage", "--column", "answer=Antwort", "--column", "model=KI", "--set", "lang=deu"]
    with pytest.raises(CorpusError, match="has the columns 'KI', 'Frage', 'Antwort' and needs") as refusal:
        read(path)
    assert list(refusal.value.flags) == options
    assert str(refusal.value).endswith(f"here perhaps {' '.join(options)}")
    columns = {"question": "Frage", "answer": "Antwort", "model": "KI"}
    assert len(read(path, columns=columns, constants={"lang": "deu"})[0]) == 2
    rows = [{**row, "Sprache": "Deutsch"} for row in rows]
    with pytest.raises(CorpusError, match=r"--column lang=Sprache$"):
        read(table(path, rows))
    with pytest.raises(CorpusError, match=r"has the columns '1', '2' and .*--set question=VALUE$"):
        read([{"1": 2, "2": 3}])


# Languages


@pytest.mark.parametrize(
    ("text", "lang"),
    [(ENGLISH, "eng"), (FRENCH, "fra"), (CHINESE, "zho"), ("Yes.", None), ("", None), ("42 " * 40, None)],
)
def test_the_language_of_a_text(text, lang):
    assert spoken(text) == lang


def test_a_language_of_nearly_all_is_that_of_all(tmp_path):
    # Two answers of 40 do not tell, and all others are in one language.
    path = table(tmp_path / "c.csv", own(*(f"{FRENCH} {n}" for n in range(38)), "Oui.", "Non."))
    records, rejects = read(path)
    assert [record.lang for record in records] == ["fra"] * 40
    assert "detected fra in 38 of 40 rows" in rejects.notes[0]


def test_each_answer_has_its_language_where_they_are_in_several(tmp_path):
    texts = [f"{text} {n}" for n, text in enumerate(itertools.islice(itertools.cycle([ENGLISH, FRENCH]), 20))]
    records, rejects = read(table(tmp_path / "c.csv", own(*texts, "Oui.")))
    assert [record.lang for record in records] == ["eng", "fra"] * 10
    assert rejects.counts == {"no lang, and none that the answer tells": 1}
    assert "detected in each row (of 21: eng 10, fra 10; --set lang=CODE says otherwise)" in rejects.notes[0]


def test_a_language_that_begins_late_is_seen(tmp_path):
    texts = [f"{ENGLISH if n < 900 else FRENCH} {n}" for n in range(1_000)]
    records, _ = read(table(tmp_path / "c.csv", own(*texts)))
    assert [record.lang for record in records] == ["eng"] * 900 + ["fra"] * 100


def test_of_a_stream_each_row_is_looked_at():
    rows = own(*(f"{ENGLISH} {n}" for n in range(150)), f"{FRENCH}", "Yes.")
    records, rejects = read(iter(rows))
    # What does not tell is taken to be like the first 100 rows.
    assert [record.lang for record in records] == ["eng"] * 150 + ["fra", "eng"]
    assert rejects.counts == {}


def test_answers_too_short_to_tell_are_refused_with_options_to_paste(tmp_path):
    path = table(tmp_path / "c.csv", own("Yes.", "No.", f"{ENGLISH}"))
    with pytest.raises(
        CorpusError, match=r"of 2 of 3 answers the language cannot be told.* --set lang=eng$"
    ) as refusal:
        read(path)
    assert refusal.value.flags == ("--set", "lang=eng")
    assert len(read(path, constants={"lang": "English"})[0]) == 3


def test_languages_too_near_each_other_are_left_to_the_user(tmp_path):
    texts = [
        f"Saya percaya bahwa kejujuran adalah kebijakan terbaik karena orang akan lebih mempercayai Anda. {n}"
        for n in (1, 2)
    ]
    with pytest.raises(CorpusError, match=r"of 2 of 2 answers the language cannot be told.* --set lang=ind$"):
        read(table(tmp_path / "c.csv", own(*texts)))


def test_a_language_that_later_rows_give_is_theirs(tmp_path):
    rows = [*own(*(f"{ENGLISH} {n}" for n in range(150))), *own(f"{ENGLISH} too", language="French")]
    path = tmp_path / "c.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert [record.lang for record in read(path)[0]] == ["eng"] * 150 + ["fra"]


def test_a_sample_is_spread_over_all_rows():
    rows = (opening.Row({"answer": str(n), "question": ""}) for n in range(1_000))
    kept = opening._texts(rows, {"answer": "answer", "question": "question"}, {})
    places = [int(answer) for answer, _ in kept]
    assert opening.SAMPLE <= len(places) < 2 * opening.SAMPLE
    assert {later - earlier for earlier, later in itertools.pairwise(places)} == {8}
    assert places[-1] >= 990
