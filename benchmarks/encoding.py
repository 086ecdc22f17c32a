"""Encoding, side by side in one run: views against single QAs, and the multi-view model against its stock base.

    make bench

Prints ratios; results are kept in benchmarks/README.md.
"""

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from univar.corpus.simulation import simulate

QAS = 320
ROUNDS = 3


def seconds(run: Callable[[], object]) -> float:
    """Median of a few rounds after one that warms up."""
    run()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def texts(count: int) -> list[str]:
    return [record.text for record in simulate(4, 80, seed=3).records[:count]]


def peak_megabytes(views: int, qas: int) -> float:
    """Peak memory of a process that encodes `views` views of `qas` QAs each in one batch."""
    script = f"from benchmarks.encoding import _encode_views; _encode_views({views}, {qas})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def _encode_views(views: int, qas: int) -> None:
    from univar.model.modeling import UniVaR

    given = texts(qas)
    UniVaR("univar").encode([given] * views, batch_size=views)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    from univar.model.modeling import UniVaR, load_model

    model, base, given = UniVaR("univar"), load_model("base"), texts(QAS)
    base.max_seq_length = model.max_seq_length
    single, stock = seconds(lambda: model.encode(given)), seconds(lambda: base.encode(given))
    views = seconds(lambda: model.encode([given[i : i + 20] for i in range(0, QAS, 20)]))
    print(f"{QAS} QAs one by one, univar over its stock base encoder: {single / stock:.2f} x the time")
    print(f"the same QAs as {QAS // 20} views of 20, over one by one: {views / single:.2f} x the time")
    print(f"one view of 320 QAs over one view of 20: {peak_megabytes(1, 320) / peak_megabytes(1, 20):.2f} x the memory")


if __name__ == "__main__":
    main()
