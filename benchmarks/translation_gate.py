"""What the quality gate of translations catches, and what it alarms falsely.

    python benchmarks/translation_gate.py

Clean translations are the bank's questions in 24 languages, to English and from it, one by one and four in a row, and
sentences with numbers and names (tests/data). In each, one defect after the other is planted. For the round trip, a
paraphrase stands for the text that came back: it is further from a question than that would be. The table is kept in
benchmarks/README.md.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from univar.corpus.languages import languages
from univar.corpus.questions.bank import question_bank, translated_questions
from univar.corpus.translation.quality import DEFECTS, LOWEST_ROUND_TRIP, Defect, defects, round_trip

SENTENCES = Path(__file__).parent.parent / "tests" / "data" / "numbers_and_names.yaml"
IN_A_ROW = 4
OTHER_NAMES = {
    "Priya": "Kofi",
    "Mateo": "Xiomara",
    "Toronto": "Bogota",
    "Ingrid": "Suresh",
    "Olsen": "Quiroga",
    "Amina": "Zofia",
    "Yusuf": "Petrov",
    "Nairobi": "Havana",
    "Lagos": "Quito",
    "Jonas": "Bjarne",
    "Lena": "Ulla",
    "Wiebke": "Katalin",
    "Hansen": "Duval",
    "Idris": "Chidi",
}
LATIN = {code for code, language in languages().items() if language.script == "Latn"}


@dataclass(frozen=True)
class Pair:
    """A text and a good translation of it, or with a defect."""

    source: str
    translation: str
    source_lang: str
    target_lang: str

    def found(self, translation: str, *, cut: bool = False) -> list[Defect]:
        return list(defects(self.source, translation, self.source_lang, self.target_lang, cut=cut))


def question_pairs(per_language: int | None = None) -> list[Pair]:
    """The bank's questions and rows of four, to English and from it."""
    of_language: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for question in translated_questions():
        of_language[question.lang].append((question.question, question.question_eng))
    pairs = []
    for lang, versions in of_language.items():
        some = versions[:per_language]
        rows = [some[start : start + IN_A_ROW] for start in range(0, len(some) - IN_A_ROW + 1, IN_A_ROW)]
        for there, english in [
            *some,
            *((" ".join(a), " ".join(b)) for a, b in (zip(*row, strict=True) for row in rows)),
        ]:
            pairs += [Pair(there, english, lang, "eng"), Pair(english, there, "eng", lang)]
    return pairs


def sentence_pairs() -> list[Pair]:
    """The sentences with numbers and names, to English and from it."""
    pairs = []
    for row in yaml.safe_load(SENTENCES.read_text(encoding="utf-8")):
        for lang in row.keys() - {"eng"}:
            pairs += [Pair(row[lang], row["eng"], lang, "eng"), Pair(row["eng"], row[lang], "eng", lang)]
    return pairs


def _other_numbers(text: str) -> str:
    return re.sub(r"\d+", lambda found: str(int(found[0]) + 111), text)


def _other_names(text: str) -> str:
    """Every name for one that stands in no sentence."""
    for name, other in OTHER_NAMES.items():
        text = text.replace(name, other)
    return text


def plants(pairs: list[Pair]) -> dict[str, tuple[Defect, Callable[[Pair], str]]]:
    """What is planted, in words: the defect that should be found, and what makes a bad translation of a good one."""
    rng = np.random.default_rng(0)
    same_lang = defaultdict(list)
    same_text: dict[tuple[str, ...], list[Pair]] = defaultdict(list)
    for pair in pairs:
        same_lang[pair.target_lang].append(pair.translation)
        same_text["eng", pair.source if pair.source_lang == "eng" else pair.translation].append(pair)

    def third(pair: Pair) -> str:
        english = pair.source if pair.source_lang == "eng" else pair.translation
        others = [
            other
            for other in same_text["eng", english]
            if other.target_lang not in ("eng", pair.source_lang, pair.target_lang)
        ]
        return others[rng.integers(len(others))].translation

    def tail(text: str) -> str:
        words = text.split()
        return " ".join(words[-3:]) if len(words) > 3 else text[-6:]

    return {
        "nothing": ("empty", lambda _: ""),
        "the translation in a third language": ("wrong language", third),
        "the source again": ("copied", lambda pair: pair.source),
        "its first quarter": ("length", lambda pair: pair.translation[: len(pair.translation) // 4]),
        "itself and others, three times as long": (
            "length",
            lambda pair: (pair.translation + " " + " ".join(rng.choice(same_lang[pair.target_lang], 30)))[
                : 3 * len(pair.translation)
            ],
        ),
        "its last words twelve times": (
            "repetition",
            lambda pair: pair.translation + f" {tail(pair.translation)}" * 12,
        ),
    }


def caught(pairs: list[Pair], defect: Defect, plant: Callable[[Pair], str]) -> tuple[int, int, int]:
    """How many were planted, how many alarmed as this defect, and how many alarmed at all."""
    found = [pair.found(plant(pair)) for pair in pairs]
    return len(found), sum(defect in item for item in found), sum(bool(item) for item in found)


def false_alarms(pairs: list[Pair]) -> Counter[str]:
    return Counter(defect for pair in pairs for defect in pair.found(pair.translation))


def round_trips() -> tuple[list[float], list[float]]:
    """chrF of paraphrases against their question, and of the next question against it."""
    core = [question for question in question_bank() if question.paraphrases]
    near = [round_trip(question.question, text) for question in core for text in question.paraphrases]
    far = [round_trip(a.question, b.question) for a, b in zip(core, core[1:] + core[:1], strict=True)]
    return near, far


def rows(per_language: int | None = None) -> Iterator[tuple[str, str, int, int, int]]:
    """What was planted, as what it should be caught, planted, caught as this, caught at all."""
    questions, sentences = question_pairs(per_language), sentence_pairs()
    for words, (defect, plant) in plants(questions).items():
        yield words, defect, *caught(questions, defect, plant)
    yield "other numbers", "numbers", *caught(sentences, "numbers", lambda pair: _other_numbers(pair.translation))
    yield "other names", "names", *caught(sentences, "names", lambda pair: _other_names(pair.translation))
    told = [
        pair
        for pair in sentences
        if {pair.source_lang, pair.target_lang} <= LATIN and pair.source_lang not in ("deu", "ind")
    ]
    yield "other names, Latin script", "names", *caught(told, "names", lambda pair: _other_names(pair.translation))
    _, far = round_trips()
    failed = sum(score < LOWEST_ROUND_TRIP for score in far)
    yield "another question came back", "round trip", len(far), failed, failed


def main() -> None:
    print("| planted | should be | n | caught as this | caught at all |\n|---|---|---:|---:|---:|")
    for words, defect, n, as_this, at_all in rows():
        print(f"| {words} | {defect} | {n:,} | {as_this / n:.1%} | {at_all / n:.1%} |")
    questions, sentences = question_pairs(), sentence_pairs()
    near, _ = round_trips()
    print("\n| false alarms | n |" + "".join(f" {name} |" for name in DEFECTS))
    print("|---|---:|" + "---:|" * len(DEFECTS))
    for words, pairs in (("questions and rows of four", questions), ("numbers and names", sentences)):
        alarms = false_alarms(pairs)
        print(f"| {words} | {len(pairs):,} |" + "".join(f" {alarms[name]} |" for name in DEFECTS))
    low = sum(score < LOWEST_ROUND_TRIP for score in near)
    print(f"| paraphrases | {len(near):,} |" + " |" * (len(DEFECTS) - 1) + f" {low} |")


if __name__ == "__main__":
    main()
