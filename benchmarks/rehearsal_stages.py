"""Run `dvc repro` for benchmarks.rehearsal; measure each stage's time, memory and requests."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event, Thread

import psutil

from benchmarks.rehearsal_data import SEEDS
from benchmarks.rehearsal_server import reserve
from tests.repository import ROOT, environment

_STAGE = re.compile(r"Running stage '([^']+)'")
_LOOK = 0.1  # seconds between two polls of the processes
_PROCESSES = 2  # of the server
MB = 1e6


@dataclass
class Measured:
    """Time, memory and requests of a stage. CPU seconds include children; `peak_mb` is per process.

    `seconds` and `cpu` are the stage's own; `dvc_seconds` and `dvc_cpu` are what DVC spends before
    and after it (hashes, copies to the cache). `ended` is false if the run was killed during it.
    """

    stage: str
    seconds: float = 0.0
    cpu: float = 0.0
    dvc_seconds: float = 0.0
    dvc_cpu: float = 0.0
    server_cpu: float = 0.0
    peak_mb: float = 0.0
    requests: int = 0  # answered
    refused: int = 0  # 429 and 5xx
    store_mb: float = 0.0  # these three: size on disk after the stage
    cache_mb: float = 0.0
    workspace_mb: float = 0.0
    ended: bool = False

    @property
    def share(self) -> float | None:
        """Return the share of all CPU seconds not spent by the server; None without requests."""
        own = self.cpu + self.dvc_cpu
        return own / (own + self.server_cpu) if self.requests and own else None

    def line(self) -> str:
        """Return the measurement as one line of JSON."""
        known = {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(self).items()}
        share = self.share
        return json.dumps(known | {"own_share": None if share is None else round(share, 3)})


@dataclass
class Provider:
    """The running server: its URL, its processes, and the files that count its replies."""

    url: str
    folder: Path
    processes: list[psutil.Process] = field(default_factory=list)

    def answered(self) -> int:
        """Return the number of requests that the server has answered."""
        return sum(path.stat().st_size for path in self.folder.glob("paid-*.bin")) // 16

    def refused(self) -> int:
        """Return the number of requests that the server has refused."""
        return sum(path.stat().st_size for path in self.folder.glob("refused-*.bin"))

    def paid_twice(self) -> int:
        """Return how many replies repeat an earlier reply to the same request."""
        every = b"".join(path.read_bytes() for path in self.folder.glob("paid-*.bin"))
        digests = [every[at : at + 16] for at in range(0, len(every), 16)]
        return len(digests) - len(set(digests))

    def cpu(self) -> float:
        """Return the CPU seconds of the server's processes so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes)


@contextmanager
def serving(folder: Path, project: Path, options: list[str]) -> Iterator[Provider]:
    """Run the server on the seeds of `project`, with these command-line `options`."""
    folder.mkdir(exist_ok=True)
    with reserve() as held:
        port = held.getsockname()[1]
        given = ["--texts", project / SEEDS, "--folder", folder, "--port", port, *options]
        command = [sys.executable, "-m", "benchmarks.rehearsal_server", *map(str, given)]
        started = [
            subprocess.Popen(
                [*command, "--number", str(number)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(_PROCESSES)
        ]
        try:
            for process in started:
                assert process.stdout
                if process.stdout.readline() != "ready\n":
                    raise RuntimeError("the server did not start")
            processes = [psutil.Process(process.pid) for process in started]
            yield Provider(f"http://127.0.0.1:{port}/v1", folder, processes)
        finally:
            for process in started:
                process.communicate()  # closes its standard input, which ends it


def variables(project: Path, provider: Provider) -> dict[str, str]:
    """Return the environment for commands in the project: its own code and store, this server."""
    given = os.environ | environment(project.parent / "site")
    given |= {"PYTHONPATH": str(project)}  # otherwise `lion` would run another copy
    given |= {"LION_HOME": str(project.parent / "home"), "OPENAI_BASE_URL": provider.url}
    return given | {"PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"}


class Repro:
    """One `dvc repro` in its own process group, and the stage that it is running."""

    def __init__(self, project: Path, provider: Provider, log: Path) -> None:
        self._project, self._provider, self._log = project, provider, log
        self._spent = (0.0, 0.0)
        self._ended = Event()

    def stages(self, *, kill_at: int | None = None) -> Iterator[Measured]:
        """Run `dvc repro`, and yield the measurement of each stage when it ends.

        The first item is what DVC does before its first stage. At `kill_at` replies, kill the whole
        process group.
        """
        self._counts = self._counted()
        self._open("start")
        with self._log.open("a", encoding="utf-8") as log:
            process = subprocess.Popen(
                ["dvc", "repro"],
                cwd=self._project,
                env=variables(self._project, self._provider),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
            self._dvc, self._last = psutil.Process(process.pid), (0.0, 0.0)
            watcher = Thread(target=self._watch, args=(kill_at,))
            watcher.start()
            try:
                with ExitStack() as unless_ended:  # Ctrl-C does not reach another process group
                    unless_ended.callback(os.killpg, process.pid, signal.SIGTERM)
                    for line in process.stdout or ():
                        log.write(line)
                        log.flush()
                        if match := _STAGE.search(line):
                            yield self._close(self._cpu(), ended=True)
                            self._open(match[1])
                    _, status, usage = os.wait4(process.pid, 0)
                    unless_ended.pop_all()
            finally:
                self._ended.set()
                watcher.join()
        code = process.returncode = os.waitstatus_to_exitcode(status)
        own, total = self._last[0], usage.ru_utime + usage.ru_stime
        yield self._close((own, total - own), ended=code == 0)
        if code not in (0, -signal.SIGKILL):
            raise RuntimeError(f"dvc repro ended with {code}; see {self._log}")

    def _watch(self, kill_at: int | None) -> None:
        """Record the memory, CPU and end of a stage; kill the group at `kill_at` replies."""
        while not self._ended.wait(_LOOK):
            with suppress(psutil.Error):
                self._last = self._cpu()
                if processes := self._dvc.children(recursive=True):
                    self._left, stage = time.monotonic(), self._stage
                    stage.peak_mb = max([stage.peak_mb, *map(_peak_mb, processes)])
                    self._live = sum(sum(process.cpu_times()[:4]) for process in processes)
            if kill_at is not None and self._provider.answered() >= kill_at:
                os.killpg(self._dvc.pid, signal.SIGKILL)
                return

    def _cpu(self) -> tuple[float, float]:
        """Return the CPU seconds of DVC itself and of the stages that have ended."""
        times = self._dvc.cpu_times()
        return times.user + times.system, times.children_user + times.children_system

    def _open(self, name: str) -> None:
        self._stage, self._live = Measured(name), 0.0
        self._begun = self._left = time.monotonic()

    def _close(self, spent: tuple[float, float], *, ended: bool) -> Measured:
        """Complete the stage's figures. The system reports no CPU seconds of killed processes."""
        now, stage, counts = time.monotonic(), self._stage, self._counted()
        stage.seconds, stage.dvc_seconds = self._left - self._begun, now - self._left
        stage.dvc_cpu = spent[0] - self._spent[0]
        stage.cpu = spent[1] - self._spent[1] if ended else self._live
        stage.requests = counts[0] - self._counts[0]
        stage.refused = counts[1] - self._counts[1]
        stage.server_cpu = counts[2] - self._counts[2]
        stage.store_mb = size_mb(self._project.parent / "home")
        stage.cache_mb = size_mb(self._project / ".dvc/cache")
        stage.workspace_mb = size_mb(self._project) - size_mb(self._project / ".dvc")
        stage.ended = ended
        self._spent, self._counts = spent, counts
        return stage

    def _counted(self) -> tuple[int, int, float]:
        return self._provider.answered(), self._provider.refused(), self._provider.cpu()


def size_mb(folder: Path) -> float:
    """Return the size of all files in `folder` in MB; skip files deleted meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.lstat().st_size
    return total / MB


def _peak_mb(process: psutil.Process) -> float:
    """Return the peak resident memory of a process in MB; 0 if it has just ended."""
    try:
        text = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    match = re.search(r"VmHWM:\s+(\d+) kB", text)
    return int(match[1]) * 1024 / MB if match else 0.0
