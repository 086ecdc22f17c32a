"""What tests of commands share."""

import sys
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from tests.chat_server import serving


@pytest.fixture
def llama_cpp(monkeypatch):
    """In place of xllamacpp: it serves what tests serve, and keeps what it was asked for and which servers ended."""
    found = SimpleNamespace(begun=[], ended=[])

    class Server:
        def __init__(self, parameters):
            self.context = ExitStack()
            found.begun.append(parameters)
            if "broken" in parameters.model.path:
                raise RuntimeError("Failed to init server, please check the input params.")
            self.listening_address = self.context.enter_context(serving(lambda prompt, _: f"To {prompt}: no.")).url

        def __del__(self):
            self.context.close()
            found.ended.append(self)

    def parameters():
        return SimpleNamespace(model=SimpleNamespace(), cpuparams=SimpleNamespace(), cpuparams_batch=SimpleNamespace())

    monkeypatch.setitem(sys.modules, "xllamacpp", SimpleNamespace(CommonParams=parameters, Server=Server))
    return found
