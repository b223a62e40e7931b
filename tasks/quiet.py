"""Importing TensorFlow without the noise of its start."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

from secateur.silence import no_standard_error
from secateur.store.environment import setting

_lock = threading.Lock()
_CPU_DEVICES = "SECATEUR_CPU_DEVICES"
_MOST_DEVICES = 1024


def import_tensorflow() -> None:
    """Imports TensorFlow and Keras; what their libraries print meanwhile is not shown.

    They report the processor and missing GPU drivers, straight to the process's standard error and
    before any setting of theirs is read. Errors are exceptions, and are not hidden.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in ("absl", "tensorflow"):  # the second warns of each new model's function
        logging.getLogger(name).setLevel(logging.ERROR)
    with _lock:
        if "keras" in sys.modules and "tensorflow_datasets" in sys.modules:
            return
        with no_standard_error():
            import keras  # noqa: F401
            import tensorflow as tf

            with _no_switch_of_threads():
                import tensorflow_datasets  # noqa: F401
            _set_devices(tf)
            tf.zeros(())  # starts the runtime, which reports too


def _set_devices(tf: Any) -> None:
    """What has to be said before the runtime starts; of one that runs already it is too late.

    Raises:
        ValueError: One sentence: the number of devices is none.
    """
    said = setting(_CPU_DEVICES) or "1"
    if not said.isdecimal() or not 1 <= int(said) <= _MOST_DEVICES:
        raise ValueError(
            f"{_CPU_DEVICES} is {said!r}; give a whole number from 1 to {_MOST_DEVICES}."
        )
    with contextlib.suppress(RuntimeError):
        for gpu in tf.config.list_physical_devices("GPU"):  # else it takes all memory at once
            tf.config.experimental.set_memory_growth(gpu, True)
        if int(said) > 1:
            processor = tf.config.list_physical_devices("CPU")[0]
            devices = [tf.config.LogicalDeviceConfiguration()] * int(said)
            tf.config.set_logical_device_configuration(processor, devices)


@contextlib.contextmanager
def _no_switch_of_threads() -> Iterator[None]:
    """Keeps other threads from importing just now.

    TensorFlow Datasets replaces `builtins.__import__` for moments (etils' `lazy_imports`), and an
    import of Prefect's threads in such a moment gives a broken module. No moment contains input or
    output, so threads switch there only when the interval is over.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(10)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
