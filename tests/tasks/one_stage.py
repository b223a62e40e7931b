"""Runs one stage, and nothing else, in this process: `python -m tests.tasks.one_stage`.

Reads `{"stage": name, "calls": [{argument: value}]}` from standard input, and prints the references
that the calls gave and the first-party files that were imported.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import get_type_hints

from pydantic import TypeAdapter


def main() -> None:
    order = json.load(sys.stdin)
    stage = getattr(importlib.import_module(f"secateur.tasks.{order['stage']}"), order["stage"])
    hints = get_type_hints(stage.task.fn.__wrapped__)
    references = []
    for call in order["calls"]:
        arguments = {k: TypeAdapter(hints[k]).validate_python(v) for k, v in call.items()}
        result = stage.task.fn(**arguments)
        references.append({name: getattr(result, name) for name in ("key", "digest", "uri")})
    files = {
        name: module.__file__
        for name, module in sys.modules.items()
        if name.partition(".")[0] == "secateur"
    }
    print(json.dumps({"references": references, "files": files}))


if __name__ == "__main__":
    main()
