"""The configurations in `examples/` whose data are bundled, run by the command of the README.

    python -m benchmarks.examples [NAME ...]

Each is `secateur prune --config examples/NAME.yaml`; the table of what their reports say goes into
the README. The texts need the extra `text`. Reports are kept in `out/`, and only the rows of the
names that were given are computed anew.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import yaml

from benchmarks.readme import replace_section

ROOT = Path(__file__).resolve().parent.parent
KINDS = {
    "images": "small images, convolutions",
    "table": "table, classes",
    "regression": "table, numbers",
    "text_cnn": "text, convolutions",
    "text_lstm": "text, LSTM",
    "text_heads": "text, Transformer",
    "text_feed_forward": "text, Transformer",
    "gpt": "text, next character",
}
"""Example -> what kind of model on what kind of data."""
NAMES = {"accuracy": "{:.1%}", "mae": "{:.1f}", "perplexity": "{:.2f}"}


def row(name: str) -> list[str]:
    """What the report of an example says."""
    config = yaml.safe_load((ROOT / "examples" / f"{name}.yaml").read_text())
    report = json.loads((ROOT / config["output"] / "report.json").read_text())
    subjects = [report[subject] for subject in ("dense", "pruned", "fine_tuned")]
    shown = next(metric for metric in reversed(NAMES) if metric in subjects[0]["metrics"])
    values = [NAMES[shown].format(each["metrics"][shown]) for each in subjects]
    dense, _, final = subjects
    return [
        KINDS[name],
        f"`{config['model'].get('name')}`",
        f"[{_target(config)}](examples/{name}.yaml)",
        f"{shown} {' → '.join(values)}",
        f"{dense['nonzero']:,} → {final['nonzero']:,}",
        _flops(dense, final),
    ]


def _target(config: dict) -> str:
    target = config["target"]
    criterion = config.get("importance", {}).get("criterion")
    words = [criterion] if criterion else []
    words.append(str(target.get("pattern", "weight")))
    if "ratio" in target:
        words.append(f"{target['ratio']:.0%} of {target.get('measure', 'them')}")
    if "include" in target:
        words.append(f"in {', '.join(target['include'])}")
    return ", ".join(words)


def _flops(dense: dict, final: dict) -> str:
    if not dense["flops"]:
        return "–"
    return f"{final['flops'] / dense['flops']:.0%}"


def main() -> None:
    """Runs what was asked for, or all, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(KINDS))
    names = parser.parse_args().names or list(KINDS)
    for unknown in set(names) - set(KINDS):
        parser.error(f"there is no example {unknown!r}; there are {', '.join(KINDS)}")
    for name in names:
        config = f"examples/{name}.yaml"
        command = [sys.executable, "-m", "secateur.flows.prune", "--config", config]
        subprocess.run(command, cwd=ROOT, check=True)
    header = ["kind", "model", "start from", "dense → pruned → fine-tuned", "weights", "FLOPs left"]
    done = [name for name in KINDS if (ROOT / "out" / name / "report.json").is_file()]
    lines = [header, ["---"] * len(header), *(row(name) for name in done)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    print(table)
    replace_section("examples", table)


if __name__ == "__main__":
    main()
