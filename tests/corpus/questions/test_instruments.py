from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from univar.corpus.questions.generation import Item
from univar.corpus.questions.instruments import INSTRUMENTS, InstrumentError, read_items

# Texts of our own in the columns that copies of the instruments have.
COPIES = {
    "pvq-rr": ("copy.csv", "Value,Portrait\nTact,They spare others.\nTact,They spare others.\n,\n"),
    "valueprism": ("copy.tsv", "situation\tvrd\ttext\nKeeping a found coat\tValue\tHonesty\n"),
    "wvs": ("copy.csv", 'variable,section,label\nQ1,Thrift,"How much is thrift worth, to you?"\n'),
    "globe": ("copy.jsonl", '{"item": "Meetings begin on time.", "dimension": "Order"}\n'),
    "valuebench": ("copy.csv", "questionnaire,item,value\nX,I say what I think.,Candour\n"),
}
FOUND = {
    "pvq-rr": [Item("item-0001", "They spare others.", "Tact")],
    "valueprism": [Item("item-0001", "Keeping a found coat", "Honesty")],
    "wvs": [Item("item-0001", "How much is thrift worth, to you?", "Thrift")],
    "globe": [Item("item-0001", "Meetings begin on time.", "Order")],
    "valuebench": [Item("item-0001", "I say what I think.", "Candour")],
}


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_a_copy_of_each_instrument_is_read(tmp_path, name):
    file, text = COPIES[name]
    (tmp_path / file).write_text(text)
    assert read_items(tmp_path / file, INSTRUMENTS[name]) == FOUND[name]


def test_parquet_is_read_and_columns_can_be_named(tmp_path):
    pq.write_table(pa.table({"Wording": ["Says little."], "about": ["Tact"]}), tmp_path / "copy.parquet")
    found = read_items(tmp_path / "copy.parquet", INSTRUMENTS["pvq-rr"], text="wording", value="About")
    assert found == [Item("item-0001", "Says little.", "Tact")]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("a.csv", "a,b\n1,2\n", "has the columns a, b; expected one of portrait, item, .*--text COLUMN"),
        ("a.csv", "item,b\n1,2\n", "columns item, b; expected one of value, scale, dimension with .*--value COLUMN"),
        ("a.csv", "item,value,item\n1,2,3\n", "has 2 columns 'item'; rename all but one of them"),
        ("a.csv", "item,Value,value\n1,2,3\n", "has 2 columns 'value'; rename"),
        ("a.csv", "item,value\n,Tact\n", "no row has text in the column 'item'"),
        ("a.csv", "", "cannot be read"),
        ("a.jsonl", "{", "cannot be read"),
        ("a.xlsx", "", r"read from .csv, .tsv, .jsonl, .parquet, not 'a.xlsx'"),
    ],
)
def test_what_is_no_copy_is_refused(tmp_path, file, content, message):
    (tmp_path / file).write_text(content)
    with pytest.raises(InstrumentError, match=message):
        read_items(tmp_path / file, INSTRUMENTS["pvq-rr"])


def test_a_missing_file_is_named():
    with pytest.raises(InstrumentError, match=r"nowhere.csv cannot be read"):
        read_items(Path("nowhere.csv"), INSTRUMENTS["wvs"])
