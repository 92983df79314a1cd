"""The student answers: batches of like length, each row sampled from a seed of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl
import torch
from transformers import LogitsProcessor, LogitsProcessorList

from lion.instructions import stable_seed, task_text
from lion.params import Student
from lion.progress import Progress
from lion.student.layout import encode_prompt, pad_id
from lion.student.models import Loaded, device
from lion.tables import ANSWER, from_rows


@dataclass(frozen=True)
class Answer:
    """What the student said; `finish_reason` is stop (it ended itself) or length (cut)."""

    answer: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


class RowSampler(LogitsProcessor):
    """Sampling by one uniform number a row and step: neighbours in the batch change nothing."""

    def __init__(self, seeds: Sequence[int], *, steps: int, temperature: float, prompt: int):
        draws = [torch.rand(steps, generator=torch.Generator().manual_seed(s)) for s in seeds]
        self.draws = torch.stack(draws)  # (B, steps)
        self.temperature = temperature
        self.prompt = prompt  # tokens before the first step

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        step = input_ids.shape[1] - self.prompt
        mass = torch.softmax(scores.float() / self.temperature, dim=-1).cumsum(dim=-1)  # (B, V)
        target = self.draws[:, step : step + 1].to(mass.device) * mass[:, -1:]
        chosen = torch.searchsorted(mass, target).clamp(max=mass.shape[1] - 1)
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen, 0.0)  # type: ignore[return-value]


def answer_pool(
    loaded: Loaded,
    pool: pl.DataFrame,
    *,
    settings: Student,
    seed: int,
    batch: int,
    label: str,
) -> pl.DataFrame:
    """The student's answers (ANSWER) to a pool with id, instruction and input."""
    answers = answer_tasks(
        loaded,
        [task_text(*row) for row in pool.select("instruction", "input").iter_rows()],
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        seed=seed,
        batch=batch,
        label=label,
    )
    rows = [
        {"id": id, "model": "student", **vars(answer)}
        for id, answer in zip(pool["id"], answers, strict=True)
    ]
    return from_rows(rows, ANSWER)


def answer_tasks(
    loaded: Loaded,
    tasks: Sequence[str],
    *,
    temperature: float,
    max_tokens: int,
    seed: int,
    batch: int,
    label: str,
) -> list[Answer]:
    """One answer a task, in order. Temperature 0 is greedy; `batch` changes speed alone."""
    prompts = [encode_prompt(loaded.tokenizer, task) for task in tasks]
    loaded.model.to(device()).eval()  # type: ignore[arg-type]
    answers: dict[int, Answer] = {}
    with Progress(len(tasks), label, unit="answers") as bar:
        for rows in _batches(prompts, batch):
            seeds = [stable_seed(seed, tasks[row]) for row in rows]
            made = _generate(
                loaded,
                [prompts[row] for row in rows],
                seeds=seeds,
                temperature=temperature,
                max_tokens=max_tokens,
            )
            answers.update(zip(rows, made, strict=True))
            bar.advance(len(rows))
    return [answers[row] for row in range(len(tasks))]


def _batches(prompts: Sequence[list[int]], size: int) -> Iterator[list[int]]:
    """Row numbers, longest prompts first, so that memory runs out at once or never."""
    order = sorted(range(len(prompts)), key=lambda row: -len(prompts[row]))
    for start in range(0, len(order), size):
        yield order[start : start + size]


@torch.inference_mode()
def _generate(
    loaded: Loaded,
    prompts: list[list[int]],
    *,
    seeds: list[int],
    temperature: float,
    max_tokens: int,
) -> list[Answer]:
    width = max(len(prompt) for prompt in prompts)
    pad, eos = pad_id(loaded.tokenizer), loaded.tokenizer.eos_token_id
    filled = [[pad] * (width - len(prompt)) + prompt for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    sampler = RowSampler(seeds, steps=max_tokens, temperature=temperature, prompt=width)
    out = loaded.model.generate(  # (B, width + steps)
        input_ids=torch.tensor(filled, device=loaded.model.device),
        attention_mask=torch.tensor(mask, device=loaded.model.device),
        max_new_tokens=max_tokens,
        do_sample=False,
        temperature=None,
        top_p=None,
        top_k=None,
        pad_token_id=pad,
        eos_token_id=eos,
        logits_processor=LogitsProcessorList([sampler] if temperature > 0 else []),
    )
    pairs = zip(prompts, out[:, width:].tolist(), strict=True)
    return [_answer(loaded, prompt, tokens) for prompt, tokens in pairs]


def _answer(loaded: Loaded, prompt: list[int], tokens: list[int]) -> Answer:
    eos = loaded.tokenizer.eos_token_id
    ended = eos in tokens
    kept = tokens[: tokens.index(eos)] if ended else tokens
    text = str(loaded.tokenizer.decode(kept, skip_special_tokens=True)).strip()
    return Answer(text, "stop" if ended else "length", len(prompt), len(kept) + ended)
