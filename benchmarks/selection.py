"""Global selection beside `np.partition`: time, extra memory, and growth from 1 to 200 million.

    python -m benchmarks.selection [--millions 1 10 100 200] [--ratios 0.5 0.9] [--repeats 5]

The peer finds only the threshold, in one array that holds all scores already; `select` checks the
scores, finds the cut across all layers without putting them together, and packs the masks. Runs
alternate, and the fastest of each are compared.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable

import numpy as np

from secateur.sparsity.config import TargetConfig
from secateur.sparsity.select import select

TIME_GOAL = 0.8
"""Share of the time of `np.partition`, at 100 million scores."""
MEMORY_GOAL = 0.10
"""Extra memory as a share of the scores' own."""


def layers(total: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Scores of about `total` weights: 49 layers of sizes from 1 to 1/8 of all, skewed and tied.

    Layers differ in scale by a factor of 100, and one score in fifty is zero.
    """
    random = np.random.default_rng(seed)
    shares = np.geomspace(1, 200, 49)
    scores = {}
    for number, share in enumerate(shares / shares.sum()):
        columns = 128
        rows = max(1, round(total * share / columns))
        array = random.standard_exponential((rows, columns), np.float32)
        array *= np.float32(10.0 ** random.uniform(-1, 1))
        array[random.integers(0, rows, array.size // 50), :: columns - 1] = 0
        scores[f"layer_{number}/kernel"] = array
    return scores


def alternate(work: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Least seconds of each function; they take turns."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(repeats):
        for name, function in work.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    return {name: min(some) for name, some in times.items()}


def extra_memory(function: Callable[[], object]) -> int:
    """Bytes that a call has allocated at its peak."""
    tracemalloc.start()
    try:
        result = function()
        peak = tracemalloc.get_traced_memory()[1]
        del result
    finally:
        tracemalloc.stop()
    return peak


def measure(scores: dict[str, np.ndarray], ratio: float, repeats: int) -> str:
    """A line of the table."""
    total = sum(array.size for array in scores.values())
    everything = np.concatenate([array.reshape(-1) for array in scores.values()])
    target, count = TargetConfig(ratio=ratio), round(ratio * total)
    work = {
        "select": lambda: select(scores, target),
        "partition": lambda: np.partition(everything, count)[count],
    }
    seconds = alternate(work, repeats)
    memory = extra_memory(work["select"]) / everything.nbytes
    masks = select(scores, target)
    if masks.size() - masks.kept() != count:
        raise RuntimeError(f"{masks.size() - masks.kept()} weights were removed, not {count}")
    share = seconds["select"] / seconds["partition"]
    return (
        f"{total:12,} {ratio:6.2f} {seconds['select']:8.3f}s {seconds['partition']:8.3f}s "
        f"{share:6.2f} {1e9 * seconds['select'] / total:8.2f} {memory:7.1%}"
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--millions", type=float, nargs="+", default=[1, 10, 100, 200])
    parser.add_argument("--ratios", type=float, nargs="+", default=[0.5, 0.9])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    titles = ("scores", "ratio", "select", "partition", "share", "ns/score", "memory")
    print("{:>12} {:>6} {:>9} {:>9} {:>6} {:>8} {:>7}".format(*titles))
    for millions in options.millions:
        scores = layers(round(millions * 1e6))
        for ratio in options.ratios:
            print(measure(scores, ratio, options.repeats), flush=True)
    print(f"goals at 100 million: share <= {TIME_GOAL}, memory < {MEMORY_GOAL:.0%}")


if __name__ == "__main__":
    main()
