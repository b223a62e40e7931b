"""Whether the final model is faster, said plainly, and why not where it is not."""

from __future__ import annotations

from secateur.evaluation.schema import Latency
from secateur.report.schema import Report

_NOISE = 1.05
"""A ratio of medians up to which two latencies count as the same."""

Row = tuple[str, Latency | None, Latency]
"""Name of a measurement, and what the dense and the final model have."""


def latency_rows(report: Report) -> list[Row]:
    """The latencies of the final model beside those of the dense one, which is not quantized."""
    dense = report.dense.latency_ms or {}
    final = report.fine_tuned.latency_ms or {}
    return [(name, dense.get(unquantized(name)), found) for name, found in final.items()]


def unquantized(name: str) -> str:
    """`litert-1` of `litert-int8-1`, and `litert` of `litert-int8`."""
    parts = name.split("-")
    return "-".join(part for part in parts if not _tells_how(part))


def _tells_how(part: str) -> bool:
    return part in ("dynamic_int8", "int8", "float16", "int16x8")


def change(dense: Latency | None, final: Latency) -> str:
    """`2.1x faster`, `no faster` or `1.3x slower`."""
    if dense is None:
        return ""
    if is_faster(dense, final):
        return f"{dense.median / final.median:.1f}x faster"
    if is_faster(final, dense):
        return f"{final.median / dense.median:.1f}x slower"
    return "no faster"


def is_faster(dense: Latency, final: Latency) -> bool:
    """Whether the medians differ by more than noise, and the usual ranges do not overlap."""
    return dense.median > _NOISE * final.median and final.p90 < dense.median


def verdict(report: Report) -> str | None:
    """One sentence or two; None where nothing was measured."""
    rows = [row for row in latency_rows(report) if row[1] is not None]
    if not rows:
        return None
    preferred = [row for row in rows if row[0] == "litert-1"]
    name, dense, final = (preferred or rows)[0]
    assert dense is not None
    times = f"{final.median:.3g} ms a call, and {dense.median:.3g} ms of the dense model ({name})"
    if is_faster(dense, final):
        return f"It is {dense.median / final.median:.1f}x faster: {times}."
    return f"It is no faster, beyond the noise of timing: {times}. {_why(report)}"


def _why(report: Report) -> str:
    before, after = report.dense.flops, report.fine_tuned.flops
    if before is None or after is None or after < before:
        return (
            "What was removed is too little for the time that a call takes besides, or leaves "
            "widths that fill no vector: remove more, and try target.round_to 16."
        )
    return (
        "Zeros are multiplied like any other number by the kernels that run on this processor; "
        "removing whole channels makes a model faster (target.pattern channel)."
    )
