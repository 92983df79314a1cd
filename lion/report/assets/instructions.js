// The list of instructions: the static page filters here, `lion view` on the server.
const filter = find("#filter");

async function instructionsOf(query) {
  const run = Number(query.run);
  if (data.served) return asked("/api/instructions", atTau(query));
  const words = query.text.toLowerCase().split(/\s+/).filter(Boolean);
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
  kept.sort((a, b) => compare(a[query.sort], b[query.sort], query.down === "1") || compare(a.id, b.id, false));
  return { total: kept.length, rows: kept.slice(query.offset, query.offset + query.limit) };
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
