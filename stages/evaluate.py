"""Evaluate: the student of a round answers the questions and is scored against the teacher."""

from pathlib import Path

import click

import stages
from lion.chat import connect
from lion.files import replacing_folder
from lion.params import load_params
from lion.pools import usable, with_answers, with_responses
from lion.referee import review
from lion.scores import score
from lion.student.answering import answer_pool
from lion.student.models import load_student
from lion.tables import ANSWER, QUESTION, REVIEW, SCORE, read_table, write_table


@click.command()
@stages.path("--student", help="The student of this round.")
@stages.path("--questions", help="The questions.")
@stages.path("--answers", help="The teacher's answers to them.")
@stages.path("--out", help="Out: folder with responses, reviews and scores.")
@stages.round_name
@stages.params
def main(
    student: Path, questions: Path, answers: Path, out: Path, round_: str, params_path: Path
) -> None:
    """Let the student answer, and the judge compare in both orders."""
    params = load_params(params_path)
    asked = usable(with_answers(read_table(questions, QUESTION), read_table(answers, ANSWER)))
    responses = answer_pool(
        load_student(student),
        asked,
        settings=params.student,
        seed=params.seed,
        batch=params.compute.answer_batch,
        label=f"evaluate {round_}: answers",
    )
    with connect(params, "judge", stage="evaluate", round=round_) as chat:
        pairs = with_responses(asked, responses)
        reviews = review(pairs, chat, params.judge, label=f"evaluate {round_}: scores")
    with replacing_folder(out) as folder:
        write_table(folder / "responses.jsonl", responses, ANSWER)
        write_table(folder / "reviews.jsonl", reviews, REVIEW)
        write_table(folder / "scores.parquet", score(reviews), SCORE)


if __name__ == "__main__":
    main()
