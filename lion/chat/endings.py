"""Finish reasons, translated from the words of all servers to OpenAI's."""

from typing import Any

from lion.chat.notices import say_once

# Lion's name for each ending, and the servers' names in lower case without `_`, `-` and spaces.
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
        # The server broke off: a partial answer, as when the token limit cuts it.
        *("abort", "aborted", "cancelled", "canceled", "interrupted", "timeout", "error", "failed"),
        *("insufficientsystemresource", "pauseturn", "functioncallfilter", "networkerror"),
        *("modelerror", "servererror", "internalerror", "errorlimit", "usercancel", "other"),
        *("malformedfunctioncall", "repetitiontruncation"),
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


def finish_reason_of(reason: Any, text: str, *, tokens: int, limit: int) -> str:
    """Return how a reply ended: stop, length, content_filter, refusal, tool_calls, function_call.

    A null or unknown reason becomes length if the reply reached its `limit`, else stop; a notice
    reports an unknown one once. Gemini adds details after a colon. `tokens` is the server's count,
    0 if it gave none. Where `limit` is unknown (0), an unknown reason stays as it is.
    """
    word = str(reason or "").lower().translate(_PLAIN)
    for known in (word, word.partition(":")[0]):
        if known in _MEANING:
            return _MEANING[known]
    name = ascii(str(reason))[1:-1][:40] if reason else "unknown"
    if not text or not limit:
        return name
    reached = (tokens or len(text.encode()) // _BYTES_A_TOKEN) >= limit
    if reason:
        meaning = "cut" if reached else "complete"
        say_once(
            f"unknown finish_reason '{name}' from the server: Lion treats such a reply as cut if it"
            f" reaches the token limit, else as complete; the first one is {meaning}",
            key=f"finish_reason {name}",
        )
    return "length" if reached else "stop"


_PLAIN = {ord(char): None for char in "_- "}
