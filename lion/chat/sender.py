"""Calls to a server and their retries; the openai client itself retries nothing."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import httpx2
import openai

from lion.chat.dialect import Dialect, shortened, spoken
from lion.chat.failures import advice, failure_in, is_transient, may_cost, request_gap
from lion.chat.rate_limit import RateLimit
from lion.chat.reading import Failure, UnusableBody
from lion.chat.redaction import safe_line, without_key
from lion.chat.refusals import reply_for
from lion.chat.stream import reply_of
from lion.chat.types import Reply
from lion.chat.wire import Body, likely_tokens
from lion.params import Endpoint
from lion.support.errors import ChatError

T = TypeVar("T")
_STEP = 0.1  # seconds between two checks of the rate limit, which may change
_MOMENT = 0.5  # seconds to read a response that has already arrived
_LONGEST = 30.0  # seconds of backoff between two tries


class AdaptedError(Exception):
    """The server refused a field, and the dialect has adapted."""


class Sender:
    """Calls one endpoint within its rate limit until it is stopped."""

    def __init__(
        self,
        client: openai.AsyncOpenAI,
        dialect: Dialect,
        limit: RateLimit,
        *,
        unanswered: Callable[[Body], None],
    ) -> None:
        """`unanswered` is called for each request that brought no reply and may have a cost."""
        self.client, self.dialect, self._limit = client, dialect, limit
        self.endpoint = dialect.endpoint
        self.unanswered = unanswered
        self.fault: ChatError | None = None
        self.retries = 0  # repeated calls
        self.waits = 0.0  # seconds until the rate limit admits the next request
        self.doing = ""  # what this sender waits for
        self._turn = asyncio.Lock()
        self._stopped = asyncio.Event()
        self._answered = time.monotonic()

    def stop(self, fault: ChatError) -> None:
        """Start no further call, because of `fault`; calls in flight may finish."""
        self.fault = self.fault or fault
        self._stopped.set()

    def status(self) -> list[str]:
        """Describe retries and waits to the user."""
        return [
            *([f"{self.retries:,} retries"] if self.retries else []),
            *([f"waiting {self.waits:.0f} s to keep the limits"] if self.waits >= 1 else []),
            *([self.doing] if self.doing else []),
        ]

    async def send(self, body: Body, *, row: str) -> Reply:
        """Return the reply to `body`; ChatError, naming `row`, when no retry can help."""
        return await self.persist(lambda: self._exchange(body), row=row, is_paced=True)

    async def persist(
        self, call: Callable[[], Awaitable[T]], *, row: str, is_paced: bool = False
    ) -> T:
        """Retry `call` until it returns; ChatError, naming `row`, when no retry can help.

        A call that `is_paced` waits for the rate limit by itself.

        The endpoint's `retries` bound the number of faults. Its `patience` bounds the time of rate
        limiting, since a busy server may reject one request many times and answer others.
        """
        faults = rejections = 0
        while True:
            try:
                with self._failing():
                    result = await call()
                self._answered = time.monotonic()
                return result
            except AdaptedError:
                pass  # the next try uses the adapted dialect
            except Failure as failure:
                if not is_transient(failure):
                    raise self._error(row, str(failure)) from failure
                if failure.status == 429:
                    rejections += 1
                    wait = self._slow_down(failure, rejections, row)
                    if not is_paced:
                        await self.rest(wait)
                else:
                    faults += 1
                    if faults > self.endpoint.retries:
                        raise self._error(row, f"{failure}; tried {faults} times") from failure
                    await self._pause(failure, faults, row)
            self.retries += 1

    async def rest(self, seconds: float) -> None:
        """Sleep; ChatError if this sender is stopped meanwhile."""
        try:
            await asyncio.wait_for(self._stopped.wait(), timeout=seconds)
        except TimeoutError:
            return
        raise self.fault or ChatError("stopped")

    async def _exchange(self, body: Body) -> Reply:
        """Send one request when the rate limit admits it, and return its reply."""
        likely = likely_tokens(body)
        used = 0
        await self._admitted(likely)
        by = self.dialect.endpoint
        try:
            response = await self._post(spoken(body, by))
            sent = shortened(body, by)
            reply = without_key(reply_of(response, sent, safe=self.safe), self.client.api_key)
            used = reply.prompt_tokens + reply.completion_tokens
        except Failure as failure:
            if recorded := self.settle(failure, body, by):
                return recorded
            if may_cost(failure):
                self.unanswered(body)
            raise
        except BaseException as error:  # a cancelled request may cost, too
            if may_cost(error):
                self.unanswered(body)
            raise
        finally:
            self._limit.release(answered=used > 0, surplus=likely - used)
        if gap := request_gap(response.headers):
            self._limit.widen(gap)
        return reply

    async def _post(self, body: Body) -> httpx2.Response:
        """Return the response to `body`; TimeoutError if none comes in time.

        A response that arrived while this process was busy is not late: the event loop gets a
        moment to read it before the timeout counts.
        """
        call = asyncio.ensure_future(
            self.client.post("/chat/completions", cast_to=httpx2.Response, body=body)
        )
        try:
            for seconds in (self.endpoint.timeout, _MOMENT):
                await asyncio.wait({call}, timeout=seconds)
                if call.done():
                    return call.result()
            raise TimeoutError
        except openai.APIStatusError as error:
            raise failure_in(error) from error
        finally:
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

    def settle(self, failure: Failure, body: Body, by: Endpoint) -> Reply | None:
        """Return the reply that records `failure` of `body`, sent in the dialect `by`, if any.

        AdaptedError if the dialect has adapted to the failure.
        """
        if self.dialect.shorten(failure, body, by):
            raise AdaptedError from failure
        if reply := reply_for(failure, body, self.safe):
            return reply
        if self.dialect.learn(failure, body, by):
            raise AdaptedError from failure
        return None

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Turn each error of a call into a Failure with a hint on what to change."""
        try:
            yield
        except (openai.APIStatusError, Failure) as error:
            failure = failure_in(error)
            hint = advice(failure.status, str(failure), self.client)
            message = f"status {failure.status}: {failure!s:.2000}{hint}"
            raise Failure(message, failure.status, failure.code, wait=failure.wait) from error
        except TimeoutError as error:
            raise Failure(f"no reply in {self.endpoint.timeout:g} s", 504) from error
        except openai.APIConnectionError as error:
            raise Failure(f"{error.message} {error.__cause__ or ''}", 503) from error
        except (UnusableBody, RecursionError, ValueError) as error:
            hint = advice(200, str(error), self.client)
            raise Failure(f"unusable reply: {error!s:.2000}{hint}", 502) from error

    async def _pause(self, fault: Failure, faults: int, row: str) -> None:
        """Wait before the next try; ChatError if the server asks for more than `patience`."""
        wait = max(_backoff(faults), fault.wait or 0.0)
        if wait > self.endpoint.patience:
            raise self._error(row, f"{fault} (wait {wait:,.0f} s, beyond the endpoint's patience)")
        if wait > _LONGEST:
            self.doing = f"the server asked to wait {wait:,.0f} s"
        await self.rest(wait)
        self.doing = ""

    def _slow_down(self, limited: Failure, rejections: int, row: str) -> float:
        """Pause all processes, and return for how many seconds.

        ChatError if the pause, or the time without a reply, is too long.
        """
        wait = _backoff(rejections) if limited.wait is None else limited.wait
        silence = time.monotonic() - self._answered
        if max(wait, silence) > self.endpoint.patience:
            why = f"wait {wait:,.0f} s" if wait > silence else f"no reply for {silence:,.0f} s"
            raise self._error(row, f"{limited} ({why}, beyond the endpoint's patience)")
        self._limit.back_off(wait)
        return wait

    async def _admitted(self, tokens: int) -> None:
        """Wait for the rate limit; one request at a time checks it, the others queue."""
        async with self._turn:
            while (wait := self._limit.acquire(tokens)) > 0:
                self.waits = wait
                await self.rest(min(wait, _STEP))
            self.waits = 0.0

    def safe(self, text: str) -> str:
        """Return a server's words as one visible line without the key."""
        return safe_line(text, self.client.api_key)

    def _error(self, row: str, message: str) -> ChatError:
        return ChatError(f"{row}: {self.client.base_url}: {self.safe(message):.700}")


def _backoff(tries: int) -> float:
    """Return the seconds before the next try: exponential backoff with jitter."""
    return min(_LONGEST, 0.25 * 2.0**tries) * random.uniform(0.5, 1.0)
