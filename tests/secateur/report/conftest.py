from __future__ import annotations

import datetime

import numpy as np
import pytest

from secateur.datasets.card.schema import Card, Class, Feature, Input, Sample, Target
from secateur.datasets.origin import FilePart
from secateur.datasets.understanding import Column, Understanding
from secateur.evaluation.schema import Cost, Evaluation, FileSize, LayerCount, Score
from secateur.explanation.changes import Answers, compare
from secateur.explanation.histograms import histogram, score_histogram
from secateur.explanation.schema import Explanation, WeightFacts
from secateur.proof import Check
from secateur.report.evidence import Evidence, Origin
from secateur.report.images import picture_uri
from secateur.report.record import StageRecord
from secateur.report.schema import Report
from secateur.report.sweep import (
    SweepReport,
    Variant,
    dense_figures,
    done,
    figures_of,
    fronts_of,
)


def cost(nonzero, accuracy, loss, gzip=4_000, flops=9_400):
    return Cost(
        loss=loss,
        metrics={"accuracy": accuracy},
        parameters=1_100,
        prunable=1_000,
        nonzero=nonzero,
        flops=flops,
        bytes={"keras": FileSize(raw=12_345, gzip=gzip)},
        latency_ms=None,
    )


def record(name, subject=None, cached=False, round=None):
    return StageRecord(
        name=name,
        subject=subject,
        round=round,
        key="0123456789abcdef" * 4,
        cached=cached,
        seconds=1.5,
    )


def check(subject, difference=0.0, statement=None, examples=8, tolerance=1e-5):
    return Check(
        subject=subject,
        statement=statement or f"The {subject} of <dense> is right.",
        examples=examples,
        difference=difference,
        tolerance=tolerance,
        seconds=0.25,
    )


@pytest.fixture
def checks():
    """Three proofs, one of them made twice."""
    masks = {"statement": "The zeros | are zero.", "examples": 0, "tolerance": 0.0}
    return [
        check("masks", **masks),
        check("copy", 3e-7),
        check("copy", 1e-7),
        check("cut", 1.2e-6, examples=1_000),
    ]


@pytest.fixture
def make():
    """Makes the report of a small run, with fields of one's own."""

    def report(**changes):
        fields = {
            "schema_version": 1,
            "parameters": {
                "model": {"name": "simple_net", "path": None, "factory": None},
                "dataset": {"name": "mnist_5k"},
                "importance": {"criterion": "magnitude"},
                "seed": 1,
            },
            "task": "classification",
            "dense": cost(1_000, 0.9312, 0.25),
            "pruned": cost(100, 0.5, 1.5),
            "fine_tuned": cost(100, 0.9187, 0.3, gzip=1_000),
            "sparsity": 0.9,
            "layers": [
                LayerCount(name="a|b", kind="Dense", parameters=900, nonzero=50, sparsity=17 / 18),
                LayerCount(name="logits", kind="Dense", parameters=100, nonzero=50, sparsity=0.5),
            ],
            "stages": [
                record("load_data", cached=True),
                record("train"),
                record("prune", round=2),
                record("evaluate", "fine_tuned"),
            ],
            "notices": ["The layer 'logits' kept 50 weights."],
            "exports": [],
        }
        return Report(**{**fields, **changes})

    return report


@pytest.fixture
def report(make):
    return make()


@pytest.fixture
def sweep():
    """What a sweep of three variants and two seeds found out."""
    trials = []
    for variant, (nonzero, accuracy) in enumerate([(500, 0.93), (100, 0.9), (200, 0.8)]):
        for seed in (0, 1):
            share = accuracy + 0.01 * seed
            score = Score(loss=0.3, metrics={"accuracy": share})
            evaluations = {
                subject: Evaluation(cost=found, validation=score, layers=[], notices=[])
                for subject, found in (
                    ("dense", cost(1_000, 0.9312, 0.25)),
                    ("pruned", cost(nonzero, 0.5, 1.5)),
                    ("fine_tuned", cost(nonzero, share, 0.3, gzip=4 * nonzero)),
                )
            }
            values = {"target.ratio": 1 - nonzero / 1_000, "fine_tune.seed": seed}
            trials.append(done(f"v{variant} s{seed}", values, variant, "k", evaluations))
    variants = [
        Variant(
            name=f"<ratio>={trials[2 * place].sparsity}",
            values={},
            figures=figures_of(trials[2 * place : 2 * place + 2]),
        )
        for place in range(3)
    ]
    return SweepReport(
        parameters={
            "model": {"name": "simple_net", "path": None, "factory": None},
            "dataset": {"name": "mnist_5k"},
        },
        axes={"target.ratio": [0.5, 0.9, 0.8], "fine_tune.seed": [0, 1]},
        metric="accuracy",
        dense=dense_figures(trials),
        trials=trials,
        variants=variants,
        fronts=fronts_of(variants),
        notices=["One was left out."],
    )


def facts(path, shape, ratio=0.5, after=None):
    """What is known of a random weight, and its mask."""
    rng = np.random.default_rng(len(path))
    value = rng.normal(size=shape)
    scores = np.abs(value)
    mask = scores > np.quantile(scores, ratio)
    kept = value[mask]
    found = WeightFacts(
        path=path,
        layer=path.rpartition("/")[0],
        kind="Dense" if len(shape) == 2 else "Conv2D",
        shape_before=list(shape),
        shape_after=list(after or shape),
        nonzero_after=kept.size,
        values_before=histogram(value, -4, 4),
        values_after=histogram(kept, -4, 4),
        scores=score_histogram([scores], [mask]),
    )
    return found, mask


def answers(seed, labels, classes, share=0.8):
    rng = np.random.default_rng(seed)
    right = rng.random(len(labels)) < share
    given = np.where(right, labels, rng.integers(0, classes, len(labels)))
    return Answers(given, rng.uniform(0.4, 1.0, len(labels)))


@pytest.fixture
def card():
    """The card of pictures and of a table with names that are markup elsewhere, in 50 classes."""
    picture = picture_uri(np.full((8, 8, 3), 128, np.uint8))
    names = [f"<c|{place}>" for place in range(50)]
    splits = {"train": 1_000, "validation": 0, "test": 50}
    column = {"minimum": -1.5, "maximum": 2.0, "mean": 0.25, "deviation": 1.0}
    return Card(
        name="*<my>* data",
        task="classification",
        splits=splits,
        sources={"train": "train", "validation": "train", "test": None},
        inputs=(
            Input(
                name="pic",
                kind="image",
                shape=(8, 8, 3),
                minimum=0,
                maximum=1,
                values="8-bit pictures: 255 becomes 1",
            ),
            Input(
                name="tab",
                kind="table",
                shape=(2,),
                minimum=-1.5,
                maximum=2,
                features=[Feature(name="a|<b>", **column), Feature(name="d", **column)],
            ),
        ),
        targets=(
            Target(
                name="",
                task="classification",
                classes=[Class(name=name, examples=splits) for name in names],
            ),
        ),
        source=Understanding(
            format="csv",
            files=[FilePart(name="<d>.csv", split="train", examples=1_050)],
            delimiter="\t",
            columns=[
                Column(name="a|<b>", role="feature", kind="number", minimum=-1.5, maximum=2),
                Column(name="e", role="left out", why="the index that pandas stored"),
            ],
        ),
        pictures={
            "pic": {
                "count": 1_050,
                "kind": "8-bit",
                "channels": 3,
                "modes": {"RGB": 1_000, "CMYK": 50},
                "sizes": {"8x8": 1_050},
                "other_sizes": 0,
                "resized_to": None,
                "turned_upright": 3,
                "on_white": 0,
                "several_frames": 0,
                "low": 0,
                "high": 255,
                "rule": "255 becomes 1",
            }
        },
        duplicates={"within_train": {"examples": 7, "other_target": 2}},
        notices=("<d>.csv has a tab between its values.",),
        warnings=("The column 'a|<b>' alone tells the class.",),
        samples=(
            Sample(inputs={"pic": picture, "tab": [0.5, -1.5]}, target={"": names[3]}),
            Sample(inputs={"pic": picture, "tab": [1.0, 2.0]}, target={"": names[4]}),
        ),
    )


@pytest.fixture
def evidence(report, card):
    """Everything that a page can show, of a made-up run."""
    weights = {"a|b/kernel": (30, 30), "conv/kernel": (3, 3, 2, 4), "logits/kernel": (20, 5)}
    told = {path: facts(path, shape) for path, shape in weights.items()}
    masks = {path: mask for path, (_, mask) in told.items()}
    labels = np.arange(100) % 5
    names = ["zero", "one", "two", "<three>", "four & more"]
    changes = compare(labels, answers(1, labels, 5), answers(2, labels, 5), names)
    flips = [flip.model_copy(update={"picture": i}) for i, flip in enumerate(changes.flips)]
    pictures = np.random.default_rng(3).integers(0, 256, (len(flips), 28, 28, 1), np.uint8)
    history = {"loss": [0.9, 0.5], "accuracy": [0.5, 0.9], "val_loss": [1.0, 0.6]}
    return Evidence(
        command="secateur prune --target.ratio 0.9 --target.include '[\"<a>\"]'",
        data={"shape": [28, 28, 1], "scale": 1 / 255, "class_names": names},
        versions={"python": "3.11.2", "keras": "3.15.1"},
        origins=[
            Origin(
                record=record,
                parameters={"epochs": 2},
                upstream={"data": "d" * 64, "fits": ["e" * 64, "f" * 64]},
                digest="c" * 64,
                created=datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC),
                seconds=4.2,
            )
            for record in report.stages
        ],
        histories={"train": history, "fine_tune": history},
        explanation=Explanation(
            criterion="magnitude",
            masked=len(told),
            scores=told["a|b/kernel"][0].scores,
            weights=[found for found, _ in told.values()],
            changes=changes.model_copy(update={"flips": flips}),
        ),
        card=card,
        pictures=pictures,
        masks=masks,
    )
