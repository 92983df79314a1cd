"""The rows of an exported dataset: conversations with verdicts, and preference pairs."""

import polars as pl

from lion.pools.cache import usable, with_answers, with_rewrites, without_unclear
from lion.pools.instructions import messages_of, tasks_of
from lion.pools.tables import without_unused
from lion.runs.run import Tables, round_numbers

_SCORES = ("verdict", "teacher_score", "student_score", "gap")


def exported_rows(tables: Tables, round: str, *, thoughts: bool = False) -> pl.DataFrame:
    """Return every instruction up to `round` with its answer and its last examination.

    `messages` is the conversation: system prompt, earlier turns, task, and the teacher's answer.
    With `thoughts`, the answer begins with a <think> block. The examination's columns, and its
    round `examined`, are null for a row that was never examined. If the teacher has rewritten an
    answer since, `judged_output` is the one that the scores are of.
    """
    rounds = tables.rounds[: tables.rounds.index(round) + 1]
    pool = tables.pool.filter(pl.col("round").is_in(rounds))
    models = tables.answers.select("id", "model").unique("id", keep="first")
    rewrites = tables.rewrites.filter(pl.col("round").is_in(rounds))
    answered, exams = with_answers(pool, tables.answers), _examinations(tables, rounds)
    rows = without_unclear(with_rewrites(answered, rewrites)).rename({"answer": "output"})
    for more in (models, exams, _judged(answered, rewrites, exams)):
        rows = rows.join(more, on="id", how="left", maintain_order="left")
    learnt = pl.col("output")
    if thoughts:
        block = pl.format("<think>\n{}\n</think>\n\n{}", "thoughts", "output")
        learnt = pl.when(pl.col("thoughts") != "").then(block).otherwise(learnt)
    talks = [
        [*messages_of(task), {"role": "assistant", "content": answer}]
        for task, answer in zip(tasks_of(rows), rows.select(learnt).to_series(), strict=True)
    ]
    turn = pl.Struct({"role": pl.String, "content": pl.String})
    rows = rows.with_columns(pl.Series("messages", talks, dtype=pl.List(turn)))
    return without_unused(rows)


def preferences(rows: pl.DataFrame) -> pl.DataFrame:
    """Return a pair for each row of `exported_rows` where the teacher scored higher.

    The columns are those that TRL's DPO trainer reads: `prompt`, `chosen` (the teacher's answer, as
    the referee saw it) and `rejected` (the student's) as conversations. `score_chosen` and
    `score_rejected` are the referee's mean scores, 1 to 10.
    """
    judged = pl.coalesce("judged_output", "output") if "judged_output" in rows.columns else "output"
    better = usable(rows.with_columns(answer=judged)).filter(
        pl.col("gap") > 0, pl.col("student_answer").str.strip_chars() != ""
    )
    chosen, rejected = (
        pl.concat_list(pl.struct(role=pl.lit("assistant"), content=pl.col(name)))
        for name in ("answer", "student_answer")
    )
    turns = pl.col("messages").list
    return better.select(
        "id",
        prompt=turns.head(turns.len() - 1),
        chosen=chosen,
        rejected=rejected,
        score_chosen="teacher_score",
        score_rejected="student_score",
    )


def _examinations(tables: Tables, rounds: list[str]) -> pl.DataFrame:
    answers = tables.responses.select(
        "id", "round", student_answer="answer", student_thoughts="thoughts"
    )
    scores = tables.scores.rename({"teacher": "teacher_score", "student": "student_score"})
    exams = scores.join(answers, on=["id", "round"], how="left", maintain_order="left")
    known = exams.filter(pl.col("round").is_in(rounds))  # oldest round first
    last = known.unique("id", keep="last", maintain_order=True)
    return last.select("id", *_SCORES, "student_answer", "student_thoughts", examined="round")


def _judged(answered: pl.DataFrame, rewrites: pl.DataFrame, exams: pl.DataFrame) -> pl.DataFrame:
    """Return the examined answers (id, judged_output) of rows that were rewritten afterwards.

    The referee sees a round's pairs before that round's rewriting.
    """
    known = rewrites.join(exams.select("id", "examined"), on="id", maintain_order="left")
    is_later = round_numbers() >= round_numbers("examined")
    then = with_rewrites(answered, known.filter(~is_later))
    return then.join(usable(known.filter(is_later)), on="id", how="semi").select(
        "id", judged_output="answer"
    )
