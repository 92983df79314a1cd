"""A misbehaving server: answers with a text in an odd form, and three kinds of faults."""

import gzip
import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tests.chat.server import Answer, Asked, Body, completion

KEY = "sk-planted/0123+abcdefgh=="
TIMEOUT = 4.0  # seconds
CONTROLS = "\x1b[31mred\x07\x9b2J\u202e\r\n\x00"


def arriving(good: Body) -> dict[str, Answer]:
    """Return odd answers that contain the whole text, so that each must be kept."""
    text = good["choices"][0]["message"]["content"]
    usage = good["usage"]
    content = json.dumps(good)

    def other(**fields: Any) -> Answer:
        return Answer({**good, **fields})

    def finished(reason: Any, **message: Any) -> Answer:
        return Answer({**completion(text, finish=reason, **message), "usage": usage})

    return {
        "usage in floats": other(usage={name: float(count) for name, count in usage.items()}),
        "usage in texts": other(usage={name: f"{count}" for name, count in usage.items()}),
        "usage below zero": other(usage={name: -count for name, count in usage.items()}),
        "usage of infinity": other(usage=dict.fromkeys(usage, float("inf"))),
        "usage missing": other(usage=None),
        "usage a list": other(usage=[1, 2]),
        "model a number": other(model=123),
        "model that echoes the key": other(model=KEY),
        "model of control characters": other(model=CONTROLS),
        "content in parts": finished("stop", content=[{"type": "text", "text": text}]),
        "content in halves": finished("stop", content=[text[:9], {"text": text[9:]}]),
        "finish reason unknown": finished(f"{CONTROLS}{KEY[:12]}"),
        "finish reason missing": finished(None),
        "error beside the text": other(error={"code": 500, "message": "late"}),
        "content type of a page": Answer(good, headers={"content-type": "text/html"}),
        "content type garbage": Answer(good, headers={"content-type": "\xa7; charset=klingon"}),
        "absurd Retry-After": Answer(good, headers={"retry-after": "9" * 30}),
        "absurd rate limits": Answer(
            good, headers={"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "x"}
        ),
        "5 MB": other(padding="x" * 5_000_000),
        "slow first byte": Answer(good, delay=0.3),
        "in pieces": Answer(good, pieces=7),
        "compressed": Answer(gzip.compress(content.encode()), headers={"content-encoding": "gzip"}),
        "byte order mark": Answer(b"\xef\xbb\xbf" + content.encode()),
        "bare line ends in a text": Answer(content.replace("\\n", "\n").encode()),
        "junk behind the JSON": Answer(content.encode() + b"\n\ndata: [DONE]\n\0"),
        "bytes outside of UTF-8": Answer(content[:-1].encode() + b', "node": "M\xfcnchen"}'),
        "half a surrogate pair": Answer(content[:-1].encode() + b', "node": "\\ud800"}'),
    }


def broken(good: Body) -> dict[str, Answer]:
    """Return answers that do not arrive whole, though a provider may charge for them."""
    content = json.dumps(good).encode()
    return {
        "reset in the body": Answer(good, cut=len(content) // 2, reset=True),
        "closed in the body": Answer(good, cut=len(content) - 1),
        "closed before the body": Answer(good, cut=0),
        "truncated JSON": Answer(content[: len(content) // 2]),
        "garbage compression": Answer(content, headers={"content-encoding": "gzip"}),
        "empty body": Answer(b""),
        "null": Answer(b"null"),
        "no choices": Answer({**good, "choices": []}),
        "content a number": Answer(completion("", content=7)),
        "a proxy's page": Answer(f"<html>Wait, {KEY[:9]}!</html>".encode()),
        "nested JSON": Answer(b'{"choices": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
        "too slow": Answer(good, delay=TIMEOUT + 0.6),
        "status 504": Answer(b"gateway timeout", status=504),
    }


def busy(_: Body) -> dict[str, Answer]:
    """Return transient errors, which cost nothing."""
    date = "Wed, 21 Oct 99999999999 07:28:00 GMT"
    return {
        "error 429 in a 200": Answer(
            {"error": {"code": 429, "message": "slow"}}, headers={"retry-after": "0.05"}
        ),
        "error 500 in a 200": Answer({"error": {"code": 500, "message": f"oh {CONTROLS}"}}),
        "error as a word in a 200": Answer({"error": "overloaded"}),
        "status 429": Answer(CONTROLS.encode(), status=429, headers={"retry-after": "0.05"}),
        "status 500 of 5 MB": Answer({"error": "x" * 5_000_000}, status=500),
        "status 502 with the key": Answer(f"upstream said {quote(KEY)}".encode(), status=502),
        "status 503, absurd date": Answer(status=503, headers={"retry-after": date}),
        "status 503, negative wait": Answer(status=503, headers={"retry-after": "-5"}),
    }


def ending(_: Body) -> dict[str, Answer]:
    """Return faults that only a person can fix, so that the stage ends."""
    return {
        "error 402 in a 200": Answer({"error": {"code": 402, "message": f"pay {CONTROLS}"}}),
        "status 401 with the key": Answer({"error": {"message": f"no: {KEY[4:]}"}}, status=401),
        "status 402": Answer({"error": {"message": "pay"}}, status=402),
        "status 403 of control characters": Answer(CONTROLS.encode(), status=403),
        "redirect 307 with the key": Answer(
            status=307, headers={"location": f"http://other.example/{quote(KEY, safe='')}"}
        ),
        "redirect 308": Answer(status=308, headers={"location": "http://other.example/"}),
        "a wait of 30,000 years": Answer(status=503, headers={"retry-after": "999999999999"}),
    }


class Misbehaving:
    """Answers or fails depending on the request and how often it came; records the true bill."""

    def __init__(self, seed: str) -> None:
        self.seed = seed
        self.quiet = True
        self.tries: Counter[bytes] = Counter()
        self.kinds: Counter[str] = Counter()
        self.arrived: Counter[str] = Counter()  # by text: how often it was sent whole
        self.generated: set[str] = set()  # every text that was sent, whole or not
        self.tokens = self.requests = 0  # what a provider may charge for

    def __call__(self, asked: Asked) -> Answer:
        good = answer_to(asked)
        if self.quiet:
            return Answer(good)
        self.tries[asked.content] += 1
        rng = random.Random(f"{self.seed} {asked.content!r} {self.tries[asked.content]}")
        draw = rng.random()
        group = (
            ending if draw < 0.03 else broken if draw < 0.2 else busy if draw < 0.35 else arriving
        )
        kind, answer = self._next(group, good)
        self.kinds[kind] += 1
        if group is arriving:
            self.arrived[text_of(good)] += 1
        if group in (arriving, broken):
            self.generated.add(text_of(good))
            self.requests += 1
            self.tokens += sum(good["usage"].values())
        return answer

    def _next(self, group: Callable[[Body], dict[str, Answer]], good: Body) -> tuple[str, Answer]:
        """Return the kind of this group that came least often, so that every kind comes.

        A 429, which slows the whole stage down, comes only once.
        """
        answers = {
            kind: answer
            for kind, answer in group(good).items()
            if "429" not in kind or not self.kinds[kind]
        }
        kind = min(answers, key=lambda kind: self.kinds[kind])
        return kind, answers[kind]


def answer_to(asked: Asked) -> Body:
    """Return a text that names its request, with scores for the referee, one in ten unreadable."""
    name = hashlib.sha256(asked.content).hexdigest()
    number = int(name[:8], 16)
    prompt = asked.body["messages"][-1]["content"]
    scores = f"Assistant 1: {number % 10 + 1}\nAssistant 2: {number % 7 + 1}"
    tail = scores if "Assistant 1" in prompt and number % 10 else "No more."
    good = completion(f"Request {name}.\n\n{tail}")
    good["usage"]["prompt_tokens"] = len(str(asked.body["messages"]).split())
    return good


def text_of(body: Body) -> str:
    return str(body["choices"][0]["message"]["content"])
