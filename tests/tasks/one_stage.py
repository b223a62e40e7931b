"""Runs one stage in a process that has imported nothing of this package before.

Other libraries are imported once, in a process that all of these are forks of.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import traceback
from collections.abc import Mapping
from typing import Any

_LIBRARIES = ["prefect", "pydantic", "tensorflow", "keras"]


def one_stage(stage: str, calls: list[dict], environment: Mapping[str, str]) -> tuple[Any, Any]:
    """Calls a stage.

    Args:
        stage: Its name.
        calls: Arguments, each time.
        environment: What it runs with.

    Returns:
        The references that the calls gave, and the files by the names of the first-party modules
        that were imported.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LIBRARIES)
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, stage, calls, dict(environment)))
    process.start()
    theirs.close()
    try:
        went_well, answer = ours.recv() if ours.poll(300) else (False, "no answer in 300 s")
    except EOFError:
        process.join()
        went_well, answer = False, f"it died with exit code {process.exitcode}"
    finally:
        process.kill()
        process.join()
    assert went_well, f"{stage}: {answer}"
    return answer


def _run(connection, stage, calls, environment):
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    try:
        assert "secateur" not in sys.modules
        connection.send((True, _called(stage, calls)))
    except BaseException:
        connection.send((False, traceback.format_exc()))


def _called(stage, calls):
    import importlib
    from typing import get_type_hints

    from pydantic import TypeAdapter

    function = getattr(importlib.import_module(f"secateur.tasks.{stage}"), stage).task.fn
    hints = get_type_hints(function.__wrapped__)
    references = []
    for call in calls:
        arguments = {k: TypeAdapter(hints[k]).validate_python(v) for k, v in call.items()}
        result = function(**arguments)
        references.append({name: getattr(result, name) for name in ("key", "digest", "uri")})
    files = {
        name: module.__file__
        for name, module in sys.modules.items()
        if name.partition(".")[0] == "secateur"
    }
    return references, files
