"""Trains the weights that ship and makes their files: adapter, record, model card, reference centroids, a map.

    make weights DATA=folder

The folder holds the corpora that `recipes.stance_corpora` names and, for references and the map, valuebench.parquet,
political_compass.parquet and speechmap.parquet; only figures computed from them are written, to the package and docs/.
"""

import argparse
import hashlib
import json
import logging
from pathlib import Path

import safetensors.torch

from recipes.measured import value_corpora
from recipes.stances import trained
from univar.analysis.map.reading import build_map
from univar.analysis.pictures.map_figure import draw_map
from univar.analysis.reference import build_reference, write_reference
from univar.analysis.stance_comparison import compare_stances
from univar.corpus.questions.poles import poles
from univar.files import replacing
from univar.model import weights
from univar.model.embedded import embed
from univar.model.encoding import as_read
from univar.model.modeling import UniVaR, load_model
from univar.model.pole_vectors import ship_poles

RANK = 256
"""Of what the adapter holds of the training."""

DOCS = Path(__file__).parents[1] / "docs"
ATTRIBUTION = """\
Texts by people:

- perspectrum: Chen et al. 2019, "Seeing Things from a Different Angle", CogComp, CC-BY-SA-4.0.
- valueeval23_stance, human_values: Mirzakhmedova et al. 2023, "The Touché23-ValueEval Dataset", CC-BY-SA-4.0.
- ibm_argkp: Bar-Haim et al. 2020, IBM, CDLA-Sharing-1.0. ibm_claim_stance: Bar-Haim et al. 2017, IBM, CC-BY-SA-3.0.
- arct: Habernal et al. 2018, "The Argument Reasoning Comprehension Task", UKP Lab, Apache-2.0.

Texts by LLMs:

- habermas_statements: Tessler et al. 2024, CC-BY-4.0.
- traits, statements: Perez et al. 2022, "Discovering Language Model Behaviors", anthropics/evals, CC-BY-4.0.
- valuebench: Value4AI/ValueBench, MIT. moral_vignettes: Davvi1/moral-foundations-in-LLMs-Kirgis-Extension, MIT.
- sycobench: timfduffy and weibac, syco-bench, MIT-0.
- political_compass: paul-rottger/llm-values-pct, CC-BY-4.0; Röttger et al. 2024, "Political Compass or Spinning Arrow?"
- poles and simulated: of this project.
- Control answers: meltemi-ai/arena-hard-auto-english, WildEval/ZeroEval and open-thought/reasoning-gym-eval,
  Apache-2.0; EQ-bench/longform-writing-bench, MIT; English rows of lightblue-tech/multilingual-mt-bench, Apache-2.0.

Base encoder: sentence-transformers/all-MiniLM-L6-v2, Apache-2.0."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the corpora")
    parser.add_argument("--model", type=Path, default=Path("build/weights"), help="trained here, unless it exists")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    ship_adapter(trained(options.data, options.model))
    shipped = UniVaR("univar")
    ship_poles(embed([pole.record for pole in poles()], shipped, name="univar"))
    compared = compare_stances(models=["univar", "base", "tfidf"])
    tables = {"What an answer stands for: the poles": compared.to_markdown()}
    with replacing(weights.ASSETS / weights.CARD_FILE) as temporary:
        card = shipped.render_card(comparisons=tables, notes={"Data and licences": ATTRIBUTION})
        temporary.write_text(card, encoding="utf-8")
    corpora = value_corpora(options.data)
    write_reference(build_reference(corpora, shipped))
    answers = corpora["valuebench"]
    value_map = build_map(answers, shipped.encode(as_read(shipped, [record.text for record in answers])))
    draw_map(value_map, DOCS / "map-valuebench.png", title="valuebench: questions that no weight was trained on")


def ship_adapter(trained_model: UniVaR) -> None:
    """Writes the adapter and its record; the old card stays until the new one is made."""
    base = load_model("base")[0].auto_model
    adapter = weights.ASSETS / weights.ADAPTER_FILE
    with replacing(adapter) as temporary:
        change = weights.low_rank_change(base.state_dict(), trained_model.encoder.state_dict(), RANK)
        safetensors.torch.save_file(change, temporary)
    sha256 = hashlib.sha256(adapter.read_bytes()).hexdigest()
    record = {"adapter_sha256": sha256, "rank": RANK, **trained_model.training_record}
    with replacing(weights.ASSETS / weights.RECORD_FILE) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (weights.ASSETS / weights.CARD_FILE).touch()


if __name__ == "__main__":
    main()
