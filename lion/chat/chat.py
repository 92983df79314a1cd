"""The connection of one role in one stage to its model."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from lion.chat.budget import Budget
from lion.chat.dialect import Dialect, spoken
from lion.chat.ledger import UsageMeter
from lion.chat.rate_limit import FILE, RateLimit
from lion.chat.refusals import Refusals, summary_of
from lion.chat.source import source_of
from lion.chat.store import Store
from lion.chat.thinking import ThinkingBudget, answer_in
from lion.chat.types import Caller, Reply, Request
from lion.chat.wire import Body, Job, body_of, key_of, most_tokens
from lion.params import Params, Role
from lion.prompts.marks import UNCLEAR
from lion.support.errors import ChatError
from lion.support.home import machine_home, store_file
from lion.support.progress import Progress

if TYPE_CHECKING:
    import openai


class Stopped(ChatError):
    """The user pressed Ctrl-C, or a scheduler ended the process."""

    exit_code = 130


class Chat:
    """A role's connection to its model; a context manager."""

    def __init__(self, params: Params, role: Role, *, stage: str, round: str) -> None:
        self.model = params.model_of(role)
        self._params, self._role, self._stage, self._who = params, role, stage, f"{stage} {round}"
        self._named = role if role in params.endpoints else "default"  # in params.yaml
        self._endpoint = params.endpoint_of(role)
        self._source = source_of(params, role)
        self._budget = Budget(params.prices, params.budget)
        self._store = Store(store_file())
        self._caller = Caller(stage, role, round, self._source.url, self.model, self._endpoint.mode)
        self._dialect = Dialect(self._endpoint, who=self._who, named=self._named)
        self._refusals = Refusals()
        self._runner = asyncio.Runner()
        self._client: openai.AsyncOpenAI | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._client is not None:
                self._runner.run(self._client.close())
            self._runner.close()
        finally:
            self._store.__exit__()

    def ask(self, requests: Sequence[Request], *, label: str) -> list[Reply]:
        """Return replies in the order of `requests`: from the store, else from the server.

        A ChatError says how many replies the store has; the next call continues from there.
        """
        jobs = self._with_stored_keys([self._job(request) for request in requests])
        unique = list({job.key: job for job in jobs}.values())
        stored = self._store.find([job.key for job in unique])
        self._store.note_saved(self._caller, list(stored.values()))
        self._refusals.note_answers(stored.values())
        missing = [job for job in unique if job.key not in stored]
        with Progress(len(unique), label, "replies", done=len(stored)) as bar:
            share = len(stored) / len(unique) if unique else 0.0
            if missing:
                meter = UsageMeter(bar, self._budget, self._store.spent, stored=share)
                self._fetch(missing, meter, total=len(unique))
        replies = self._store.find([job.key for job in unique])
        answers = {job.key: self._answer_in(job, replies[job.key]) for job in unique}
        thinking = ThinkingBudget(self._who, self.model, self._role)
        for job in unique:  # the same error for stored replies as for new ones
            thinking.count(job, answers[job.key])
        self._say_marked([(job.row, replies[job.key]) for job in unique], list(answers.values()))
        return [answers[job.key] for job in jobs]

    def _job(self, request: Request) -> Job:
        row = f"{self._who}, row {request.id}"
        body = body_of(request, self.model, self._endpoint)
        asked = body_of(replace(request, schema=None), self.model, self._endpoint)
        try:
            key = key_of(request, asked, self._source.identity)
            former = key_of(request, spoken(body, self._endpoint), self._source.former)
        except UnicodeEncodeError as error:
            raise ChatError(f"{row}: its text is not valid Unicode: {error.reason}") from None
        return Job(key=key, former=former, body=body, row=row, attempt=request.attempt)

    def _with_stored_keys(self, jobs: list[Job]) -> list[Job]:
        """Return `jobs` with the keys that the store uses, which may be former ones."""
        present = self._store.find([job.former for job in jobs])
        return [replace(job, key=job.former) if job.former in present else job for job in jobs]

    def _answer_in(self, job: Job, reply: Reply) -> Reply:
        return answer_in(reply, job.body, thinks=self._endpoint.thinking_tokens > 0)

    def _say_marked(self, rows: Sequence[tuple[str, Reply]], answers: Sequence[Reply]) -> None:
        """Print how many replies are marked as refused or as unclear."""
        if line := summary_of(rows):
            click.echo(f"{self._who}: {line}", err=True)
        if unclear := sum(answer.finish_reason == UNCLEAR for answer in answers):
            click.echo(
                f"{self._who}: {unclear:,} of {len(answers):,} replies contain"
                " thoughts that cannot be separated from the answer; they are marked"
                f" {UNCLEAR!r} and left out of training",
                err=True,
            )

    def _fetch(self, missing: list[Job], meter: UsageMeter, *, total: int) -> None:
        """Fetch missing replies into the store; a ChatError says how many of `total` it has."""
        if os.environ.get("LION_OFFLINE", "0") not in ("", "0") and not self._source.in_process:
            raise ChatError(
                f"{missing[0].row}: its reply is not in {self._store.path} and LION_OFFLINE"
                f" forbids requests; {len(missing):,} of {total:,} replies are missing"
            )
        if unpriced := self._budget.unpriced([*self._store.spent(), self._caller.usage(0, 0, 0)]):
            raise ChatError(
                f"{self._who}: budget.money is set, but {unpriced} has no price;"
                " add it to prices.models in params.yaml"
            )
        try:
            self._runner.run(self._ask(missing, meter))
        except ChatError as error:
            raise ChatError(f"{error.message}; {self._kept(missing, total)}") from error
        except (KeyboardInterrupt, asyncio.CancelledError):
            raise Stopped(f"{self._who}: stopped; {self._kept(missing, total)}") from None

    async def _ask(self, missing: list[Job], meter: UsageMeter) -> None:
        from lion.chat.batch import Batches  # slow imports, which a replay does not need
        from lion.chat.client import open_client
        from lion.chat.live import Live
        from lion.chat.sender import Sender

        thinking = ThinkingBudget(self._who, self.model, self._role)

        def arrived(job: Job, reply: Reply) -> None:
            meter.arrived(self._caller, reply)
            thinking.count(job, self._answer_in(job, reply))

        self._client = self._client or open_client(
            self._source, self._endpoint, self._params.oracle, stage=self._stage
        )
        entry = self._store.entry(self._caller)
        is_live = self._endpoint.mode == "live"
        shared = f"{self._source.url} {self._named}"
        limits = RateLimit(machine_home() / FILE, shared, self._endpoint)
        with limits as limit, self._store.quick() if is_live else nullcontext():
            unanswered = partial(self._unanswered, entry)
            sender = Sender(self._client, self._dialect, limit, unanswered=unanswered)
            fetcher = (Live if is_live else Batches)(
                sender, self._store, self._budget, self._refusals, entry, arrived
            )
            try:
                with _stopped_by_signals():
                    async with fetcher.tended(meter.show):
                        await fetcher.ask(missing)
            finally:
                self._store.note_retries(entry, sender.retries)

    def _unanswered(self, entry: int, body: Body) -> None:
        """Count a request without a reply; ChatError if the budget does not cover a retry."""
        if not self._store.note_unanswered(entry, most_tokens(body), self._budget):
            raise ChatError(
                f"{self._who}: a request got no reply but may have been charged,"
                " and a retry may exceed the budget"
                f" ({self._budget.left_text(self._store.spent())}); raise `budget` in params.yaml"
            )

    def _kept(self, missing: list[Job], total: int) -> str:
        kept = total - len(missing) + len(self._store.find([job.key for job in missing]))
        return f"{kept:,} of {total:,} replies are stored; run again to continue"


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Cancel the current task on SIGTERM (a scheduler) and SIGHUP (a closed terminal).

    Both arrive even where Ctrl-C is ignored, as in a script's background job. A signal that has
    another handler, or that is ignored (as under `nohup`), is left alone.
    """
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    if task is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGHUP)
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    finally:
        for number in ours:
            loop.remove_signal_handler(number)
