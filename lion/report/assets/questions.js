// The list of questions of the evaluation; all of its rows are in the page.
const questionFilter = find("#questions-filter");
const rounds = all("rounds");

async function questionsOf(query) {
  const words = query.text.toLowerCase().split(/\s+/).filter(Boolean);
  const way = (moved) => (moved > 0 ? "up" : moved < 0 ? "down" : "same");
  const kept = data.runs[Number(query.run)].questions.rows.filter((row) =>
    (!query.category || row.category === query.category) &&
    (!query.moved || (isKnown(row.moved) && way(row.moved) === query.moved)) &&
    words.every((word) => `${row.id} ${row.text}`.toLowerCase().includes(word)));
  const size = (value) => (isKnown(value) && query.sort === "moved" ? Math.abs(value) : value);
  kept.sort((a, b) => compare(size(a[query.sort]), size(b[query.sort]), query.down === "1") || compare(a.id, b.id, false));
  return { total: kept.length, rows: kept.slice(query.offset, query.offset + query.limit) };
}

async function savedQuestions(query, form) {
  const { rows } = await questionsOf(query);
  const { rounds: names } = data.runs[Number(query.run)];
  return saved(rows.map(({ points, student, ...row }) =>
    ({ ...row, ...Object.fromEntries(names.map((name, index) => [name, points[index]])) })), form);
}

fill(questionFilter, "category", [...new Set(data.runs.flatMap((run) => run.questions.rows.map((row) => row.category)))], "any");

// Runs number their rounds alike, so the longest run has all of them. A column sorts by the last
// round only if all runs have the same last round.
const longest = data.runs.map((run) => run.rounds).reduce((one, other) => (other.length > one.length ? other : one));
const areEven = data.runs.every((run) => run.rounds.length === longest.length);

const questions = new Listing({
  name: "questions", prefix: "e.", form: questionFilter, kind: "question", rowsOf: questionsOf, whole: savedQuestions,
  columns: [
    ["question", "text"],
    ["category", "category", (row) => row.category],
    ["teacher", "teacher", (row) => figure(row.teacher, 1)],
    ...longest.map((name, index) => [name, areEven && index === longest.length - 1 ? "student" : null,
      (row) => figure(row.points[index], 1)]),
    ["last change", "moved", (row) => signed(row.moved)],
  ],
});
