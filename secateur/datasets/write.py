"""What a source gave -> the arrays of a `Dataset`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from secateur.datasets import duplicates
from secateur.datasets.categories import Encoder
from secateur.datasets.categories import tell as tell_categories
from secateur.datasets.config import DatasetConfig
from secateur.datasets.dataset import SPLITS
from secateur.datasets.encoder import write_encoder
from secateur.datasets.labels import Targets, check_classes, encode_outputs
from secateur.datasets.missing import check_targets
from secateur.datasets.pictures.ranges import with_range
from secateur.datasets.places import TARGETS
from secateur.datasets.raw import ROWS, ArrayWriter, Raw
from secateur.datasets.rows import pieces, reading
from secateur.datasets.splits import Part, divide
from secateur.datasets.text import Vectorizer, check_tokens
from secateur.datasets.traits import SEVERAL
from secateur.datasets.understanding import Understanding
from secateur.datasets.whole import tell as tell_whole

_AT_ONCE = 1 << 16  # rows of numbers
_EXACT = 1 << 24  # up to it, float32 has each whole number


def write(raw: Mapping[str, Raw], config: DatasetConfig, folder: Path) -> dict[str, Any]:
    """Writes the three splits, and gives what `info.json` shall hold.

    Raises:
        ValueError: One sentence: inputs or targets that no model can be trained on.
    """
    for split, part in raw.items():
        if len(part) == 0:
            raise ValueError(f"The split {split} of {config.label!r} has no examples.")
    texts = [name for name, array in raw["train"].inputs.items() if array.dtype == object]
    if len(texts) and len(raw["train"].inputs) > 1:
        raise ValueError(
            f"The input {texts[0]!r} is text and there are others beside it; allowed is one text "
            "alone, or numbers: choose by dataset.features."
        )
    check_targets(raw)
    if config.task == "language_model":
        return _write_language_model(raw, texts, config, folder)
    outputs = encode_outputs(raw, config)
    for targets in outputs.values():
        check_classes(targets, targets.y["train"], config)
    strata = next((t for t in outputs.values() if t.task in ("classification", "binary")), None)
    sizes = {split: len(part) for split, part in raw.items()}
    parts = divide(sizes, None if strata is None else strata.y["train"].reshape(-1), config)
    info = _write_outputs(outputs, parts, config, folder)
    info["notices"] += tell_whole(raw, config)
    encoder = Encoder.of(raw, parts)
    if understood := raw["train"].understood:
        if encoder:
            understood = tell_categories(understood, encoder, raw, parts)
        said = [*understood.notices, *_other_targets(understood, config)]
        info["notices"] = [*said, *info["notices"]]
        info["understood"]["source"] = understood.model_dump(mode="json")
    if texts:
        about, notices = _write_text(raw, texts[0], parts, config, folder)
        info["notices"] += notices
        info["understood"]["duplicates"] = duplicates.count(
            {split: [raw[own].inputs[texts[0]][rows]] for split, (own, rows) in parts.items()},
            {s: [t.y[own][rows] for t in outputs.values()] for s, (own, rows) in parts.items()},
        )
        return info | about | {"traits": info["traits"] | about["traits"]}
    inputs = []
    for number, name in enumerate(raw["train"].inputs):
        several = len(raw["train"].inputs) > 1
        suffix = f"x{number}" if several else "x"
        about, said = _write_input(raw, name, suffix, parts, encoder, config, folder)
        info["notices"] += said
        if name in raw["train"].pictures:
            files = {split: folder / f"{split}_{suffix}.npy" for split in SPLITS}
            about |= with_range(raw["train"].pictures[name], files, name, info)
        inputs.append({"name": name, **about})
    if len(inputs) > 1:
        info["inputs"] = inputs
    else:
        info |= {k: inputs[0][k] for k in ("shape", "scale", "dtype", "values") if k in inputs[0]}
        info["traits"] |= inputs[0]["traits"]
    if understood and understood.format in ("csv", "parquet"):
        write_encoder(folder, understood, inputs[0]["shape"], info["class_names"])
    return info


def _write_outputs(
    outputs: Mapping[str, Targets],
    parts: Mapping[str, Part],
    config: DatasetConfig,
    folder: Path,
) -> dict[str, Any]:
    infos, notices, forms = [], [], {}
    for number, (output, targets) in enumerate(outputs.items()):
        y = {name: targets.y[source][rows] for name, (source, rows) in parts.items()}
        said = [*targets.notices, *check_classes(targets, y["train"], config)]
        suffix = f"y{number}" if len(outputs) > 1 else "y"
        for name in SPLITS:
            np.save(folder / f"{name}_{suffix}.npy", y[name], allow_pickle=False)
        info = _with_targets(_info(config, targets, parts), targets, y["train"])
        notices += said
        forms[output] = {"form": targets.form}
        infos.append(info | {"name": output or info["name"]})
    told = {"notices": notices, "understood": {"inputs": {}, "targets": forms}}
    if len(infos) == 1:
        return infos[0] | told
    about = [{k: i[k] for k in ("name", "task", "classes", "class_names")} for i in infos]
    tasks = {each["name"]: each["task"] for each in about}
    joint = {"name": config.label, "task": SEVERAL, "class_names": None, "outputs": about}
    return infos[0] | told | joint | {"classes": None, "traits": {"outputs": tasks}}


def _info(config: DatasetConfig, targets: Targets, parts: Mapping[str, Part]) -> dict[str, Any]:
    return {
        "name": config.label,
        "task": targets.task,
        "classes": targets.classes,
        "class_names": targets.class_names,
        "splits": {name: source for name, (source, _) in parts.items()},
        "examples": {name: len(rows) for name, (_, rows) in parts.items()},
        "traits": {},
    }


def _with_targets(info: dict[str, Any], targets: Targets, train: np.ndarray) -> dict[str, Any]:
    if targets.task == "regression":
        mean, deviation = train.mean(axis=0, dtype=np.float64), train.std(axis=0, dtype=np.float64)
        info["traits"]["target_mean"] = mean.tolist()
        info["traits"]["target_deviation"] = np.where(deviation > 0, deviation, 1.0).tolist()
    return info


def _write_input(
    raw: Mapping[str, Raw],
    name: str,
    suffix: str,
    parts: Mapping[str, Part],
    encoder: Encoder | None,
    config: DatasetConfig,
    folder: Path,
) -> tuple[dict[str, Any], list[str]]:
    arrays = {split: part.inputs[name] for split, part in raw.items()}
    stored = arrays["train"].shape[1:]
    for split, array in arrays.items():
        if array.shape[1:] != stored:
            raise ValueError(
                f"The inputs of the split {split} have the shape {array.shape[1:]}, those of train "
                f"{stored}; give all of them one shape."
            )
    shape = _shape(stored if encoder is None else (encoder.width,), config)
    own = arrays["train"].dtype
    pictures = name in raw["train"].pictures
    dtype = own if pictures or own == np.uint8 else np.dtype(np.float32)
    if own.kind not in "biuf" and own.name != "bfloat16":
        raise ValueError(f"The inputs {name!r} hold {own}; allowed are real numbers and text.")
    largest = 0
    for split, (source, rows) in parts.items():
        read = reading(arrays[source])
        writer = ArrayWriter(folder / f"{split}_{suffix}.npy", dtype, shape)
        for start in range(0, len(rows), ROWS):
            chosen = rows[start : start + ROWS]
            values = np.asarray(read(chosen))
            values = (encoder(values) if encoder else values).reshape(len(chosen), *shape)
            finite = np.isfinite(values.astype(np.float32)).reshape(len(chosen), -1).all(axis=1)
            if not finite.all():
                first = _where(raw, source, int(chosen[finite.argmin()]))
                raise ValueError(
                    f"The inputs {name!r} have values that are not finite numbers of float32 (the "
                    f"first are in {first}); fill or scale them, or leave those examples out."
                )
            if own.kind in "iu" and not pictures:
                largest = max(largest, int(values.max()), -int(values.min()))
            writer.append(values)
        writer.close()
    notices = []
    if largest > _EXACT:
        notices.append(
            f"The inputs {name!r} hold whole numbers as large as {largest:,}, which float32 rounds "
            "from 2^24 on; take off what all have in common, if the difference counts."
        )
    scale = 1 / 255 if dtype == np.uint8 else 1.0
    traits: dict[str, Any] = {}
    if len(shape) == 1 and dtype != np.uint8:
        mean, variance = _moments(np.load(folder / f"train_{suffix}.npy", mmap_mode="r"))
        traits = {"mean": mean.tolist(), "variance": variance.tolist()}
    about = {"shape": list(shape), "scale": scale, "dtype": "float32", "traits": traits}
    return about, notices


def _other_targets(understood: Understanding, config: DatasetConfig) -> list[str]:
    """A notice on inputs that are called as targets are, where nobody chose."""
    features = [column.name for column in understood.columns if column.role == "feature"]
    others = [name for name in features if name.lower() in TARGETS]
    if not others or config.features:
        return []
    return [
        f"{', '.join(map(repr, others))} may be meant as a target, but is an input; if it is not "
        "known before the target is, leave it out by dataset.features."
    ]


def _where(raw: Mapping[str, Raw], source: str, example: int) -> str:
    """Which file and row an example of a split of the source is from, as far as that is known."""
    understood = raw["train"].understood
    if understood is not None and understood.files:
        return understood.where(source, example)
    return f"example {example + 1} of the split {source}"


def _moments(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each column, a piece of the rows at a time."""
    total = sum(piece.sum(axis=0, dtype=np.float64) for piece in pieces(array, _AT_ONCE))
    mean = total / len(array)
    squares = sum(np.square(piece - mean).sum(axis=0) for piece in pieces(array, _AT_ONCE))
    return mean, squares / len(array)


def _shape(stored: tuple[int, ...], config: DatasetConfig) -> tuple[int, ...]:
    if config.shape is not None:
        if np.prod(config.shape) != np.prod(stored):
            raise ValueError(
                f"dataset.shape is {config.shape}, {np.prod(config.shape)} values, but each "
                f"example has {stored}, {np.prod(stored)} values; give a shape of as many."
            )
        return config.shape
    return stored or (1,)


def _write_text(
    raw: Mapping[str, Raw],
    name: str,
    parts: Mapping[str, Part],
    config: DatasetConfig,
    folder: Path,
) -> tuple[dict[str, Any], list[str]]:
    texts = {split: raw[source].inputs[name][rows] for split, (source, rows) in parts.items()}
    vectorizer = Vectorizer(texts["train"], config)
    lengths = {split: vectorizer.lengths(some) for split, some in texts.items()}

    def where(split: str, place: int) -> str:
        source, rows = parts[split]
        return _where(raw, source, int(rows[place]))

    notices = check_tokens(lengths, vectorizer, config, where)
    vectorizer.save(folder)
    for split, some in texts.items():
        np.save(folder / f"{split}_x.npy", vectorizer.tokens(some), allow_pickle=False)
    return _text_info(vectorizer), notices


def _text_info(vectorizer: Vectorizer) -> dict[str, Any]:
    return {
        "shape": [vectorizer.length],
        "scale": None,
        "dtype": "int32",
        "vocabulary": vectorizer.digest(),
        "traits": {"vocabulary": vectorizer.size},
    }


def _write_language_model(
    raw: Mapping[str, Raw], texts: list[str], config: DatasetConfig, folder: Path
) -> dict[str, Any]:
    if not texts:
        raise ValueError(
            f"The task language_model goes by text, but the inputs of {config.label!r} are "
            "numbers; choose a text by dataset.features, or another task."
        )
    parts = divide({split: len(part) for split, part in raw.items()}, None, config)
    inputs = {split: raw[source].inputs[texts[0]][rows] for split, (source, rows) in parts.items()}
    vectorizer = Vectorizer(inputs["train"], config)
    vectorizer.save(folder)
    examples = {}
    for split in SPLITS:
        x, y = vectorizer.stream(inputs[split])
        if len(inputs[split]) and not len(x):
            raise ValueError(
                f"The texts of the split {split} are shorter than dataset.text_length "
                f"({vectorizer.length}) altogether; give more text, or a smaller length."
            )
        np.save(folder / f"{split}_x.npy", x, allow_pickle=False)
        np.save(folder / f"{split}_y.npy", y, allow_pickle=False)
        examples[split] = len(x)
    targets = Targets("language_model", vectorizer.size, None, {})
    told = {"notices": [], "understood": {"inputs": {}, "targets": {"": {"form": "next token"}}}}
    return {**_info(config, targets, parts), **_text_info(vectorizer), **told, "examples": examples}
