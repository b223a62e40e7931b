"""Whether the model that is pruned has learnt anything: else no figure of its pruning tells."""

from __future__ import annotations

from secateur.datasets.card.schema import Card
from secateur.evaluation.schema import Cost


def learnt_nothing(dense: Cost, card: Card | None) -> list[str]:
    """A notice where the dense model is no better than one that always gives the same class.

    Args:
        dense: What it is worth on the test split.
        card: That of the data.

    Returns:
        One sentence, or none.
    """
    accuracy = dense.metrics.get("accuracy")
    if accuracy is None or card is None or len(card.targets) != 1 or not card.targets[0].classes:
        return []
    counts = {each.name: each.examples["test"] for each in card.targets[0].classes}
    name, most = max(counts.items(), key=lambda pair: pair[1])
    share = most / sum(counts.values())
    if accuracy > share + 1e-6:  # accuracy is a mean of float32
        return []
    return [
        f"The dense model is right for {accuracy:.1%} of the test split, and a model that always "
        f"gives {name!r} is for {share:.1%}: it has learnt nothing that accuracy shows, so that "
        "its pruning tells nothing; train it longer (train.epochs), or look at the data (secateur "
        "data)."
    ]
