"""Translation, side by side in one run: CTranslate2 in int8 and in float32 against transformers in float32.

    python benchmarks/translation.py

The model is as wide as NLLB-200-distilled-600M, has a quarter of its layers and vocabulary so that this takes a minute,
and random weights, on which speed does not depend. It hardly ever ends a sentence, so that every way writes about the
same number of tokens. Greedy search.
"""

import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import M2M100Config, M2M100ForConditionalGeneration

from tests import tiny_nllb
from univar.corpus.questions.bank import question_bank
from univar.corpus.translation.translators import Backend, Precision, Translator

VOCABULARY = 64_000
LAYERS = 3
SENTENCES = 8
BEAMS = 1
WAYS: list[tuple[Backend, Precision]] = [
    ("transformers", "float32"),
    ("ctranslate2", "float32"),
    ("ctranslate2", "int8"),
]


def save_random(folder: Path) -> None:
    """A model as wide as NLLB-200-distilled-600M that no training has touched."""
    torch.manual_seed(0)
    config = M2M100Config(
        vocab_size=VOCABULARY,
        d_model=1024,
        encoder_layers=LAYERS,
        decoder_layers=LAYERS,
        encoder_attention_heads=16,
        decoder_attention_heads=16,
        encoder_ffn_dim=4096,
        decoder_ffn_dim=4096,
        max_position_embeddings=1024,
        scale_embedding=True,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        decoder_start_token_id=2,
    )
    M2M100ForConditionalGeneration(config).save_pretrained(folder)
    tiny_nllb.trained_tokenizer().save_pretrained(folder)


def seconds(translator: Translator, sentences: list[str]) -> float:
    translator.load()
    list(translator.batches(sentences[:1], "eng", "fra"))
    start = time.perf_counter()
    list(translator.batches(sentences, "eng", "fra"))
    return time.perf_counter() - start


def main() -> None:
    sentences = [question.question for question in question_bank() if len(question.question) < 60][:SENTENCES]
    with tempfile.TemporaryDirectory() as folder:
        import huggingface_hub.constants

        huggingface_hub.constants.HF_HOME = folder  # of the converted models, to be thrown away
        save_random(Path(folder) / "nllb")
        times = {}
        for backend, precision in WAYS:
            translator = Translator(str(Path(folder) / "nllb"), backend=backend, precision=precision, beams=BEAMS)
            times[backend, precision] = seconds(translator, sentences)
            sys.stderr.write(f"{backend} {precision}: {times[backend, precision]:.1f} s\n")
    for way, taken in times.items():
        print(f"| {' '.join(way)} | {times[WAYS[0]] / taken:.1f} x |")


if __name__ == "__main__":
    main()
