"""The dialect of a server: which request fields it accepts, learnt from its errors.

The first error that names a field adapts the endpoint for this process. A notice says which key of
`endpoints:` makes that permanent. A reply's key in the store does not depend on the dialect.
"""

import re
from typing import Any, NamedTuple

from lion.chat.notices import say_once
from lion.chat.reading import Failure
from lion.chat.wire import Body
from lion.params import Endpoint

_STATUSES = {400, 415, 422, 500, 501}
_UNSUPPORTED = (
    r"unsupported|not (be )?support|n[o']t support|unknown|unrecogni[sz]ed|unexpected|not permitted"
    r"|not allowed|extra_?.?(forbidden|inputs|fields)|additional propert|only the default|invalid"
    r"|deprecated|unavailable|not available|not accept|no such|removed|not enabled"
    r"|not a (recogni[sz]ed|valid|known)"
    r"|不支持|不支援|未対応|サポートされていません|не поддержива|지원하지"
)
_RANGE = r"between|range|less than|greater than|at (most|least)|[<>]=?|too (large|high|low|big)"
# A token limit that a server states, but not one that counts the prompt or asks for a stream, which
# another limit would not help.
_LIMIT = re.compile(r"max(imum)?[ _](completion[ _]|output[ _]|new[ _])?tokens", re.IGNORECASE)
_NOT_ALONE = re.compile(
    r"context.length|stream|\b(input|prompt|messages?)\W{0,2} tokens|tokens (in|from) the|per min",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.-])(\d{1,3}(?:,\d{3})+|\d+)(?![\w-]|\.\d)")  # not in a model's name
_FEWEST = 512  # tokens; a smaller number in an error is a status or a version


class _Adaptation(NamedTuple):
    """What to change after an error on a sent `field` with `names` and `words`, not `others`."""

    field: str
    names: str
    change: tuple[str, Any]  # key of the endpoint, and its new value
    words: str = ""
    others: str = r"(?!)"


_ADAPTATIONS = (
    _Adaptation(
        "max_tokens",
        r"max_tokens|max_completion_tokens",
        ("limit_field", "max_completion_tokens"),
        words=rf"max_completion_tokens|{_UNSUPPORTED}",
        others=_RANGE,
    ),
    _Adaptation(
        "max_completion_tokens",
        r"max_completion_tokens",
        ("limit_field", "max_tokens"),
        words=_UNSUPPORTED,
        others=_RANGE,
    ),
    _Adaptation(
        "temperature",
        r"temperature",
        ("omit", "temperature"),
        words=rf"{_UNSUPPORTED}|(must|only|fixed|set)\b.{{0,9}} 1\b(?! or)|cannot be (chang|modif)",
        others=_RANGE,
    ),
    _Adaptation("seed", r"\bseed\b", ("omit", "seed"), words=_UNSUPPORTED),
    _Adaptation(
        "response_format",
        r"response_format|response format|json.?(schema|mode)|structured output"
        r"|guided.?(decod|json)|\bgrammar\b",
        ("structured", False),
    ),
    _Adaptation("stream_options", r"stream_options", ("omit", "stream_options")),
    _Adaptation(
        "system",
        r"system.{0,3}(role|message|prompt|instruction|角色|消息)|(role|角色).{0,40}system"
        r"|developer instruction|first message.{0,30}user"
        r"|roles? must alternate|only.{0,30}user.{0,20}(assistant|role)|'user'.{0,9}'assistant'",
        ("system", "fold"),
    ),
    _Adaptation(
        "no stream",
        r"(?<![a-z])stream",  # not upstream
        ("stream", True),
        words=r"only|require|must|enable|non-?stream|set.{0,20}true|stream.{0,4}false",
    ),
)


def spoken(body: Body, endpoint: Endpoint) -> Body:
    """Translate `body` from OpenAI's fields to those that the server of `endpoint` accepts."""
    sent = dict(shortened(body, endpoint))
    if endpoint.limit_field != "max_tokens":
        sent = {endpoint.limit_field if k == "max_tokens" else k: v for k, v in sent.items()}
    if endpoint.system == "fold":
        sent["messages"] = _folded(sent["messages"])
    if endpoint.stream and endpoint.mode == "live":
        sent |= {"stream": True, "stream_options": {"include_usage": True}}
    if not endpoint.structured and "response_format" not in endpoint.extra:
        sent.pop("response_format", None)
    return {name: value for name, value in sent.items() if name not in endpoint.omit}


def shortened(body: Body, endpoint: Endpoint) -> Body:
    """Lower the token limit of `body` to what the server of `endpoint` accepts."""
    most = endpoint.most_tokens
    return body if most is None else {**body, "max_tokens": min(body["max_tokens"], most)}


class Dialect:
    """An endpoint that adapts to what its server accepts."""

    def __init__(self, endpoint: Endpoint, *, who: str, named: str) -> None:
        """`who` and `named` (the endpoint's name in params.yaml) appear in messages."""
        self.endpoint = endpoint
        self._who, self._named = who, named
        self._adapted: set[str] = set()  # fields; twice the same would never end

    def learn(self, failure: Failure, body: Body, by: Endpoint) -> bool:
        """Adapt to an error; return whether `body`, sent in the dialect `by`, should be sent again.

        With many requests in flight, the first error adapts the dialect for all of them. An error
        about a field that the dialect cannot change, or has changed in vain, is no reason to send.
        """
        if failure.status not in _STATUSES:
            return False
        words = f"{failure.param} {failure.code or ''} {failure}"
        sent = _fields_of(spoken(body, by))
        for row in _ADAPTATIONS:
            if (
                row.field in sent
                and re.search(row.names, words, re.IGNORECASE | re.DOTALL)
                and re.search(row.words, words, re.IGNORECASE | re.DOTALL)
                and not re.search(row.others, words, re.IGNORECASE)
            ):
                self._adapt(row, body)
                if spoken(body, self.endpoint) != spoken(body, by):
                    return True
        return False

    def shorten(self, failure: Failure, body: Body, by: Endpoint) -> bool:
        """Lower the token limit to the one that an error names.

        Return whether `body`, sent in the dialect `by`, should be sent again.
        """
        words = f"{failure.param} {failure}"  # without the code, which may be a number
        if failure.status not in _STATUSES or not _LIMIT.search(words) or _NOT_ALONE.search(words):
            return False
        sent = shortened(body, by)["max_tokens"]
        numbers = (int(number.replace(",", "")) for number in _NUMBER.findall(words))
        most = max((number for number in numbers if _FEWEST <= number < sent), default=None)
        if most is None:
            return False
        if self.endpoint.most_tokens is None or most < self.endpoint.most_tokens:
            self._set("most_tokens", most, f"accepts at most {most:,} tokens per reply")
        return True

    def _adapt(self, row: _Adaptation, body: Body) -> None:
        """Adapt the endpoint, unless that was done before or does not change `body`."""
        key, value = row.change
        if key == "omit":
            value = sorted({*self.endpoint.omit, value})
        adapted = self.endpoint.model_copy(update={key: value})
        if row.field in self._adapted or spoken(body, adapted) == spoken(body, self.endpoint):
            return
        self._adapted.add(row.field)
        self._set(key, value, "rejected a field of the request")

    def _set(self, key: str, value: Any, reason: str) -> None:
        self.endpoint = self.endpoint.model_copy(update={key: value})
        shown = f"[{', '.join(value)}]" if isinstance(value, list) else str(value).lower()
        say_once(
            f"{self._who}: the server {reason}, so Lion adapts its requests from now on. Write"
            f" `{key}: {shown}` under endpoints.{self._named} in params.yaml to keep this"
        )


def _fields_of(sent: Body) -> set[str]:
    roles = {message["role"] for message in sent["messages"]}
    return {*sent, *roles, *(() if sent.get("stream") else ("no stream",))}


def _folded(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Put the system prompt in front of the first turn."""
    system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
    turns = [dict(m) for m in messages if m["role"] != "system"]
    if system and turns:
        turns[0]["content"] = f"{system}\n\n{turns[0]['content']}"
    return turns
