"""What readings say of answers that little or nothing can be read from, and of answers that the model does not read."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest

import univar
from tests.conftest import failed
from univar.analysis.distances.reading import distances_of
from univar.analysis.people.languages import language_distances
from univar.corpus.questions.bank import core_questions
from univar.corpus.questions.poles import poles
from univar.corpus.records import Identity, QARecord, write_corpus
from univar.model.embedded import EmbeddedCorpus, EmbeddedCorpusError
from univar.model.encoding import Provenance
from univar.model.modeling import UniVaR
from univar.model.unread import UntranslatedError

MADE = Provenance("mine", "0" * 64, None, reads=frozenset({"eng"}))
WIDTH = 8
CORE = core_questions()
TWO = (Identity("one", "eng"), Identity("two", "eng"))
FOUR = tuple(Identity("one", lang) for lang in ("deu", "eng", "fra", "jpn"))

Read = Callable[..., object]
Refused = tuple[type[Exception], str]


def qas(
    identities: Iterable[Identity], questions: int = 12, *, apart: bool = False, english: bool = True
) -> list[QARecord]:
    """Answers to the same questions, or each identity's to its own."""
    records = []
    for place, who in enumerate(identities):
        for number in range(questions):
            one = CORE[number + place * questions * apart]
            spoken = {"question_eng": one.question, "answer_eng": "So."} if english and who.lang != "eng" else {}
            asked = one.question if who.lang == "eng" else f"{one.question} ({who.lang})"
            records.append(QARecord(one.question_id, asked, "So.", *who, value=one.value, **spoken))
    return records


def embedded(records: Sequence[QARecord], *, equal: bool = False, made: Provenance = MADE) -> EmbeddedCorpus:
    rows = np.random.default_rng(0).normal(size=(len(records), WIDTH))
    return EmbeddedCorpus(tuple(records), (np.ones_like(rows) if equal else rows).astype(np.float32), made)


@pytest.fixture(scope="module")
def known() -> EmbeddedCorpus:
    """Poles that are told apart along one direction."""
    rows = np.random.default_rng(1).normal(size=(len(poles()), WIDTH)) / 4
    rows[:, 0] += [pole.stance for pole in poles()]
    return EmbeddedCorpus(tuple(pole.record for pole in poles()), rows.astype(np.float32), MADE)


@pytest.fixture(params=["values", "distances", "shift", "people"])
def reading(request: pytest.FixtureRequest, known: EmbeddedCorpus) -> tuple[str, Read]:
    """The name of a reading, and what reads one corpus; a shift is that from its first identity to its others."""

    def shift(corpus: EmbeddedCorpus, **options: object) -> object:
        owners = sorted({record.identity for record in corpus.records})
        sides = {str(who): part(corpus, who) for who in owners}
        first, *others = sides
        return univar.shift(sides[first], {name: sides[name] for name in others}, poles=known, **options)

    def values(corpus: EmbeddedCorpus, **options: object) -> object:
        return univar.values(corpus, poles=known, **options)

    return request.param, {"values": values, "shift": shift, "distances": univar.distances, "people": univar.people}[
        request.param
    ]


def part(corpus: EmbeddedCorpus, who: Identity) -> EmbeddedCorpus:
    """The answers of one identity, as those of an LLM of one name."""
    rows = [row for row, record in enumerate(corpus.records) if record.identity == who]
    records = tuple(dataclasses.replace(corpus.records[row], model="one") for row in rows)
    return EmbeddedCorpus(records, corpus.embeddings[rows], corpus.provenance)


def check(read: Read, corpus: EmbeddedCorpus, expected: str | Refused) -> None:
    """What can be computed is, and says what it is not; what cannot is refused in one line."""
    if isinstance(expected, tuple):
        with pytest.raises(expected[0], match=expected[1]):
            read(corpus)
        return
    found = read(corpus)
    assert expected in " ".join([str(found), *found.notes()])
    assert json.dumps(found.to_dict(), allow_nan=False)
    assert found.to_markdown()
    assert found.plot().data


def test_one_identity(reading):
    name, read = reading
    expected = {
        "values": "n = 12 answers to 12 questions",
        "distances": (ValueError, r"need two or more that can be compared, got 1 \(one \(eng\)\); add answers by"),
        "shift": (ValueError, "no answers after; give at least one set"),
        "people": (ValueError, "4 or more, and these answers are in eng; ask in more languages"),
    }
    check(read, embedded(qas(TWO[:1])), expected[name])


def test_no_shared_question(reading):
    name, read = reading
    expected = {
        "values": "n = 48 answers to at most 12 questions",
        "distances": (ValueError, r"no two of .* can be compared \(no question in common\): ask all of them the same"),
        "shift": (ValueError, r"share no question: .* stand first; give both the same question_id"),
        "people": (ValueError, "fewer than 4 languages can be compared: .* too few questions of one LLM in common"),
    }
    check(read, embedded(qas(FOUR, apart=True)), expected[name])


def test_two_answers_an_identity(reading):
    name, read = reading
    expected = {
        "values": "n = 8 answers to at most 2 questions",
        "distances": "2 questions cannot show a difference: by swapping p is never below 0.5. Ask 6 or more.",
        "shift": "fewer than 6 questions show none",
        "people": (ValueError, "fewer than 4 languages can be compared: .* too few questions of one LLM in common"),
    }
    check(read, embedded(qas(FOUR, 2)), expected[name])


def test_all_answers_equal(reading):
    name, read = reading
    expected = {
        "values": "All 12 answers of one (deu) have one and the same vector",
        "distances": "All answers to each question are equal: nothing lies apart.",
        "shift": "all answers to 12 questions are the same",
        "people": (ValueError, "all languages lie equally far apart, as where all answers are equal"),
    }
    check(read, embedded(qas(FOUR), equal=True), expected[name])


def test_vectors_that_are_no_numbers():
    records, rows = qas(FOUR), np.ones((48, WIDTH), np.float32)
    rows[0] = np.nan
    with pytest.raises(EmbeddedCorpusError, match="1 of 48 vectors are not finite; embed the answers again"):
        EmbeddedCorpus(tuple(records), rows, MADE)
    # Vectors that come without a corpus are looked at where they are read.
    with pytest.raises(ValueError, match="vectors must be finite, one a record"):
        language_distances(records, rows)
    assert "1 answer of one (deu) left out: the vectors are not finite." in distances_of(records, rows).notes()


def test_an_embedded_corpus_of_another_model(reading, tiny_model):
    _, read = reading
    with pytest.raises(EmbeddedCorpusError, match=r"was embedded by mine \(0{12}…\), not by UniVaR \("):
        read(embedded(qas(FOUR)), model=tiny_model)


def test_two_corpora_of_different_models(known):
    other = dataclasses.replace(MADE, model="its", fingerprint="1" * 64)
    mine, its = embedded(qas(TWO[:1])), embedded(qas(TWO[:1]), made=other)
    with pytest.raises(EmbeddedCorpusError, match=r"by mine \(0{12}…\) and by its \(1{12}…\) cannot be compared"):
        univar.shift(mine, its)
    with pytest.raises(EmbeddedCorpusError, match=r"by mine \(0{12}…\) and by its \(1{12}…\) cannot be compared"):
        univar.plan_shift(mine, its)
    with pytest.raises(EmbeddedCorpusError, match=r"the control answers by its \(1{12}…\): embed both by one model"):
        univar.distances(mine, its)
    with pytest.raises(EmbeddedCorpusError, match=r"the poles are embedded by mine .* the answers by its"):
        univar.values(its, poles=known)


# Answers that the model does not read


def test_what_was_encoded_unread_is_said_wherever_it_is_read(reading):
    name, read = reading
    found = read(embedded(qas(FOUR, english=False)))
    said = found.notes()[0]
    assert said.startswith(
        "Untranslated: 36 of 48 QAs were encoded as they were written, in languages that mine does not"
    )
    assert found.unread == found.to_dict()["unread"] == said
    assert said in found.to_markdown()
    assert "Untranslated: 36 of 48 QAs" in found.plot().layout.title.text
    english = read(embedded(qas(FOUR)))
    assert english.unread is None
    assert english.plot().layout.title.text is None
    assert name


@pytest.mark.parametrize("plan", ["values", "distances", "shift"])
def test_plans_say_it_too(plan, known):
    options = {"poles": known} if plan == "values" else {}
    found = getattr(univar, f"plan_{plan}")(embedded(qas(FOUR, english=False)), **options)
    assert found.notes()[0] == found.to_dict()["unread"] == found.unread
    assert found.unread.startswith("Untranslated: 36 of 48 QAs")
    assert list(found.to_pandas().columns[:3]) == ["questions", "samples", "n"]
    assert found.to_dict().keys() >= {"sentence", "rows", "notes"}


@pytest.fixture(scope="module")
def english_folder(tiny_encoder_folder, tmp_path_factory) -> str:
    """A model whose card says that it reads English."""
    model = UniVaR(str(tiny_encoder_folder), device="cpu")
    model.set_model_card(model.render_card())
    folder = tmp_path_factory.mktemp("english")
    model.save_pretrained(str(folder))
    return str(folder)


def test_they_are_refused_before_any_is_encoded(reading, english_folder):
    name, read = reading
    records = qas(FOUR, english=False)
    arguments = ([records[:12], records[12:24]] if name == "shift" else [records], {"model": english_folder})
    with pytest.raises(UntranslatedError, match=r"with --untranslated \(in Python untranslated=True\)"):
        getattr(univar, name)(*arguments[0], **arguments[1])
    assert read


@pytest.mark.parametrize("command", ["values", "distances", "shift", "people"])
def test_in_the_terminal_too(univar, command, english_folder):
    records = qas(FOUR, english=False)
    write_corpus(records, "all.parquet")
    write_corpus(records[:12], "before.parquet")
    write_corpus(records[12:24], "after.parquet")
    corpora = ["before.parquet", "after.parquet"] if command == "shift" else ["all.parquet"]
    failed(univar(command, *corpora, "--model", english_folder), "are in languages that", "with --untranslated")
