"""Files that appear whole or not at all, whatever happens to the process or the power."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path beside `path`; what is written there takes the name `path` when the block ends well.

    The temporary path does not exist yet, has the suffix of `path` (writers choose a format by it) and may become a
    file or a folder; an existing folder `path` is replaced as a whole. If the block raises (a full disk, Ctrl-C),
    the temporary path is removed and whatever stood at `path` before is untouched. A power cut leaves either too: what
    was written is on the disk before it takes the name, and the name is before this returns.

    Raises:
        IsADirectoryError: If a file was written where a folder stands.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # A folder of its own, so that a writer which adds files beside the one it was given leaves nothing behind.
    workshop = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        temporary = workshop / target.name
        yield temporary
        for written in (temporary, *temporary.rglob("*")):
            to_disk(written)
        if temporary.is_dir() and target.is_dir():
            previous = workshop / f"{target.name}.previous"
            target.rename(previous)
            try:
                temporary.rename(target)
            except BaseException:
                previous.rename(target)
                raise
        else:
            os.replace(temporary, target)
        to_disk(target.parent)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


@contextmanager
def locked(file: str | os.PathLike[str], *, wait: bool = False) -> Iterator[None]:
    """Holds a file's lock, which the system lets go when the process ends, however it ends.

    Args:
        file: Of the lock; it stays, empty.
        wait: For another process to let go of it.

    Raises:
        BlockingIOError: If another process holds it.
    """
    with Path(file).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def to_disk(path: Path) -> None:
    """Returns when what is in a file, or which names are in a folder, would outlive a power cut."""
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
