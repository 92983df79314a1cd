"""The evaluation in detail: every question with its scores by round, answers and replies."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lion.report.details import answer_of, before_of, examinations, excerpt, shown
from lion.runs.run import Tables
from lion.support.text import brief, visible

Row = dict[str, Any]
_CATEGORY = 40  # columns
_LISTED = 3000  # questions in the page's list; the details of more are in the tables


@dataclass
class Questions:
    """The questions of a run, with each student's score."""

    tables: Tables
    rows: list[Row] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = list(self._listed())

    def _listed(self) -> Iterator[Row]:
        """Yield a row for each question: the student's points by round, and their changes.

        `moved` is the change since the round before, `change` the change since the first round;
        both are None without two scores.
        """
        scores = self.tables.evaluated.select("id", "round", "student", "teacher")
        by_id = scores.partition_by("id", as_dict=True)
        for question in self.tables.questions.head(_LISTED).iter_rows(named=True):
            own = by_id.get((question["id"],), scores.clear())
            points = dict(own.select("round", "student").iter_rows())
            known = [points[name] for name in self.tables.rounds if points.get(name) is not None]
            teacher = own["teacher"].drop_nulls()
            yield {
                "id": question["id"],
                "category": brief(question["category"] or "", _CATEGORY),
                "text": excerpt(question),
                "teacher": teacher[-1] if len(teacher) else None,
                "points": [points.get(name) for name in self.tables.rounds],
                "student": known[-1] if known else None,
                "moved": round(known[-1] - known[-2], 2) if len(known) > 1 else None,
                "change": round(known[-1] - known[0], 2) if len(known) > 1 else None,
            }

    def detail(self, id: str) -> Row | None:
        """Return everything about one question; None if the run does not have it."""
        matches = self.tables.questions.filter(id=id).to_dicts()
        if not matches:
            return None
        answers = self.tables.question_answers.filter(id=id).tail(1).to_dicts()
        tables = self.tables
        own = [
            table.filter(id=id)
            for table in (tables.question_responses, tables.judged, tables.evaluated)
        ]
        return {
            "id": id,
            "category": visible(matches[0]["category"] or ""),
            "instruction": visible(matches[0]["instruction"]),
            "input": visible(matches[0]["input"] or ""),
            **before_of(matches[0]),
            "teacher": answer_of(answers[0]) if answers else None,
            "exams": shown(examinations(*own, by={name: name for name in tables.rounds})),
        }

    @property
    def total(self) -> int:
        """Return the number of all questions, also those beyond the list."""
        return self.tables.questions.height

    def served(self) -> Row:
        """Return only the list rows, for a page that requests details."""
        return {"rows": self.rows, "details": {}, "total": self.total}
