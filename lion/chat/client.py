"""The openai client of an endpoint: a server, or the oracle in this process."""

import asyncio
import os
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import openai

from lion.chat.connections import open_connections
from lion.chat.redaction import safe_line
from lion.chat.source import DEFAULT_URL, Source, source_of
from lion.params import Endpoint, Oracle, Params, Role
from lion.support.errors import ChatError
from lion.support.text import brief

# Variables with which httpx2 opens connections.
_PROXIES = {"ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"}
_CERTIFICATES = {"SSL_CERT_FILE", "SSL_CERT_DIR"}
_LISTING = 10.0  # seconds
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def open_client(
    source: Source, endpoint: Endpoint, oracle: Oracle, *, stage: str
) -> openai.AsyncOpenAI:
    """Open a client of `source`; ChatError if the environment lacks the key that it needs."""
    if source.in_process:
        return _open_oracle(oracle)
    return _open_server(source.url, endpoint, stage=stage)


def offered_models(params: Params, role: Role) -> list[str]:
    """Return the model names that the server of `role` lists; empty if it does not list them."""

    async def listed() -> list[str]:
        client = open_client(
            source_of(params, role), params.endpoint_of(role), params.oracle, stage="models"
        )
        async with client:
            page = await client.models.list(timeout=_LISTING)
            return [brief(str(model.id), 60) for model in page.data]

    try:
        return asyncio.run(listed())
    except (openai.OpenAIError, ChatError, ValueError, TypeError, AttributeError):
        return []


def _open_server(url: str, endpoint: Endpoint, *, stage: str) -> openai.AsyncOpenAI:
    """Open a client of the server at `url`; ChatError if the environment lacks its key.

    The URL of an Azure deployment ends in ?api-version=...; its client sends this query with every
    request, and the key in an api-key header.
    """
    key = _key(url, endpoint, stage=stage)
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    headers = _headers(url, endpoint) | {"Authorization": f"Bearer {key or 'none'}"}
    if query and key:
        headers["api-key"] = key  # as Azure expects it
    client = openai.AsyncOpenAI(
        api_key=key or "none",
        base_url=parts._replace(query="").geturl(),
        max_retries=0,
        timeout=None,  # the sender's timeout covers the whole exchange
        http_client=_connections(endpoint, url, stage=stage),
        default_query=query or None,
        default_headers=headers,
    )
    if not _is_given_openais(url, endpoint):
        client.organization = client.project = None
    return client


def _headers(url: str, endpoint: Endpoint) -> dict[str, Any]:
    """Return headers that remove those of OPENAI_CUSTOM_HEADERS, unless the server may have them.

    The client reads this variable by itself.
    """
    if _is_given_openais(url, endpoint):
        return {}
    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").splitlines()
    return {line.partition(":")[0].strip(): openai.omit for line in lines if ":" in line}


def _connections(endpoint: Endpoint, url: str, *, stage: str) -> httpx2.AsyncClient:
    """Open connections; ChatError if the environment names an unusable proxy or certificate."""
    try:
        return open_connections(endpoint, is_local=urlsplit(url).hostname in _LOOPBACK)
    except (ImportError, ValueError, OSError) as error:
        known = _CERTIFICATES if isinstance(error, OSError) else _PROXIES
        names = sorted(name for name in os.environ if name.upper() in known)
        reason = safe_line(str(error), "")
        raise ChatError(
            f"{stage}: cannot open a connection to {url}: {reason}; correct or unset"
            f" {' and '.join(names)} in the environment"
        ) from None


def _key(url: str, endpoint: Endpoint, *, stage: str) -> str:
    """Return the API key for the server at `url`; empty if it gets none.

    By default OPENAI_API_KEY goes to OpenAI, to this machine, and over https to OPENAI_BASE_URL.
    Any other server gets only the key that its `api_key_env` names.
    """
    name = endpoint.api_key_env
    if name is None and _is_given_openais(url, endpoint):
        name = "OPENAI_API_KEY"
    if not name:
        return ""
    key = os.environ.get(name, "").strip()
    if not key and urlsplit(url).hostname not in _LOOPBACK:
        raise ChatError(f"{stage}: no API key for {url}: set the environment variable {name}")
    if not re.fullmatch(r"[\x21-\x7e]*", key):  # httpx would refuse the header and print the key
        raise ChatError(
            f"{stage}: the environment variable {name} contains a space or a"
            " character outside ASCII, so it is not a valid API key; copy the key again"
        )
    return key


def _is_given_openais(url: str, endpoint: Endpoint) -> bool:
    """Whether the server at `url` may have the values of the variables named OPENAI_..."""
    parts = urlsplit(url)
    is_given_with_the_key = not endpoint.base_url or url == DEFAULT_URL
    return parts.hostname in _LOOPBACK or (parts.scheme == "https" and is_given_with_the_key)


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
