"""Progress of long work: a bar on a terminal, a plain line every ten seconds elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, NamedTuple, Self

from tqdm import tqdm

EVERY = 10.0  # seconds between plain lines
_WATCHED_EVERY = 2.0  # seconds
# The bar keeps its width; on a narrow terminal the end of the note is cut off instead.
_BAR = (
    "{desc}: {percentage:3.0f}%|{bar:12}| {n_fmt}/{total_fmt}, {remaining} left,"
    " {rate_noinv_fmt}{postfix}"
)
_shown = ContextVar("shown", default=True)


class Advance(NamedTuple):
    """The progress of some work; `before` units were done when it began (`begun`, Unix time)."""

    unit: str
    before: int
    done: int
    total: int
    begun: float
    is_over: bool


_watch: ContextVar[Callable[[Advance], None] | None] = ContextVar("watch", default=None)


@contextmanager
def watched_by(watch: Callable[[Advance], None]) -> Iterator[None]:
    """Call `watch` with the progress of all work in the block, every few seconds and at its end."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


@contextmanager
def hidden() -> Iterator[None]:
    """Show no progress in the block, for conversations that ask one question at a time."""
    token = _shown.set(False)
    try:
        yield
    finally:
        _shown.reset(token)


class Progress:
    """Progress of `total` units on stderr; `done` of them were done before the work began.

    Rate and time left count only units done here, since the earlier ones would inflate the speed.
    """

    def __init__(self, total: int, label: str, unit: str = "rows", *, done: int = 0) -> None:
        self._total, self._label, self._unit = total, label, unit
        self._before = self._done = done
        self._note = ""
        self._bar: tqdm[Any] | None = None
        self._shown = _shown.get()
        self._watch = _watch.get()

    def __enter__(self) -> Self:
        self._begun = self._said = self._passed = time.monotonic()
        self._since = time.time()
        if self._shown and sys.stderr.isatty():
            self._bar = tqdm(
                total=self._total,
                initial=self._done,
                desc=self._label,
                unit=f" {self._unit}",
                file=sys.stderr,
                dynamic_ncols=True,
                bar_format=_BAR,
            )
        else:
            self._say()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pass_on(is_over=True)
        if self._bar is not None:
            self._bar.close()
        elif self._done > self._before or kind is not None:
            self._say()

    def advance(self, n: int = 1) -> None:
        """Count `n` more units as done, and show them."""
        self._done += n
        if self._watch and time.monotonic() - self._passed >= _WATCHED_EVERY:
            self._pass_on(is_over=False)
        if self._bar is not None:
            self._bar.update(n)
        elif time.monotonic() - self._said >= EVERY:
            self._say()

    def _pass_on(self, *, is_over: bool) -> None:
        self._passed = time.monotonic()
        if self._watch:
            figures = (self._unit, self._before, self._done, self._total, self._since)
            self._watch(Advance(*figures, is_over))

    def note(self, text: str) -> None:
        """Show `text` after the figures from now on."""
        self._note = text
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)
        elif time.monotonic() - self._said >= EVERY:
            self._say()

    def _say(self) -> None:
        """Print one plain line: done, rate, time left or taken, note."""
        if not self._shown:
            return
        self._said = time.monotonic()
        seconds = self._said - self._begun
        here = self._done - self._before
        parts = [f"{self._done:,}/{self._total:,} {self._unit}"]
        if here and seconds > 0:
            left = (self._total - self._done) * seconds / here
            parts.append(f"{here / seconds:,.1f}/s")
            parts.append(f"{_clock(left)} left" if left > 0 else f"took {_clock(seconds)}")
        if self._note:
            parts.append(self._note)
        print(f"{self._label}: {', '.join(parts)}", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    """Format seconds as m:ss or h:mm:ss."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
