"""Which weights a target is about: globs on layer paths, names and types."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from secateur.sparsity.config import TargetConfig
from secateur.sparsity.layout import Layout


def scope(layouts: Mapping[str, Layout], target: TargetConfig) -> dict[str, Layout]:
    """The weights that `include` and `exclude`, or the globs of an allocation, select.

    Args:
        layouts: Weight path -> layout, of all scored weights.
        target: The target.

    Returns:
        The selected part of `layouts`.

    Raises:
        ValueError: If a glob matches no layer, or if nothing is left.
    """
    for field, globs in (
        ("include", target.include),
        ("exclude", target.exclude),
        ("allocation", target.allocation if isinstance(target.allocation, dict) else ()),
    ):
        for glob in globs:
            if not any(_matches(glob, layout) for layout in layouts.values()):
                raise ValueError(_unmatched(field, glob, layouts.values()))
    selected = {
        path: layout
        for path, layout in layouts.items()
        if (not target.include or any(_matches(glob, layout) for glob in target.include))
        and not any(_matches(glob, layout) for glob in target.exclude)
    }
    if isinstance(target.allocation, dict):
        globs = tuple(target.allocation)
        selected = {
            path: layout
            for path, layout in selected.items()
            if any(_matches(glob, layout) for glob in globs)
        }
    if not selected:
        raise ValueError(
            "the target selects no weights: "
            + ("the model has none that can be pruned" if not layouts else "exclude takes them all")
        )
    return selected


def layer_ratios(
    layouts: Mapping[str, Layout], allocation: Mapping[str, float]
) -> dict[str, float]:
    """The ratio of each weight under a mapping of globs to ratios.

    The glob with the most characters that are no wildcards counts, whatever the order of the
    mapping.

    Raises:
        ValueError: If two globs with different ratios have the same claim on a layer.
    """
    ratios = {}
    for path, layout in layouts.items():
        claims = sorted(
            (
                (sum(c not in "*?[]" for c in glob), glob)
                for glob in allocation
                if _matches(glob, layout)
            ),
            reverse=True,
        )
        best = [glob for length, glob in claims if length == claims[0][0]]
        if len({allocation[glob] for glob in best}) > 1:
            raise ValueError(
                f"the allocation gives {layout.layer} two ratios, by {best[0]!r} and {best[1]!r}; "
                "make one of the globs longer or leave it out"
            )
        ratios[path] = allocation[best[0]]
    return ratios


def _matches(glob: str, layout: Layout) -> bool:
    names = (layout.layer, layout.layer.rpartition("/")[2], layout.kind)
    return any(fnmatchcase(name, glob) for name in names if name)


def _unmatched(field: str, glob: str, layouts: Iterable[Layout]) -> str:
    found = list(layouts)
    names = sorted({layout.layer for layout in found})
    kinds = sorted({layout.kind for layout in found if layout.kind})
    near = difflib.get_close_matches(glob, names + kinds, n=3) or names[:8]
    more = ", …" if len(near) == 8 and len(names) > 8 else ""
    there = ", ".join(near) + more
    return f"{field} {glob!r} matches no layer with prunable weights; there are {there}"
