"""How an instruction and its answer are laid out as tokens for the student."""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from lion.support.errors import InputError

# For a base model whose tokenizer brings no chat template.
PLAIN = "### Task\n{task}\n\n### Answer\n"


@dataclass(frozen=True)
class Example:
    """One training row: token ids of prompt and answer; the loss is on the answer's alone."""

    prompt: list[int]
    answer: list[int]  # ends with EOS, so that the student learns to stop

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)

    def cut(self, limit: int) -> "Example":
        """This row with at most `limit` tokens; what is cut off is the end, so no end is learnt."""
        if len(self) <= limit:
            return self
        return Example(self.prompt, self.answer[: max(limit - len(self.prompt), 0)])


def encode_prompt(tokenizer: PreTrainedTokenizerBase, task: str) -> list[int]:
    """The tokens up to where the answer begins: the tokenizer's chat template, or ours."""
    if tokenizer.chat_template:
        turn = [{"role": "user", "content": task}]
        text = str(tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False))
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    return list(tokenizer(PLAIN.format(task=task))["input_ids"])


def encode_example(tokenizer: PreTrainedTokenizerBase, task: str, answer: str) -> Example:
    """A training row. InputError if the tokenizer has no end mark."""
    if tokenizer.eos_token_id is None:
        raise InputError(
            f"{tokenizer.name_or_path}: its tokenizer has no end-of-text token, so the student "
            "could not learn to stop; set eos_token in tokenizer_config.json"
        )
    tokens = tokenizer(answer, add_special_tokens=False)["input_ids"]
    return Example(encode_prompt(tokenizer, task), [*tokens, tokenizer.eos_token_id])


def pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The id that fills batches. Never EOS where there is another: EOS must keep its meaning."""
    for candidate in (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.bos_token_id):
        if candidate is not None and candidate != tokenizer.eos_token_id:
            return int(candidate)
    return 0
