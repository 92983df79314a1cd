"""Who answers a role: a server, or the oracle in this process."""

import hashlib
import os
from dataclasses import dataclass
from importlib import resources

from lion.params import Params, Role

DEFAULT_URL = "https://api.openai.com/v1"


@dataclass(frozen=True)
class Source:
    """A server's URL, and the part of a reply's key that identifies who was asked."""

    url: str
    identity: str
    in_process: bool = False


def source_of(params: Params, role: Role) -> Source:
    """Return the in-process oracle if it is the model and no server is named, else the server."""
    named = params.endpoint_of(role).base_url or os.environ.get("OPENAI_BASE_URL")
    if params.model_of(role) == "oracle" and not named:
        oracle = params.oracle
        identity = f"oracle {oracle.position_bias} {oracle.unreadable} {_oracle_code()}"
        return Source("oracle", identity, in_process=True)
    url = (named or DEFAULT_URL).rstrip("/")
    return Source(url, url)


def _oracle_code() -> str:
    """Hash the oracle's files, so that a changed oracle does not reuse old replies."""
    digest = hashlib.blake2b(digest_size=8)
    for file in sorted(resources.files("lion.oracle").iterdir(), key=lambda file: file.name):
        if file.is_file() and not file.name.startswith("make_"):
            digest.update(file.read_bytes())
    return digest.hexdigest()
