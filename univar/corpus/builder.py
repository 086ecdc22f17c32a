"""The `datasets` builder behind `load_dataset("univar-qa", configuration)`."""

import hashlib
import inspect
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import datasets

from univar.corpus import readers, reasoning, simulation
from univar.corpus.languages import language_code
from univar.corpus.questions.bank import (
    FORMS,
    Question,
    bank_languages,
    control_questions,
    core_questions,
    questions_in,
    topics,
)
from univar.corpus.questions.poles import VOICES, Pole, poles
from univar.corpus.questions.taxonomy import reference_taxonomy
from univar.corpus.readers import CorpusError, Rejects, read_corpus
from univar.corpus.records import SCHEMA, Split, split_of, to_row
from univar.corpus.simulation import StyleMode, asked_questions, simulated_records

logger = logging.getLogger(__name__)

_SPLITS: tuple[Split, ...] = ("train", "validation", "test")
_EXAMPLE = 'load_dataset("univar-qa", "answers", data_dir="folder")'


@dataclass
class UniVaRQAConfig(datasets.BuilderConfig, ABC):  # type: ignore[misc]
    """What all configurations share."""

    @abstractmethod
    def fingerprint(self) -> str:
        """A digest of everything that the rows depend on."""

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Any = None) -> str:
        """The name of the cache folder.

        `datasets` would hash `data_files`, which for a packaged builder are all files below the working folder.
        """
        own = "" if custom_features is None else f"-{_digest(str(custom_features))}"
        return f"{self.name}-{self.fingerprint()}{own}"


@dataclass
class QuestionsConfig(UniVaRQAConfig):
    """The question bank in one language or several, or its control questions, which are in English.

    Attributes:
        lang: A language, or a list of them: then the questions come language by language.
        core: Whether the core alone is wanted.
    """

    lang: str | Sequence[str] = "eng"
    core: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            names = ", ".join(config.name for config in UniVaRQA.BUILDER_CONFIGS)
            raise ValueError(f"the name of a configuration of univar-qa is one of {names}, got {self.name!r}")
        super().__post_init__()

    def questions(self) -> tuple[Question, ...]:
        """All questions of the configuration."""
        if self.data_dir is not None:
            raise ValueError(
                f"the configuration {self.name} reads no files, got data_dir={self.data_dir!r}; leave it out"
            )
        languages = self._languages()
        if self.name == "controls":
            if languages != ["eng"]:
                raise ValueError(f"control questions are in English only, got lang={self.lang!r}")
            if self.core:
                raise ValueError("control questions have no core; leave core=True out")
            return control_questions()
        of = core_questions if self.core else questions_in
        return tuple(question for language in languages for question in of(language))

    def _languages(self) -> list[str]:
        """The codes that are asked for, each once."""
        given = [self.lang] if isinstance(self.lang, str) else self.lang
        if not isinstance(given, list | tuple) or not given or not all(isinstance(code, str) for code in given):
            raise ValueError(
                f"lang must be the code of a language or a list of such codes, got {self.lang!r}; for example "
                f'lang="fra" or lang=["fra", "eng"], of {", ".join(bank_languages())}'
            )
        return list(dict.fromkeys(map(language_code, given)))

    def fingerprint(self) -> str:
        """Depends on the questions themselves."""
        return _digest(*(repr(question) for question in self.questions()))


@dataclass
class PolesConfig(UniVaRQAConfig):
    """Written answers from both ends of every value, each in two voices, in English."""

    def fingerprint(self) -> str:
        """Depends on the poles themselves."""
        if self.data_dir is not None:
            raise ValueError(f"the configuration poles reads no files, got data_dir={self.data_dir!r}; leave it out")
        return _digest(*map(repr, poles()))


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
        return _digest(repr(self.options()), SCHEMA.to_string(), inspect.getsource(simulation), *sentences)


@dataclass
class AnswersConfig(UniVaRQAConfig):
    """A corpus of one's own: `data_dir` is a folder or a file in any format that `read_corpus` reads."""

    def fingerprint(self) -> str:
        """Depends on the place, size and time of the files, so that a changed folder is read again."""
        if self.data_dir is None:
            raise ValueError(f"the configuration answers needs data_dir=, a folder or file; for example {_EXAMPLE}")
        if not isinstance(self.data_dir, str | os.PathLike) or not os.fspath(self.data_dir):
            raise ValueError(f"data_dir must be one folder or one file, got {self.data_dir!r}; for example {_EXAMPLE}")
        source = Path(self.data_dir).expanduser().resolve()
        if not source.exists():
            raise CorpusError(f"no such file or folder: {source}; data_dir is where the answers are")
        found = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
        stats = [(str(path), path.stat()) for path in found]
        code = _files_of(files("univar") / "corpus" / "formats", ".py")
        made_by = (*map(inspect.getsource, (readers, reasoning)), *(file.read_text("utf-8") for file in code))
        return _digest(
            SCHEMA.to_string(), *made_by, *(f"{path} {stat.st_size} {stat.st_mtime_ns}" for path, stat in stats)
        )


class UniVaRQA(datasets.GeneratorBasedBuilder):  # type: ignore[misc]
    """The question bank, or QAs with the columns of `univar.corpus.records.SCHEMA`, as a `datasets` dataset.

    `questions` (the default), `controls` and `simulated` have the splits train, validation and test by the fixed rule
    of `split_of` (a split that no question falls into is left out), `poles` by that of `Pole.split`; `answers` has one,
    train.
    """

    BUILDER_CONFIG_CLASS = QuestionsConfig  # where the name is no text, which is refused
    BUILDER_CONFIGS = (
        QuestionsConfig(name="questions"),
        QuestionsConfig(name="controls"),
        PolesConfig(name="poles"),
        SimulatedConfig(name="simulated"),
        AnswersConfig(name="answers"),
    )
    DEFAULT_CONFIG_NAME = "questions"

    def _info(self) -> datasets.DatasetInfo:
        if isinstance(self.config, QuestionsConfig):
            return datasets.DatasetInfo(
                description="Questions that elicit human values from LLMs, and control questions that do not.",
                features=_question_features(),
                license="CC-BY-4.0",
            )
        if isinstance(self.config, PolesConfig):
            return datasets.DatasetInfo(
                description="Answers of people who hold a value dear and of people who do not, in twelve voices.",
                features=_pole_features(),
                license="CC-BY-4.0",
            )
        return datasets.DatasetInfo(
            description="Answers of LLMs to value-eliciting questions.",
            features=datasets.Features.from_arrow_schema(SCHEMA),
        )

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        if isinstance(self.config, QuestionsConfig):
            return _by_split(question.question_key for question in self.config.questions())
        if isinstance(self.config, PolesConfig):
            return _present({pole.split for pole in poles()})
        if isinstance(self.config, SimulatedConfig):
            asked = asked_questions(self.config.questions, seed=self.config.seed)
            return _by_split(question.text for question in asked)
        next(
            read_corpus(self._source(), rejects=Rejects())
        )  # says what is wrong with it here; later `datasets` would hide the message
        return [datasets.SplitGenerator(name="train", gen_kwargs={"split": None})]

    def _generate_examples(self, split: str | None) -> Iterator[tuple[int, dict[str, Any]]]:
        if isinstance(self.config, QuestionsConfig):
            chosen = (q for q in self.config.questions() if split_of(q.question_key) == split)
            yield from ((row, _question_row(question)) for row, question in enumerate(chosen))
            return
        if isinstance(self.config, PolesConfig):
            yield from ((row, _pole_row(pole)) for row, pole in enumerate(poles()) if pole.split == split)
            return
        if isinstance(self.config, SimulatedConfig):
            records = simulated_records(**self.config.options())
            yield from ((row, to_row(r)) for row, r in enumerate(records) if split_of(r.question_key) == split)
            return
        with Rejects() as rejects:
            yield from ((row, to_row(r)) for row, r in enumerate(read_corpus(self._source(), rejects=rejects)))
        for sentence in [*rejects.notes, *([f"{self._source()}: {rejects.summary()}"] if rejects.counts else [])]:
            logger.warning("%s", sentence)

    def _source(self) -> Path:
        return Path(self.config.data_dir).expanduser()


def _by_split(questions: Iterable[str]) -> list[datasets.SplitGenerator]:
    return _present({split_of(question) for question in questions})


def _present(used: set[Split]) -> list[datasets.SplitGenerator]:
    # `datasets` cannot read a split without rows.
    return [datasets.SplitGenerator(name=split, gen_kwargs={"split": split}) for split in _SPLITS if split in used]


def _question_features() -> datasets.Features:
    taxonomy = reference_taxonomy()
    return datasets.Features(
        {
            "question_id": datasets.Value("string"),
            "question": datasets.Value("string"),
            "question_eng": datasets.Value("string"),
            "lang": datasets.Value("string"),
            "value": datasets.ClassLabel(names=[value.id for value in taxonomy.values]),
            "family": datasets.ClassLabel(names=[family.id for family in taxonomy.families]),
            "form": datasets.ClassLabel(names=list(FORMS)),
            "topic": datasets.ClassLabel(names=[*topics("value"), *topics("control")]),
            "paraphrases": datasets.List(datasets.Value("string")),
        }
    )


def _pole_features() -> datasets.Features:
    questions = _question_features()
    return datasets.Features(
        {
            **{name: questions[name] for name in ("question_id", "question", "value", "form")},
            "answer": datasets.Value("string"),
            "stance": datasets.Value("int8"),
            "voice": datasets.ClassLabel(names=list(VOICES)),
            "author": datasets.Value("string"),
            "lang": datasets.Value("string"),
        }
    )


def _pole_row(pole: Pole) -> dict[str, Any]:
    asked = pole.question
    question = {name: getattr(asked, name) for name in ("question_id", "question", "value", "form")}
    said = {name: getattr(pole, name) for name in ("answer", "stance", "voice", "author", "lang")}
    return {**question, **said}


def _question_row(question: Question) -> dict[str, Any]:
    family = None if question.value is None else reference_taxonomy().value(question.value).families[0]
    return {**asdict(question), "family": family, "paraphrases": list(question.paraphrases)}


def _files_of(folder: Traversable, suffix: str = ".yaml") -> Iterator[Traversable]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _files_of(entry, suffix)
        elif entry.name.endswith(suffix):
            yield entry


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()
