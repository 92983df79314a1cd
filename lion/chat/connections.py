"""Connections to a server: a pool of one for each request in flight.

httpcore2 scans every connection of its pool for every request. With 64 connections this took more
time than everything else in a request.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from functools import partial
from urllib.request import getproxies

import httpx2
import openai

from lion.params import Endpoint


def open_connections(endpoint: Endpoint, *, is_local: bool) -> httpx2.AsyncClient:
    """Return an HTTP client without redirects and without a timeout, which the caller sets.

    If the server `is_local`, no proxy sees its requests.
    """
    most = endpoint.concurrency
    limits = httpx2.Limits(max_connections=most, max_keepalive_connections=most)
    # Behind a proxy that the environment names, httpx2 chooses the transport by the URL.
    transport = None if getproxies() and not is_local else _Pools()
    # Not the aiohttp transport: it rejects replies with long or many headers, which were paid for.
    return openai.DefaultAsyncHttpxClient(
        limits=limits, timeout=None, follow_redirects=False, transport=transport
    )


class _Pools(httpx2.AsyncBaseTransport):
    """Pools of one connection each, opened on demand; the most recently used goes first.

    Their number is not bounded here: the sender bounds the concurrent requests.
    """

    def __init__(self) -> None:
        self._context = httpx2.create_ssl_context()
        self._pools: list[httpx2.AsyncHTTPTransport] = []
        self._free: list[httpx2.AsyncHTTPTransport] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        pool = self._free.pop() if self._free else self._opened()
        release = partial(self._free.append, pool)
        with ExitStack() as unless_answered:  # or cancelled
            unless_answered.callback(release)
            response = await pool.handle_async_request(request)
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = _Stream(response.stream, release)
            unless_answered.pop_all()
        return response

    def _opened(self) -> httpx2.AsyncHTTPTransport:
        limits = httpx2.Limits(max_connections=1, max_keepalive_connections=1)
        pool = httpx2.AsyncHTTPTransport(verify=self._context, limits=limits)
        self._pools.append(pool)
        return pool

    async def aclose(self) -> None:
        for pool in self._pools:
            await pool.aclose()


class _Stream(httpx2.AsyncByteStream):
    """A response body that frees its connection when it is closed."""

    def __init__(self, stream: httpx2.AsyncByteStream, release: Callable[[], None]) -> None:
        self._stream, self._release = stream, release
        self._is_open = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            if self._is_open:
                self._is_open = False
                self._release()
