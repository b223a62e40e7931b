"""The strategies of Optuna: TPE for one objective, NSGA-II for two, over the ratios of layers."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from secateur.searching.candidate import Candidate, Outcome
from secateur.searching.goal import Goal
from secateur.searching.halving import Halving
from secateur.sparsity.config import TargetConfig

_OWNER, _WHY = "owner", "why"
_LEAST = 0.01  # of a layer that stays


class Study:
    """Asks an Optuna study for candidates; whoever opens the same study goes on with it.

    Trials that were finished are asked for again, so that their outcomes are heard of: their
    stages are in the store. Those of a process that is gone are taken over where they were.

    Args:
        goal: What the search is after.
        make: Layer -> ratio to a target.
        layers: The layers that have a ratio.
        starts: Ratios to begin with.
        method: "tpe" or "nsga2".
        trials: How many candidates there are, at most, those of others included.
        rungs: Epochs at which candidates are compared, the last one all epochs.
        storage: A file, or the URL of a data base.
        name: Of the study; searches with the same parameters share it.
        cost: The cost that the objective, or a limit, is about.
        dense: That of the dense model.
        seed: Of the sampler.
    """

    def __init__(
        self,
        goal: Goal,
        make: Callable[[dict[str, float]], TargetConfig],
        layers: Sequence[str],
        starts: Sequence[Mapping[str, float]],
        *,
        method: str,
        trials: int,
        rungs: Sequence[int],
        storage: str,
        name: str,
        cost: str,
        dense: float,
        seed: int,
    ):
        self._goal, self._make, self._layers = goal, make, list(layers)
        self._most, self._rungs, self._halving = trials, tuple(rungs), Halving(rungs)
        self._cost, self._dense, self._two = cost, dense, method == "nsga2"
        self._study = _open(storage, name, method, len(starts), seed)
        self._mine: dict[int, optuna.trial.Trial] = {}
        self._known: set[int] = set()
        self._ready: list[Candidate] = []
        if not self._study.get_trials(deepcopy=False):
            for ratios in starts:
                given = {layer: max(_LEAST, 1 - ratios.get(layer, 0.0)) for layer in self._layers}
                self._study.enqueue_trial(given, skip_if_exists=True)

    def ask(self, most: int) -> list[Candidate]:
        self._look_around()
        asked = self._ready[:most]
        self._ready = self._ready[most:]
        while len(asked) < most and self._started() < self._most:
            asked.append(self._first(self._study.ask()))
        return asked

    def _first(self, trial: optuna.trial.Trial) -> Candidate:
        trial.set_user_attr(_OWNER, _me())
        left = {layer: trial.suggest_float(layer, _LEAST, 1.0, log=True) for layer in self._layers}
        self._mine[trial.number] = trial
        self._known.add(trial.number)
        return self._candidate(trial.number, left, 1)

    def _candidate(self, number: int, left: Mapping[str, float], rung: int) -> Candidate:
        ratios = {layer: round(1 - share, 6) for layer, share in left.items()}
        target, rungs = self._make(ratios), self._rungs[:rung]
        return Candidate(number, f"trial {number}", target, rungs=rungs, layers=ratios)

    def _look_around(self) -> None:
        """Takes up trials that are finished, and those whose process is gone."""
        for each in self._study.get_trials(deepcopy=False):
            if each.number in self._known:
                continue
            if each.state in (TrialState.COMPLETE, TrialState.PRUNED):
                self._known.add(each.number)
                rung = each.user_attrs.get("rung", len(self._rungs))
                self._ready.append(self._candidate(each.number, each.params, rung))
            elif each.state == TrialState.RUNNING and _is_gone(each.user_attrs.get(_OWNER)):
                self._ready.append(self._first(optuna.trial.Trial(self._study, each._trial_id)))

    def _started(self) -> int:
        return sum(t.state != TrialState.WAITING for t in self._study.get_trials(deepcopy=False))

    def tell(self, outcome: Outcome) -> None:
        number, rung = outcome.candidate.number, len(outcome.candidate.rungs)
        trial = self._mine.get(number)
        epochs = self._rungs[rung - 1]
        if outcome.stopped:
            if trial is not None:
                trial.set_user_attr(_WHY, outcome.stopped)
                self._study.tell(trial, state=TrialState.FAIL)
            return
        value = self._value(outcome)
        why = self._halving.decide(number, epochs, value)
        if trial is None:  # it was told before
            return
        trial.set_user_attr("rung", rung)
        if not self._two and epochs not in self._reported(number):
            trial.report(value, epochs)
        going_on = not why and rung < len(self._rungs)
        if not going_on:
            trial.set_constraint("budget", self._excess(outcome))
        if why:
            trial.set_user_attr(_WHY, why)
            self._study.tell(trial, state=TrialState.PRUNED)
        elif going_on:
            self._ready.append(self._candidate(number, trial.params, rung + 1))
        else:
            share = self._share(outcome)
            self._study.tell(trial, [share, outcome.drop.value] if self._two else value)

    def _reported(self, number: int) -> Mapping[int, float]:
        return self._study.get_trials(deepcopy=False)[number].intermediate_values

    def why(self, number: int) -> str | None:
        return self._study.get_trials(deepcopy=False)[number].user_attrs.get(_WHY)

    def refuted(self, number: int) -> None:
        """The trials are counted: there are no more for it."""

    def _share(self, outcome: Outcome) -> float:
        return (outcome.costs.get(self._cost) or 0.0) / self._dense

    def _excess(self, outcome: Outcome) -> float:
        """Above 0 where the budget is not kept."""
        if self._goal.accuracy_drop is not None:
            return self._goal.excess(outcome)
        return max(self._use(outcome, name) - 1 for name in self._goal.limits)

    def _use(self, outcome: Outcome, name: str) -> float:
        return (outcome.costs.get(name) or float("inf")) / self._goal.limits[name]

    def _value(self, outcome: Outcome) -> float:
        """What is minimized: cost, or drop, and ten times what is beyond the budget."""
        own = self._share(outcome) if self._goal.objective else outcome.drop.value
        return own + 10 * max(0.0, self._excess(outcome))


def _open(storage: str, name: str, method: str, starts: int, seed: int) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    where: Any = storage
    if "://" not in storage:
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        Path(storage).parent.mkdir(parents=True, exist_ok=True)
        where = JournalStorage(JournalFileBackend(storage))
    directions: Any = ["minimize"] * (2 if method == "nsga2" else 1)
    study = optuna.create_study(
        storage=where, study_name=name, directions=directions, load_if_exists=True
    )
    # The same seed after a restart would draw the same again.
    seed += len(study.get_trials(deepcopy=False))
    if method == "nsga2":
        study.sampler = optuna.samplers.NSGAIISampler(population_size=max(8, starts), seed=seed)
    else:
        study.sampler = optuna.samplers.TPESampler(n_startup_trials=starts + 4, seed=seed)
    return study


def _me() -> str:
    return f"{socket.gethostname()} {os.getpid()}"


def _is_gone(owner: str | None) -> bool:
    """Whether the process that runs a trial has ended, as far as this machine can know."""
    if owner is None:
        return True
    host, _, number = owner.rpartition(" ")
    if host != socket.gethostname():
        return False
    if int(number) == os.getpid():
        return True  # an earlier search of this process
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
