"""Who answers a role: a server, or the oracle in this process."""

import hashlib
import os
import re
from dataclasses import dataclass
from importlib import resources
from urllib.parse import parse_qsl, urlsplit

from lion.params import Params, Role
from lion.support.errors import ChatError

IN_PROCESS = "oracle"  # used in place of a URL
DEFAULT_URL = "https://api.openai.com/v1"
_SECRET = re.compile(r"key|token|secret|sig|pass|pwd|auth|cred|code|bearer|jwt|sas")
_LONG = 24  # characters of a value that may be a secret; an API version has fewer


@dataclass(frozen=True)
class Source:
    """A server's URL, and its identity, which is part of a reply's key in the store."""

    url: str
    identity: str
    former: str = ""  # the identity in the keys of versions before 2026-11-29
    in_process: bool = False


def source_of(params: Params, role: Role) -> Source:
    """Return the in-process oracle if it is the model and no server is set, else the server."""
    named = params.endpoint_of(role).base_url or _named_by_environment()
    if params.is_in_process(role) and not named:
        oracle = params.oracle
        identity = f"oracle {oracle.position_bias} {oracle.unreadable} {_oracle_code()}"
        return Source(IN_PROCESS, identity, in_process=True)
    url = (named or DEFAULT_URL).rstrip("/")
    _check_for_secrets(url)
    return Source(url, params.endpoint_of(role).identity or _without_port(url), url)


def _named_by_environment() -> str | None:
    """Return the URL in OPENAI_BASE_URL, if any; ChatError if it is none."""
    url = os.environ.get("OPENAI_BASE_URL", "").strip()
    if url and not re.match(r"https?://[^\s/]", url):
        raise ChatError(
            f"OPENAI_BASE_URL is {url!r:.80}; it must begin with http:// or https:// and a host"
        )
    return url or None


def _without_port(url: str) -> str:
    """Return `url` without its port, since a restarted server may listen on another one."""
    parts = urlsplit(url)
    return parts._replace(netloc=re.sub(r":\d*$", "", parts.netloc)).geturl()


def _check_for_secrets(url: str) -> None:
    """Raise ChatError if `url` holds a password or a key: URLs are stored with the replies."""
    parts = urlsplit(url)
    secrets = [
        name
        for name, value in parse_qsl(parts.query)
        if _SECRET.search(name.lower()) or len(value) >= _LONG
    ]
    if "@" in parts.netloc or parts.fragment or secrets:
        where = f"its query field {secrets[0]!r}" if secrets else "a name, password or fragment"
        raise ChatError(
            f"the URL of {parts.hostname} contains {where}, and Lion stores URLs; remove it, put"
            " the key in an environment variable, and name that variable in api_key_env"
        )


def _oracle_code() -> str:
    """Hash the oracle's files, so that a changed oracle does not reuse old replies."""
    digest = hashlib.blake2b(digest_size=8)
    for file in sorted(resources.files("lion.oracle").iterdir(), key=lambda file: file.name):
        if file.is_file() and not file.name.startswith("make_"):
            digest.update(file.read_bytes())
    return digest.hexdigest()
