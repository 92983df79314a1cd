"""Calls to a server, tried again where that can help: the only retry layer."""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx2
import openai

from lion.chat.headers import request_gap, retry_after
from lion.chat.pace import Pace
from lion.chat.types import Reply
from lion.chat.wire import Body, UnusableBody, counted, likely_tokens, reply_in, said_in
from lion.params import Endpoint
from lion.support.errors import ChatError

T = TypeVar("T")
_LATER = {408, 409, 429}  # and 5xx
_UNKNOWN = {408, 504}  # somebody stopped waiting; the model may have answered
_NEVER_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.LocalProtocolError,
    httpx2.UnsupportedProtocol,
)
_STEP = 0.1  # seconds; the pace may have changed by then
_LONGEST = 30.0  # seconds between two tries


class _Fault(Exception):
    """A try that failed and may succeed later, `wait` seconds from now if the server said so."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class _Refusal(_Fault):
    """The server asks everybody to be slower."""


class Sender:
    """Calls one endpoint at the shared pace, until it is stopped."""

    def __init__(
        self,
        client: openai.AsyncOpenAI,
        endpoint: Endpoint,
        pace: Pace,
        *,
        unanswered: Callable[[Body], None],
    ) -> None:
        """`unanswered` hears of each request that may cost something and brought no reply."""
        self.client, self.endpoint, self._pace = client, endpoint, pace
        self._unanswered = unanswered
        self.fault: ChatError | None = None
        self.retries = 0  # calls made again
        self.waits = 0.0  # seconds that the limits ask to wait
        self.doing = ""  # what is waited for beside replies
        self._turn = asyncio.Lock()
        self._stopped = asyncio.Event()
        self._answered = time.monotonic()

    def stop(self, fault: ChatError) -> None:
        """Call no more, because of `fault`; what is in flight may land."""
        self.fault = self.fault or fault
        self._stopped.set()

    def told(self) -> list[str]:
        """What happens beside replies, for the user."""
        return [
            *([f"{self.retries:,} retries"] if self.retries else []),
            *([f"waiting {self.waits:.0f} s to keep the limits"] if self.waits >= 1 else []),
            *([self.doing] if self.doing else []),
        ]

    async def send(self, body: Body, *, row: str) -> Reply:
        """The reply to `body`; ChatError, naming `row`, when trying again cannot help."""
        return await self.persist(lambda: self._exchange(body), row=row)

    async def persist(self, call: Callable[[], Awaitable[T]], *, row: str) -> T:
        """What `call` returns in the end; ChatError, naming `row`, when trying again cannot help.

        Faults are bounded in number. Refusals are bounded in time, the endpoint's patience, since
        a busy server may refuse a request many times and still answer others.
        """
        faults = refusals = 0
        said = ""
        while faults <= self.endpoint.retries:
            try:
                with self._judging(row):
                    result = await call()
                self._answered = time.monotonic()
                return result
            except _Refusal as refusal:
                refusals += 1
                self._slow_down(refusal, refusals, row)
            except _Fault as fault:
                faults, said = faults + 1, str(fault)
                if faults <= self.endpoint.retries:
                    await self._pause(fault, faults, row)
            self.retries += 1
        raise self._error(row, f"{said}; tried {faults} times")

    async def rest(self, seconds: float) -> None:
        """Sleep; ChatError if this sender is stopped meanwhile."""
        try:
            await asyncio.wait_for(self._stopped.wait(), timeout=seconds)
        except TimeoutError:
            return
        raise self.fault or ChatError("stopped")

    async def _exchange(self, body: Body) -> Reply:
        """One request and its reply, when the pace allows it."""
        likely = likely_tokens(body)
        used = 0
        await self._admitted(likely)
        try:
            async with asyncio.timeout(self.endpoint.timeout):
                response = await self.client.post(
                    "/chat/completions", cast_to=httpx2.Response, body=body
                )
            reply = counted(reply_in(_parsed(response)), body)
            used = reply.prompt_tokens + reply.completion_tokens
        except openai.BadRequestError as error:
            if error.code != "content_filter":
                raise
            return filtered(body["model"])
        except BaseException as error:
            if _may_cost(error):
                self._unanswered(body)
            raise
        finally:
            self._pace.land(answered=used > 0, surplus=likely - used)
        if gap := request_gap(response.headers):
            self._pace.widen(gap)
        return reply

    @contextmanager
    def _judging(self, row: str) -> Iterator[None]:
        """Every kind of failure becomes a fault, a refusal or a ChatError."""
        try:
            yield
        except openai.APIStatusError as error:
            wait = retry_after(error.response.headers)
            told = f"status {error.status_code}: {_told(error)}"
            if not may_pass(error.status_code, error.code):
                raise self._error(row, told) from error
            kind = _Refusal if error.status_code == 429 else _Fault
            raise kind(told, wait) from error
        except TimeoutError as error:
            raise _Fault(f"no reply in {self.endpoint.timeout:g} s") from error
        except openai.APIConnectionError as error:
            raise _Fault(f"{error.message} {error.__cause__ or ''}") from error
        except (UnusableBody, json.JSONDecodeError) as error:
            raise _Fault(f"unusable reply: {error}") from error

    async def _pause(self, fault: _Fault, faults: int, row: str) -> None:
        """Wait before the next try; ChatError if the server asks for more than the patience."""
        wait = max(_backoff(faults), fault.wait or 0.0)
        if wait > self.endpoint.patience:
            raise self._error(row, f"{fault} (wait {wait:,.0f} s, beyond the endpoint's patience)")
        if wait > _LONGEST:
            self.doing = f"the server asked to wait {wait:,.0f} s"
        await self.rest(wait)
        self.doing = ""

    def _slow_down(self, refusal: _Refusal, refusals: int, row: str) -> None:
        """Pause all processes; ChatError if the pause, or the time without a reply, is too long."""
        wait = _backoff(refusals) if refusal.wait is None else refusal.wait
        silence = time.monotonic() - self._answered
        if max(wait, silence) > self.endpoint.patience:
            told = f"wait {wait:,.0f} s" if wait > silence else f"no reply for {silence:,.0f} s"
            raise self._error(row, f"{refusal} ({told}, beyond the endpoint's patience)")
        self._pace.refuse(wait)

    async def _admitted(self, tokens: int) -> None:
        """Wait for this process's turn; one request at a time looks, the others queue."""
        async with self._turn:
            while (wait := self._pace.admit(tokens)) > 0:
                self.waits = wait
                await self.rest(min(wait, _STEP))
            self.waits = 0.0

    def _error(self, row: str, message: str) -> ChatError:
        line = " ".join(message.split())
        if len(key := self.client.api_key) > 4:  # a server may echo it; "none" is no key
            for written in (key, json.dumps(key)[1:-1]):
                line = line.replace(written, "<API key>")  # before the line is cut
        return ChatError(f"{row}: {self.client.base_url}: {line:.400}")


def may_pass(status: int, code: object) -> bool:
    """Whether the same request may succeed later."""
    return (status in _LATER or status >= 500) and code != "insufficient_quota"


def filtered(model: str) -> Reply:
    """The reply that stands for a request which the server's content filter refused."""
    return Reply(
        text="", finish_reason="content_filter", model=model, prompt_tokens=0, completion_tokens=0
    )


def _may_cost(error: BaseException) -> bool:
    """Whether a request that ended so may be charged for: it was sent, and its fate is unknown."""
    if isinstance(error, openai.APIStatusError):
        return error.status_code in _UNKNOWN
    return not isinstance(error.__cause__, _NEVER_SENT)


def _told(error: openai.APIStatusError) -> str:
    """The server's own words, in whatever form they come."""
    try:
        said = said_in(error.response.json())
    except ValueError:
        said = error.response.text
    return said.strip() or "no message"


def _parsed(response: httpx2.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise UnusableBody(f"not JSON: {response.text}") from error


def _backoff(tries: int) -> float:
    """Seconds before the next try: doubled each time, with jitter so that tries spread out."""
    return min(_LONGEST, 0.25 * 2.0**tries) * random.uniform(0.5, 1.0)
