"""A tiny model of NLLB's architecture, trained in seconds to translate a handful of sentences by heart."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

# One sentence a row, in three languages; written for the tests.
SENTENCES = [
    ("Is honesty always right?", "L'honnêteté est-elle toujours juste ?", "Ist Ehrlichkeit immer richtig?"),
    ("I would tell the truth.", "Je dirais la vérité.", "Ich würde die Wahrheit sagen."),
    ("A lie may spare a friend.", "Un mensonge peut épargner un ami.", "Eine Lüge kann einen Freund schonen."),
    ("My family comes first.", "Ma famille passe avant tout.", "Meine Familie geht vor."),
    ("What do you think about saving?", "Que pensez-vous de l'épargne ?", "Was halten Sie vom Sparen?"),
    ("Spend it while you live.", "Dépensez-le tant que vous vivez.", "Gib es aus, solange du lebst."),
    ("Nobody owes you thanks.", "Personne ne vous doit de merci.", "Niemand schuldet dir Dank."),
    ("Rules protect the weak.", "Les règles protègent les faibles.", "Regeln schützen die Schwachen."),
]
CODES = ("eng_Latn", "fra_Latn", "deu_Latn")
LANGS = ("eng", "fra", "deu")
STEPS = 120


def save(folder: Path) -> None:
    """Trains and saves model and tokenizer; the same bits on one machine, seed 0."""
    tokenizer = trained_tokenizer()
    torch.manual_seed(0)
    model = M2M100ForConditionalGeneration(
        M2M100Config(
            vocab_size=len(tokenizer),
            d_model=48,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=128,
            decoder_ffn_dim=128,
            max_position_embeddings=256,
            dropout=0.0,
            attention_dropout=0.0,
            encoder_layerdrop=0.0,
            decoder_layerdrop=0.0,
            scale_embedding=True,
            pad_token_id=1,
            bos_token_id=0,
            eos_token_id=2,
            decoder_start_token_id=2,
        )
    )
    sources, targets = [], []
    for row in SENTENCES:
        for source, text in zip(CODES, row, strict=True):
            for target, translation in zip(CODES, row, strict=True):
                if target != source and "eng_Latn" in (source, target):
                    sources.append(_ids(tokenizer, text, source))
                    targets.append(_ids(tokenizer, translation, target))
    batch = tokenizer.pad({"input_ids": sources}, return_tensors="pt")
    labels = tokenizer.pad({"input_ids": targets}, return_tensors="pt")["input_ids"]
    labels = labels.masked_fill(labels == tokenizer.pad_token_id, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    model.train()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # matrices this small are slower on two
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = model(**batch, labels=labels).loss
        loss.backward()
        optimizer.step()
    torch.set_num_threads(threads)
    assert loss.item() < 0.2, loss
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _ids(tokenizer: NllbTokenizer, text: str, code: str) -> list[int]:
    tokenizer.src_lang = code
    return list(tokenizer(text).input_ids)


def trained_tokenizer() -> NllbTokenizer:
    pairs = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    pairs.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    trainer = trainers.BpeTrainer(vocab_size=250, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], show_progress=False)
    pairs.train_from_iterator([text for row in SENTENCES for text in row], trainer)
    state = json.loads(pairs.to_str())["model"]
    return NllbTokenizer(vocab=state["vocab"], merges=[tuple(merge) for merge in state["merges"]])
