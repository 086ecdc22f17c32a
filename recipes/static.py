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

from recipes.ship import ATTRIBUTION
from recipes.stance_corpora import stance_corpora, trained_controls
from univar.analysis.comparison import OPENING
from univar.analysis.stance_comparison import compare_stances
from univar.corpus.records import QARecord, passages, question_fraction, question_hash, split_of
from univar.files import replacing
from univar.model import weights
from univar.model.cards import static_card
from univar.model.distillation import Distillation, Floats, distil
from univar.model.encoding import passage_read
from univar.model.export import with_backend
from univar.model.modeling import UniVaR
from univar.model.training import corpus_record

CONTROL = "control"
MOST = 6_000
"""Answers of a corpus, or the largest would be most of what the student learns from."""

SETTINGS = Distillation(contrast=0.3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the corpora")
    parser.add_argument("--cache", type=Path, default=Path("build"), help="where the teacher's embeddings are kept")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    corpora = {**stance_corpora(options.data), CONTROL: trained_controls(options.data)}
    ship(distilled(corpora, options.cache))
    student = UniVaR("univar-static")
    names = ["univar-static", "univar", "base", "tfidf"]
    tables = {"What an answer stands for: the poles": compare_stances(models=names).to_markdown()}
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


def distilled(corpora: dict[str, list[QARecord]], cache: Path) -> UniVaR:
    """The student of questions that its teacher was trained on, the first passage of every answer."""
    seen = {
        name: sorted((r for r in records if split_of(r.question_key) == "train"), key=_order)[:MOST]
        for name, records in corpora.items()
    }
    teacher = UniVaR("univar")
    characters = passage_read(teacher) or OPENING
    read = {
        passages(record.text, characters=characters)[0]: (name, label(record))
        for name, records in seen.items()
        for record in records
    }
    texts, labels = list(read), list(read.values())
    targets = embedded(texts, teacher, cache)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the steps are small: threads would wait for each other
    student = distil(texts, labels, targets, SETTINGS)
    torch.set_num_threads(threads)
    student.training_record = {
        "teacher": "univar",
        "teacher_adapter_sha256": weights.shipped_record()["adapter_sha256"],
        "recipe": vars(SETTINGS),
        "corpora": {name: corpus_record(records, seen[name]) for name, records in corpora.items()},
        "questions": sorted({question_hash(record.question_key) for records in seen.values() for record in records}),
    }
    return student


def _order(record: QARecord) -> float:
    """One that has nothing to do with the split."""
    return question_fraction(record.answer)


def label(record: QARecord) -> str:
    """What texts are drawn together by: what they are about and on which side of it they are, whoever wrote them."""
    side = "" if not record.stance else "for" if record.stance > 0 else "against"
    return f"{question_hash(record.question_key)} {side}"


def embedded(texts: list[str], teacher: UniVaR, cache: Path) -> Floats:
    """The teacher's embeddings, by its weights of eight bits, from the cache if they are of these texts."""
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


if __name__ == "__main__":
    main()
