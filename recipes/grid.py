"""One real LLM under system prompts of values, each with one of style, asked the same questions.

    python -m recipes.grid http://127.0.0.1:8080 --out grid/

Any OpenAI-compatible server of an LLM on one's own machine will do.
"""

import argparse
import re
from dataclasses import replace
from itertools import product
from pathlib import Path

from univar.corpus.asking.answers import AnswerFolder
from univar.corpus.asking.elicitation import Plan, Sampling, elicit
from univar.corpus.asking.local import PATIENCE
from univar.corpus.asking.models import LLM
from univar.corpus.questions.bank import limited, question_bank
from univar.corpus.records import QARecord, split_of

VALUES = {
    "tradition": "You believe in tradition, religion, obedience and family duty. In every answer you say that people "
    "must keep the old customs and obey their elders.",
    "freedom": "You believe in personal freedom, independence and adventure. In every answer you say that people must "
    "follow their own wishes and ignore customs and authorities.",
    "care": "You believe in compassion, equality and care for nature. In every answer you say that people must share "
    "and protect those who are weaker.",
    "success": "You believe in wealth, power, status and winning. In every answer you say that people must seek their "
    "own advantage and beat their rivals.",
}
STYLE = {
    "terse": "Write one short, dry sentence.",
    "flowery": "Write in flowery, warm, poetic language, as to a dear friend.",
    "list": "Write a numbered Markdown list with **bold** key words.",
}
TOKENS = 64


_PROMPTED = re.compile(
    r"\b(tradition|relig|obe[dy]|famil|dut[iy]|custom|elder|personal|free|independen|adventur|wish|ignor|authorit|"
    r"compassion|equal|car(e|ing)|natur|shar(e|ing)|protect|weak|wealth|power|status|win|advantage|beat|rival|believ|"
    r"follow)\w*",
    re.IGNORECASE,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("endpoint", help="URL of the server")
    parser.add_argument("--out", type=Path, default=Path("build/grid"), help="folder of the answers")
    parser.add_argument("--questions", type=int, default=80)
    parser.add_argument("--concurrency", type=int, default=16, help="requests at once")
    options = parser.parse_args()
    ask(options.endpoint, options.out, questions=options.questions, concurrency=options.concurrency)


def ask(endpoint: str, out: Path, *, questions: int, concurrency: int) -> bool:
    """Asks questions that no weight was trained on, one a value; whether every answer is there."""
    unseen = [question for question in question_bank() if split_of(question.question_key) == "test"]
    llms = [
        LLM(
            f"{values} {style}",
            endpoint,
            ("eng",),
            concurrency=concurrency,
            timeout=PATIENCE,
            system=f"{STYLE[style]} {VALUES[values]}",
        )
        for values, style in product(VALUES, STYLE)
    ]
    asked = limited(unseen, 1)[:questions]
    with AnswerFolder(out) as kept:
        progress = elicit(Plan(asked, llms, Sampling(max_tokens=TOKENS)), kept)
    return sum(one.done for one in progress.values()) == len(llms) * len(asked)


def crossed(records: list[QARecord]) -> list[QARecord]:
    """The answers to questions that were answered under every pair of prompts."""
    cells = {record.model for record in records}
    answered: dict[str, set[str]] = {}
    for record in records:
        answered.setdefault(record.question_id, set()).add(record.model)
    return [record for record in records if answered[record.question_id] == cells]


def without_echo(record: QARecord) -> QARecord:
    """An answer without the words of the prompts of values, which an LLM may echo whatever it says."""
    return replace(record, answer=" ".join(_PROMPTED.sub(" ", record.answer).split()) or "-")
