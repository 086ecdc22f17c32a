"""The `datasets` builder behind `load_dataset("univar-qa", configuration)`."""

import hashlib
import inspect
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import datasets

from univar.corpus import readers, simulation
from univar.corpus.readers import CorpusError, Rejects, read_corpus
from univar.corpus.records import SCHEMA, split_of, to_row
from univar.corpus.simulation import StyleMode, asked_questions, simulated_records

logger = logging.getLogger(__name__)

_EXAMPLES = 'load_dataset("univar-qa", "simulated"), load_dataset("univar-qa", "answers", data_dir="folder")'


@dataclass
class UniVaRQAConfig(datasets.BuilderConfig):  # type: ignore[misc]
    """What all configurations share. `datasets` makes one of this class itself only if it is given no name."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name == "default":
            raise ValueError(f"univar-qa needs a configuration, one of: answers, simulated. For example {_EXAMPLES}")

    def fingerprint(self) -> str:
        """A digest of everything that the rows depend on."""
        raise NotImplementedError

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Any = None) -> str:
        """The name of the cache folder.

        `datasets` would hash `data_files`, which for a packaged builder are all files below the working folder.
        """
        own = "" if custom_features is None else f"-{_digest(str(custom_features))}"
        return f"{self.name}-{self.fingerprint()}{own}"


@dataclass
class SimulatedConfig(UniVaRQAConfig):
    """A corpus whose latent values are known; the options are those of `univar.corpus.simulation.simulate`."""

    identities: int = 12
    questions: int = 200
    seed: int = 0
    samples: int = 1
    style: StyleMode = "identity"

    def options(self) -> dict[str, Any]:
        """The arguments of `simulate`."""
        names = ("identities", "questions", "seed", "samples", "style")
        return {name: getattr(self, name) for name in names}

    def fingerprint(self) -> str:
        """Depends on the options, on the sentences that answers are composed of, and on how."""
        if self.data_dir is not None:
            raise ValueError(
                f"the configuration simulated reads no files, got data_dir={self.data_dir!r}; leave it out"
            )
        simulated_records(**self.options())  # refuses an option that is out of range, before anything is cached
        sentences = (file.read_text("utf-8") for file in _files_of(files("univar") / "assets" / "simulation"))
        return _digest(repr(self.options()), inspect.getsource(simulation), *sentences)


@dataclass
class AnswersConfig(UniVaRQAConfig):
    """A corpus of one's own: `data_dir` is a folder or a file in any format that `read_corpus` reads."""

    def fingerprint(self) -> str:
        """Depends on the place, size and time of the files, so that a changed folder is read again."""
        if self.data_dir is None:
            raise ValueError(f"the configuration answers needs data_dir=, a folder or file; for example {_EXAMPLES}")
        source = Path(self.data_dir).expanduser().resolve()
        if not source.exists():
            raise CorpusError(f"no such file or folder: {source}; data_dir is where the answers are")
        found = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
        stats = [(str(path), path.stat()) for path in found]
        return _digest(
            inspect.getsource(readers), *(f"{path} {stat.st_size} {stat.st_mtime_ns}" for path, stat in stats)
        )


class UniVaRQA(datasets.GeneratorBasedBuilder):  # type: ignore[misc]
    """QAs as a `datasets` dataset, with the columns of `univar.corpus.records.SCHEMA`.

    `simulated` has the splits train, validation and test by the fixed rule of `split_of` (a split that no question
    falls into is left out); `answers` has one, train.
    """

    BUILDER_CONFIG_CLASS = UniVaRQAConfig
    BUILDER_CONFIGS = (SimulatedConfig(name="simulated"), AnswersConfig(name="answers"))

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(
            description="Answers of LLMs to value-eliciting questions.",
            features=datasets.Features.from_arrow_schema(SCHEMA),
        )

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        if isinstance(self.config, SimulatedConfig):
            asked = asked_questions(self.config.questions, seed=self.config.seed)
            used = {split_of(question.text) for question in asked}  # `datasets` cannot read a split without rows
            return [
                datasets.SplitGenerator(name=split, gen_kwargs={"split": split})
                for split in ("train", "validation", "test")
                if split in used
            ]
        next(read_corpus(self._source()))  # says what is wrong with it here; later `datasets` would hide the message
        return [datasets.SplitGenerator(name="train", gen_kwargs={"split": None})]

    def _generate_examples(self, split: str | None) -> Iterator[tuple[int, dict[str, Any]]]:
        if isinstance(self.config, SimulatedConfig):
            records = simulated_records(**self.config.options())
            yield from ((row, to_row(r)) for row, r in enumerate(records) if split_of(r.question_key) == split)
            return
        with Rejects() as rejects:
            yield from ((row, to_row(r)) for row, r in enumerate(read_corpus(self._source(), rejects=rejects)))
        if rejects.counts:
            logger.warning("%s: %s", self._source(), rejects.summary())

    def _source(self) -> Path:
        return Path(self.config.data_dir).expanduser()


def _files_of(folder: Traversable) -> Iterator[Traversable]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _files_of(entry)
        elif entry.name.endswith(".yaml"):
            yield entry


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()
