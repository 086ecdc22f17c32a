"""What `import univar` teaches sentence-transformers and datasets: the names `univar` and `univar-qa`.

Each is taught when its library is imported, before or after univar, so that `import univar` loads neither.
"""

import importlib
from types import ModuleType
from typing import Any

from wrapt import register_post_import_hook

DATASET = "univar-qa"
_BUILDER = "univar.corpus.builder"


def register() -> None:
    """Arranges for both registrations; calling it again changes nothing."""
    register_post_import_hook(_teach_sentence_transformers, "sentence_transformers.sentence_transformer.model")
    register_post_import_hook(_teach_datasets, "datasets.packaged_modules")
    register_post_import_hook(_spare_the_working_folder, "datasets.load")


def _teach_sentence_transformers(module: ModuleType) -> None:
    """Makes `SentenceTransformer("univar")` and `SentenceTransformer(saved UniVaR folder)` give a `UniVaR`.

    `SentenceTransformer` has no `__new__` of its own; ours picks the subclass and leaves all else as it is.
    """
    stock = module.SentenceTransformer
    if "__new__" in vars(stock):
        return

    def __new__(cls: type, name: object = None, *_: object, **arguments: object) -> Any:  # noqa: N807
        name = arguments.get("model_name_or_path", name)
        if cls is stock and name is not None:
            # Imported here and not above: modeling imports the module that is being taught.
            modeling = importlib.import_module("univar.model.modeling")
            if modeling.is_shipped(name) or modeling.is_univar_folder(name):
                return object.__new__(modeling.UniVaR)
        return object.__new__(cls)

    stock.__new__ = staticmethod(__new__)


def _teach_datasets(module: ModuleType) -> None:
    """Makes `load_dataset("univar-qa", ...)` run our builder.

    datasets 5 knows no loading scripts; a table of packaged builders, private to it, is the one way in.

    Raises:
        ImportError: If this version of datasets keeps the table elsewhere.
    """
    try:
        builders = module._PACKAGED_DATASETS_MODULES
        extensions = module._MODULE_TO_EXTENSIONS
    except AttributeError as error:
        raise _unknown_datasets() from error
    from univar import __version__  # here: the package is still being imported above

    builders[DATASET] = (_BUILDER, f"univar-{__version__}")
    extensions[DATASET] = []


def _spare_the_working_folder(module: ModuleType) -> None:
    """Leaves the search for files to our builder.

    For a packaged builder `datasets` lists all files below the working folder, or refuses an empty one.

    Raises:
        ImportError: If this version of datasets finds packaged builders in another way.
    """
    try:
        factory = module.PackagedDatasetModuleFactory
        stock = factory.get_module
    except AttributeError as error:
        raise _unknown_datasets() from error
    if getattr(stock, "__module__", None) == __name__:
        return

    def get_module(self: Any) -> Any:
        if self.name != DATASET:
            return stock(self)
        if self.data_files is not None:
            raise ValueError(f"{DATASET} takes data_dir=, not data_files=")
        path, digest = module._PACKAGED_DATASETS_MODULES[DATASET]
        return module.DatasetModule(path, digest, {"data_files": module.DataFilesDict(), "dataset_name": DATASET})

    factory.get_module = get_module


def _unknown_datasets() -> ImportError:
    from importlib.metadata import version  # here: too slow for `import univar`

    return ImportError(f"univar cannot register {DATASET!r} with datasets {version('datasets')}; use datasets 5.2")
