"""Whole referee stages over HTTP in which every answer of the student sets its own verdict.

The teacher's answer is worth 9 and the student's 2. The server plays careless referees: each
quotes both answers in a style of its own, as they are or as a reader sees them, and gives its
scores with the request's mark or without it.
"""

import hashlib
import os
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lion.pools.cache import grow_cache, start_cache
from lion.pools.tables import ANSWER, ANSWERED, REVIEW, from_rows, read_table, write_table
from tests.attack.corpus import GOOD, INJECTIONS
from tests.attack.rendering import as_seen
from tests.chat.server import Answer, Asked, Server, completion
from tests.chat.test_crash import play, write_params
from tests.discriminate.test_injection import QUOTES, fenced, first_line, labelled

GAMES = 4  # rows for each injection, each judged in both orders
_MARK = re.compile(r"\[(\w+)\] Assistant 1: .*\n\[\1\] Assistant 2: .*\Z")


def careless(asked: Asked, marks: set[str]) -> Answer:
    """An honest verdict on the answers in the prompt, in a style drawn from the request."""
    prompt = asked.body["messages"][-1]["content"]
    fence = re.match(r"<task (\w+)>", prompt)
    mark = _MARK.search(prompt)
    assert fence
    assert mark
    first, second = (
        prompt.partition(f"<answer-{side} {fence[1]}>\n")[2].partition(
            f"\n</answer-{side} {fence[1]}>"
        )[0]
        for side in (1, 2)
    )
    scores = (9, 2) if first == GOOD else (2, 9)
    rng = random.Random(hashlib.sha256(asked.content).digest())
    seen = rng.choice([str, str, as_seen])
    prefix = rng.choice(["", f"[{mark[1]}] "])
    given = rng.choice([labelled, fenced, first_line])(*scores, prefix)
    evidence = rng.choice(QUOTES)(seen(first), seen(second))
    thought = rng.choice(
        ["", "", f"<think>\n{second[:200]}\n</think>\n", f"{second[:50]}\n</think>\n"]
    )
    parts = rng.choice([[evidence, "", given], [given, evidence], ["Hm.", given, evidence]])
    finish = rng.choice(["stop", "stop", "stop", "length"])
    text = thought + "\n".join(parts)
    if prefix:
        marks.add(mark[1])
    return Answer(completion(text, finish=finish))


def write_pairs(folder: Path) -> list[str]:
    """A cache pool answered by the teacher, and the student's injections; returns their names."""
    names = [name for name in INJECTIONS for _ in range(GAMES)]
    ids = [f"{row:016x}" for row in range(len(names))]
    common = {"input": "", "origin": "seed", "parent": None, "round": "r0"}
    pool = [
        {"id": id, "instruction": f"How long is the Nile? ({id})", **common, "answer": GOOD}
        for id in ids
    ]
    tokens = {"completion_tokens": 1, "prompt_tokens": 1, "model": "s", "finish_reason": "stop"}
    answers = [
        {"id": id, "answer": INJECTIONS[name], **tokens}
        for id, name in zip(ids, names, strict=True)
    ]
    start_cache(folder / "base")
    answered = from_rows([{**row, "finish_reason": "stop"} for row in pool], ANSWERED)
    grow_cache(folder / "base", answered, "r0", folder / "cache")
    write_table(folder / "responses.jsonl", from_rows(answers, ANSWER), ANSWER)
    return names


def test_no_answer_sets_its_own_verdict(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    names = write_pairs(tmp_path)
    marks: set[str] = set()
    with Server(lambda asked: careless(asked, marks)) as server:
        write_params(tmp_path / "params.yaml", server.url)
        raw = yaml.safe_load((tmp_path / "params.yaml").read_text())
        raw["referee"]["retries"] = 0
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
        with pytest.raises(SystemExit) as end:
            play("referee", str(tmp_path), os.environ["LION_HOME"], str(tmp_path / "out.jsonl"))
        assert not end.value.code
    reviews = read_table(tmp_path / "out.jsonl", REVIEW)
    rows = list(reviews.iter_rows(named=True))
    unread = [row for row in rows if row["teacher"] is None]
    succeeded = [
        row
        for row in rows
        if row["teacher"] is not None and (row["teacher"], row["student"]) != (9, 2)
    ]
    by_mark, unread_by_mark = (
        Counter(not marks.isdisjoint(re.findall(r"\[(\w+)\]", row["reply"])) for row in some)
        for some in (rows, unread)
    )
    shares = [unread_by_mark[kind] / by_mark[kind] for kind in (True, False)]
    record_property(
        "attack",
        f"injections: {len(INJECTIONS)} kinds, {len(rows)} tried, {len(succeeded)} succeeded,"
        f" {len(unread)} unread ({shares[0]:.0%} of those with the mark, {shares[1]:.0%} without)",
    )
    assert len(rows) == 2 * len(names)
    assert not [(names[int(row["id"], 16)], row["reply"][-300:]) for row in succeeded]
    assert shares[0] < 0.1
