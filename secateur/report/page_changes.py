"""Rows of the page on answers that pruning changed."""

from __future__ import annotations

from typing import Any

import numpy as np

from secateur.explanation.schema import Changes, Flip
from secateur.report.images import picture_uri

MATRIX = 30
"""Classes of a confusion matrix that is drawn as one, at most."""
CONFUSED = 12
"""Pairs of classes in the list of those most often confused."""

Table = tuple[list[str], list[list[str]]]


def changes(found: Changes) -> dict[str, Any]:
    """The answers in one sentence."""
    total = found.both_right + found.lost + found.won + found.both_wrong
    return {
        "sentence": f"Of {total:,} test examples {found.both_right:,} are right before and after, "
        f"{found.lost:,} were right before alone, {found.won:,} are right at the end alone, and "
        f"{found.both_wrong:,} are wrong in both; {found.changed:,} answers changed."
    }


def confusion(found: Changes) -> dict[str, Any] | None:
    """Cells of the two matrices, or None if there are too many classes."""
    if len(found.classes) > MATRIX:
        return None
    sides: dict[str, Any] = {"names": [each.name for each in found.classes]}
    for side in ("before", "after"):
        counts = np.zeros((len(found.classes),) * 2, np.int64)
        for each in found.confusion:
            counts[each.label, each.predicted] = getattr(each, side)
        right = np.eye(len(counts), dtype=np.bool_)
        highest = np.where(right, counts[right].max(initial=1), counts[~right].max(initial=1))
        shares = counts / np.maximum(highest, 1)
        sides[side] = [
            [
                {"count": int(count), "share": round(float(share), 3)}
                for count, share in zip(*row, strict=True)
            ]
            for row in zip(counts, shares, strict=True)
        ]
    return sides


def confused(found: Changes) -> Table | None:
    """The pairs of classes that are most often taken for each other at the end."""
    wrong = [each for each in found.confusion if each.label != each.predicted]
    wrong.sort(key=lambda each: (-each.after, -each.before))
    rows = [
        [
            f"{found.classes[each.label].name} taken for {found.classes[each.predicted].name}",
            f"{each.before:,}",
            f"{each.after:,}",
            f"{each.after - each.before:+,}" if each.after != each.before else "0",
        ]
        for each in wrong[:CONFUSED]
    ]
    return (["", "dense", "at the end", "change"], rows) if rows else None


def class_table(found: Changes) -> Table:
    """Accuracy of every class before and at the end."""
    header = ["class", "examples", "dense", "at the end", "change"]
    rows = []
    for each in found.classes:
        if not each.examples:
            rows.append([each.name, "0", "", "", ""])
            continue
        before, after = each.right_before / each.examples, each.right_after / each.examples
        change = f"{100 * (after - before):+.2f} points"
        rows.append([each.name, f"{each.examples:,}", f"{before:.2%}", f"{after:.2%}", change])
    return header, rows


def flips(found: Changes, pictures: np.ndarray | None) -> list[dict[str, Any]]:
    """The examples whose answer changed, in three groups."""
    groups: tuple[tuple[str, Any, int], ...] = (
        ("Lost: right before, wrong at the end", lambda f: f.before == f.label, found.lost),
        ("Won: wrong before, right at the end", lambda f: f.after == f.label, found.won),
        (
            "Wrong in another way",
            lambda f: f.label not in (f.before, f.after),
            found.changed - found.lost - found.won,
        ),
    )
    shown = []
    for heading, belongs, total in groups:
        some = [flip for flip in found.flips if belongs(flip)]
        if not some:
            continue
        note = "The right answer in bold, then the dense model's and the final one's, each with "
        note += "its probability."
        if len(some) < total:
            note += f" The {len(some)} surest of {total:,}."
        cards = [_card(flip, found, pictures) for flip in some]
        shown.append({"title": heading, "note": note, "flips": cards})
    return shown


def _card(flip: Flip, found: Changes, pictures: np.ndarray | None) -> dict[str, Any]:
    card: dict[str, Any] = {
        "index": flip.index,
        "label": found.classes[flip.label].name,
        "before": found.classes[flip.before].name,
        "after": found.classes[flip.after].name,
        "confidence_before": f"{flip.confidence_before:.0%}",
        "confidence_after": f"{flip.confidence_after:.0%}",
    }
    if pictures is not None and flip.picture is not None:
        picture = pictures[flip.picture]
        card |= {"uri": picture_uri(picture), "pixelated": max(picture.shape[:2]) <= 64}
    return card
