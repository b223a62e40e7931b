"""The flows `search` and `sensitivity`: what is found, written, refused, and done only once."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import yaml
from prefect.exceptions import CancelledRun

from secateur.report.data_tables import card_summary
from secateur.report.search import SearchReport
from tests.flows.conftest import check_names


@pytest.fixture
def searched(tmp_path, shared_store, prefect_server):
    """Calls the flow with few epochs."""
    from secateur.flows.search import search

    def run(**changes):
        groups = {
            "budget": {"accuracy_drop": 0.05},
            "train": {"epochs": 2},
            "fine_tune": {"epochs": 1},
            "search": {"fresh_seeds": 2},
            "seed": 1,
            "output": tmp_path / "out",
        }
        return search(**{**groups, **changes})

    return run


def _entries():
    from secateur.store import open_store

    return {entry.key: entry.stage for entry in open_store().list()}


def test_the_smallest_model_within_a_drop(searched, tmp_path):
    report = searched()
    out = tmp_path / "out"
    check_names(out, "search")
    assert report == SearchReport.model_validate_json((out / "search.json").read_text())
    (step,) = report.steps
    chosen = next(trial for trial in step.trials if trial.number == step.chosen)
    assert chosen.status == "kept"
    assert report.winner.drop.value + report.winner.drop.margin <= 0.05
    assert report.winner.certainty >= 0.95
    assert 0 < max(report.winner.layers.values()) < 1
    assert set(report.winner.layers) <= {"dense_1", "dense_2", "logits"}
    assert report.winner.costs["bytes"] < 0.6 * report.dense.costs["bytes"]
    assert report.winner.test.trials == 2
    assert card_summary(report.data_card) in (out / "search.html").read_text()
    assert len(step.sensitivity.curves) == 3
    page = (out / "search.html").read_text()
    assert "<script src=" not in page
    assert "<link" not in page


def test_the_same_search_again_trains_nothing(searched):
    first = searched()
    before = _entries()
    assert searched().winner == first.winner
    assert _entries() == before


def test_the_config_gives_the_same_model_again(searched, tmp_path):
    from secateur.flows.parameters import PruneParameters
    from secateur.flows.prune import prune

    report = searched()
    before = _entries()
    parameters = yaml.safe_load((tmp_path / "out" / "prune.yaml").read_text())
    p = PruneParameters.model_validate(parameters)
    again = prune(
        **{name: getattr(p, name) for name in p.model_fields_set}, output=tmp_path / "again"
    )
    new = [stage for key, stage in _entries().items() if key not in before]
    assert set(new) <= {"evaluate", "explain"}  # what a search does not need
    assert again.fine_tuned.nonzero == report.winner.costs["nonzero"]
    one, other = (
        keras.saving.load_model(tmp_path / name / "model.keras").get_weights()
        for name in ("out", "again")
    )
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_test_split_has_no_part_in_the_choice(searched):
    before = _entries()
    report = searched()
    new = [stage for key, stage in _entries().items() if key not in before]
    trained = {trial.name for step in report.steps for trial in step.trials}
    assert new.count("evaluate") <= 1 + report.winner.test.trials < len(trained) + 3


@pytest.mark.slow
def test_nothing_is_written_before_a_person_agrees(searched, ask, tmp_path):
    shown = ask("n")
    with pytest.raises(CancelledRun, match="Not published"):
        searched(publish={"approval": True})
    assert not (tmp_path / "out" / "search.json").exists()
    ask("y")
    report = searched(publish={"approval": True})
    assert (tmp_path / "out" / "search.json").exists()
    assert all(f"{100 * report.winner.test.mean:.2f}" in text for text in shown)


def test_two_objectives_leave_a_front(searched):
    """NSGA-II: no trial of the front is beaten in both; what is chosen keeps the budget."""
    report = searched(search={"strategy": "nsga2", "trials": 5, "fresh_seeds": 1, "rungs": []})
    (step,) = report.steps
    assert len(step.trials) == 5
    assert len({json.dumps(trial.target, sort_keys=True) for trial in step.trials}) > 3
    chosen = next(trial for trial in step.trials if trial.number == step.chosen)
    kept = [trial for trial in step.trials if trial.status == "kept"]
    assert chosen.costs["bytes"] == min(trial.costs["bytes"] for trial in kept)
    assert report.winner.drop.value + report.winner.drop.margin <= 0.05


def test_the_most_accurate_model_that_fits(searched):
    report = searched(budget={"bytes": "40KB"})
    assert report.winner.costs["bytes"] <= 40_000
    (step,) = report.steps
    tuned = [trial for trial in step.trials if trial.tuned]
    assert len(tuned) >= 2  # by one ratio, and by the layers' sensitivity
    assert all(not t.tuned for t in step.trials if t.status == "measured")
    assert report.kept_on_test


@pytest.mark.parametrize(
    ("asked", "pattern"),
    [
        ({"budget": {"accuracy_drop": 0.01}}, "weight"),
        ({"budget": {"bytes": "50KB"}}, "weight"),
        ({"budget": {"accuracy_drop": 0.01}, "objective": "parameters"}, "channel"),
        ({"budget": {"flops": 0.4}}, "channel"),
        ({"budget": {"latency_ms": 2, "bytes": "50KB"}}, "channel"),
        ({"budget": {"bytes": "50KB"}, "target": {"pattern": ["2:4"]}}, "2:4"),
    ],
)
def test_the_usual_pattern_lowers_what_is_asked_for(asked, pattern):
    from secateur.flows.search_parameters import SearchParameters

    p = SearchParameters.model_validate(asked)
    assert p.target.pattern == (pattern,)
    assert SearchParameters.model_validate(p.model_dump(mode="json")) == p
    assert [run.target.pattern for run in p.check()] == [pattern]


@pytest.mark.slow
def test_flops_are_met_without_trying(searched):
    report = searched(budget={"flops": 0.4})
    whole, found = report.dense.costs["flops"], report.winner.costs["flops"]
    assert 0.3 * whole < found <= 0.4 * whole
    assert all(trial.tuned for step in report.steps for trial in step.trials)


@pytest.mark.slow
def test_channels_first_then_weights(searched, tmp_path):
    report = searched(target={"pattern": ["channel", "weight"]}, budget={"accuracy_drop": 0.4})
    assert [step.pattern for step in report.steps] == ["channel", "weight"]
    assert report.steps[0].allowed == pytest.approx(0.2)
    config = yaml.safe_load((tmp_path / "out" / "prune.yaml").read_text())
    assert config["first"][0]["pattern"] == "channel"
    assert config["target"]["pattern"] == "weight"
    assert report.winner.costs["parameters"] < report.dense.costs["parameters"]
    assert report.winner.costs["nonzero"] < report.steps[0].trials[0].costs["parameters"]


@pytest.mark.slow
def test_a_limit_on_latency_is_looked_for_where_the_table_says(searched):
    how = {"target": {"pattern": ["channel"]}, "search": {"fresh_seeds": 1}}
    generous = searched(budget={"latency_ms": 1000}, **how)
    assert any("dense model keeps the budget as it is" in each for each in generous.notices)
    whole = generous.dense.costs["latency_ms"]
    report = searched(budget={"latency_ms": 0.8 * whole}, **how)
    assert report.winner.costs["latency_ms"] <= 0.8 * whole
    assert not any("as it is" in each for each in report.notices)
    assert any(not trial.tuned for step in report.steps for trial in step.trials)


def test_a_latency_that_nothing_can_measure(monkeypatch, tmp_path, capsys):
    import importlib.util

    from secateur.flows.cli import main

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    arguments = ["--budget.latency_ms", "2", "--target.pattern", "channel"]
    assert main(["search", *arguments, "--output", str(tmp_path)]) == 2
    assert "install the extra `litert`" in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_an_n_of_m_pattern_takes_as_many_layers_as_the_budget_allows(searched):
    report = searched(target={"pattern": ["2:4"]}, budget={"accuracy_drop": 0.1})
    (step,) = report.steps
    assert all(trial.target["pattern"] == "2:4" for trial in step.trials)
    assert report.winner.costs["nonzero"] < report.dense.costs["nonzero"]


@pytest.mark.slow
def test_a_budget_that_nothing_meets_says_what_the_best_is(searched, tmp_path):
    harmful = {"epochs": 1, "learning_rate": 5.0}
    with pytest.raises(RuntimeError, match=r"the best, .* loses .* points .* where 0.00"):
        searched(budget={"accuracy_drop": 0.0}, fine_tune=harmful)
    assert not (tmp_path / "out" / "search.json").exists()
    with pytest.raises(RuntimeError, match=r"the best, .* takes .* bytes where 10 are allowed"):
        searched(budget={"bytes": 10})


def test_where_nothing_is_sure_the_likeliest_is_taken_and_said_to_be(searched, tmp_path):
    """More trained and pruned models are better here, but never for sure by 0.999999."""
    report = searched(
        budget={"accuracy_drop": 0.0}, search={"confidence": 0.999999, "fresh_seeds": 2}
    )
    assert 0.5 <= report.winner.certainty < 0.999999
    assert report.winner.drop.value <= 0 < report.winner.drop.value + report.winner.drop.margin
    (notice,) = [n for n in report.notices if "could be shown" in n]
    assert "On 400 validation examples" in notice
    assert f"{report.winner.name} does with {report.winner.certainty:.0%}" in notice
    assert "sure to do so" in (tmp_path / "out" / "search.html").read_text()


def test_sensitivity_is_printed_and_drawn(tmp_path, shared_store, capsys, prefect_server):
    from secateur.flows.cli import main

    out = tmp_path / "out"
    arguments = ["sensitivity", "--train.epochs", "2", "--seed", "1", "--output", str(out)]
    assert main(arguments) == 0
    printed, _ = capsys.readouterr()
    assert "dense_1" in printed
    assert "bears it worst" in printed
    check_names(out, "sensitivity")
    assert (out / "sensitivity.png").stat().st_size > 5000
    assert "<title>Data: mnist_5k</title>" in (out / "data.html").read_text()
    (found,) = json.loads((out / "sensitivity.json").read_text())
    assert [curve["layer"] for curve in found["curves"]] == ["dense_1", "dense_2", "logits"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "budget is missing"),
        (["--budget.accuracy_drop", "0.01", "--budget.flops", "0.5"], "keep one of them"),
        (["--budget.bytes", "50KB", "--objective", "bytes"], "leave objective out"),
        (
            ["--budget.flops", "0.5", "--target.pattern", "weight"],
            "zeros make a model no cheaper",
        ),
        (
            [
                *("--budget.accuracy_drop", "0.01", "--objective", "flops"),
                *("--target.pattern", "weight"),
            ],
            "use pattern channel",
        ),
        (["--budget.accuracy_drop", "2"], "budget.accuracy_drop is '2'"),
        (["--budget.bytes", "little"], "budget.bytes is 'little'"),
        (
            ["--budget.accuracy_drop", "0.01", "--dataset.validation", "0"],
            "every choice is made on the validation split",
        ),
        (
            ["--budget.accuracy_drop", "0.01", "--target.pattern", "weight,channel"],
            "layer comes first",
        ),
        (["--budget.accuracy_drop", "0.01", "--target.pattern", "chanel"], "pattern is 'chanel'"),
        (
            ["--budget.accuracy_drop", "0.01", "--importance.criterion", "sparsegpt"],
            "gives no scores",
        ),
        (
            ["--budget.accuracy_drop", "0.01", "--search.rungs", "3,1"],
            "rising numbers of epochs",
        ),
        (
            [
                *("--budget.accuracy_drop", "0.01", "--search.strategy", "tpe"),
                *("--target.pattern", "2:4"),
            ],
            "looks for a ratio for each layer",
        ),
    ],
)
def test_what_is_wrong_is_said_before_any_work(arguments, sentence, tmp_path, capsys):
    from secateur.flows.cli import main

    out = tmp_path / "out"
    assert main(["search", *arguments, "--output", str(out)]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert error.startswith("secateur search: ")
    assert sentence in error
    assert not out.exists() or not list(out.iterdir())
