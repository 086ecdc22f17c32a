"""What the ids of answered requests cost in memory and time.

    python benchmarks/answered.py [ids ...]

The ids are those of shards of 20,000 answers; each number is measured in a process of its own.
"""

import hashlib
import itertools
import json
import resource
import subprocess
import sys
import time


def measure(number: int) -> None:
    """Prints the growth of the peak memory, the seconds to add all ids, and the time to look for one."""
    from univar.corpus.asking.answers import ROWS_PER_SHARD, Answered

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    names, answered, adding = (f"{n * 0x9E3779B97F4A7C15 % 2**64:016x}" for n in range(number)), Answered(), 0.0
    while shard := list(itertools.islice(names, ROWS_PER_SHARD)):
        began = time.perf_counter()
        answered.add(shard)
        adding += time.perf_counter() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    others = [hashlib.sha256(str(n).encode()).hexdigest()[:16] for n in range(100_000)]
    began = time.perf_counter()
    assert sum(name in answered for name in others) == 0
    looking = time.perf_counter() - began
    print(json.dumps({"megabytes": grown, "adding": adding, "microseconds": 1e6 * looking / len(others)}))


def main() -> None:
    print("| ids | growth of the peak memory, MB | bytes an id | s to add all | us to look for one |")
    print("|---:|---:|---:|---:|---:|")
    for number in [int(number) for number in sys.argv[1:]] or [1_000_000, 10_000_000]:
        command = [sys.executable, __file__, "--measure", str(number)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(
            f"| {number:,} | {found['megabytes']:.0f} | {found['megabytes'] * 2**20 / number:.0f} "
            f"| {found['adding']:.1f} | {found['microseconds']:.1f} |"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(int(sys.argv[2]))
    else:
        main()
