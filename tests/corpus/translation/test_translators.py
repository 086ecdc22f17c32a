"""A tiny NLLB through transformers and CTranslate2, and the memory of translations."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from tests.tiny_nllb import LANGS, SENTENCES
from univar.corpus.translation import translators
from univar.corpus.translation.translators import Rendering, TranslationError, TranslationMemory, Translator

ENGLISH = [row[0] for row in SENTENCES]


pytestmark = pytest.mark.usefixtures("converted_models")


@pytest.fixture(autouse=True)
def one_thread():
    """Matrices this small are slower on two."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def translated(translator: Translator, sentences: list[str], source: str, target: str) -> dict[str, Rendering]:
    found: dict[str, Rendering] = {}
    for batch in translator.batches(sentences, source, target):
        found.update(batch)
    return found


@pytest.mark.parametrize("backend", translators.BACKENDS)
@pytest.mark.parametrize("place", [1, 2])
def test_the_language_asked_for_is_written(nllb, backend, place):
    found = translated(Translator(nllb, backend=backend, precision="float32"), ENGLISH, "eng", LANGS[place])
    assert found == {row[0]: Rendering(row[place], cut=False) for row in SENTENCES}


def test_both_backends_write_the_same_tokens_in_greedy_search(nllb):
    # Sentences that the model has not seen make it wander: equal wanderings are no coincidence.
    unseen = [f"{a.rstrip('.?')} {b}" for a in ENGLISH for b in ENGLISH if a != b]
    with_torch, with_ct2 = (
        translated(Translator(nllb, backend=backend, precision="float32", beams=1), unseen, "eng", "fra")
        for backend in ("transformers", "ctranslate2")
    )
    assert with_torch == with_ct2
    assert len({found.text for found in with_torch.values()}) > 10


def test_batches_change_nothing(nllb):
    translator = Translator(nllb, backend="transformers", beams=1)
    small = Translator(nllb, backend="transformers", beams=1, batch_tokens=1)
    sizes = [len(batch) for batch in small.batches(ENGLISH, "eng", "deu")]
    assert sizes == [1] * len(ENGLISH)
    assert translated(small, ENGLISH, "eng", "deu") == translated(translator, ENGLISH, "eng", "deu")


def test_the_longest_come_first_so_that_memory_runs_out_at_once(nllb):
    translator = Translator(nllb, backend="transformers", batch_tokens=40)
    sizes = [[translator.size(sentence) for sentence in batch] for batch in translator.batches(ENGLISH, "eng", "deu")]
    assert [size for batch in sizes for size in batch] == sorted(map(translator.size, ENGLISH), reverse=True)
    # Two more tokens, of the language and of the end, in each row.
    assert all(len(batch) == 1 or len(batch) * (batch[0] + 2) <= 40 for batch in sizes)


def test_a_decoder_that_is_stopped_says_so(nllb, monkeypatch):
    translator = Translator(nllb, backend="ctranslate2", precision="float32")
    monkeypatch.setattr(translator._config, "max_position_embeddings", 4)
    assert all(found.cut for found in translated(translator, ENGLISH, "eng", "fra").values())


def test_a_conversion_is_made_once(nllb, converted_models):
    first = Translator(nllb, backend="ctranslate2", precision="int8")
    translated(first, ENGLISH[:1], "eng", "fra")
    (folder,) = converted_models.glob("univar-ctranslate2/*-int8")
    made = (folder / "model.bin").stat().st_mtime_ns
    again = Translator(nllb, backend="ctranslate2", precision="int8")
    translated(again, ENGLISH[:1], "eng", "fra")
    assert (folder / "model.bin").stat().st_mtime_ns == made


def test_the_name_tells_what_a_translation_depends_on_and_no_path(nllb):
    greedy, wide = (Translator(nllb, backend="transformers", beams=beams).name for beams in (1, 4))
    assert greedy != wide
    assert "/" not in greedy
    assert greedy.endswith("transformers float32 beams=1")


def test_languages_outside_the_table_are_found_in_the_model(nllb):
    translator = Translator(nllb, backend="transformers")
    assert translator.code("zho") == "zho_Hans"
    assert translator.code("isl") == "isl_Latn"
    with pytest.raises(TranslationError, match="has nothing for language 'tlh'"):
        translator.code("tlh")
    with pytest.raises(TranslationError, match="ace_Arab and ace_Latn for language 'ace'"):
        translator.code("ace")


def test_a_model_that_is_no_nllb_is_named(tiny_encoder_folder, tmp_path):
    with pytest.raises(TranslationError, match=r"is a bert with .* and no NLLB-200"):
        Translator(str(tiny_encoder_folder.parent / "bert"))
    with pytest.raises(
        TranslationError, match=r"cannot load the translator .*nowhere.*give the folder or the Hub name"
    ):
        Translator(str(tmp_path / "nowhere"))


def test_transformers_has_no_int8(nllb):
    with pytest.raises(TranslationError, match="float32 or float16, not in int8"):
        Translator(nllb, backend="transformers", precision="int8")


def test_a_model_without_weights_is_refused_when_it_is_needed(nllb, tmp_path):
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((Path(nllb) / name).read_bytes())
    with pytest.raises(TranslationError, match=r"cannot load .* with transformers on cpu in float32"):
        Translator(str(tmp_path), backend="transformers").load()


def test_memory_that_runs_out_names_what_to_change(nllb):
    translator = Translator(nllb, backend="transformers", beams=3, batch_tokens=100)

    def too_much(*_):
        raise RuntimeError("CUDA failed with error out of memory")

    translator._generate = too_much
    with pytest.raises(TranslationError, match="give fewer than 100 tokens a batch, or fewer than 3 beams"):
        translated(translator, ENGLISH, "eng", "fra")


def test_the_memory_keeps_what_was_translated(tmp_path):
    file = tmp_path / "new" / "memory.sqlite"
    many = {f"sentence {number}": Rendering(f"phrase {number}", cut=number % 2 == 0) for number in range(1200)}
    with TranslationMemory(file) as memory:
        memory.keep(many, "eng fra")
    with TranslationMemory(file) as memory:
        assert memory.known(many, "eng fra") == many
        assert memory.known(many, "eng deu") == {}
        memory.keep({"sentence 0": Rendering("mieux", cut=False)}, "eng fra")
        assert memory.known(["sentence 0", "new"], "eng fra") == {"sentence 0": Rendering("mieux", cut=False)}


def test_several_may_have_a_memory_open(tmp_path):
    file = tmp_path / "memory.sqlite"

    def keep_many(name: str) -> None:
        with TranslationMemory(file) as memory:
            for number in range(50):
                memory.keep({f"{name} {number}": Rendering("x", cut=False)}, "way")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(keep_many, "ab"))
    with TranslationMemory(file) as memory:
        assert len(memory.known([f"{name} {number}" for name in "ab" for number in range(50)], "way")) == 100


def test_what_is_no_memory_is_named(tmp_path):
    file = tmp_path / "memory.sqlite"
    file.write_text("these are notes of mine" * 100)
    with (
        pytest.raises(TranslationError, match=r"memory\.sqlite is no translation memory .*move it away"),
        TranslationMemory(file),
    ):
        pass
    assert file.read_text().startswith("these are notes")


def test_a_memory_that_dies_loses_the_batch_it_was_at(tmp_path):
    file = tmp_path / "memory.sqlite"
    with TranslationMemory(file) as memory:
        memory.keep({"kept": Rendering("x", cut=False)}, "way")
        memory._table.execute("INSERT INTO renderings VALUES (x'00', 'half', 0)")  # never committed
    assert sqlite3.connect(file).execute("SELECT count(*) FROM renderings").fetchone() == (1,)
