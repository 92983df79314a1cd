"""Pools, students and results through a folder remote and through S3."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.pipeline.mini import ROOT, Project, copy_project, ran
from tests.pipeline.test_loop import ROUND

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@pytest.fixture(scope="module")
def origin(played_once: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A played miniature, pushed to a folder with its run cache."""
    folder = tmp_path_factory.mktemp("origin")
    project = copy_project(played_once, folder / "lion")
    project.dvc("remote", "add", "--default", "folder", str(folder / "remote"))
    project.commit("A remote")
    project.dvc("push", "--run-cache")
    return project


@pytest.fixture
def clone(origin: Project, tmp_path: Path) -> Project:
    """A fresh clone with an empty cache."""
    return _clone(origin, tmp_path / "clone")


def _clone(origin: Project, root: Path) -> Project:
    origin.git("clone", "--quiet", str(origin.root), str(root))
    return Project(root, root.parent / f"{root.name}-site")


def test_a_fresh_clone_pulls_everything_and_runs_nothing(clone: Project) -> None:
    clone.dvc("pull")
    assert not ran(clone.dvc("repro"))


def test_one_more_round_in_an_unpulled_clone_runs_that_round_alone(clone: Project) -> None:
    stages = ran(clone.dvc("exp", "run", "--pull", "-S", "+rounds.r2=r1"))
    assert set(stages) == {f"{name}@r2" for name in ROUND} | {"code", "report"}
    assert list(clone.metrics()["quality"]) == ["r0", "r1", "r2"]


def test_a_clone_without_the_lock_file_restores_from_the_run_cache(clone: Project) -> None:
    lock = (clone.root / "dvc.lock").read_bytes()
    (clone.root / "dvc.lock").unlink()
    clone.dvc("fetch", "--run-cache")
    assert not ran(clone.dvc("repro", "--pull"))
    assert (clone.root / "dvc.lock").read_bytes() == lock


def test_pool_diff_and_trace_work_with_an_empty_cache(clone: Project) -> None:
    output = clone.run("lion", "pool", "diff", "HEAD~3", "HEAD", "--limit", "1")
    assert "+ " in output
    id = next(line.split()[1] for line in output.splitlines() if line.startswith("+ "))
    assert "teacher" in clone.run("lion", "trace", id, "--rev", "HEAD")
    assert not (clone.root / "data" / "pools").exists()


def test_estimate_in_an_unpulled_clone_counts_the_new_round_alone(clone: Project) -> None:
    output = clone.run("lion", "estimate", "-S", "+rounds.r2=r1")
    assert f"{len(ROUND) + 2} stages would run" in output


def test_estimate_counts_the_dependents_of_a_changed_parameter(clone: Project) -> None:
    estimate = json.loads(clone.run("lion", "estimate", "-S", "tau=8", "--json"))
    because = {step["stage"]: step["changed"] for step in estimate["stages"]}
    assert because["discriminate@r1"] == ["tau"]
    learn = ("generate", "teach", "rewrite", "replay", "imitate", "cache", "evaluate")
    dependent = {f"{name}@r1" for name in learn}
    assert set(because) == {"code", "discriminate@r1", "report"} | dependent
    assert not any(because[name] for name in dependent)


def test_outputs_that_a_run_has_yet_to_write_hide_no_others(clone: Project) -> None:
    """A clone whose lock names another machine's results, halfway through a run of its own."""
    clone.dvc("pull", "data/pools/train/r0.jsonl", "data/evaluation/r0")
    clone.dvc("remote", "remove", "folder")
    output = clone.run("lion", "rounds")
    [first, second] = [line for line in output.splitlines() if line.startswith(("r0 ", "r1 "))]
    assert (first.split()[1], second.split()[1]) == ("40", "-")  # rows of the train pool
    assert "%" in first.split("-")[-1]  # the quality of r0
    assert "outputs that dvc.lock names are missing; `dvc repro` creates them." in output
    clone.commit("No remote")
    output = clone.run("lion", "rounds", "--rev", "HEAD", ok=False)
    assert output.startswith("Error: data/")
    assert "is not in the cache" in output


def test_dvc_get_brings_a_pool_and_a_student_from_outside(origin: Project, tmp_path: Path) -> None:
    outside = Project(tmp_path, tmp_path / "site")
    outside.dvc("get", str(origin.root), "data/pools/cache/r1", "--out", "pool")
    outside.dvc("get", str(origin.root), "data/students/r1", "--out", "student")
    assert (tmp_path / "pool" / "r1.jsonl").exists()
    assert (tmp_path / "student" / "model.safetensors").exists()


def test_dvc_brings_the_declared_model_by_its_name(origin: Project, tmp_path: Path) -> None:
    project = copy_project(origin, tmp_path / "lion")
    pipeline = project.root / "dvc.yaml"
    pipeline.write_text(
        pipeline.read_text().replace("path: data/students/r3", "path: data/students/r1")
    )
    project.commit("The miniature's last student")
    project.git("tag", "--annotate", "student@v1.0.0", "--message", "The first to be shared")
    outside = Project(tmp_path / "outside", tmp_path / "site")
    outside.root.mkdir()
    outside.dvc("artifacts", "get", str(project.root), "student", "--out", "model")
    assert (outside.root / "model" / "model.safetensors").exists()


def test_a_round_is_exported_for_hugging_face(origin: Project, tmp_path: Path) -> None:
    origin.run("lion", "export", "--round", "r1", "--out", str(tmp_path))
    assert len((tmp_path / "dataset" / "cache_pool.jsonl").read_text().splitlines()) == 46
    assert (tmp_path / "student" / "model.safetensors").exists()


def test_the_last_student_is_a_declared_model() -> None:
    declared = yaml.safe_load((ROOT / "dvc.yaml").read_text())["artifacts"]["student"]
    rounds = yaml.safe_load((ROOT / "params.yaml").read_text())["rounds"]
    assert declared["path"] == f"data/students/{list(rounds)[-1]}"
    assert declared["type"] == "model"
    assert declared["desc"]


@pytest.mark.parametrize(
    ("remote", "message"),
    [
        (None, "no remote is set. Run `dvc repro` to create it; or set a remote"),
        ("/nowhere/at/all", "the remote other does not have it"),
        ("s3://nowhere/lion", "cannot be read: Could not connect"),
    ],
)
def test_a_remote_that_has_nothing_is_one_line(
    clone: Project, remote: str | None, message: str
) -> None:
    clone.dvc("remote", "remove", "folder")
    if remote:
        clone.dvc("remote", "add", "--default", "other", remote)
    if remote and remote.startswith("s3"):
        clone.dvc("remote", "modify", "other", "endpointurl", f"http://127.0.0.1:{_free_port()}")
    output = clone.run("lion", "rounds", ok=False, AWS_MAX_ATTEMPTS="1", **KEYS)
    assert message in output
    assert (output.count("\n"), output[:7]) == (1, "Error: ")


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The URL of an S3 server on this machine, with a bucket `lion`."""
    port = _free_port()
    command = [str(Path(sys.executable).with_name("moto_server")), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(port)
            url = f"http://127.0.0.1:{port}"
            _make_bucket(url)
            yield url
        finally:
            server.terminate()


def test_s3_serves_a_clone_as_a_folder_does(origin: Project, s3: str, tmp_path: Path) -> None:
    project = copy_project(origin, tmp_path / "lion")
    project.dvc("remote", "add", "--default", "--force", "s3", "s3://lion/shared")
    project.dvc("remote", "modify", "s3", "endpointurl", s3)
    project.commit("S3")
    project.dvc("push", **KEYS)
    clone = _clone(project, tmp_path / "clone")
    assert "+ " in clone.run("lion", "pool", "diff", "HEAD~4", "HEAD", **KEYS)
    clone.dvc("pull", **KEYS)
    assert not ran(clone.dvc("repro", **KEYS))


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
    return port


def _wait_for(port: int) -> None:
    for _ in range(300):
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError("moto_server did not start")


def _make_bucket(url: str) -> None:
    import boto3

    keys = {name.lower(): value for name, value in KEYS.items()}
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="lion")
