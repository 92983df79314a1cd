"""What the dialog says about one verdict."""

from typing import Any

import pytest

from lion.report.details import shown


def _review(order: str, identical: bool | None = None) -> dict[str, Any]:
    return {
        **{"order": order, "attempt": 0, "model": "m", "teacher": 8.0, "student": 8.0},
        **{"completion_tokens": 3, "reply": "Assistant 1: 8/10", "identical": identical},
    }


@pytest.mark.parametrize(
    ("reviews", "note"),
    [
        ([_review("teacher_first"), _review("student_first")], ""),
        ([_review("teacher_first")], "Asked in one order only."),
        ([_review("student_first"), _review("student_first")], "Asked in one order only."),
        (
            [_review("teacher_first", True), _review("student_first", True)],
            "Both answers are identical: a tie, whatever the scores.",
        ),
        ([], ""),
    ],
)
def test_the_dialog_says_what_a_verdict_rests_on(reviews: list[Any], note: str) -> None:
    exam = {
        **{"round": "r1", "by": "r0", "response": "yes", "finish_reason": "stop"},
        **{"thoughts": None, "reviews": reviews, "gap": 0.0, "verdict": "easy"},
    }
    assert shown([exam])[0]["note"] == note
