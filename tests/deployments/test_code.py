"""Which code a run gets: beside flows of somebody else's, by old deployments, from git."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import yaml

from secateur.flows.serving.definitions import FILE, read_definitions
from tests.deployments.conftest import QUICK, SERVE, Api, free_port, process, until
from tests.deployments.pool import DEPLOY, PREFECT, pool, run, worker

pytestmark = pytest.mark.slow

MEND = [sys.executable, "-m", "secateur.flows.cli", "deploy"]
OWN = """
from prefect import flow

@flow(name="prune")
def prune(**_):
    raise RuntimeError("somebody else's flow")
"""
NIGHTLY = """
from prefect import flow

from flows import etl
from secateur.flows.prune import prune

@flow
def nightly(given: dict) -> float:
    assert etl.OWN
    report = prune(**given)
    return report.sparsity

if __name__ == "__main__":
    import json, sys
    print("sparsity", nightly(json.loads(sys.argv[1])))
"""
PROJECT = """
pull:
  - prefect.deployments.steps.set_working_directory: {directory: FOLDER}
deployments:
  - {name: nightly, entrypoint: "flows/nightly.py:nightly", work_pool: {name: secateur}}
"""


@pytest.fixture(scope="module")
def client(home, environment):
    with pool(environment, home) as there:
        yield there


@pytest.fixture(scope="module")
def api(client):
    return Api(client["PREFECT_API_URL"])


@pytest.fixture(params=["folders", "packages"])
def project(request, tmp_path):
    """A project of a user's own: modules and flows by the names of ours."""
    folder = tmp_path / "project"
    for name in ("flows", "tasks"):
        (folder / name).mkdir(parents=True)
        for module in ("prune", "train", "sweep"):
            (folder / name / f"{module}.py").write_text(OWN)
        (folder / name / "etl.py").write_text("OWN = True\n")
        if request.param == "packages":
            (folder / name / "__init__.py").touch()
    (folder / "flows" / "nightly.py").write_text(NIGHTLY)
    (folder / "prefect.yaml").write_text(PROJECT.replace("FOLDER", str(folder)))
    return folder


@contextlib.contextmanager
def _serve(client, log, cwd):
    with process(SERVE, client, log, cwd=cwd) as running:
        until(lambda: running.poll() is not None or "Ctrl-C ends it" in log.read_text())
        assert running.poll() is None, log.read_text()
        yield running


def _given(project, seed):
    """Parameters whose results no test has stored: all is computed there."""
    return {**QUICK, "seed": seed, "output": str(project.parent / f"out-{seed}")}


def _completes(api, deployment, parameters, output):
    run = api.end(api.start(deployment, parameters))
    assert run["state"]["name"] == "Completed", run["state"]
    assert (output / "report.json").exists()


def test_served_and_worked_among_other_flows(api, client, project):
    seed = len(api("/flow_runs/filter", {}))
    given = _given(project, seed)
    with _serve(client, project / "serve.log", project):
        _completes(api, "prune", given, project.parent / f"out-{seed}")
    run(DEPLOY, client, project)
    run([*PREFECT, "--no-prompt", "deploy", "--all"], client, project)
    with worker(client, project / "worker.log", cwd=project):
        given = _given(project, seed + 1)
        _completes(api, "prune", given, project.parent / f"out-{seed + 1}")
        given = _given(project, seed + 2)
        _completes(api, "nightly", {"given": given}, project.parent / f"out-{seed + 2}")
    script = [sys.executable, "flows/nightly.py", json.dumps(_given(project, seed + 2))]
    own = {**client, "PYTHONPATH": str(project)}  # for its own `flows`, as a script in it needs
    found = run(script, own, project).rpartition("sparsity ")[2]
    assert float(found) == pytest.approx(0.8, abs=1e-3)


def test_deployments_of_an_older_version_are_mended_by_one_command(api, client, tmp_path):
    run(DEPLOY, client)
    for definition in read_definitions():
        older = {"entrypoint": definition["entrypoint"].removeprefix("secateur.")}
        there = api.deployments()[definition["name"]]
        api(f"/deployments/{there['id']}", older, "PATCH")
    _switch(api, "search", True)
    api(f"/deployments/{api.deployments()['compress']['id']}", {"paused": True}, "PATCH")
    given = {**QUICK, "output": str(tmp_path / "out")}
    with worker(client, tmp_path / "worker.log", cwd=tmp_path):
        broken = api.start("prune", given)
        state = api.end(broken)["state"]
        assert state["type"] == "CRASHED"
        said = [state["message"], *until(lambda: _log(api, broken))]
        assert any("No module named 'flows'" in text for text in said), said
        run(MEND, client)
        wanted = {d["name"]: d["entrypoint"] for d in read_definitions()}
        there = api.deployments()
        assert {name: there[name]["entrypoint"] for name in wanted} == wanted
        _completes(api, "prune", given, tmp_path / "out")
    on = {d["name"] for d in there.values() for s in d["schedules"] if s["active"]}
    assert on == {"search"}
    assert [name for name in wanted if there[name]["paused"]] == ["compress"]
    _switch(api, "search", False)
    run(MEND, client)
    assert not any(s["active"] for d in api.deployments().values() for s in d["schedules"])


def _log(api, run):
    found = api("/logs/filter", {"logs": {"flow_run_id": {"any_": [run]}}})
    return [line["message"] for line in found]


def _switch(api, deployment, active):
    found = api.deployments()[deployment]
    schedule = found["schedules"][0]["id"]
    api(f"/deployments/{found['id']}/schedules/{schedule}", {"active": active}, "PATCH")


def test_what_cannot_be_deployed_is_one_sentence(environment, client, api):
    def refused(**more):
        done = subprocess.run(
            MEND, env={**environment, **more}, capture_output=True, text=True, timeout=120
        )
        assert "Traceback" not in done.stderr
        (line,) = [t for t in done.stderr.splitlines() if t.startswith("secateur deploy:")]
        return done.returncode, line

    code, line = refused()
    assert (code, "PREFECT_API_URL is not set" in line) == (2, True)
    nobody = f"http://127.0.0.1:{free_port()}/api"
    code, line = refused(PREFECT_API_URL=nobody)
    assert (code, nobody in line, "no Prefect server answers" in line) == (1, True, True)
    api("/work_pools/secateur", method="DELETE")
    code, line = refused(PREFECT_API_URL=client["PREFECT_API_URL"])
    run([*PREFECT, "work-pool", "create", "secateur", "--type", "process"], client)
    assert (code, "no work pool 'secateur'" in line) == (2, True)


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """A Python that has the libraries; of Secateur only what is installed as a copy."""
    folder = tmp_path_factory.mktemp("python")
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text("\n".join(p for p in sys.path if p.endswith("-packages")))
    return str(folder / "bin" / "python")


@pytest.fixture
def repository(tmp_path):
    """A git repository of the project, and how to commit another name of the runs to it."""
    folder = tmp_path / "repository"
    for name in ("flows", "tasks", "secateur", "deployments"):
        shutil.copytree(FILE.parents[1] / name, folder / name)
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    flow = folder / "flows" / "prune.py"
    text = flow.read_text()
    assert text.count('return f"prune-') == 1

    def commit(name):
        flow.write_text(text.replace('return f"prune-', f'return f"{name}-'))
        for command in (["add", "."], ["commit", "--quiet", "-m", name]):
            subprocess.run([*git, *command], check=True)

    commit("first")
    return folder, commit


def test_a_worker_without_the_code_fetches_it(api, client, libraries, repository, tmp_path):
    folder, commit = repository
    (tmp_path / "shared").mkdir()
    there = {"name": "secateur", "job_variables": {"working_dir": str(tmp_path / "shared")}}
    own = {"entrypoint": "secateur.flows.prune.prune"}
    content = {
        "pull": yaml.safe_load(FILE.read_text())["definitions"]["from_git"],
        "deployments": [
            {**own, "name": "own-folder", "work_pool": {"name": "secateur"}},
            {**own, "name": "shared-folder", "work_pool": there},
        ],
    }
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    run([*PREFECT, "--no-prompt", "deploy", "--all"], client, tmp_path)

    def names(*deployments):
        given = {**QUICK, "dataset": {"name": "mnist_5k"}}
        outputs = {n: str(tmp_path / f"out-{n}") for n in range(len(deployments))}
        runs = [
            api.start(name, {**given, "output": outputs[n]}) for n, name in enumerate(deployments)
        ]
        ended = [api.end(run) for run in runs]
        assert {run["state"]["name"] for run in ended} == {"Completed"}, ended
        assert all(Path(output, "report.json").exists() for output in outputs.values())
        return [run["name"].partition("-")[0] for run in ended]

    python = {**client, "SECATEUR_GIT": folder.as_uri()}
    with worker(python, tmp_path / "worker.log", cwd=tmp_path, python=libraries):
        assert names("own-folder", "own-folder", "shared-folder") == ["first"] * 3
        commit("second")  # where the code of the first lies already
        assert names("own-folder", "shared-folder") == ["second"] * 2
