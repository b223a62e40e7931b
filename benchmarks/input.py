"""Training that reads its images from a disk, beside the same training from memory.

    python -m benchmarks.input            writes the table into the README
    python -m benchmarks.input --print    prints it

`resnet_20` is trained for some steps on images in a file of 5 GB, and on images in memory, by turns
in processes of their own; what is compared is examples a second. The peak of each process's memory
is taken from the operating system.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.readme import replace_section

GIGABYTES = 5
SHAPE = (32, 32, 3)
STEPS, BATCH = 60, 64
PAIRS = 3

_PROCESS = """
import json, resource, sys, time
import numpy as np
from tasks.quiet import import_tensorflow
import_tensorflow()
import keras, tensorflow as tf
from secateur.datasets.dataset import Split
from secateur.models.architectures import BUILDERS
from secateur.training import batches
from secateur.training.objective import compile_for

folder, kind, steps, batch, examples = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
x, y = (np.load(f"{folder}/{name}.npy", mmap_mode="r") for name in "xy")
if kind == "memory":
    x, y = np.array(x[:examples]), np.array(y[:examples])
keras.utils.set_random_seed(0)
model = BUILDERS["resnet_20"](x.shape[1:], 10)
compile_for(model, keras.optimizers.Adam(), 10)
data = batches.shuffled(Split(x, y, 1 / 255), batch, 0, tf.Variable(0)).take(steps)
model.fit(data, verbose=0)  # traces, and fills what fills
before = time.perf_counter()
model.fit(data, verbose=0)
seconds = time.perf_counter() - before
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(json.dumps({"rate": steps * batch / seconds, "peak": peak}))
"""


def generate(folder: Path, gigabytes: float) -> int:
    """Writes `x.npy` and `y.npy` of random bytes, a piece at a time; returns the bytes of `x`."""
    import numpy as np

    row = int(np.prod(SHAPE))
    count = int(gigabytes * 1e9 / row)
    random = np.random.default_rng(0)
    with (folder / "x.npy").open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, *SHAPE)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, count, 65536):
            rows = min(65536, count - start)
            file.write(random.integers(0, 256, rows * row, dtype=np.uint8).tobytes())
    np.save(folder / "y.npy", random.integers(0, 10, count))
    return count * row


def measure(folder: Path, kind: str) -> dict[str, float]:
    """Examples a second and peak memory in GB of one process."""
    arguments = [str(folder), kind, str(STEPS), str(BATCH), str(2 * STEPS * BATCH)]
    done = subprocess.run(
        [sys.executable, "-c", _PROCESS, *arguments], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--print", action="store_true", help="print, do not write the README")
    parser.add_argument("--gigabytes", type=float, default=GIGABYTES)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        size = generate(Path(name), options.gigabytes) / 1e9
        runs = [(measure(Path(name), "disk"), measure(Path(name), "memory")) for _ in range(PAIRS)]
    ratio = statistics.median(disk["rate"] / memory["rate"] for disk, memory in runs)
    peak = max(disk["peak"] for disk, _ in runs)
    own = max(memory["peak"] for _, memory in runs)
    text = (
        f"`python -m benchmarks.input`: `resnet_20` on a file of {size:.1f} GB trains at "
        f"{ratio:.0%} of the speed of the same training from memory; the process's memory peaks at "
        f"{peak:.2f} GB, against {own:.2f} GB of the one that holds "
        f"{2 * STEPS * BATCH:,} of the images."
    )
    if options.print:
        print(text)
    else:
        replace_section("input", text)


if __name__ == "__main__":
    main()
