"""Search, filter, sort and open the instructions and questions of a run."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import Field

from lion.pools.cache import with_rewrites
from lion.pools.tables import INSTRUCTION, with_optional
from lion.report.details import ancestors, answer_of, detail_of, examinations, excerpt, kin, row_of
from lion.runs.composition import most_common, topic
from lion.runs.run import Tables, round_number, round_numbers
from lion.support.text import brief

Row = dict[str, Any]
LATEST = "latest"
UNEXAMINED = "unexamined"
_KIN = 50  # children listed
_CATEGORIES = 100  # in the filter
_CATEGORY = 40  # columns
_LISTED = 3000  # questions in the page's list; the details of more are in the tables


@dataclass(frozen=True, kw_only=True)
class Query:
    """Filters and order of a list. Empty strings and None match all; `exam` may be 'latest'."""

    exam: str = LATEST
    verdict: str = ""  # hard | easy | unjudged | unexamined
    origin: str = ""  # seed | hard | easy
    joined: str = ""  # the round whose train pool it joined
    category: str = ""
    low: float | None = None  # gap, points
    high: float | None = None
    tau: Annotated[float, Field(ge=-9, le=9)] | None = None  # for verdicts; None: the run's own
    text: str = ""  # in the instruction, its input or its id
    sort: Literal["gap", "change", "student", "teacher", "length", "text"] = "gap"
    down: bool = True
    offset: Annotated[int, Field(ge=0, lt=2**31)] = 0
    limit: Annotated[int, Field(gt=0, le=200)] = 25


class Index:
    """One run's instructions with their scores, by examination."""

    def __init__(self, tables: Tables) -> None:
        self.tables, scores = tables, tables.scores
        words = pl.concat_str("instruction", pl.lit(" "), "input")
        gaps = pl.col("gap")
        change = (
            scores.drop_nulls("gap")
            .group_by("id")
            .agg(change=pl.when(pl.len() > 1).then(gaps.first() - gaps.last()))
        )
        self.pool = (
            with_optional(tables.pool, INSTRUCTION)
            .unique("id", maintain_order=True)
            .select(
                *("id", "instruction", "input", "system", "turns", "origin", "parent", "round"),
                topic(),
                length=words.str.len_chars(),
                place=pl.col("instruction").str.to_lowercase().rank("dense"),  # texts sort slowly
                haystack=pl.concat_str("id", pl.lit(" "), words).str.to_lowercase(),
            )
            .join(change, on="id", how="left", maintain_order="left")
        )
        self.exams = {LATEST: self._seen(scores.unique("id", keep="last", maintain_order=True))}
        self.exams |= {name: self._seen(scores.filter(round=name)) for name in tables.rounds[1:]}

    def _seen(self, scores: pl.DataFrame) -> pl.DataFrame:
        """Return the pool with the scores of one examination; null for instructions not in it."""
        columns = scores.select("id", "teacher", "student", "gap", "verdict", exam="round")
        return self.pool.join(columns, on="id", how="left", maintain_order="left").with_columns(
            pl.col("verdict").fill_null(UNEXAMINED)
        )

    def options(self) -> Row:
        """Return the options of the list's filters."""
        return {
            "exams": list(self.exams),
            "rounds": self.tables.rounds,
            "categories": most_common(self.pool["category"], _CATEGORIES),
        }

    def find(self, query: Query) -> Row:
        """Return the number of matches, and the rows of one page of the list."""
        frame = self._ordered(query)
        return {"total": frame.height, "rows": listed(frame.slice(query.offset, query.limit))}

    def whole(self, query: Query) -> pl.DataFrame:
        """Return all matches in the list's order, with their full text, for a download."""
        frame = self._ordered(query).with_columns(verdict=_verdict(query.tau))
        names = ("id", "instruction", "input", "origin", "parent", "round", "category", "exam")
        return frame.select(*names, "teacher", "student", "gap", "verdict", "change")

    def _ordered(self, query: Query) -> pl.DataFrame:
        frame = self.exams.get(query.exam, self.exams[LATEST]).filter(_condition(query))
        key = "place" if query.sort == "text" else query.sort
        return frame.sort(key, "id", descending=[query.down, False], nulls_last=True)

    def rows_of(self, id: str) -> list[Row]:
        """Return an instruction's list row in every examination, for filters in the static page."""
        return [
            {**row, "when": exam}
            for exam, frame in self.exams.items()
            for row in listed(frame.filter(id=id))
        ]

    def detail(self, id: str) -> Row | None:
        """Return everything about one instruction; None if the run does not have it."""
        tables, rounds = self.tables, self.tables.rounds
        row = row_of(self.pool.filter(id=id))
        if row is None:
            return None
        own = (table.filter(id=id) for table in (tables.responses, tables.reviews, tables.scores))
        exams = examinations(*own, by=dict(zip(rounds[1:], rounds, strict=False)))
        detail = detail_of(row, row_of(tables.last_answers.filter(id=id)), exams)
        for exam in detail["exams"]:
            exam.update(self._judged(id, exam["round"]))
        children = self.pool.filter(parent=id)
        return detail | {
            "origin": row["origin"],
            "round": row["round"],
            "ancestors": [kin(a) for a in ancestors(self.pool, row["parent"], len(rounds))],
            "children": [kin(child) for child in children.head(_KIN).iter_rows(named=True)],
            "offspring": children.height,
            "draws": tables.draws.filter(parent=id).height,
        }

    def _judged(self, id: str, round: str) -> Row:
        """Return the teacher's answer that was examined in `round`, if it was rewritten since."""
        rewrites = self.tables.rewrites.filter(id=id)
        is_later = round_numbers() >= round_number(round)
        if not rewrites.filter(is_later).height:
            return {}
        then = with_rewrites(self.tables.answers.filter(id=id), rewrites.filter(~is_later))
        return {"judged": answer_of(then.row(-1, named=True))}


class Questions:
    """The questions of a run, with each student's score."""

    def __init__(self, tables: Tables) -> None:
        self.tables, self.total = tables, tables.questions.height
        scores = tables.evaluated.select("id", "round", "student", "teacher")
        by_id = scores.partition_by("id", as_dict=True)
        listed = tables.questions.head(_LISTED).iter_rows(named=True)
        self.rows = [self._listed(row, by_id.get((row["id"],), scores.clear())) for row in listed]

    def _listed(self, question: Row, scores: pl.DataFrame) -> Row:
        """Return a list row; `moved` is the score's last change, `change` that since the first."""
        by_round = dict(scores.select("round", "student").iter_rows())
        points = [by_round.get(name) for name in self.tables.rounds]
        known = [point for point in points if point is not None]
        return {
            "id": question["id"],
            "category": brief(question["category"] or "", _CATEGORY),
            "text": excerpt(question),
            "teacher": next(reversed(scores["teacher"].drop_nulls().to_list()), None),
            "points": points,
            "student": known[-1] if known else None,
            "moved": round(known[-1] - known[-2], 2) if len(known) > 1 else None,
            "change": round(known[-1] - known[0], 2) if len(known) > 1 else None,
        }

    def detail(self, id: str) -> Row | None:
        """Return everything about one question; None if the run does not have it."""
        tables, row = self.tables, row_of(self.tables.questions.filter(id=id))
        if row is None:
            return None
        answer = row_of(tables.question_answers.filter(id=id))
        by_round = (tables.question_responses, tables.judged, tables.evaluated)
        by = {name: name for name in tables.rounds}
        return detail_of(row, answer, examinations(*(t.filter(id=id) for t in by_round), by=by))


def _condition(query: Query) -> pl.Expr:
    equal = {"origin": query.origin, "round": query.joined, "category": query.category}
    wanted = [pl.col(name) == value for name, value in equal.items() if value]
    if query.verdict:
        wanted.append(_verdict(query.tau) == query.verdict)
    if query.low is not None:
        wanted.append(pl.col("gap") >= query.low)
    if query.high is not None:
        wanted.append(pl.col("gap") <= query.high)
    wanted += [
        pl.col("haystack").str.contains(word, literal=True) for word in query.text.lower().split()
    ]
    return pl.all_horizontal(wanted) if wanted else pl.lit(True)


def _verdict(tau: float | None) -> pl.Expr:
    """Return the verdict at another tau; a row without a gap keeps its own."""
    if tau is None:
        return pl.col("verdict")
    hard = pl.when(pl.col("gap") >= tau).then(pl.lit("hard")).otherwise(pl.lit("easy"))
    return pl.when(pl.col("gap").is_null()).then(pl.col("verdict")).otherwise(hard)


def as_csv(frame: pl.DataFrame) -> str:
    """Return CSV; an apostrophe precedes text that a spreadsheet would run as a formula."""
    texts = pl.col(pl.String)
    risky = texts.str.contains(r"^[=+\-@\t\r]")
    return frame.with_columns(
        pl.when(risky).then(pl.lit("'") + texts).otherwise(texts).name.keep()
    ).write_csv()


def listed(frame: pl.DataFrame) -> list[Row]:
    """Return the rows of the list, each with its instruction as one short line."""
    figures = ("teacher", "student", "gap", "verdict", "change", "length")
    names = ("id", "origin", "round", "category", *figures)
    return [
        {**{name: row[name] for name in names}, "text": excerpt(row)}
        for row in frame.iter_rows(named=True)
    ]
