"""Parameters of the data set."""

import codecs
import io
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from secateur.datasets.traits import Task
from secateur.factories import PATTERN
from secateur.schema import tell_bounds

_Size = Annotated[int, Field(ge=1, le=100_000_000)]


class DatasetConfig(BaseModel):
    """The data that trains, calibrates and measures the model: of TFDS, of a file, or made."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=tell_bounds, title="Data set"
    )

    name: str | None = Field(
        default="mnist_5k",
        min_length=1,
        description="A bundled set (`mnist_5k`, `digits`, `breast_cancer`, `wine`, `diabetes`, "
        "`languages`), or any TFDS name (`cifar10`, `mnist:3.0.1`). Leave empty where a path or a "
        "factory is given.",
    )
    path: str | None = Field(
        default=None,
        min_length=1,
        description="Your own data: a `.csv` (also `.csv.gz`, `.csv.bz2`, `.csv.zst`), `.parquet`, "
        "`.npz` or `.tfrecord` file, a folder with a folder of images for each class, or a folder "
        "whose files or folders `train`, `test` and, if there is one, `validation` are such data "
        "(in any case; also `training`, `testing`, `valid`, `val` and `dev`). An `.npz` file may "
        "hold its splits, each array called `x_train`, `y_train`, `x_test` and so on.",
    )
    factory: str | None = Field(
        default=None,
        pattern=PATTERN,
        description="`package.module:function`, which returns a tf.data.Dataset of single pairs "
        "(input, target), or a dict of them by split. Only from modules that the operator allows "
        "(SECATEUR_MODEL_MODULES).",
    )
    features: tuple[str, ...] = Field(
        default=(),
        description="Columns or keys of the inputs. Default: all but the target's. Columns of "
        "numbers make one vector; arrays of an .npz file or a TFRecord are inputs of their own.",
    )
    target: tuple[str, ...] = Field(
        default=(),
        description="Columns or keys of what the model shall give. Default: `label`, `target` or "
        "`y`, whichever there is.",
    )
    task: Task | None = Field(
        default=None,
        description="What the model shall do. Default: regression where targets are no integers "
        "(several targets of zeros and ones: multi_label), else classification, and "
        "token_classification where each example has a sequence of labels, or a map of them: one "
        "for each pixel. language_model takes text alone, and the target is the next token.",
    )
    outputs: dict[str, Task] = Field(
        default={},
        description="Several outputs, in place of target and task: each target's column or key, "
        "and what the model shall do with it ({kind: classification, price: regression}). The "
        "model's outputs are called so; the first one's metric counts.",
    )
    classes: int | None = Field(
        default=None,
        ge=2,
        le=1_000_000,
        description="Number of classes, where labels are numbers from 0; more than the data have "
        "where the model knows more. Default: what is found.",
    )
    shape: tuple[_Size, ...] | None = Field(
        default=None,
        min_length=1,
        description="Shape of one example's input, where a table or a TFRecord holds flat numbers "
        "(28 28 1 of 784 columns of pixels).",
    )
    delimiter: str | None = Field(
        default=None,
        min_length=1,
        max_length=3,
        description="Of a CSV file: the character between two values, or `tab`. Default: comma, "
        "semicolon, tab or bar, whichever gives all rows as many values as the header.",
    )
    decimal: Literal[".", ","] | None = Field(
        default=None,
        description="Of a CSV file: what stands before the decimals of a number. Default: a point, "
        "or a comma where all numbers with decimals have one.",
    )
    encoding: str | None = Field(
        default=None,
        min_length=1,
        description="Of a CSV file: its encoding, as Python calls it (`latin-1`, `cp1252`, "
        "`utf-16-le`). Default: UTF-8, or what the mark at its beginning says.",
    )
    data_dir: str | None = Field(
        default=None,
        description="Folder where TFDS prepared the data set, or shall prepare it. "
        "Default: TFDS's own folder.",
    )
    validation: float = Field(
        default=0.1,
        ge=0,
        le=0.5,
        description="Share of the training split held out for validation: every choice is made "
        "on it, never on the test split. Unused where the data set has a validation split.",
    )
    test: float = Field(
        default=0.2,
        gt=0,
        le=0.5,
        description="Share of a path or a factory held out as the test split, where it has none; "
        "the same examples every time, and the same share of each class.",
    )
    test_split: str | None = Field(
        default=None,
        min_length=1,
        description="Which of the data set's own splits measures, where `test` cannot: the labels "
        "of some are hidden (-1). `train` holds out a share of it. Default: `test`.",
    )
    image_size: tuple[int, int] | None = Field(
        default=None,
        description="Height and width in pixels that images are resized to. "
        "Needed where the images differ in size.",
    )
    tokens: Literal["word", "character"] = Field(
        default="word",
        description="What a text is taken apart into: words (lower case, without punctuation) or "
        "characters.",
    )
    vocabulary: int = Field(
        default=10_000,
        ge=3,
        le=10_000_000,
        description="Tokens to tell apart at most, the most frequent ones of the training split; "
        "two of them stand for padding and for all others.",
    )
    text_length: int | None = Field(
        default=None,
        ge=2,
        le=1_000_000,
        description="Tokens of a text; longer ones are cut, shorter ones padded. "
        "Default: what covers 95 % of the training split, at most 512; of a language model 64.",
    )

    @model_validator(mode="before")
    @classmethod
    def _default_gives_way(cls, data: Any) -> Any:
        own = isinstance(data, dict) and (data.get("path") or data.get("factory"))
        return {**data, "name": None} if own and "name" not in data else data

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str | None) -> str | None:
        if delimiter is None:
            return None
        found = "\t" if delimiter in ("tab", "\\t") else delimiter
        if len(found) != 1 or not found.isascii() or found.isalnum() or found in '"\r\n.-+_\0':
            raise ValueError(
                f"dataset.delimiter is {delimiter!r}; allowed are tab, and one ASCII character "
                "that is no letter, digit, quote or sign of a number"
            )
        return found

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str | None) -> str | None:
        if encoding is None:
            return None
        try:
            io.TextIOWrapper(io.BytesIO(), encoding)  # refuses codecs that are none of text
            return codecs.lookup(encoding).name
        except (LookupError, ValueError) as error:
            raise ValueError(
                f"dataset.encoding is {encoding!r}, which Python does not know; give another, such "
                "as utf-8, latin-1, cp1252 or utf-16"
            ) from error

    @model_validator(mode="after")
    def _exactly_one(self) -> "DatasetConfig":
        given = [f for f in ("name", "path", "factory") if getattr(self, f) is not None]
        if len(given) != 1:
            got = "none of them" if not given else " and ".join(f"dataset.{f}" for f in given)
            raise ValueError(
                f"give exactly one of dataset.name, dataset.path and dataset.factory, not {got}"
            )
        both = sorted(set(self.features) & set(self.target))
        if both:
            raise ValueError(f"{both[0]!r} is both in dataset.features and in dataset.target")
        if self.outputs:
            self._check_outputs()
        if self.task == "language_model" and self.target:
            raise ValueError(
                "dataset.target is given, but the target of a language_model is the next token; "
                "leave it out"
            )
        return self

    def _check_outputs(self) -> None:
        for field in ("target", "task", "classes"):
            if getattr(self, field):
                raise ValueError(
                    f"dataset.outputs says what each output is for, so that dataset.{field} has no "
                    "place; leave one of them out"
                )
        if len(self.outputs) == 1:
            raise ValueError(
                "dataset.outputs names one output; give dataset.target and dataset.task instead"
            )
        if "language_model" in self.outputs.values():
            raise ValueError(
                "dataset.outputs has a language_model, whose target is no column; choose another "
                "task"
            )
        both = sorted(set(self.features) & set(self.outputs))
        if both:
            raise ValueError(f"{both[0]!r} is both in dataset.features and in dataset.outputs")

    @property
    def targets(self) -> tuple[str, ...]:
        """Columns or keys of what the model shall give; empty where the defaults decide."""
        return tuple(self.outputs) or self.target

    @property
    def label(self) -> str:
        """What the data set is called: its name, its file's name or its factory."""
        return self.name or self.factory or Path(self.path or "").name
