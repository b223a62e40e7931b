"""The card of a data set in rows and sentences, for the terminal, Markdown and pages."""

from __future__ import annotations

from typing import Any

from secateur.datasets.card.schema import Card, Feature, Input, Sample, Target

Table = tuple[list[str], list[list[str]]]
"""Header and rows."""

_ROWS = 40  # columns, classes or files that are shown, at most; the JSON has all

_WHAT = {
    "table": "rows of {} numbers",
    "image": "images of {}",
    "text": "texts of {} tokens",
    "array": "arrays of {}",
}
_NUMBERS = 12  # of a row of a table that are shown
_WORDS = 160  # characters of a text that are shown


def card_summary(card: Card) -> str:
    """One sentence: what, how much, and of what shape."""
    sizes = ", ".join(f"{count:,} {name}" for name, count in card.splits.items() if count)
    inputs = " and ".join(_WHAT[each.kind].format(_shape(each.shape)) for each in card.inputs)
    return f"{card.name}: {card.task.replace('_', ' ')} of {inputs}; {sizes}."


def split_table(card: Card) -> Table:
    """Examples of each split, and what they were taken from."""
    rows = [
        [name, f"{count:,}", card.sources.get(name) or ""] for name, count in card.splits.items()
    ]
    return ["split", "examples", "from the source's"], rows


def duplicate_lines(card: Card) -> list[str]:
    """A sentence on examples of the training split that are there more than once.

    Those that two splits share are among the card's notices.
    """
    found = card.duplicates.get("within_train", {})
    if not found.get("examples"):
        return []
    other = found["other_target"]
    differ = f", {other:,} of them with another target" if other else ""
    return [f"{found['examples']:,} training examples repeat the inputs of an earlier one{differ}."]


def feeding_lines(card: Card) -> list[str]:
    """Sentences on the file beside the model that a user's texts or rows go through before it."""
    if any(each.kind == "text" for each in card.inputs):
        return ["The model takes tokens; vectorizer.keras beside it makes them of texts."]
    if card.source and card.source.format in ("csv", "parquet"):
        return [
            "The model takes numbers in the order of encoder.json beside it; "
            "secateur.load_encoder makes them of a data frame or of rows."
        ]
    return []


def source_line(card: Card) -> str:
    """How the files are written, and which they are."""
    source = card.source
    if source is None:
        return ""
    names = {"\t": "tab", " ": "blank"}
    told = [source.format]
    if source.delimiter:
        told.append(f"{names.get(source.delimiter, source.delimiter)!r} between values")
    if source.decimal:
        told.append(f"{source.decimal!r} before decimals")
    told += [each for each in (source.encoding, source.compression) if each]
    files = [f"{each.name} ({each.examples:,})" for each in source.files[:_ROWS]]
    more = len(source.files) - len(files)
    return f"{', '.join(told)}: {', '.join(files)}{f' and {more:,} more files' if more else ''}."


def source_table(card: Card) -> Table:
    """The columns or keys of the files, as a reader understood them."""
    rows = []
    for each in card.source.columns if card.source else ():
        values = ", ".join(each.values[:6]) + (" …" if len(each.values) > 6 else "")
        distinct = "" if each.distinct is None else f"{each.distinct:,}"
        kind = each.kind or each.why or ""
        name = each.name or "(no name)"
        span = _span(each.minimum, each.maximum)
        rows.append([name, each.role, kind, _shape(each.shape), span, distinct, values])
    return _used(["column", "role", "kind", "shape", "range", "different", "inputs"], _cut(rows))


def input_table(card: Card) -> Table:
    """The model's inputs."""
    rows = [
        [
            each.name or "input",
            each.kind,
            _shape(each.shape),
            _span(each.minimum, each.maximum),
            each.values or _lengths(each),
        ]
        for each in card.inputs
    ]
    return _used(["input", "kind", "shape", "range", "values"], rows)


def picture_lines(card: Card) -> list[str]:
    """What was found of encoded pictures: modes, sizes and what was done, a sentence an input."""
    return [_pictures(name, about) for name, about in card.pictures.items()]


def _pictures(name: str, about: dict[str, Any]) -> str:
    modes = ", ".join(f"{mode} ({count:,})" for mode, count in about["modes"].items())
    sizes = [f"{size} ({count:,})" for size, count in list(about["sizes"].items())[:6]]
    other = about["count"] - sum(list(about["sizes"].values())[:6])
    told = [
        f"{about['count']:,} pictures{f' of {name}' if name else ''}: modes {modes}",
        f"height and width {', '.join(sizes)}{f' and {other:,} of other sizes' if other else ''}",
    ]
    if about["resized_to"]:
        told.append(f"resized to {'x'.join(map(str, about['resized_to']))}")
    done = (
        ("turned_upright", "turned upright"),
        ("on_white", "laid on white"),
        ("several_frames", "with several frames, of which the first one counts"),
    )
    told += [f"{about[key]:,} {words}" for key, words in done if about[key]]
    return "; ".join(told) + "."


def feature_table(features: tuple[Feature, ...]) -> Table:
    """Columns of numbers over the training split."""
    rows = [
        [each.name, *(f"{v:.6g}" for v in (each.minimum, each.maximum, each.mean, each.deviation))]
        for each in features
    ]
    return ["column", "minimum", "maximum", "mean", "deviation"], _cut(rows)


def class_table(target: Target) -> Table:
    """Examples of each class in each split."""
    splits = list(target.classes[0].examples) if target.classes else []
    rows = [
        [each.name, *(f"{each.examples[split]:,}" for split in splits)] for each in target.classes
    ]
    return ["class", *splits], _cut(rows)


def target_table(target: Target) -> Table:
    """Classes, or ranges of numbers; no rows of a target that has neither."""
    return class_table(target) if target.classes else feature_table(target.ranges)


def sample_parts(card: Card, sample: Sample) -> tuple[list[str], list[str], str]:
    """Pictures (data URIs), texts and the target of an example."""
    pictures, texts = [], []
    for each in card.inputs:
        value = sample.inputs[each.name]
        name = f"{each.name}: " if len(card.inputs) > 1 else ""
        if value is None:
            continue
        if each.kind == "image":
            pictures.append(value)
        elif each.kind == "text":
            texts.append(name + (value[:_WORDS] + " …" if len(value) > _WORDS else value))
        elif each.kind == "table":
            more = " …" if len(value) > _NUMBERS else ""
            texts.append(name + ", ".join(f"{v:.4g}" for v in value[:_NUMBERS]) + more)
    return pictures, texts, "; ".join(f"{n}: {v}" if n else v for n, v in sample.target.items())


def _cut(rows: list[list[str]]) -> list[list[str]]:
    """The first rows; a last one tells how many more there are."""
    if len(rows) <= _ROWS:
        return rows
    return [*rows[:_ROWS], [f"… {len(rows) - _ROWS:,} more", *("" for _ in rows[0][1:])]]


def _used(header: list[str], rows: list[list[str]]) -> Table:
    """Without the columns that are empty in all rows."""
    kept = [place for place in range(len(header)) if any(row[place] for row in rows)]
    return [header[place] for place in kept], [[row[place] for place in kept] for row in rows]


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _lengths(each: Input) -> str:
    if each.lengths is None:
        return ""
    low, middle, high = each.lengths
    return f"{low} to {high} tokens a text, the median {middle}"


def _span(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.6g} to {high:.6g}"
