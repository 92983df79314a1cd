"""Opening the openai client of an endpoint: a server, or the oracle in this process."""

import os
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import openai

from lion.chat.source import Source
from lion.params import Endpoint, Oracle
from lion.support.errors import ChatError

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def open_client(
    source: Source, endpoint: Endpoint, oracle: Oracle, *, stage: str
) -> openai.AsyncOpenAI:
    """A client of `source`; ChatError if it needs a key that is not in the environment."""
    if source.in_process:
        return _open_oracle(oracle)
    return _open_server(source.url, endpoint, stage=stage)


def _open_server(url: str, endpoint: Endpoint, *, stage: str) -> openai.AsyncOpenAI:
    """A client of the server at `url`; ChatError if its key is not in the environment.

    An Azure deployment's URL ends in ?api-version=...; it gets that and the key in its own way.
    """
    key = os.environ.get(endpoint.api_key_env, "").strip()
    parts = urlsplit(url)
    if not key and parts.hostname not in _LOOPBACK:
        raise ChatError(
            f"{stage}: no API key for {url}: set the environment variable {endpoint.api_key_env}"
        )
    if not re.fullmatch(r"[\x21-\x7e]*", key):  # the header would be refused, and the key told
        raise ChatError(
            f"{stage}: the key in the environment variable {endpoint.api_key_env} holds a blank or"
            " a character outside ASCII, which no API key does"
        )
    limits = httpx2.Limits(
        max_connections=endpoint.concurrency, max_keepalive_connections=endpoint.concurrency
    )
    azure: dict[str, Any] = {}
    if parts.query:
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        azure = {"default_query": query, "default_headers": {"api-key": key}}
    return openai.AsyncOpenAI(
        api_key=key or "none",
        base_url=parts._replace(query="").geturl(),
        max_retries=0,
        timeout=None,  # ours covers the whole exchange, not a single read
        http_client=openai.DefaultAsyncHttpxClient(limits=limits, timeout=None),
        **azure,
    )


def _open_oracle(oracle: Oracle) -> openai.AsyncOpenAI:
    """A client of the oracle, called in this process without a network."""
    from lion.oracle.app import create_app

    app: Any = create_app(position_bias=oracle.position_bias, unreadable=oracle.unreadable)
    return openai.AsyncOpenAI(
        api_key="none",
        base_url="http://oracle/v1",
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app)),
    )
