"""What the command line shows: results on standard output, progress and problems on standard error."""

import errno
import json
import logging
import os
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.status import Status
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from univar.analysis.comparison import Comparison
    from univar.analysis.placement import Placement
    from univar.analysis.results import Result
    from univar.analysis.stance_comparison import StanceComparison
    from univar.corpus.readers import Rejects
    from univar.corpus.records import QARecord

out = Console()
err = Console(stderr=True)

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LONGEST_PROBLEM = 800
_LONGEST_LIST = 10
_SHOWN_NEIGHBOURS = 5
_HIGHER_CONTROLS = range(0x7F, 0xA0)
_REPLACED = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(0x20), *_HIGHER_CONTROLS) if chr(code) not in "\n\t"}
_ESCAPED = {code: f"\\u{code:04x}" for code in _HIGHER_CONTROLS}


def printable(text: str) -> str:
    """A text whose control characters, which a terminal would obey, are replaced; newlines and tabs stay."""
    return text.translate(_REPLACED)


class PrintableFormatter(logging.Formatter):
    """For what is logged to the terminal: names of LLMs and files without their control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """See `printable`."""
        return printable(super().format(record))


def say(sentence: str, style: str = "") -> None:
    """A sentence on standard error, as it is and in one line."""
    err.print(printable(sentence), style=style, highlight=False, markup=False, soft_wrap=True)


def step(sentence: str) -> None:
    """What is being done."""
    if leads():
        say(sentence, "dim")


def log(room: str, *, quiet: bool) -> None:
    """Shows what a room of the package says of its progress."""
    if not quiet:
        logging.getLogger(room).setLevel(logging.INFO)


def working(sentence: str) -> Status:
    """What is being done, while it is and where there is a terminal; to be entered."""
    return err.status(Text(printable(sentence)))  # no str, which would be markup


def leads() -> bool:
    """Whether this process speaks and writes for all that `torchrun` or `accelerate launch` has started."""
    return os.environ.get("RANK", "0") == "0"


def result(described: Mapping[str, Any], *sentences: str, as_json: bool) -> None:
    """The result of a command: to be read, or JSON and nothing else."""
    if as_json:
        # Of the control characters JSON escapes only those below the space.
        text = json.dumps(described, indent=2, ensure_ascii=False, allow_nan=False).translate(_ESCAPED)
        sys.stdout.write(text + "\n")
        return
    for sentence in sentences:
        out.print(printable(sentence), highlight=False, markup=False, soft_wrap=True)


def problem(error: BaseException) -> str:
    """An error in one line."""
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return "no room left on the disk; make room, or write to another one (nothing half-written is left)"
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return "out of memory; give fewer answers at once"
    words = " ".join(str(error).split())
    return words if len(words) <= _LONGEST_PROBLEM else f"{words[:_LONGEST_PROBLEM]} …"


@contextmanager
def bar(description: str, total: int | None = None, unit: str = "QAs") -> Iterator[Callable[[float], None]]:
    """A progress bar, or a count where the total is not known; nothing where there is no terminal.

    Yields what is to be told how many more are done.
    """
    columns: list[ProgressColumn] = [SpinnerColumn(), TextColumn("{task.description}", markup=False)]
    if total is None:
        columns += [TextColumn(f"{{task.completed:,.0f}} {unit}")]
    else:
        counts = TextColumn(f"{{task.completed:,.0f}} of {{task.total:,.0f}} {unit}")
        columns += [BarColumn(), counts, TimeRemainingColumn()]
    with Progress(*columns, console=err, transient=True, disable=not (err.is_terminal and leads())) as progress:
        task = progress.add_task(printable(description), total=total)
        yield lambda number: progress.advance(task, number)


@contextmanager
def encoding_bar(model: "SentenceTransformer", total: int, description: str) -> Iterator[None]:
    """A bar that follows what the model encodes, batch by batch."""
    with bar(description, total) as advance:
        last = model[len(model) - 1]
        hook = last.register_forward_hook(
            lambda _module, _inputs, features: advance(len(features["sentence_embedding"]))
        )
        try:
            yield
        finally:
            hook.remove()


def tracked(batches: Sequence[Sequence[str]], description: str) -> Iterator[Sequence[str]]:
    """Batches of texts one by one, with a bar."""
    with bar(description, sum(map(len, batches))) as advance:
        for batch in batches:
            yield batch
            advance(len(batch))


class CorpusReader:
    """Reads the corpora of one command, shows how far it is, and says of each what was guessed and rejected.

    Rejected rows go to one file for all corpora, or to `CORPUS.rejects.jsonl` in the working folder for each. It
    is removed if its corpus was not read to the end.
    """

    def __init__(
        self, columns: Mapping[str, str], constants: Mapping[str, str], lang: Sequence[str] | None, file: Path | None
    ) -> None:
        self.rejected: Counter[str] = Counter()
        self.options: dict[str, Any] = {"columns": columns, "constants": constants, "lang": lang}
        self._file = file
        self._open: dict[Path | None, Rejects] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for rejects in self._open.values():
            rejects.close()

    def read(self, path: Path) -> "list[QARecord]":
        """The QAs of a corpus."""
        return list(self.stream(path))

    def again(self, path: Path) -> "Iterator[QARecord]":
        """The QAs of a corpus that was read before, as a stream; what was told of it then is not told again."""
        from univar.corpus.readers import Rejects, read_corpus

        return read_corpus(path, rejects=Rejects(), **self.options)

    def stream(self, path: Path) -> "Iterator[QARecord]":
        """The QAs of a corpus one by one; rejected rows are told at its end.

        Raises:
            CorpusError: As `read_corpus` does, with the command to paste where one is known that would do.
        """
        from univar.corpus.readers import CorpusError, read_corpus

        rejects = self._rejects(path)
        before, kept = rejects.counts.copy(), 0
        try:
            with bar(f"Reading {path.name}") as advance:
                for record in read_corpus(path, rejects=rejects, **self.options):
                    kept += 1
                    advance(1)
                    self._tell(rejects)
                    yield record
            self._tell(rejects)
        except CorpusError as error:
            if not error.flags:
                raise
            reason = str(error).removesuffix(f"; here perhaps {shlex.join(error.flags)}")
            command = shlex.join(["univar", *sys.argv[1:], *error.flags])
            raise CorpusError(f"{reason}; here perhaps: {command}") from None
        except BaseException:
            rejects.close()
            if rejects.counts and rejects.path is not None:
                rejects.path.unlink(missing_ok=True)
            raise
        found = rejects.counts - before
        self.rejected += found
        if found and leads():
            share = f"{found.total():,} of {kept + found.total():,} rows rejected"
            say(f"{path.name}: {share} ({rejects.reasons(found)}){rejects.where()}", "yellow")

    def _tell(self, rejects: "Rejects") -> None:
        """Says what was noted of a corpus since the last time."""
        while rejects.notes:
            sentence = rejects.notes.pop(0)
            if leads():
                say(sentence, "yellow")

    def _rejects(self, corpus: Path) -> "Rejects":
        from univar.corpus.readers import Rejects

        file = self._file
        # Rejects that nobody asked for are no reason to fail.
        if not leads():
            file = None
        elif file is None and os.access(Path.cwd(), os.W_OK):
            named = corpus.resolve()
            file = Path(f"{named.name if named.is_dir() else named.stem}.rejects.jsonl")
        return self._open.setdefault(file, Rejects(file))


def show_identification(comparison: "Comparison", heading: str = "") -> None:
    """A table for each corpus, narrow enough for a terminal of 80 columns."""
    for selection in comparison.selections:
        rows = [row for row in comparison.rows if row.corpus == selection.corpus]
        knn = rows[0].knn
        title = (
            f"{heading}{selection.corpus}: {knn.identities} identities, n = {knn.n:,} answers to {knn.questions:,} "
            f"questions, chance {100 * knn.chance:.1f} %"
        )
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("% right", overflow="fold")
        depths = [f"@{depth}" for depth in (5, 10) if knn.identities > depth]
        for column in (f"k-NN, k = {knn.k}", "linear probe", *depths):
            table.add_column(column, justify="right", no_wrap=True)
        for row in rows:
            _, name, *_, neighbours, _, probe, at_5, at_10 = map(printable, row.cells())
            # Text, not str: a representation called "[base]" is a name and no markup.
            table.add_row(*map(Text, (name, neighbours, probe, at_5, at_10)[: 3 + len(depths)]))
        out.print(Text(printable(title), style="bold"), soft_wrap=True)
        out.print(table)


def show_stances(comparison: "StanceComparison", heading: str = "") -> None:
    """A table for each measure, narrow enough for a terminal of 80 columns."""
    for measure in comparison.measures:
        rows = comparison.of(measure)
        chance = rows[0].cells()[4]
        title = f"{heading}{measure}: n = {rows[0].n:,} answers in {rows[0].groups:,} groups, chance {chance}"
        baselines = [name for name in comparison.baselines if len(rows) > 1]
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("r" if measure == "correlation" else "%", overflow="fold")
        for column in ("score", *(f"over {name}" for name in baselines)):
            table.add_column(column, justify="right", no_wrap=True)
        for row in rows:
            gained = {gain.over: row.gained(gain) for gain in row.gains}
            over = (gained.get(name, "-") for name in baselines)
            table.add_row(*map(Text, (printable(row.representation), row.with_interval(), *over)))
        out.print(Text(printable(title), style="bold"), soft_wrap=True)
        out.print(table)


def show_placement(placement: "Placement") -> None:
    """The nearest references of each identity, narrow enough for a terminal of 80 columns."""
    for one in placement.placed:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("nearest", overflow="fold")
        table.add_column("similarity", justify="right", no_wrap=True)
        table.add_column("came first", justify="right", no_wrap=True)
        for near in one.neighbours[:_SHOWN_NEIGHBOURS]:
            ends = "" if near.low is None else f" [{near.low:.2f}, {near.high:.2f}]"
            first = "-" if near.first is None else f"{near.first:.0%}"
            name = printable(f"{near.identity}, {near.corpus}")
            table.add_row(Text(name), f"{near.similarity:.2f}{ends}", first)
        title = f"{one.identity}: n = {one.n:,} answers to {one.questions:,} questions"
        title += "" if placement.is_near(one) else "; no reference is near, and their order says little"
        out.print(Text(printable(title), style="bold"), soft_wrap=True)
        out.print(table)


def write_result(found: "Result", file: Path, kind: str = "") -> None:
    """What was found as JSON, as a page (.html) or, under any other suffix, as Markdown; whole or not at all.

    `kind` is what a page is headed by; see `univar.analysis.report.findings.TITLES`.
    """
    if file.suffix.lower() == ".html":
        from univar.analysis.report.page import write_page

        write_page(found, kind, file)
        return
    from univar.files import replacing

    text = found.to_markdown()
    if file.suffix.lower() == ".json":
        text = json.dumps(found.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with replacing(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def tell_of_cut_off(llm: str, cut_off: int, answers: int, next_step: str = "") -> None:
    """Says of an LLM that more than a tenth of its answers are cut off, if that is so, and what to do about it."""
    from univar.corpus.filters import MOST_CUT_OFF

    if cut_off > MOST_CUT_OFF * answers:
        advice = next_step or "`univar elicit --max-tokens` with a larger number gives whole ones"
        say(f"{llm}: {cut_off:,} of {answers:,} answers ({cut_off / answers:.0%}) are cut off: {advice}", "yellow")


def described_lines(described: Mapping[str, Any]) -> Iterator[str]:
    """A description, a line each; of many things the largest are named."""
    for name, content in described.items():
        if isinstance(content, Mapping):
            if not content:
                continue
            parts = [
                f"{key} {number:,}" if isinstance(number, int) else f"{key} {number}" for key, number in content.items()
            ]
            more = [f"and {len(parts) - _LONGEST_LIST:,} more"] if len(parts) > _LONGEST_LIST else []
            content = ", ".join([*parts[:_LONGEST_LIST], *more])
        yield f"{name:>22}  {content:,}" if isinstance(content, int) else f"{name:>22}  {content}"
