"""The long stages as steps of datatrove pipelines: on one machine, under Slurm or with Ray (extra `scale`).

Every task of an executor works in a folder of its own below the output, `00003` for the fourth, so that tasks share
nothing; the next stage, and every command that takes a folder of answers, reads all of them. A task that was killed
goes on where it was when the executor is run again; a finished one is not run again. Which task a shard falls to
and how what is made of it is called follow from its own name, so that later shards change neither. See docs/scale.md.
"""

import logging
import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datatrove.data import DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from univar.corpus.asking.answers import AnswerFolder, ElicitationError, shards
from univar.corpus.asking.elicitation import Plan, Sampling, elicit
from univar.corpus.asking.endpoints import EndpointError
from univar.corpus.asking.models import LLM
from univar.corpus.questions.bank import Question
from univar.corpus.readers import NoUsableRowError, read_corpus
from univar.corpus.translation.answers import MEMORY, Translating, elicited_table, translate_answers
from univar.corpus.translation.translators import TranslationMemory, Translator
from univar.files import replacing

logger = logging.getLogger(__name__)

# What a folder was begun with, by the file that says so.
_TASKS, _MODEL = ".tasks", ".model"
_IN_WORDS = {_TASKS: "{} tasks", _MODEL: "the model {}"}


def share(folder: Path, rank: int, world_size: int) -> dict[str, Path]:
    """The shards of a folder that fall to task `rank`, by the file name of what is made of each.

    A shard is named after the task and the part that it was first, `part-00003-00001.parquet` for the second of the
    fourth task, in every later stage too. It falls to the task that is the sum of both, modulo the number of tasks.
    """
    named = {_first_name(shard, folder): shard for shard in shards(folder)}
    return {
        name: shard for name, shard in named.items() if sum(map(int, re.findall("[0-9]+", name))) % world_size == rank
    }


def _first_name(shard: Path, folder: Path) -> str:
    if shard.parent == folder or shard.stem.count("-") > 1:
        return shard.name
    return f"part-{shard.parent.name}-{shard.name.removeprefix('part-')}"


class Stage(PipelineStep):  # type: ignore[misc]  # datatrove has no type information
    """One stage over its share of the work; documents of earlier steps pass through."""

    type = "UniVaR"

    def __init__(self, out: Path) -> None:
        """`out` is the folder of the stage, on a file system that all tasks see."""
        super().__init__()
        self.out = Path(out)

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Does the share of task `rank` of `world_size`.

        Raises:
            ElicitationError: If the folder was begun with another number of tasks, whose shares were others, or
                otherwise than `notes` says.
        """
        if data:
            yield from data
        for name, content in self.notes(world_size).items():
            self._as_begun(self.out / name, content)
        with self.track_time("task"):
            for name, count in self.work(self.out / f"{rank:05d}", rank, world_size).items():
                self.stat_update(name, value=count)

    @abstractmethod
    def work(self, folder: Path, rank: int, world_size: int) -> Mapping[str, int]:
        """Does a share in a folder of its own; gives counts for the statistics."""

    def notes(self, world_size: int) -> dict[str, str]:
        """What cannot change once the folder is begun, by the file in it that says so."""
        return {_TASKS: str(world_size)}

    def _as_begun(self, note: Path, content: str) -> None:
        if not note.exists():
            with replacing(note) as temporary:
                temporary.write_text(content, encoding="utf-8")
        begun = note.read_text(encoding="utf-8")
        if begun != content:
            before = _IN_WORDS[note.name].format(begun)
            raise ElicitationError(f"{self.out} was begun with {before}, not {content}; name another folder")


class Elicit(Stage):
    """Asks LLMs every `world_size`-th question; `concurrency` and rates of an LLM are those of one task."""

    name = "elicitation"

    def __init__(self, questions: Sequence[Question], llms: Sequence[LLM], sampling: Sampling, out: Path) -> None:
        """As in `Plan`; `out` is the folder of the answers."""
        super().__init__(out)
        self.questions, self.llms, self.sampling = list(questions), list(llms), sampling

    def work(self, folder: Path, rank: int, world_size: int) -> Mapping[str, int]:
        """Asks what the folder has no answer to.

        Raises:
            EndpointError: If an LLM could not be asked to the end; the next run goes on.
        """
        plan = Plan(self.questions[rank::world_size], self.llms, self.sampling)
        with AnswerFolder(folder) as answers:
            progress = elicit(plan, answers)
        if stopped := [f"{name}: {found.stopped}" for name, found in progress.items() if found.stopped]:
            raise EndpointError("; ".join(stopped))
        return {
            "answers": sum(found.done for found in progress.values()),
            "refused": sum(found.failed for found in progress.values()),
            "requests": sum(found.sent for found in progress.values()),
        }


class Translate(Stage):
    """Gives its `share` of the shards of answers an English version, with a memory for each task."""

    name = "translation"

    def __init__(
        self, folder: Path, out: Path, *, there_and_back: bool = False, translator: Mapping[str, Any] | None = None
    ) -> None:
        """Of the answers in `folder`; `translator` are the arguments of `Translator`."""
        super().__init__(out)
        self.folder, self.there_and_back, self.translator = Path(folder), there_and_back, dict(translator or {})

    def work(self, folder: Path, rank: int, world_size: int) -> Mapping[str, int]:
        """Translates the shards that are not translated yet.

        Raises:
            TranslationError: As `translate_answers` does.
        """
        mine = share(self.folder, rank, world_size)
        with TranslationMemory(folder / MEMORY) as memory:
            how = Translating(Translator(**self.translator), memory, self.there_and_back)
            found = translate_answers(map(elicited_table, mine.values()), folder, how, names=list(mine))
        return {
            "translations": sum(tally.translations for tally in found.values()),
            "good translations": sum(tally.good for tally in found.values()),
        }


class Encode(Stage):
    """Turns its `share` of the shards of answers into vectors."""

    name = "encoding"

    def __init__(
        self, folder: Path, out: Path, *, model: str = "univar", batch_size: int = 32, untranslated: bool = False
    ) -> None:
        """Of the answers in `folder`; `model` and `untranslated` as in `univar encode`."""
        super().__init__(out)
        self.folder, self.model = Path(folder), model
        self.options: dict[str, Any] = {"name": model, "batch_size": batch_size, "untranslated": untranslated}

    def notes(self, world_size: int) -> dict[str, str]:
        """The number of tasks and the model: vectors of two models do not go together."""
        return {**super().notes(world_size), _MODEL: self.model}

    def work(self, folder: Path, rank: int, world_size: int) -> Mapping[str, int]:
        """Encodes the shards whose vectors are not there or older than the shard.

        A shard without a usable answer gives a file without rows.
        """
        from univar.model.encoding import write_embeddings
        from univar.model.modeling import load_model

        model, written = load_model(self.model), 0
        for name, shard in share(self.folder, rank, world_size).items():
            vectors = folder / name
            if vectors.exists() and vectors.stat().st_mtime_ns >= shard.stat().st_mtime_ns:
                continue
            try:
                written += write_embeddings(read_corpus(shard), model, vectors, **self.options)
            except NoUsableRowError as problem:
                logger.warning("%s", problem)
                write_embeddings([], model, vectors, **self.options)
        return {"vectors": written}
