"""Which of many models are worth their cost."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The points that no other point beats.

    A point beats another if it costs no more and is worth no less, and is better in one of both.
    Of points that are equal in both, all stay.

    Args:
        points: Cost and worth of each.

    Returns:
        Their places in `points`, by rising cost.
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1]))
    front: list[int] = []
    for place in order:
        cost, worth = points[place]
        if front:
            last_cost, last_worth = points[front[-1]]
            if worth < last_worth or (worth == last_worth and cost > last_cost):
                continue
        front.append(place)
    return front
