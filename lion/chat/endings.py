"""How a reply ended, in the words of all servers."""

from typing import Any

from lion.chat.notices import say_once

# What Lion calls an ending, and what servers call it, in small letters without `_`, `-` and blanks.
_ENDINGS = {
    "stop": (
        *("stop", "stopsequence", "stopsequences", "stoptoken", "stopped", "stopstr"),
        *("eos", "eostoken", "endofsequence", "endoftext", "eot", "eottoken", "endturn"),
        *("endofturn", "end", "complete", "completed", "finish", "finished", "done", "normal"),
        *("success", "ok", "finishreasonstop", "stopreasonstop"),
    ),
    "length": (
        *("length", "maxlength", "maxtokens", "maxtoken", "maxnewtokens", "maxoutputtokens"),
        *("maxcompletiontokens", "tokenlimit", "tokens", "limit", "maxtokensreached"),
        *("modellength", "modelcontextwindowexceeded", "contextlength", "contextwindow"),
        *("contextlengthexceeded", "contextlimit", "lengthlimit", "truncated", "incomplete"),
        *("finishreasonmaxtokens", "finishreasonlength"),
        # The server broke off: half an answer, as when the limit cuts it.
        *("abort", "aborted", "cancelled", "canceled", "interrupted", "timeout", "error", "failed"),
        *("insufficientsystemresource", "pauseturn"),
    ),
    "content_filter": (
        *("contentfilter", "contentfiltered", "filtered", "safety", "recitation", "blocklist"),
        *("prohibitedcontent", "spii", "sensitive", "errortoxic", "guardrailintervened"),
        *("imagesafety", "moderation", "blocked"),
    ),
    "refusal": ("refusal", "refused"),
    "tool_calls": ("toolcalls", "toolcall", "tooluse"),
    "function_call": ("functioncall",),
}
_MEANING = {word: ending for ending, words in _ENDINGS.items() for word in words}
_BYTES_A_TOKEN = 4  # of text in most languages, for servers that count no tokens


def ending_of(reason: Any, text: str, *, tokens: int, limit: int) -> str:
    """Return how a reply ended: stop, length, content_filter, refusal, tool_calls, function_call.

    A reason that is null or unknown is decided by whether the reply reached its `limit`; an unknown
    one is said once. `tokens` is what the server counted, 0 if it counted nothing; `limit` is 0
    where it is unknown, and an unknown reason then stays as it is.
    """
    word = str(reason or "").lower().translate(_PLAIN)
    if word in _MEANING:
        return _MEANING[word]
    name = ascii(str(reason))[1:-1][:40] if reason else "unknown"
    if not text or not limit:
        return name
    reached = (tokens or len(text.encode()) // _BYTES_A_TOKEN) >= limit
    if reason:
        meaning = "cut" if reached else "whole"
        say_once(
            f"the server ends replies by the finish_reason '{name}', unknown to Lion; they count as"
            f" cut where they reach the token limit, else as whole; the first one is {meaning}",
            key=f"finish_reason {name}",
        )
    return "length" if reached else "stop"


_PLAIN = {ord(char): None for char in "_- "}
