"""A run that stops at its deadline, and goes on when it is started again."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from secateur.flows.arguments import explain
from secateur.flows.parameters import PruneParameters

LENGTHS = {
    "90s": 90,
    "30m": 1800,
    "2h": 7200,
    "1h30m": 5400,
    "1d": 86400,
    " 2H ": 7200,
    "PT2H": 7200,
    "P1DT1S": 86401,
}


@pytest.mark.parametrize(("text", "seconds"), LENGTHS.items())
def test_lengths_of_time_are_written_as_people_do(text, seconds):
    given = PruneParameters(target={"ratio": 0.5}, deadline=text)
    assert given.deadline == timedelta(seconds=seconds)
    assert PruneParameters.model_validate_json(given.model_dump_json()) == given


@pytest.mark.parametrize(
    "bad", ["", "soon", "2 h", "h", "0s", "-5m", "1m30h", 90, "PT", "9" * 30 + "d"]
)
def test_what_is_no_length_of_time_is_refused_in_one_sentence(bad):
    with pytest.raises(ValueError) as error:  # noqa: PT011  (a pydantic error: its text counts)
        PruneParameters(target={"ratio": 0.5}, deadline=bad)
    (sentence,) = explain(error.value).splitlines()
    assert sentence.startswith(f"deadline: {bad!r} is no length of time; give one above 0 such as")


def test_the_forms_of_the_ui_show_a_field_for_text():
    from prefect.utilities.callables import parameter_schema

    from secateur.flows.compress import compress
    from secateur.flows.prune import prune
    from secateur.flows.transfer import transfer

    for flow in (prune, transfer, compress):
        field = parameter_schema(flow).properties["deadline"]
        assert [part["type"] for part in field["anyOf"]] == ["string", "null"]
        assert "1h30m" in field["description"]


@pytest.mark.slow
def test_a_compression_has_a_deadline_too(prefect_server, monkeypatch):
    from secateur.flows import compress
    from secateur.tasks.deadline import Halt

    class Reached(Exception):  # noqa: N818  (no error)
        pass

    def wire(*_):
        raise Reached(Halt("train", 9).asked is not None)

    monkeypatch.setattr(compress, "wire_compress", wire)
    for deadline in ("1h", None):
        with pytest.raises(Reached, match=str(deadline is not None)):
            compress.compress(deadline=deadline)


@pytest.fixture
def undisturbed(_ran):
    """The report of a run of `quick` in another store."""
    return _ran[1]


@pytest.mark.slow
def test_a_run_stops_at_its_deadline_and_goes_on_to_the_same_weights(
    undisturbed, quick, tmp_path, monkeypatch
):
    import keras

    from secateur.models.weights import content_digest
    from secateur.tasks import progress

    class Display:
        begun: list = []  # noqa: RUF012

        def begin(self, stage, epochs):
            self.begun.append([stage])

        def advance(self, epoch, metrics):
            self.begun[-1].append(epoch)

        def end(self):
            pass

        def finished(self, record):
            pass

    def weights():
        return content_digest(keras.saving.load_model(tmp_path / "out" / "model.keras"))

    monkeypatch.setattr(progress, "displays", [Display()])
    short = quick(deadline="PT0.001S")
    said = "train stopped at the deadline after 1 of 2 epochs, and the best so far was kept"
    assert [notice for notice in short.notices if said in notice]
    assert not [notice for notice in undisturbed.notices if "deadline" in notice]
    assert json.loads((tmp_path / "out" / "report.json").read_text())["notices"] == short.notices
    assert "stopped at the deadline" in (tmp_path / "out" / "report.md").read_text()
    assert short.sparsity == undisturbed.sparsity
    partial = weights()

    Display.begun.clear()
    whole = quick()
    stage, first, *_, last = Display.begun[0]
    assert (stage, last) == ("train", 2.0)
    assert first > 1.0  # the epoch before was not trained again
    assert whole.notices == undisturbed.notices
    assert whole.fine_tuned.metrics == undisturbed.fine_tuned.metrics
    assert weights() != partial
    # A key counts the content of what the stage reads, so that these are the same weights.
    keys = [(stage.name, stage.key) for stage in whole.stages]
    assert keys == [(stage.name, stage.key) for stage in undisturbed.stages]
    assert all(stage.cached for stage in quick(deadline="1s").stages)
