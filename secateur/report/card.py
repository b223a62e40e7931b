"""`model_card.md`: the final model's card in the form that the Hugging Face Hub reads.

Not named README.md, as the Hub wants it in a repository of a model: the output folder may be one
of the user's own, with a README in it. `huggingface_hub.ModelCard.load` takes any name.
"""

from __future__ import annotations

from typing import Any

import yaml

from secateur.report.data_tables import feeding_lines
from secateur.report.evidence import Evidence
from secateur.report.markdown import markdown_table, model_name, title
from secateur.report.naming import source
from secateur.report.schema import Report
from secateur.report.tables import cost_table, summary

_TASKS = {
    "classification": "tabular-classification",
    "binary": "tabular-classification",
    "multi_label": "tabular-classification",
    "regression": "tabular-regression",
    "token_classification": "token-classification",
    "language_model": "text-generation",
}
"""Tasks of a report -> those of the Hub, where the inputs are no images."""


def to_card(report: Report, evidence: Evidence) -> str:
    """The text of `model_card.md`: YAML for the Hub, and Markdown for people."""
    head = yaml.safe_dump(_metadata(report, evidence), sort_keys=False, allow_unicode=True)
    dataset = source(report.parameters["dataset"])
    notices = "".join(f"- {notice}\n" for notice in report.notices)
    parts = [
        f"---\n{head}---\n",
        f"# {model_name(report)}, pruned\n",
        f"{title(report)}. {summary(report)}\n",
        "## Model details\n",
        f"A Keras 3 model in `model.keras`. It was trained on {dataset}, pruned by Secateur "
        f"(criterion {report.parameters['importance']['criterion']}) and fine-tuned; "
        "`report.html` has the evidence.\n",
        "## How to get started\n",
        '```python\nimport keras\n\nmodel = keras.saving.load_model("model.keras")\n```\n',
        _inputs(evidence),
        "".join(f"{line}\n" for line in (feeding_lines(evidence.card) if evidence.card else ())),
        "## Evaluation\n",
        "Measured on the test split, which no choice was made by: the model before pruning, right "
        "after it, and at the end.\n",
        markdown_table(*cost_table(report)),
        "## Bias, risks and limitations\n",
        "Pruning can change the answers on some classes and examples more than the mean says."
        f"{_worst(evidence)} What the dense model does wrong, this one has inherited.\n",
        f"{notices}\n" if notices else "",
        "## How it was made\n",
        f"```\n{evidence.command}\n```\n" if evidence.command else "",
        ", ".join(f"{name} {version}" for name, version in evidence.versions.items()) + "\n",
    ]
    return "\n".join(part for part in parts if part.strip())


def _metadata(report: Report, evidence: Evidence) -> dict[str, Any]:
    task = _TASKS.get(report.task, "other")
    if evidence.pictures is not None and report.task == "classification":
        task = "image-classification"
    dataset = source(report.parameters["dataset"])
    metrics = report.fine_tuned.metrics
    result = {
        "task": {"type": task},
        "dataset": {"name": dataset, "type": dataset, "split": "test"},
        "metrics": [
            {"type": name, "name": f"{name} (pruned and fine-tuned)", "value": value}
            for name, value in metrics.items()
        ],
    }
    return {
        "library_name": "keras",
        "pipeline_tag": task,
        "tags": ["keras", "pruning", "sparsity", "secateur"],
        "datasets": [dataset],
        "metrics": list(metrics),
        "model-index": [{"name": f"{model_name(report)}-pruned", "results": [result]}],
    }


def _inputs(evidence: Evidence) -> str:
    """What the model takes and gives, as far as the data set says it."""
    info = evidence.data
    if not isinstance(info.get("shape"), list):
        return ""
    shape = "×".join(map(str, info["shape"]))
    scale = info.get("scale")
    scaled = (
        f", values multiplied by {scale:.6g}" if isinstance(scale, float) and scale != 1 else ""
    )
    if values := info.get("values"):
        scaled = f" ({values})"
    names = info.get("class_names")
    gives = f"; it tells apart {', '.join(map(str, names))}" if names and len(names) <= 30 else ""
    return f"It takes batches of {shape}, {info.get('dtype', 'float32')}{scaled}{gives}.\n"


def _worst(evidence: Evidence) -> str:
    """The class that lost most, if one did."""
    told = evidence.explanation
    counted = [c for c in told.changes.classes if c.examples] if told and told.changes else []
    worst = min(counted, key=lambda c: (c.right_after - c.right_before) / c.examples, default=None)
    if worst is None or worst.right_after >= worst.right_before:
        return ""
    lost = (worst.right_before - worst.right_after) / worst.examples
    return f" Here class {worst.name} lost most: {100 * lost:.1f} points of accuracy."
