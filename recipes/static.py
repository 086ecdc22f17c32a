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

from recipes.ship import ATTRIBUTION, CORPORA, controls, measure
from univar.analysis.comparison import MAX_CHARACTERS
from univar.corpus.readers import read_corpus
from univar.corpus.records import question_hash, split_of
from univar.corpus.simulation import simulate
from univar.files import replacing
from univar.model import weights
from univar.model.cards import static_card
from univar.model.distillation import Distillation, Floats, distil
from univar.model.modeling import UniVaR


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the corpora")
    parser.add_argument("--cache", type=Path, default=Path("build"), help="where the teacher's embeddings are kept")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    corpora = {name: list(read_corpus(options.data / f"{name}.parquet", lang=["eng"])) for name in CORPORA}
    simulated = simulate(32, 384, seed=1, style="redrawn").records
    seen = {
        name: [record for record in records if split_of(record.question_key) == "train"]
        for name, records in {**corpora, "simulated": simulated}.items()
    }
    texts = [record.text[:MAX_CHARACTERS] for records in seen.values() for record in records]
    labels = [(name, str(record.identity)) for name, records in seen.items() for record in records]
    settings = Distillation()
    targets = embedded(texts, options.cache)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the steps are small: threads would wait for each other
    student = distil(texts, labels, targets, settings)
    torch.set_num_threads(threads)
    student.training_record = {
        "teacher": "univar",
        "recipe": vars(settings),
        "corpora": {name: {"qas": len(records)} for name, records in seen.items()},
        "questions": sorted({question_hash(record.question_key) for records in seen.values() for record in records}),
    }
    ship(student)
    models = {"univar": UniVaR("univar"), "univar-static": UniVaR("univar-static")}
    tables = {
        name: measure(records, models, controls(options.data, name)).to_markdown() for name, records in corpora.items()
    }
    write_card(models["univar-static"], tables)


def embedded(texts: list[str], cache: Path) -> Floats:
    """The teacher's embeddings, which take minutes, from the cache if they are of these texts."""
    digest = hashlib.sha256(json.dumps([texts, weights.shipped_record()["adapter_sha256"]]).encode()).hexdigest()
    file = cache / f"teacher-{digest[:16]}.npy"
    if not file.exists():
        embeddings = UniVaR("univar").encode(texts, show_progress_bar=True)
        with replacing(file) as temporary:
            np.save(temporary, embeddings)
    loaded: Floats = np.load(file)
    return loaded


def ship(student: UniVaR) -> None:
    """Writes the student in half precision, with the hashes of its weights."""
    student.set_model_card("")  # until it is measured
    with replacing(weights.STATIC_ASSETS) as temporary:
        student.to(torch.float16).save_pretrained(str(temporary))
        files = sorted(temporary.rglob("*.safetensors"))
        hashes = {str(file.relative_to(temporary)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
        record = json.dumps({"sha256": hashes, **student.training_record}, indent=1)
        (temporary / weights.RECORD_FILE).write_text(record + "\n", encoding="utf-8")


def write_card(student: UniVaR, tables: dict[str, str]) -> None:
    with replacing(weights.STATIC_ASSETS / weights.CARD_FILE) as temporary:
        temporary.write_text(static_card(student, tables, ATTRIBUTION), encoding="utf-8")


if __name__ == "__main__":
    main()
