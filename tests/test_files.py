import os
import subprocess
import sys
from pathlib import Path

import pytest

from univar.files import replacing


def everything_below(folder: Path) -> dict[str, str | None]:
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_text() for path in sorted(folder.rglob("*"))
    }


def test_a_file_takes_its_name_when_the_block_ends_well(tmp_path):
    with replacing(tmp_path / "new" / "report.html") as temporary:
        temporary.write_text("whole")
        assert temporary.suffix == ".html"  # writers choose a format by it
        assert not (tmp_path / "new" / "report.html").exists()
    assert everything_below(tmp_path) == {"new": None, "new/report.html": "whole"}


def test_an_existing_file_is_replaced_only_at_the_end(tmp_path):
    target = tmp_path / "report.md"
    target.write_text("old")
    with replacing(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert everything_below(tmp_path) == {"report.md": "new"}


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("before", [None, "old"])
def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path, failure, before):
    target = tmp_path / "report.md"
    if before is not None:
        target.write_text(before)
    there = everything_below(tmp_path)

    def write_half():
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises(failure):
        write_half()
    assert everything_below(tmp_path) == there


def test_what_a_writer_puts_beside_its_file_goes_with_a_failure(tmp_path):
    def write_two():
        with replacing(tmp_path / "a.parquet") as temporary:
            temporary.with_name("a.parquet.lock").write_text("")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_two()
    assert everything_below(tmp_path) == {}


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "stale.json").write_text("old")
    with replacing(target) as temporary:
        temporary.mkdir()
        (temporary / "modules.json").write_text("new")
        assert (target / "stale.json").exists()
    assert everything_below(tmp_path) == {"model": None, "model/modules.json": "new"}


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(tmp_path, monkeypatch):
    target = tmp_path / "model"
    target.mkdir()
    (target / "modules.json").write_text("old")
    rename = Path.rename

    def refuse(self, to):
        if self.name == "model" and to == target:
            raise OSError("no")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="no"), replacing(target) as temporary:
        temporary.mkdir()
    assert everything_below(tmp_path) == {"model": None, "model/modules.json": "old"}


def test_a_file_is_on_the_disk_before_it_takes_its_name_and_the_name_before_it_is_done(tmp_path, monkeypatch):
    done, sync, replace = [], os.fsync, os.replace

    def synced(descriptor):
        done.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", lambda *names: [done.append("name"), replace(*names)])
    with replacing(tmp_path / "report.md") as temporary:
        temporary.write_text("whole")
    assert done == [(tmp_path / "report.md").stat().st_ino, "name", tmp_path.stat().st_ino]


def test_a_folder_is_on_the_disk_with_all_that_is_in_it(tmp_path, monkeypatch):
    done, sync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: [done.append(os.fstat(descriptor).st_ino), sync(descriptor)])
    with replacing(tmp_path / "model") as temporary:
        (temporary / "weights").mkdir(parents=True)
        (temporary / "weights" / "a.bin").write_text("new")
    inside = {path.stat().st_ino for path in [tmp_path / "model", *(tmp_path / "model").rglob("*")]}
    assert len(inside) == 3
    assert set(done[:-1]) == inside
    assert done[-1] == tmp_path.stat().st_ino


def test_a_file_does_not_replace_a_folder(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError), replacing(tmp_path / "taken") as temporary:
        temporary.write_text("file")
    assert everything_below(tmp_path) == {"taken": None}


def test_files_get_the_permissions_that_they_would_have_got_without_us(tmp_path):
    (tmp_path / "plain").write_text("")
    with replacing(tmp_path / "ours") as temporary:
        temporary.write_text("")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "answers.txt"
    target.write_text("old")
    # A limit on the size of files stands for the full disk: either way the write fails midway with an OSError.
    program = """
import resource, sys
from univar.files import replacing
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with replacing(sys.argv[1]) as temporary, temporary.open("w") as file:
        for _ in range(100):
            file.write("x" * 100)
            file.flush()
except OSError as error:
    sys.exit(f"OSError {error.errno}")
"""
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", program, str(target)],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("OSError")
    assert everything_below(tmp_path) == {"answers.txt": "old"}
