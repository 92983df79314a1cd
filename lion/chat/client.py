"""The openai client of an endpoint: a server, or the oracle in this process."""

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
    """Open a client of `source`; ChatError if the environment lacks the key that it needs."""
    if source.in_process:
        return _open_oracle(oracle)
    return _open_server(source.url, endpoint, stage=stage)


def _open_server(url: str, endpoint: Endpoint, *, stage: str) -> openai.AsyncOpenAI:
    """Open a client of the server at `url`; ChatError if the environment lacks its key.

    The URL of an Azure deployment ends in ?api-version=...; its client sends this query with every
    request, and the key in an api-key header.
    """
    key = os.environ.get(endpoint.api_key_env, "").strip()
    parts = urlsplit(url)
    if not key and parts.hostname not in _LOOPBACK:
        raise ChatError(
            f"{stage}: no API key for {url}: set the environment variable {endpoint.api_key_env}"
        )
    if not re.fullmatch(r"[\x21-\x7e]*", key):  # httpx would refuse the header and print the key
        raise ChatError(
            f"{stage}: the environment variable {endpoint.api_key_env} contains a blank or a"
            " character outside ASCII, so it is no API key; copy the key again"
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
        timeout=None,  # the sender's timeout covers the whole exchange
        http_client=openai.DefaultAsyncHttpxClient(limits=limits, timeout=None),
        **azure,
    )


def _open_oracle(oracle: Oracle) -> openai.AsyncOpenAI:
    """Open a client of the oracle, which runs in this process without a network."""
    from lion.oracle.app import create_app

    app: Any = create_app(position_bias=oracle.position_bias, unreadable=oracle.unreadable)
    return openai.AsyncOpenAI(
        api_key="none",
        base_url="http://oracle/v1",
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app)),
    )
