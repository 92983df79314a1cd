"""The reply, or the error, in a server's body: strict about the text, lenient about the rest."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

from lion.chat.endings import finish_reason_of
from lion.chat.types import Reply
from lion.chat.wire import Body, most_tokens
from lion.prompts.marks import pack_beside

_STATUS = {  # of errors whose code is a word
    429: re.compile(
        r"rate.?limit|too.?many|throttl|resource_exhausted|concurren|速率|限流|并发|频[率繁]"
    ),
    402: re.compile(r"quota|billing|credit|balance|payment|arrear|余额|欠费"),
    401: re.compile(r"api.?key|unauth|authenticat|permission|forbidden"),
    404: re.compile(r"not.?found|unknown_url|unexpected endpoint|cannot (post|get)|no route"),
    400: re.compile(r"invalid|bad.?request|unsupported|context.?length|content.?filter|inspection"),
}
_DECODER = json.JSONDecoder(strict=False)  # it accepts bare line ends within a text
MOST_WORDS = 10_000  # characters of an error that are read; a server may send megabytes
# Fields of a message that hold thoughts; a server that fills several repeats them.
THOUGHTS = ("reasoning_content", "reasoning", "thinking", "reasoning_text", "reasoning_details")
MESSAGES = ("message", "detail", "error_msg", "msg", "error_message", "status_msg")  # of an error
_CODES = ("code", "status_code", "error_code", "http_code", "status", "type")


class UnusableBody(Exception):
    """A body with status 200 that contains no reply: cut JSON, a proxy's page, no choices."""

    def __init__(self, message: str) -> None:
        super().__init__(message[:MOST_WORDS])


class Failure(Exception):
    """An error that a server reports, as a status or in a body with status 200.

    `param` is the field that it names, and `wait` the seconds until a retry, if it says so.
    """

    def __init__(
        self,
        message: str,
        status: int,
        code: object = None,
        *,
        param: object = None,
        wait: float | None = None,
    ) -> None:
        super().__init__(message[:MOST_WORDS] or "no message")
        self.status, self.code, self.param, self.wait = status, code, param or "", wait


def value_in(content: bytes) -> Any:
    """Return the JSON value at the beginning of a body; ValueError if there is none.

    Invalid bytes, bare control characters and junk after the value are tolerated.
    """
    text = content.decode(json.detect_encoding(content), "replace")
    return _DECODER.raw_decode(text.lstrip())[0]


def reply_in(body: Any, sent: Body | None, *, safe: Callable[[str], str]) -> Reply:
    """Read the reply to `sent` in a chat completion; Failure or UnusableBody if there is none.

    Token counts that are missing or unreadable become upper bounds. `sent` is None for a request
    of another run, whose counts then stay 0. `safe` removes the API key from words to be shown.
    """
    if error := _error_in(body):
        raise error
    try:
        choice = _first_choice(body)
        message = choice.get("message") or {"content": _text_beside(choice)}
        text, thoughts = _texts_of(message)
        refused = not text and _is_refusal(message)
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise UnusableBody(f"no reply in the body: {error_message(body)}") from error
    prompt, completion, reasoning, cached = _counts_of(body.get("usage"))
    most_prompt, most_completion = most_tokens(sent) if sent else (0, 0)
    reason = "refusal" if refused else choice.get("finish_reason")
    finish = finish_reason_of(
        safe(str(reason)) if reason else None, text, tokens=completion, limit=most_completion
    )
    if sent:
        generated = len((text + thoughts).encode())
        prompt, completion = prompt or most_prompt, completion or min(most_completion, generated)
    if thoughts and not text:
        reasoning = completion
    return Reply(
        text=pack_beside(thoughts, text),
        finish_reason=finish,
        model=_valid(str(body.get("model") or "")),
        prompt_tokens=prompt,
        completion_tokens=completion,
        reasoning_tokens=reasoning,
        cached_tokens=min(cached, prompt),
    )


def _first_choice(body: Any) -> Any:
    """Return the first choice; an empty one if a filter blocked the prompt, at no output token."""
    usage = body.get("usage")
    if not body["choices"] and isinstance(usage, dict) and not _counts_of(usage)[1]:
        return {"message": {"content": None}, "finish_reason": "content_filter"}
    return body["choices"][0]


def _is_refusal(message: dict[str, Any]) -> bool:
    """Whether a message without text has a refusal instead, in its own field or as a part."""
    parts = message.get("content")
    kinds = [part.get("type") for part in parts or () if isinstance(part, dict)]
    return bool(message.get("refusal")) or "refusal" in kinds


def error_message(body: Any) -> str:
    """Return the error message in a server's body, in any known form, else the body itself."""
    error = body.get("error") or body if isinstance(body, dict) else body
    if isinstance(error, dict):
        error = next((error[name] for name in MESSAGES if error.get(name)), error)
    if isinstance(error, str):
        return _valid(error[:MOST_WORDS])
    try:
        return _valid(json.dumps(body, ensure_ascii=False)[:MOST_WORDS])
    except RecursionError:
        return "deeply nested JSON"


def _error_in(body: Any) -> Failure | None:
    """Return the error in `body`; None if it holds a reply, or neither."""
    if isinstance(body, list) and len(body) == 1:  # some gateways wrap an error in a list
        body = body[0]
    if not isinstance(body, dict):
        return None
    error: Any = body.get("error") or body.get("errors") or _failed(body.get("base_resp"))
    if isinstance(error, list):
        error = error[0]
    if choices := body.get("choices"):
        first = choices[0] if isinstance(choices, list) else None
        first = first if isinstance(first, dict) else {}
        message, error = first.get("message"), first.get("error")
        if not error or (isinstance(message, dict) and message.get("content")):
            return None
    elif not error and not any(body.get(name) for name in (*MESSAGES, "error_code")):
        return None
    fields = error if isinstance(error, dict) else body
    words = error_message({"error": error} if error else body)
    codes = [fields[name] for name in _CODES if fields.get(name)]
    code = codes[0] if codes else None
    return Failure(words, status_of(codes, words), code, param=fields.get("param"))


def _failed(result: Any) -> Any:
    """Return `result`, MiniMax's `base_resp`, if it reports an error."""
    return result if isinstance(result, dict) and result.get("status_code") else None


def status_of(codes: list[Any], message: str) -> int:
    """Return the HTTP status that the codes, or else the message, imply; 500 if none is known."""
    for code in codes:
        number = _count(code)
        if number is not None and 400 <= number < 600:
            return number
    for words in (*map(str, codes), message):
        for status, pattern in _STATUS.items():
            if pattern.search(words.lower()):
                return status
    return 500


def _text_beside(choice: dict[str, Any]) -> Any:
    """Return the text of a choice without a message: None if it only says why there is none."""
    return choice.get("text") if choice.get("finish_reason") else choice["text"]


def _texts_of(message: dict[str, Any]) -> tuple[str, str]:
    """Return answer and thoughts; TypeError if the content is neither a text nor parts of one."""
    content = message.get("content")
    thoughts = next((message[name] for name in THOUGHTS if message.get(name)), "")
    thoughts = _valid(thoughts if isinstance(thoughts, str) else json.dumps(thoughts))
    if content is None or isinstance(content, str):
        return _valid(content or ""), thoughts
    if isinstance(content, dict) and "text" not in content:  # structured output, parsed
        return _valid(json.dumps(content, ensure_ascii=False)), thoughts
    parts = [content] if isinstance(content, dict) else content
    if not isinstance(parts, list):
        raise TypeError(content)
    parts = [part for part in parts if not _has_no_text(part)]
    texts = [part for part in parts if not (isinstance(part, dict) and is_thought(part))]
    if parts and not texts:
        return "", thoughts + json.dumps(parts)
    dropped = [part for part in parts if part not in texts]
    thoughts += json.dumps(dropped, ensure_ascii=False) if dropped else ""
    return _valid("".join(_text_of(part) for part in texts)), _valid(thoughts)


def _has_no_text(part: Any) -> bool:
    """Whether a part is neither text nor a thought, such as a reference or a refusal."""
    names = ("text", "thinking", "reasoning", "thought", "summary")
    is_known = isinstance(part, dict) and isinstance(part.get("type"), str)
    return is_known and not is_thought(part) and all(part.get(name) is None for name in names)


def is_thought(part: dict[str, Any]) -> bool:
    """Whether a part of a message's content is a thought."""
    kinds = {"thinking", "reasoning", "redacted_thinking", "thought"}
    kind = str(part.get("type"))
    return kind in kinds or kind.startswith("reasoning.") or part.get("thought") is True


def text_in(part: object) -> str:
    """Return the text of a part, which may be a thought; an encrypted one has none."""
    if isinstance(part, list):
        return "".join(map(text_in, part))
    if not isinstance(part, dict):
        return part if isinstance(part, str) else ""
    names = ("thinking", "reasoning", "thought", "text", "summary")
    return next(filter(None, (text_in(part.get(name)) for name in names)), "")


def _text_of(part: Any) -> str:
    text = part["text"] if isinstance(part, dict) else part
    text = text["value"] if isinstance(text, dict) else text
    if not isinstance(text, str):
        raise TypeError(part)
    return text


def _counts_of(usage: Any) -> tuple[int, int, int, int]:
    """Return prompt, completion, reasoning and cached prompt tokens; 0 if missing or unreadable."""
    usage = usage if isinstance(usage, dict) else {}

    def count(*names: str, of: Any = usage) -> int:
        of = of if isinstance(of, dict) else {}
        return next((n for name in names if (n := _count(of.get(name))) is not None), 0)

    prompt = count("prompt_tokens", "input_tokens")
    completion = count("completion_tokens", "output_tokens")
    # Some servers count thinking only in the total.
    hidden = max(0, count("total_tokens") - prompt - completion) if prompt else 0
    completion += hidden
    reasoning = count("reasoning_tokens", of=usage.get("completion_tokens_details")) or hidden
    cached = count("cached_tokens", of=usage.get("prompt_tokens_details"))
    cached = cached or count("cached_tokens", "prompt_cache_hit_tokens")
    return prompt, completion, reasoning, cached


def _count(value: Any) -> int | None:
    """Read a count from 7, 7.0 or "7", rounded up; None from anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return math.ceil(number) if 0 <= number < 2**40 else None


def _valid(text: str) -> str:
    """Return `text` as valid Unicode: half of a surrogate pair becomes a question mark.

    Two halves that a stream sent in separate pieces are joined.
    """
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return joined.encode("utf-8", "replace").decode("utf-8")
