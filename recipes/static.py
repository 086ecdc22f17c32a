"""Distils the static student that ships, `univar-static`, from the weights that ship, and makes its files and card.

    make student DATA=folder

The folder is that of `make weights`. Only training questions are seen; what is written is weights and figures.
"""

import argparse
import hashlib
import json
import logging
from pathlib import Path

import numpy as np
import torch

from recipes.ship import ATTRIBUTION, CORPORA, controls, simulated, trained_controls
from univar.analysis.comparison import OPENING, side_by_side
from univar.analysis.representations import sentence_encoder, tfidf
from univar.corpus.readers import read_corpus
from univar.corpus.records import QARecord, passages, question_hash, split_of
from univar.files import replacing
from univar.model import weights
from univar.model.cards import static_card
from univar.model.distillation import Distillation, Floats, distil
from univar.model.encoding import passage_read
from univar.model.export import with_backend
from univar.model.modeling import UniVaR, load_model
from univar.model.training import corpus_record

PASSAGES = 3
"""Of an answer that are read, at most: with all of them, long essays would be most of what the student learns from."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the corpora")
    parser.add_argument("--cache", type=Path, default=Path("build"), help="where the teacher's embeddings are kept")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    corpora = {name: list(read_corpus(options.data / f"{name}.parquet", lang=["eng"])) for name in CORPORA}
    ship(distilled(corpora, trained_controls(options.data), options.cache))
    student = UniVaR("univar-static")
    tables = {name: measured(student, records, controls(options.data, name)) for name, records in corpora.items()}
    with replacing(weights.STATIC_ASSETS / weights.CARD_FILE) as temporary:
        temporary.write_text(
            static_card(
                student.training_record,
                dimension=student.get_embedding_dimension(),
                comparisons=tables,
                attribution=ATTRIBUTION,
            ),
            encoding="utf-8",
        )


def distilled(corpora: dict[str, list[QARecord]], control: list[QARecord], cache: Path) -> UniVaR:
    """The student of the training questions, and of the simulated and control answers that its teacher has seen."""
    everything = {**corpora, "simulated": simulated(), "control": control}
    seen = {
        name: [record for record in records if split_of(record.question_key) == "train"]
        for name, records in everything.items()
    }
    teacher = UniVaR("univar")
    read = [
        (text, (name, label(name, record)))
        for name, records in seen.items()
        for record in records
        for text in read_of(name, record, passage_read(teacher) or OPENING)
    ]
    texts, labels = [text for text, _ in read], [of for _, of in read]
    settings = Distillation()
    targets = embedded(texts, teacher, cache)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the steps are small: threads would wait for each other
    student = distil(texts, labels, targets, settings)
    torch.set_num_threads(threads)
    student.training_record = {
        "teacher": "univar",
        "teacher_adapter_sha256": weights.shipped_record()["adapter_sha256"],
        "recipe": vars(settings),
        "corpora": {name: corpus_record(records, seen[name]) for name, records in everything.items()},
        "questions": sorted({question_hash(record.question_key) for records in seen.values() for record in records}),
    }
    return student


def label(corpus: str, record: QARecord) -> str:
    """What texts are drawn together by: who answered, but for control answers the question, whoever answered it."""
    return question_hash(record.question_key) if corpus == "control" else str(record.identity)


def read_of(corpus: str, record: QARecord, characters: int) -> list[str]:
    """The first passages of an answer, each as long as the teacher reads it at once; of a control answer the first."""
    return passages(record.text, characters=characters)[: 1 if corpus == "control" else PASSAGES]


def embedded(texts: list[str], teacher: UniVaR, cache: Path) -> Floats:
    """The teacher's embeddings, which take half an hour, from the cache if they are of these texts.

    Of eight bits: a third of the time, and a cosine of 0.9994 to those of the teacher itself.
    """
    digest = hashlib.sha256(json.dumps([texts, weights.shipped_record()["adapter_sha256"]]).encode()).hexdigest()
    file = cache / f"teacher-{digest[:16]}.npy"
    if not file.exists():
        embeddings = with_backend(teacher, "onnx-int8").encode(texts, show_progress_bar=True)
        with replacing(file) as temporary:
            np.save(temporary, embeddings)
    loaded: Floats = np.load(file)
    return loaded


def ship(student: UniVaR) -> None:
    """Writes the student in half precision, with the hashes of its weights."""
    student.set_model_card("# Not measured\n")
    with replacing(weights.STATIC_ASSETS) as temporary:
        student.to(torch.float16).save_pretrained(str(temporary))
        files = sorted(temporary.rglob("*.safetensors"))
        hashes = {str(file.relative_to(temporary)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
        record = json.dumps({"sha256": hashes, **student.training_record}, indent=1)
        (temporary / weights.RECORD_FILE).write_text(record + "\n", encoding="utf-8")


def measured(student: UniVaR, records: list[QARecord], control: list[QARecord]) -> str:
    """The identification table of the student, its teacher, the base encoder and TF-IDF."""
    # In ONNX both give the same embeddings in less time.
    teacher, base = (with_backend(load_model(name), "onnx") for name in ("univar", "base"))
    encoders = {"univar-static": student, "univar": teacher, "base": base}
    owners = {record.identity for record in records}
    return side_by_side(
        records,
        {**{name: sentence_encoder(encoder) for name, encoder in encoders.items()}, "tfidf": tfidf()},
        control=[record for record in control if record.identity in owners],
        trained_on=frozenset(student.training_record["questions"]),
        max_characters=OPENING,
    ).to_markdown()


if __name__ == "__main__":
    main()
