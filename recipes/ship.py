"""Makes the files that ship from a trained model: the low-rank adapter, its record and card, the reference centroids.

    python recipes/ship.py TRAINED_MODEL DATA_FOLDER

DATA_FOLDER holds valuebench.parquet, political_compass.parquet and speechmap.parquet; only figures computed from
them are written. `make weights` trains and ships in one go.
"""

import argparse
import hashlib
import json
from pathlib import Path

import safetensors.torch

from univar.analysis.comparison import compare, sentence_encoder, tfidf
from univar.analysis.reference import build_reference, write_reference
from univar.corpus.readers import read_corpus
from univar.corpus.records import QARecord
from univar.files import replacing
from univar.model import weights
from univar.model.cards import model_card
from univar.model.modeling import UniVaR, load_model

CORPORA = ("valuebench", "political_compass", "speechmap")
ATTRIBUTION = """\
valuebench: Value4AI/ValueBench (MIT). political_compass: paul-rottger/llm-values-pct (CC-BY-4.0), Röttger et al. 2024,
"Political Compass or Spinning Arrow?". speechmap: xlr8harder/llm-compliance (Apache-2.0), English rows. simulated:
`univar.corpus.simulation`, styles redrawn. Base encoder: sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0)."""


def read(folder: Path, name: str) -> list[QARecord]:
    return list(read_corpus(folder / f"{name}.parquet", lang=["eng"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rank", type=int, default=48, help="rank of the adapter")
    options = parser.parse_args()

    base, trained = load_model("base"), UniVaR(str(options.model))
    change = weights.low_rank_change(
        base[0].auto_model.state_dict(), trained.encoder.state_dict(), rank=options.rank
    )
    adapter = weights.ASSETS / weights.ADAPTER_FILE
    with replacing(adapter) as temporary:
        safetensors.torch.save_file(change, temporary)
    record = {
        **trained.training_record,
        "adapter_sha256": hashlib.sha256(adapter.read_bytes()).hexdigest(),
        "rank": options.rank,
        "max_tokens": trained.max_seq_length,
    }
    with replacing(weights.ASSETS / weights.RECORD_FILE) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    write_card_placeholder = weights.ASSETS / weights.CARD_FILE
    if not write_card_placeholder.exists():
        write_card_placeholder.write_text("", encoding="utf-8")

    shipped = UniVaR("univar")
    corpora = {name: read(options.data, name) for name in CORPORA}
    trained_on = frozenset(record["questions"])
    encoders = {
        "univar": sentence_encoder(shipped),
        "univar, full weights": sentence_encoder(trained),
        "base": sentence_encoder(base),
        "tfidf": tfidf(),
    }
    comparisons = {
        name: compare(records, encoders, control=controls(options.data, name, records), trained_on=trained_on)
        for name, records in corpora.items()
    }
    tables = {name: comparison.to_markdown() for name, comparison in comparisons.items()}
    with replacing(weights.ASSETS / weights.CARD_FILE) as temporary:
        card = model_card(shipped, comparisons=tables, notes={"Data and licences": ATTRIBUTION})
        temporary.write_text(card, encoding="utf-8")
    write_reference(build_reference(corpora, shipped))


def controls(folder: Path, name: str, records: list[QARecord]) -> list[QARecord] | None:
    """General instructions answered by the same LLMs, where the folder has them."""
    owners = {record.identity for record in records}
    files = ["control_alpaca_eval", "control_matched"] if name == "valuebench" else ["control_matched"]
    for file in files:
        path = folder / f"{file}.parquet"
        found = [record for record in read_corpus(path) if record.identity in owners] if path.exists() else []
        if found:
            return found
    return None


if __name__ == "__main__":
    main()
