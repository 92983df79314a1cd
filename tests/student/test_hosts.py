"""Two machines train as one: network namespaces, each with its own name and address."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.student.project import Project
from tests.student.test_processes import distance

ADDRESSES = {"first": "10.77.0.1", "second": "10.77.0.2"}
MACHINES = {
    "launcher": "torchrun",
    "processes": 1,
    "launcher_args": ["--nnodes=2", "--rdzv-backend=c10d", "--rdzv-endpoint=first:29500"],
}
SPACES = ["--net", "--uts", "--mount"]


@dataclass(frozen=True)
class Host:
    """A running machine: the process that holds its namespaces."""

    name: str
    pid: int

    @property
    def prefix(self) -> list[str]:
        """Return the beginning of a command line that runs on this machine."""
        return ["nsenter", "--target", str(self.pid), *SPACES, f"--wd={Path.cwd()}"]

    def run(self, command: str) -> None:
        subprocess.run([*self.prefix, *command.split()], check=True)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[list[Host]]:
    """Two machines joined by a cable, which know each other by name and share all files."""
    tools = all(map(shutil.which, ("unshare", "nsenter", "ip")))
    if not tools or subprocess.run(["unshare", *SPACES, "true"], check=False).returncode:
        pytest.skip("network namespaces need root, and the packages iproute2 and util-linux")
    names = tmp_path / "hosts"
    lines = [f"{address} {name}\n" for name, address in ADDRESSES.items()]
    names.write_text("".join(["127.0.0.1 localhost\n", *lines]))
    with ExitStack() as machines:
        both = [machines.enter_context(_started(name, names)) for name in ADDRESSES]
        first, second = both
        cable = f"eth0 netns {first.pid} type veth peer name eth0 netns {second.pid}"
        subprocess.run(["ip", "link", "add", *cable.split()], check=True)
        for host in both:
            host.run(f"ip address add {ADDRESSES[host.name]}/24 dev eth0")
            host.run("ip link set eth0 up")
            host.run("ip link set lo up")
        yield both


@contextmanager
def _started(name: str, hosts: Path) -> Iterator[Host]:
    script = f"mount --bind {hosts} /etc/hosts && hostname {name} && echo ready && exec sleep 600"
    command = ["unshare", *SPACES, "sh", "-ec", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout
            assert holder.stdout.readline() == "ready\n"
            yield Host(name, holder.pid)
        finally:
            holder.kill()


def run_on_both(hosts: list[Host], project: Project, stage: str, arguments: list[str]) -> None:
    """Start the same stage on each machine, as the documentation says."""
    started = [project.start(stage, arguments, prefix=host.prefix) for host in hosts]
    outputs = [process.communicate(timeout=200)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], outputs


def test_two_machines_train_as_one(hosts: list[Host], tmp_path: Path, tiny_base: Path) -> None:
    project = Project(tmp_path, tiny_base, compute=MACHINES | {"micro_batch": 2})
    run_on_both(hosts, project, "imitate", project.imitate("two"))
    assert distance(project, "two") < 1e-3
