"""Several processes for one stage: start with torchrun or accelerate, and communication."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from lion.params import Compute
from lion.support.errors import LionError, ParamsError

PATIENCE = timedelta(hours=24)  # that a process waits for the slowest one
# Kernels that sum in the same order on every x86 processor with AVX2, with any number of threads.
_PORTABLE = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2,STRICT"}
YIELD = 8.0  # seconds that the other processes wait for the main one to report an error


def relaunch(stage: str, compute: Compute, *, trains: bool = False) -> None:
    """Run module `stage` with this command's arguments under `compute.launcher`, then exit.

    Return at once without a launcher, and in a process that a launcher has started. Only a stage
    that `trains` shards the model; for answering, each process holds all of it.
    """
    if compute.launcher is None or "WORLD_SIZE" in os.environ or "LION_LAUNCHED" in os.environ:
        return
    os.environ["LION_LAUNCHED"] = "1"  # accelerate sets no WORLD_SIZE for a single process
    if compute.sharding == "fsdp" and trains:
        # Read when the model is loaded, which is before TrainingArguments sets it.
        os.environ |= {"ACCELERATE_USE_FSDP": "true", "FSDP_CPU_RAM_EFFICIENT_LOADING": "true"}
    arguments = ["-m", stage, *sys.argv[1:]]
    if compute.launcher == "accelerate":
        count = ["--num_processes", str(compute.processes)]
        launch = ["accelerate.commands.launch", *count, *compute.launcher_args]
        os.execv(sys.executable, [sys.executable, "-m", *launch, *arguments])
    _torchrun([f"--nproc-per-node={compute.processes}", *compute.launcher_args, *arguments])


def _torchrun(arguments: list[str]) -> None:
    """Run the torchrun command, without a traceback when a process fails."""
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    try:
        run.run(run.parse_args(arguments))  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode == 1:  # it has printed the reason
            raise SystemExit(1) from None
        raise LionError(f"process {rank} ended with code {failure.exitcode}") from None
    raise SystemExit(0)


def set_up_cpu(compute: Compute) -> None:
    """Choose the threads and kernels of this process; call it before the first tensor.

    PyTorch and its matrix library read these variables once, at their first computation.
    """
    if compute.portable:
        os.environ |= _PORTABLE
    if compute.threads is not None:
        import torch

        torch.set_num_threads(compute.threads)


def world_size() -> int:
    """Return how many processes run this stage together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return the number of this process, from 0 over all machines."""
    return int(os.environ.get("RANK", "0"))


def is_main() -> bool:
    """Whether this process writes results and messages."""
    return rank() == 0


@contextmanager
def report_once() -> Iterator[None]:
    """Let only the main process report an error that all have: the others wait for it."""
    try:
        yield
    except LionError:
        if not is_main():
            time.sleep(YIELD)  # the launcher ends this process when the main one fails
        raise


def join(*, cpu: bool) -> None:
    """Join the other processes, if there are any."""
    if world_size() == 1:
        return
    from accelerate import PartialState  # type: ignore[import-untyped]

    PartialState(cpu=cpu, timeout=PATIENCE)


def broadcast(value: Any) -> Any:
    """Return the main process's `value` in every process."""
    if world_size() == 1:
        return value
    from accelerate.utils import broadcast_object_list  # type: ignore[import-untyped]

    return broadcast_object_list([value])[0]


def gather(value: list[Any]) -> list[Any]:
    """Return the lists of all processes as one list, in every process."""
    if world_size() == 1:
        return value
    from accelerate.utils import gather_object

    return list(gather_object(value))


def check_share(rows: int, *, what: str) -> None:
    """Raise ParamsError if a process would have nothing to do."""
    if rows < world_size() > 1:
        raise ParamsError(
            f"{what}: {world_size()} processes for {rows} rows; "
            f"lower compute.processes to {max(rows, 1)} or less"
        )
