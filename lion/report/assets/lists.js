// The list of instructions: the static page filters here, `lion view` on the server.
const filter = find("#filter");

async function instructionsOf(query) {
  const run = Number(query.run);
  if (data.served) return asked("/api/instructions", atTau(query));
  const words = wordsOf(query);
  const { rows, details } = data.runs[run];
  const kept = rows.filter((row) => {
    const haystack = `${row.id} ${details[row.id].instruction} ${details[row.id].input}`.toLowerCase();
    return (
      row.when === query.exam &&
      (!query.kind || row.kinds.includes(query.kind)) &&
      (!query.verdict || verdictAt(run, row) === query.verdict) &&
      (!query.origin || row.origin === query.origin) &&
      (!query.joined || row.round === query.joined) &&
      (!query.category || row.category === query.category) &&
      (query.low === "" || (row.gap !== null && row.gap >= Number(query.low))) &&
      (query.high === "" || (row.gap !== null && row.gap <= Number(query.high))) &&
      words.every((word) => haystack.includes(word))
    );
  });
  return pageOf(kept, query, (row) => row[query.sort]);
}

// The query with tau, if it was moved.
const atTau = (query) => (isMoved(Number(query.run)) ? { ...query, tau: taus[Number(query.run)] } : query);

async function savedInstructions(query, form) {
  if (data.served) {
    const { offset, limit, ...fields } = atTau(query);
    return `/api/download?${new URLSearchParams({ ...fields, form })}`;
  }
  const { details } = data.runs[Number(query.run)];
  const { rows } = await instructionsOf(query);
  return saved(rows.map(({ id, text, when, kinds, length, ...row }) =>
    ({ id, instruction: details[id].instruction, input: details[id].input, ...row, verdict: verdictAt(Number(query.run), row) })), form);
}

const all = (key) => [...new Set(data.runs.flatMap((run) => run[key]))];
fill(filter, "exam", all("exams"));
fill(filter, "joined", all("rounds"), "any");
fill(filter, "category", all("categories"), "any");

const instructions = new Listing({
  name: "list", prefix: "", form: filter, kind: "instruction", rowsOf: instructionsOf, whole: savedInstructions,
  columns: [
    ["instruction", "text"],
    ["verdict", null, (row) => chip(Number(instructions.fields().run), row)],
    ["gap", "gap", (row) => figure(row.gap)],
    ["teacher", "teacher", (row) => figure(row.teacher)],
    ["student", "student", (row) => figure(row.student)],
    ["improved", "change", (row) => signed(row.change)],
    ["origin", null, (row) => row.origin],
    ["joined", null, (row) => row.round],
  ],
});

// The list of questions; all of its rows are in the page.
const questionFilter = find("#questions-filter");
const rounds = all("rounds");

async function questionsOf(query) {
  const words = wordsOf(query);
  const way = (moved) => (moved > 0 ? "up" : moved < 0 ? "down" : "same");
  const kept = data.runs[Number(query.run)].questions.rows.filter((row) =>
    (!query.category || row.category === query.category) &&
    (!query.moved || (isKnown(row.moved) && way(row.moved) === query.moved)) &&
    words.every((word) => `${row.id} ${row.text}`.toLowerCase().includes(word)));
  const size = (value) => (isKnown(value) && query.sort === "moved" ? Math.abs(value) : value);
  return pageOf(kept, query, (row) => size(row[query.sort]));
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
