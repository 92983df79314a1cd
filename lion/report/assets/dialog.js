// One instruction or question: the address opens it, so that links and the back button work.
const dialog = find("#instruction");

async function detailsOf({ kind, id }) {
  if (data.served) return asked(kind === "i" ? "/api/instruction" : "/api/question", { id });
  return data.runs.map((run) => (kind === "i" ? run : run.questions).details[id] ?? null);
}

function kin(title, relatives, more) {
  if (!relatives?.length) return null;
  const items = relatives.map((relative) =>
    make("li", {}, `${relative.round}, ${relative.origin}: `, data.served || data.runs.some((run) => run.details[relative.id])
      ? link(relative.id, relative.text) : make("bdi", {}, relative.text)));
  if (more > 0) items.push(make("li", {}, `and ${counted(more)} more`));
  return make("div", {}, make("h3", {}, title), make("ul", { className: "kin" }, ...items));
}

function answered(exam) {
  const parts = exam.parts.flatMap(([text, fresh], index) =>
    [index ? " " : "", fresh ? make("ins", {}, text) : text]);
  const text = make("p", { className: "text", dir: "auto" }, ...(exam.parts.length ? parts : ["(empty)"]));
  const title = `student ${exam.by}: ${figure(exam.student)} points${cut(exam.finish_reason)}`;
  return make("div", {}, make("h4", {}, title), thoughtsOf(exam), text);
}

const thoughtsOf = ({ thoughts }) => (thoughts ? make("details", {}, make("summary", {}, "Thoughts"), prose(thoughts)) : null);

const priced = ({ tokens }) => (isKnown(tokens) ? `, ${counted(tokens)} ${tokens === 1 ? "token" : "tokens"}` : "");

const cut = (reason) => (reason === "stop" ? "" : `, ended by ${reason}`);

function review(reply) {
  const title = `${reply.order.replace("_", " ")}${reply.attempt ? `, retry (${reply.attempt})` : ""}: ` +
    (reply.teacher === null ? "unreadable" : `teacher ${figure(reply.teacher, 1)}, student ${figure(reply.student, 1)}`) + priced(reply);
  return make("div", {}, make("h4", {}, title), prose(reply.reply));
}

function examined(exam, last, kind, run, id) {
  const teacher = exam.judged ?? last; // the answer that the scores are of
  const points = teacher && make("div", {},
    make("h4", {}, `teacher: ${figure(exam.teacher)} points${cut(teacher.finish_reason)}${priced(teacher)}`), thoughtsOf(teacher), prose(teacher.text));
  const title = kind === "i"
    ? make("h3", {}, `Examined in ${exam.round}: gap ${figure(exam.gap)} `, chip(run, exam))
    : make("h3", {}, `Evaluated after ${exam.round}: gap ${figure(exam.gap)}`);
  return [
    title,
    kind === "i" ? marking(id, exam, run) : null,
    make("div", { className: "columns" }, points, answered(exam)),
    exam.note ? make("p", { className: "hint" }, exam.note) : null,
    make("details", {}, make("summary", {}, `${kind === "i" ? "Referee" : "Judge"}'s replies (${exam.reviews.length})`),
      make("div", { className: "columns" }, ...exam.reviews.map(review))),
  ].filter(Boolean);
}

// How the student does on instructions that begin alike, against all: the last round on the map.
function topicOf(category, run) {
  const shares = ["(all)", category].map((name) => {
    const cell = data.runs[run].map.cells.findLast((one) => one.category === name);
    return cell && { round: cell.round, share: percent(hardOf(cell.counts, taus[run]) / allOf(cell.counts)) };
  });
  return shares[1] ? ` (hard in ${shares[1].round}: ${shares[1].share}, of all ${shares[0].share})` : "";
}

function about(detail, kind, run) {
  if (kind === "q") return make("p", { className: "hint" }, "question of category ", make("bdi", {}, detail.category), `, id ${detail.id}`);
  return make("p", { className: "hint" }, `${detail.origin}, joined in ${detail.round}, begins with “`, make("bdi", {}, detail.category), `”${topicOf(detail.category, run)}`,
    `, inspired ${detail.draws} ${detail.draws === 1 ? "draft" : "drafts"}, id ${detail.id}`);
}

function side(detail, run, kind) {
  const title = data.runs.length > 1 ? make("h3", { className: "revision" }, make("bdi", {}, data.runs[run].label)) : null;
  if (!detail) return make("div", { className: "side" }, title, make("p", { className: "empty" }, data.served ? "Not in this run." : "Not on this page; lion view shows all of it."));
  const { teacher, exams } = detail;
  const blocks = [...exams].reverse().flatMap((exam) => examined(exam, teacher, kind, run, detail.id));
  if (!exams.length) {
    blocks.push(make("p", { className: "empty" }, "No student has been examined on this yet."));
    if (teacher) blocks.push(make("div", { className: "columns" }, make("div", {}, make("h4", {}, "teacher"), thoughtsOf(teacher), prose(teacher.text))));
  }
  if (exams.length > 1) blocks.unshift(make("p", { className: "hint" }, "Latest first. Underlined: words that the previous round's answer did not have."));
  return make("div", { className: "side" }, title,
    ...(detail.before ?? []).map((turn) => make("div", {}, make("h4", {}, turn.role === "system" ? "system prompt" : turn.role), prose(turn.content))),
    make("p", { className: "text task", dir: "auto" }, detail.instruction),
    detail.input ? prose(detail.input) : null,
    about(detail, kind, run),
    ...blocks,
    kin("Inspired by", detail.ancestors, 0),
    kin("Inspired", detail.children, detail.offspring - detail.children?.length));
}

const listOf = (kind) => (kind === "i" ? instructions : questions);

function showPlace({ kind, id }) {
  const list = listOf(kind);
  const place = list.rows.findIndex((row) => row.id === id);
  find("#place").textContent = place < 0 ? "" : `${counted(list.offset + place + 1)} of ${counted(list.total)}`;
  find("#previous").disabled = place < 0 || list.offset + place === 0;
  find("#next").disabled = place < 0 || list.offset + place + 1 >= list.total;
}

async function step(by) {
  const { kind, id } = address.opened();
  const next = await listOf(kind).neighbour(id, by);
  if (next) address.open(kind, next);
}

async function open() {
  const wanted = address.opened();
  if (!wanted) { dialog.close(); return; }
  const details = await detailsOf(wanted).catch(silence);
  const heading = make("h2", { id: "instruction-title" }, wanted.kind === "i" ? "Instruction" : "Question");
  const sides = details.failed ? [make("p", { className: "empty" }, details.failed)]
    : details.map((detail, index) => side(detail, index, wanted.kind));
  find("#instruction-body").replaceChildren(heading, make("div", { className: "sides" }, ...sides));
  showPlace(wanted);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

find(".close").addEventListener("click", () => dialog.close());
find("#previous").addEventListener("click", () => step(-1));
find("#next").addEventListener("click", () => step(1));
dialog.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") step(event.key === "ArrowLeft" ? -1 : 1);
});
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => { if (address.opened()) address.settle("pushState"); });

addEventListener("hashchange", () => {
  address.restore();
  open();
});
address.restore();
for (const list of listings) if (!list.turns) list.show();
if (address.opened()) open();
