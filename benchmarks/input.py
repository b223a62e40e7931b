"""Training that reads its images from a disk, beside the same training from memory.

    python -m benchmarks.input            writes the paragraph into the README
    python -m benchmarks.input --print    prints it

`resnet_20` is trained for some steps on 5 GB of images in the files that `load_data` writes, and on
a part of them held in memory, by turns, in processes of their own. What is compared is examples a
second, of each the best turn. Before each turn the files are dropped from the system's page cache,
so that they come from the disk; the peak of a process's memory is what the operating system tells.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.readme import replace_section

GIGABYTES = 5.0
SHAPE, CLASSES = (32, 32, 3), 10
STEPS, BATCH = 25, 64
PAIRS = 3
ROWS = 1 << 16
"""Images that are written at a time."""

_PROCESS = """
import json, resource, sys, time
from pathlib import Path
from secateur.tasks.quiet import import_tensorflow
import_tensorflow()
import keras, numpy as np, tensorflow as tf
from secateur.datasets.dataset import Dataset, Split
from secateur.models.architectures import BUILDERS
from secateur.training import batches
from secateur.training.objective import compile_for

folder, kind, steps, batch = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
dataset = Dataset(folder)
split = dataset.train
if kind == "disk":
    batches.IN_MEMORY = 0
else:
    part = slice(0, 2 * steps * batch)
    split = Split(np.array(split.x[part]), np.array(split.y[part]), split.scale)
keras.utils.set_random_seed(0)
model = BUILDERS["resnet_20"](dataset.shape, dataset.classes)
compile_for(model, keras.optimizers.Adam())
epoch = tf.Variable(0)
data = batches.shuffled(split, batch, 0, epoch)
model.fit(data.take(3), shuffle=False, verbose=0)  # traces
epoch.assign(1)
data = data.take(steps)
before = time.perf_counter()
model.fit(data, shuffle=False, verbose=0)
seconds = time.perf_counter() - before
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(json.dumps({"rate": steps * batch / seconds, "peak": peak}))
"""


def generate(folder: Path, gigabytes: float) -> float:
    """Writes a data set of random bytes, a piece at a time; returns the GB of its images."""
    from secateur.datasets.raw import ArrayWriter

    random = np.random.default_rng(0)
    images = int(gigabytes * 1e9 / np.prod(SHAPE))
    for split, count in (("train", images), ("validation", 0), ("test", 0)):
        writer = ArrayWriter(folder / f"{split}_x.npy", np.dtype(np.uint8), SHAPE)
        for start in range(0, count, ROWS):
            shape = (min(ROWS, count - start), *SHAPE)
            writer.append(np.frombuffer(random.bytes(int(np.prod(shape))), np.uint8).reshape(shape))
        writer.close()
        np.save(folder / f"{split}_y.npy", random.integers(0, CLASSES, count))
    info = {"name": "noise", "task": "classification", "classes": CLASSES, "shape": SHAPE}
    (folder / "info.json").write_text(json.dumps({**info, "scale": 1 / 255, "dtype": "float32"}))
    return images * int(np.prod(SHAPE)) / 1e9


def drop_from_memory(folder: Path) -> None:
    """Lets the operating system forget the files' pages."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(folder: Path, kind: str) -> dict[str, float]:
    """Examples a second and peak memory in GB of one process."""
    drop_from_memory(folder)
    arguments = [str(folder), kind, str(STEPS), str(BATCH)]
    done = subprocess.run(
        [sys.executable, "-c", _PROCESS, *arguments], stdout=subprocess.PIPE, text=True, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    print(f"{kind}: {found['rate']:.1f} images/s, {found['peak']:.2f} GB", file=sys.stderr)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--print", action="store_true", help="print, do not write the README")
    parser.add_argument("--gigabytes", type=float, default=GIGABYTES, help="of images")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = generate(folder, options.gigabytes)
        runs = [(measure(folder, "disk"), measure(folder, "memory")) for _ in range(PAIRS)]
    rates = [max(run[kind]["rate"] for run in runs) for kind in (0, 1)]
    peaks = [max(run[kind]["peak"] for run in runs) for kind in (0, 1)]
    text = (
        f"`resnet_20` on {size:.1f} GB of images from a disk trains on {rates[0]:.0f} images a "
        f"second, from memory on {rates[1]:.0f}: {rates[0] / rates[1]:.0%} of the speed (the best "
        f"of {PAIRS} turns each). The process's memory peaks at {peaks[0]:.2f} GB, that of the one "
        f"with {2 * STEPS * BATCH:,} of the images in memory at {peaks[1]:.2f} GB."
    )
    if options.print:
        print(text)
    else:
        replace_section("input", text)


if __name__ == "__main__":
    main()
