"""Reasoning tasks: the model receives the tokens of its training, or of its own template."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from lion.cli import main
from lion.evaluate.choices import AGIEVAL, Item
from lion.evaluate.reasoning import ASKED, reason
from lion.student.likelihood import log_probabilities
from lion.student.models import load_student, load_tokenizer
from lion.student.template import Example, encode_prompt
from lion.student.thoughts import ThoughtForm, encode_thoughtful
from tests.repository import ROOT
from tests.student.tiny import write_tiny

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
INST = "[INST] {{ messages[0]['content'] }} [/INST]"
ITEMS = [
    Item("Which bird?\n(A) crow\n(B) owl", ("A", "B"), "B"),
    Item("Is it so?", ("invalid", "valid"), "valid"),
    Item("What do <|im_end|>, </s> and <|eos|> mean?", ("Yes", "No"), "No"),
]
QUESTIONS = [item.question + ASKED for item in ITEMS]
FORM = ThoughtForm("<think>\n", "\n</think>\n\n")


def made(backend: Tokenizer, start: str, end: str, template: str) -> PreTrainedTokenizerFast:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token=start, eos_token=end)
    tokenizer.chat_template = template
    return tokenizer


def smollm() -> PreTrainedTokenizerFast:
    """As SmolLM2's: byte-level, its start token opens each turn, and it adds none itself."""
    words = ["<|im_start|>", "<|im_end|>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "ĠA", "ĠB"]
    merges = [("Ġ", "A"), ("Ġ", "B")]
    backend = Tokenizer(models.BPE({word: id for id, word in enumerate(words)}, merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return made(backend, "<|im_start|>", "<|im_end|>", CHATML)


def llama(template: str) -> PreTrainedTokenizerFast:
    """As Llama 2's: a word starts with ▁, also the first one of a text, and it adds <s>."""
    letters = sorted({*"".join(QUESTIONS), *"INST/[]<>think", "▁"} - {" "})
    words = ["<s>", "</s>", "<unk>", *letters, "▁A", "▁B", "▁["]
    merges = [("▁", "A"), ("▁", "B"), ("▁", "[")]
    ids = {word: id for id, word in enumerate(words)}
    backend = Tokenizer(models.BPE(ids, merges, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    backend.decoder = decoders.Metaspace(prepend_scheme="first")
    backend.post_processor = processors.TemplateProcessing("<s> $A", None, [("<s>", 0)])
    return made(backend, "<s>", "</s>", template)


TOKENIZERS: dict[str, Callable[[], PreTrainedTokenizerBase]] = {
    "adds no start, its template has one": smollm,
    "adds a start, its template has one": lambda: llama("{{ bos_token }}" + INST),
    "adds a start, its template has none": lambda: llama(INST),
    "the shipped base": lambda: load_tokenizer(str(ROOT / "data" / "base"), None),
}


class Seen(NamedTuple):
    """What lm-eval gave the model: scored texts and ids with their results, and prompts' ids."""

    scored: list[tuple[tuple[str, str], list[int], list[int]]]
    likelihoods: list[tuple[float, bool]]
    prompts: list[list[int]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    from lm_eval.models.huggingface import HFLM

    seen = Seen([], [], [])
    score, generate = HFLM._loglikelihood_tokens, HFLM._model_generate

    def scoring(model: Any, requests: Any, **options: Any) -> Any:
        results = score(model, requests, **options)
        seen.scored.extend(requests)
        seen.likelihoods.extend(results)
        return results

    def generating(model: Any, context: Any, attention_mask: Any, **options: Any) -> Any:
        rows = zip(context, attention_mask, strict=True)
        seen.prompts.extend(ids[mask.bool()].tolist() for ids, mask in rows)
        assert attention_mask[:, -1].all()  # padding precedes the prompts
        return generate(model, context=context, attention_mask=attention_mask, **options)

    monkeypatch.setattr(HFLM, "_loglikelihood_tokens", scoring)
    monkeypatch.setattr(HFLM, "_model_generate", generating)
    return seen


@pytest.mark.parametrize("form", [None, FORM], ids=["no thoughts", "thoughts"])
@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_model_receives_the_tokens_of_training(
    tmp_path: Path, seen: Seen, name: str, form: ThoughtForm | None
) -> None:
    loaded = load_student(write_tiny(tmp_path, TOKENIZERS[name](), max_position_embeddings=512))
    loaded.thoughts = form
    rows = [
        encode_thoughtful(loaded.tokenizer, form, question, choice)
        for question, item in zip(QUESTIONS, ITEMS, strict=True)
        for choice in item.choices
    ]
    reason(loaded, "bbh", {"birds": ITEMS}, batch=2)
    whole = [
        (row.prompt + row.answer[: row.thoughts], row.answer[row.thoughts : -1]) for row in rows
    ]
    assert [(context, choice) for _, context, choice in seen.scored] == whole
    expected = [
        log.sum().item()
        for log in log_probabilities(loaded.model, [Example(*row) for row in whole])
    ]
    assert [likelihood for likelihood, _ in seen.likelihoods] == pytest.approx(expected, abs=1e-3)
    prompts = [encode_prompt(loaded.tokenizer, question) for question in QUESTIONS]
    assert sorted(seen.prompts) == sorted(prompts)


def test_prompts_that_are_too_long_lose_their_start_and_say_so(
    tmp_path: Path, seen: Seen, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = load_student(write_tiny(tmp_path, smollm(), max_position_embeddings=100))
    reason(loaded, "bbh", {"birds": ITEMS[:1]}, batch=1)
    assert seen.prompts == [encode_prompt(loaded.tokenizer, QUESTIONS[0])[-84:]]
    assert "1 of 1 prompts are cut to their last 84 tokens" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("template", "end", "choice"),
    [("raw", "Answer:", " A"), ("vicuna", " ASSISTANT:", " A"), ("alpaca", "### Response:", "A")],
)
def test_other_templates_put_a_space_before_the_choice_as_in_their_training(
    tmp_path: Path, seen: Seen, template: str, end: str, choice: str
) -> None:
    row = '{"passage": null, "question": "Which?", "label": "B", "options": ["(A)a", "(B)b"]}\n'
    for name in AGIEVAL:
        (tmp_path / f"{name}.jsonl").write_text(row)
    base = write_tiny(tmp_path / "base", llama(INST), max_position_embeddings=512)
    args = ["reasoning", str(base), "--template", template, "--agieval", str(tmp_path)]
    done = CliRunner().invoke(main, args)
    assert done.exit_code == 0, done.output
    (context, scored), ids, _ = seen.scored[0]
    assert context.endswith(end)
    assert scored == choice
    assert ids[0] == 0 != ids[1]  # one start token
