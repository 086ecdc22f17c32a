"""Embedded corpora: what is encoded once is read by everything, and vectors of another model by nothing."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import univar
from univar.corpus.readers import CorpusError
from univar.corpus.records import QARecord, question_hash, write_corpus
from univar.model import embedded
from univar.model.embedded import EmbeddedCorpus, EmbeddedCorpusError, embed, is_embedded
from univar.model.encoding import Provenance, write_embeddings
from univar.model.modeling import weights_sha256

MADE = Provenance("tiny", "0" * 64, 480, frozenset({question_hash("Why?")}))


def of(*records: QARecord, made: Provenance = MADE) -> EmbeddedCorpus:
    return EmbeddedCorpus(records, np.eye(len(records), 4, dtype=np.float32), made)


def qa(number: int, lang: str = "eng") -> QARecord:
    return QARecord(f"q{number}", f"Why {number}?", "So.", "aya", lang)


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


numbers = st.none() | st.integers(1, 10**6)


@given(names, names, st.none() | names, st.integers(0, 2**31 - 1), numbers, st.none() | st.floats(-1, 1))
def test_what_is_saved_comes_back(tmp_path_factory, model, text, value, sample, passage, stance):
    path = tmp_path_factory.mktemp("saved") / "e.parquet"
    record = QARecord("q", text, text, model, "eng", value=value, sample=sample, stance=stance, claim=value)
    corpus = of(record, made=replace(MADE, model=model, passage=passage))
    corpus.save(path)
    found = EmbeddedCorpus.load(path)
    assert found.records == corpus.records
    assert found.provenance == corpus.provenance
    np.testing.assert_array_equal(found.embeddings, corpus.embeddings)


def test_what_encode_writes_is_what_embed_gives(records, tiny_model, tmp_path):
    tiny_model.training_record = {"questions": [question_hash(records[0].question), question_hash("another")]}
    write_embeddings(records, tiny_model, tmp_path / "e.parquet", name="tiny")
    read, made = EmbeddedCorpus.load(tmp_path / "e.parquet"), embed(records, tiny_model, name="tiny")
    assert read.records == made.records == tuple(records)
    assert read.provenance == made.provenance
    assert made.provenance.trained_on == {question_hash(records[0].question)}
    assert made.provenance.fingerprint == weights_sha256(tiny_model)
    np.testing.assert_allclose(read.embeddings, made.embeddings, atol=1e-6)
    assert str(made) == "120 QAs by 3 identities, embedded by tiny in 16 dimensions"


def test_an_embedded_corpus_is_a_corpus_for_those_who_want_no_vectors(tmp_path):
    of(qa(1), qa(2)).save(tmp_path / "e.parquet")
    assert list(univar.read_corpus(tmp_path / "e.parquet")) == [qa(1), qa(2)]


def test_nothing_is_encoded_again_and_no_model_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "embed_texts", lambda *_, **__: pytest.fail("encoded"))
    monkeypatch.setattr("univar.model.modeling.load_model", lambda _: pytest.fail("loaded"))
    corpus = of(qa(1), qa(2, "fra"))
    corpus.save(tmp_path / "e.parquet")
    assert embed(corpus) is corpus
    assert embed(tmp_path / "e.parquet").records == corpus.records
    assert embed(tmp_path, lang=["fra"]).records == (qa(2, "fra"),)


def test_a_folder_of_parts_is_one_corpus(tmp_path):
    of(qa(1)).save(tmp_path / "a" / "part-0.parquet")
    of(qa(2), made=replace(MADE, trained_on=frozenset("x"))).save(tmp_path / "b" / "part-0.parquet")
    found = EmbeddedCorpus.load(tmp_path)
    assert found.records == (qa(1), qa(2))
    assert found.provenance.trained_on == MADE.trained_on | {"x"}
    of(qa(3), made=replace(MADE, fingerprint="f" * 64)).save(tmp_path / "c.parquet")
    with pytest.raises(EmbeddedCorpusError, match=r"different models: tiny \(000000000000…\), tiny \(ffffffffffff…\)"):
        EmbeddedCorpus.load(tmp_path)


def test_vectors_of_another_model_are_refused(records, tiny_model, tmp_path):
    corpus = embed(records[:3], tiny_model, name="tiny")
    assert embed(corpus, tiny_model) is corpus
    foreign = replace(corpus, provenance=replace(corpus.provenance, fingerprint="f" * 64))
    foreign.save(tmp_path / "e.parquet")
    with pytest.raises(
        EmbeddedCorpusError, match=r"embedded by tiny \(f{12}…\), not by UniVaR .* `univar encode ANSWERS"
    ):
        embed(tmp_path / "e.parquet", tiny_model)


def test_vectors_that_do_not_say_whose_they_are_are_refused(tmp_path):
    of(qa(1)).save(tmp_path / "e.parquet")
    table = pq.read_table(tmp_path / "e.parquet")
    pq.write_table(table, tmp_path / "e.parquet")
    with pytest.raises(
        EmbeddedCorpusError, match="does not say of which model and how they were made; embed the answers"
    ):
        embed(tmp_path / "e.parquet")


def test_a_file_of_an_earlier_version_has_no_stances_alone_or_beside_another(tmp_path):
    of(qa(1)).save(tmp_path / "a.parquet")
    of(replace(qa(2), stance=1.0, claim="So it is")).save(tmp_path / "b.parquet")
    earlier = pq.read_table(tmp_path / "a.parquet").drop(["stance", "claim"])
    pq.write_table(earlier.replace_schema_metadata(MADE.to_metadata()), tmp_path / "a.parquet")
    assert EmbeddedCorpus.load(tmp_path / "a.parquet").records == (qa(1),)
    assert EmbeddedCorpus.load(tmp_path).records == (qa(1), replace(qa(2), stance=1.0, claim="So it is"))


def test_files_without_vectors_are_no_embedded_corpora(tmp_path):
    write_corpus([qa(1)], tmp_path / "answers.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 but no more")
    (tmp_path / "notes.txt").touch()
    for source in (tmp_path, *tmp_path.iterdir(), tmp_path / "none.parquet", [], None):
        assert not is_embedded(source)
    with pytest.raises(EmbeddedCorpusError, match="no column 'embedding'; embed the answers again"):
        EmbeddedCorpus.load(tmp_path)


@pytest.mark.parametrize("column", ["answer", "embedding"])
def test_a_damaged_file_is_told(tmp_path, column):
    of(qa(1)).save(tmp_path / "e.parquet")
    table = pq.read_table(tmp_path / "e.parquet").drop([column])
    if column == "embedding":
        table = table.append_column(column, pa.array(["a vector"]))
    pq.write_table(table.replace_schema_metadata(MADE.to_metadata()), tmp_path / "e.parquet")
    with pytest.raises(EmbeddedCorpusError, match="is a damaged embedded corpus"):
        EmbeddedCorpus.load(tmp_path / "e.parquet")


def test_vectors_are_finite_and_one_a_record():
    with pytest.raises(EmbeddedCorpusError, match="1 of 2 vectors are not finite"):
        EmbeddedCorpus((qa(1), qa(2)), np.array([[1, 0], [np.nan, 0]], dtype=np.float32), MADE)
    with pytest.raises(EmbeddedCorpusError, match=r"1 records, embeddings \(2, 2\)"):
        EmbeddedCorpus((qa(1),), np.eye(2, dtype=np.float32), MADE)


def test_columns_cannot_be_named_again_and_languages_must_be_there():
    corpus = of(qa(1), qa(2, "fra"))
    with pytest.raises(EmbeddedCorpusError, match="is embedded already: columns are for answers without vectors"):
        embed(corpus, columns={"answer": "response"})
    with pytest.raises(CorpusError, match="no QA in deu; these are in eng, fra"):
        embed(corpus, lang=["deu"])


def test_a_table_of_it_has_the_columns_and_the_vectors():
    frame = of(qa(1), qa(2)).to_pandas()
    assert list(frame["question"]) == ["Why 1?", "Why 2?"]
    np.testing.assert_array_equal(np.stack(frame["embedding"]), np.eye(2, 4))
