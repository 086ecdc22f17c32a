"""Elicited answers to a corpus: what cannot be used is kept apart with its reasons, the rest is what readers see."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from univar.corpus.asking.answers import ANSWERS, TRANSLATION, ElicitationError, shards
from univar.corpus.filters import DROPPED, Reason, reasons_against
from univar.corpus.reasoning import split_reasoning
from univar.corpus.records import Identity
from univar.corpus.stances import Side, side_of
from univar.files import replacing

KEPT, APART = "data", ".dropped"
"""Folders of a corpus: of the answers that readers see, and of the others, which they pass over."""

REFUSING = "refusing identity"
"""The reason against all answers of an LLM in a language in which it refuses too often."""

_FILE = "answers.parquet"  # the one in each of these folders
_CARD = "README.md"
_APART = pa.schema([*ANSWERS, pa.field("reasons", pa.list_(pa.string()), nullable=False)])
_UNTRANSLATED = dict.fromkeys(("answer_eng", *TRANSLATION.names))
_ROWS_AT_ONCE = 5_000


@dataclass
class IdentityCounts:
    """Of the answers of one LLM in one language.

    Attributes:
        answers: All of them.
        kept: Without a reason to keep them apart.
        words: Of the kept ones, separated by spaces.
        reasons: How many have each reason against them, whether or not it keeps them apart.
        untranslated: Of the kept ones, those in another language that have no English version.
        translators: How many of the kept ones each translator has given an English version.
        stances: How many of the kept ones are for, against and between, of those that have a stance.
    """

    answers: int = 0
    kept: int = 0
    words: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    untranslated: int = 0
    translators: Counter[str] = field(default_factory=Counter)
    stances: Counter[Side] = field(default_factory=Counter)

    @property
    def refusal_share(self) -> float:
        """Share of the answers that refuse, 0..1."""
        return self.reasons["refusal"] / self.answers if self.answers else 0.0


Counts = dict[Identity, IdentityCounts]


def count_answers(
    folder: Path, *, drop: Collection[Reason] = DROPPED, advance: Callable[[int], None] = lambda _: None
) -> Counts:
    """What a folder of elicited answers holds, by identity.

    Args:
        folder: Of elicited answers.
        drop: Reasons that keep an answer apart.
        advance: Is told how many more answers are counted.

    Raises:
        ElicitationError: If there are no such answers.
    """
    counts: Counts = defaultdict(IdentityCounts)
    for rows in _batches(folder):
        for row in rows:
            _judged(row, drop, counts)
        advance(len(rows))
    return dict(sorted(counts.items()))


def refusing_identities(counts: Counts, most: float) -> frozenset[Identity]:
    """The LLMs and languages of whose answers a larger share than `most` (0..1) refuses."""
    return frozenset(identity for identity, found in counts.items() if found.refusal_share > most)


def without(counts: Counts, refusing: Collection[Identity]) -> Counts:
    """The same counts, had the answers of these identities been kept apart."""
    return {
        identity: IdentityCounts(found.answers, 0, 0, found.reasons + Counter({REFUSING: found.answers}))
        if identity in refusing
        else found
        for identity, found in counts.items()
    }


def build_corpus(
    folder: Path,
    out: Path,
    *,
    drop: Collection[Reason] = DROPPED,
    refusing: Collection[Identity] = (),
    translated: bool = True,
    card: Callable[[Counts], str] | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Counts:
    """A corpus of the usable answers of a folder that `univar elicit` wrote.

    The others lie in `.dropped` beside it with their reasons: nothing is lost, and another choice of `drop` makes
    another corpus of the same answers. `out` appears whole or not at all, and is read by plain `load_dataset(out)`.

    Args:
        folder: Of elicited answers.
        out: Of the corpus; one that is there is replaced.
        drop: Reasons that keep an answer apart.
        refusing: Whose answers are all kept apart; see `refusing_identities`.
        translated: Whether the corpus has the English version of the answers, so that it is what is encoded; without,
            every answer is encoded as it was written, for multilingual encoders, and no translation is a bad one.
        card: Makes the README.md of the counts.
        advance: Is told how many more answers are done.

    Raises:
        ElicitationError: If there are no such answers, one of the two folders lies in the other, or `out` holds
            something else than a corpus, which would be lost.
    """
    _check_out(folder, out)
    counts: Counts = defaultdict(IdentityCounts)
    with replacing(out) as temporary:
        kept, apart = temporary / KEPT, temporary / APART
        kept.mkdir(parents=True)
        apart.mkdir()
        with (
            pq.ParquetWriter(kept / _FILE, ANSWERS) as usable,
            pq.ParquetWriter(apart / _FILE, _APART) as others,
        ):
            for rows in _batches(folder):
                if not translated:
                    rows = [{**row, **_UNTRANSLATED} for row in rows]
                judged = [{**row, "reasons": _judged(row, drop, counts, refusing)} for row in rows]
                usable.write_table(_table([row for row in judged if _usable(row["reasons"], drop)], ANSWERS))
                others.write_table(_table([row for row in judged if not _usable(row["reasons"], drop)], _APART))
                advance(len(rows))
        found = dict(sorted(counts.items()))
        if card is not None:
            (temporary / _CARD).write_text(card(found), encoding="utf-8")
    return found


def push_corpus(folder: Path, repo: str, *, private: bool = True, endpoint: str | None = None) -> str:
    """Publishes a corpus that `build_corpus` wrote as a data set of the Hub, without the answers kept apart.

    Args:
        folder: The corpus.
        repo: `owner/name`; made if it is not there.
        private: Of a repository that is made.
        endpoint: URL of a Hub other than the public one.

    Returns:
        The URL of the commit.

    Raises:
        ElicitationError: If the folder is no such corpus, or the Hub refuses; the message says what to do.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    if not (folder / KEPT).is_dir() or not (folder / _CARD).is_file():
        raise ElicitationError(f"{folder} is no corpus with a card; make one with `univar corpus build`")
    api = HfApi(endpoint=endpoint)
    try:
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            repo_type="dataset",
            ignore_patterns=[f"{APART}/*"],
            commit_message="Answers of LLMs to value-eliciting questions",
        )
    except LocalTokenNotFoundError as error:
        raise ElicitationError("you are not logged in to the Hub; run `hf auth login`") from error
    except HFValidationError as error:
        raise ElicitationError(f"{repo!r} is no name of a repository: {error}") from error
    except HfHubHTTPError as error:
        reason = " ".join(str(error).split())
        raise ElicitationError(
            f"the Hub refused to take {repo!r}: {reason:.300}; is the name yours, and may your token write?"
        ) from error
    return str(commit.commit_url)


def _check_out(folder: Path, out: Path) -> None:
    """Refuses to replace anything but a corpus, and folders of which one lies in the other."""
    if out.resolve().is_relative_to(folder.resolve()):
        raise ElicitationError(f"{out} lies in {folder} and would be read as answers; name another folder")
    if folder.resolve().is_relative_to(out.resolve()):
        raise ElicitationError(f"the answers of {folder} lie in {out}, which is replaced; name another folder")
    if out.exists() and not out.is_dir():
        raise ElicitationError(f"{out} is a file; name a folder, which will hold the corpus")
    if other := _something_else(out):
        raise ElicitationError(
            f"{out} holds something else than a corpus ({other}), which would be lost; name another folder"
        )


def _something_else(out: Path) -> Path | None:
    """The first thing in a folder that `build_corpus` has not put there, from the folder; None if there is none."""
    ours = {Path(name) / file for name in (KEPT, APART) for file in (".", _FILE)} | {Path(_CARD)}
    found = [path.relative_to(out) for name in (".", KEPT, APART) for path in sorted((out / name).glob("*"))]
    if Path(APART, _FILE) not in found:  # which a corpus has always, and a project with data and a README.md has not
        return next(iter(found), None)
    return next((path for path in found if path not in ours), None)


def _judged(
    row: dict[str, Any], drop: Collection[Reason], counts: Counts, refusing: Collection[Identity] = ()
) -> list[str]:
    identity = Identity(row["model"], row["lang"])
    said = row["answer"], row["question"], row["lang"], row["finish_reason"], row["reasoning"]
    reasons: list[str] = list(reasons_against(*said))
    if row["translation_defects"]:
        reasons.append("bad translation")
    if identity in refusing:
        reasons.append(REFUSING)
    of_identity = counts[identity]
    of_identity.answers += 1
    of_identity.reasons.update(reasons)
    if _usable(reasons, drop):
        of_identity.kept += 1
        of_identity.words += len(row["answer"].split())
        of_identity.untranslated += row["lang"] != "eng" and not row["answer_eng"]
        of_identity.translators.update(filter(None, [row["translator"]]))
        of_identity.stances.update([] if row["stance"] is None else [side_of(row["stance"])])
    return reasons


def _usable(reasons: Collection[str], drop: Collection[Reason]) -> bool:
    return not set(reasons) & {*drop, REFUSING}


def _batches(folder: Path) -> Iterator[list[dict[str, Any]]]:
    """The rows of all shards, thoughts apart; what may be null and an earlier version did not write is null."""
    found = shards(folder)
    if not found:
        raise ElicitationError(f"{folder} holds no elicited answers (part-*.parquet); make them with `univar elicit`")
    for shard in found:
        file = pq.ParquetFile(shard)
        absent = [column for column in ANSWERS if column.name not in file.schema_arrow.names]
        needed = sorted(column.name for column in absent if not column.nullable)
        if needed:
            raise ElicitationError(f"{shard} was not written by `univar elicit`: it lacks {', '.join(needed)}")
        nothing = dict.fromkeys(column.name for column in absent)
        for batch in file.iter_batches(_ROWS_AT_ONCE):
            yield [_parted({**nothing, **row}) for row in batch.to_pylist()]


def _parted(row: dict[str, Any]) -> dict[str, Any]:
    """A row without thoughts in its answer, as an earlier version wrote it and translators may have translated it."""
    answer, reasoning = split_reasoning(row["answer"], row["reasoning"])
    english = row["answer_eng"] and split_reasoning(row["answer_eng"]).answer
    return {**row, "answer": answer, "answer_eng": english, "reasoning": reasoning}


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist([{name: row[name] for name in schema.names} for row in rows], schema=schema)
