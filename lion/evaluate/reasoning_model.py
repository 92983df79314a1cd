"""The student as a model of lm-eval, which reads the same tokens as in training."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lm_eval.models.huggingface import HFLM

    from lion.student.models import Loaded


def student_model(loaded: "Loaded", batch: int, *, rendered: bool) -> "HFLM":
    """Return the student as an lm-eval model, for prompts that are `rendered`, or for questions."""
    from lm_eval.models.huggingface import HFLM

    from lion.student.template import encode_prompt
    from lion.student.thoughts import encode_thoughtful

    class Student(HFLM):  # type: ignore[misc]
        """Decodes a student's thoughts with the control tokens around them."""

        def tok_decode(self, tokens: Any, skip_special_tokens: bool = True) -> str:
            if loaded.thoughts and skip_special_tokens:
                return loaded.thoughts.text_of(loaded.tokenizer, list(tokens))
            return str(super().tok_decode(tokens, skip_special_tokens))

    class Trained(Student):
        """Takes a question as context and encodes it as in training.

        The ids of a prompt's text can differ: at its start token, at spaces before the answer, and
        at a control mark that the question itself contains.
        """

        def _encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
            row = encode_thoughtful(loaded.tokenizer, loaded.thoughts, context, continuation)
            return row.prompt + row.answer[: row.thoughts], row.answer[row.thoughts : -1]

        def tok_batch_encode(
            self,
            strings: Sequence[str],
            padding_side: str = "left",
            left_truncate_len: int | None = None,
            truncation: bool = False,
        ) -> tuple[Any, Any]:
            rows = [encode_prompt(loaded.tokenizer, question) for question in strings]
            limit = left_truncate_len or max(map(len, rows))
            if cut := sum(len(row) > limit for row in rows):
                click.echo(
                    f"{cut} of {len(rows)} prompts are cut to their last {limit} tokens", err=True
                )
            padded = loaded.tokenizer.pad(
                {"input_ids": [row[-limit:] for row in rows]},
                padding_side=padding_side,
                return_attention_mask=True,
                return_tensors="pt",
            )
            return padded["input_ids"], padded["attention_mask"]

    kind = Student if rendered else Trained
    return kind(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=batch)
