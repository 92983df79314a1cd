"use strict";
// Everything from a run is text: it reaches the page only through textContent.
const data = JSON.parse(document.getElementById("data").textContent);
const find = (query, root = document) => root.querySelector(query);

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const figure = (value, digits = 2) => (value === null || value === undefined ? "–" : value.toFixed(digits));
const signed = (value) => (value === null || value === undefined ? "–" : (value > 0 ? "+" : "") + value.toFixed(2));
const chip = (verdict) => make("span", { className: `chip ${verdict}` }, verdict);
const link = (id, text) => make("a", { href: `#i=${encodeURIComponent(id)}`, dir: "auto" }, text);
const prose = (text) => make("p", { className: "text", dir: "auto" }, text === "" ? "(empty)" : text);

// Tau: the charts are static; only their line, colours and counts change.
const GAPS = [-9, 9];
const MARGIN = 16; // pixels beside the plot, as drawn

function moveTau(box) {
  const tau = Number(find("input", box).value);
  find("output", box).textContent = tau.toFixed(1);
  const counts = data.runs[Number(box.dataset.run)].gaps;
  for (const chart of box.querySelectorAll("figure")) {
    const rows = counts[chart.dataset.round];
    const all = rows.reduce((sum, row) => sum + row[1], 0);
    const hard = rows.reduce((sum, row) => sum + (row[0] >= Math.round(tau * 100) ? row[1] : 0), 0);
    find(".count", chart).textContent =
      `${hard.toLocaleString("en")} of ${all.toLocaleString("en")} judged are hard (${((100 * hard) / all).toFixed(1)}%)` +
      `; ${Number(chart.dataset.total).toLocaleString("en")} in all`;
    const width = find("svg", chart).viewBox.baseVal.width - MARGIN;
    const place = ((tau - GAPS[0]) / (GAPS[1] - GAPS[0])) * width;
    find(".tau_marks line", chart).setAttribute("transform", `translate(${place},0)`);
    const bins = [...new Set(rows.map((row) => Math.floor(row[0] / 50) / 2))].sort((a, b) => a - b);
    chart.querySelectorAll(".bars_marks path").forEach((bar, index) => {
      bar.setAttribute("fill", `var(--${bins[index] >= tau ? "hard" : "easy"})`);
    });
  }
}

for (const box of document.querySelectorAll(".gaps")) {
  if (!find("input", box)) continue;
  find("input", box).addEventListener("input", () => moveTau(box));
  moveTau(box);
}

// A chart's marks have labels with their values; show them as tooltips.
const tip = find("#tip");
document.addEventListener("pointerover", (event) => {
  const label = event.target.closest?.(".chart svg [role=graphics-symbol]")?.getAttribute("aria-label");
  tip.hidden = !label || label.startsWith("X-axis") || label.startsWith("Y-axis");
  if (tip.hidden) return;
  tip.textContent = label;
  tip.style.left = `${Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${Math.min(event.clientY + 12, innerHeight - tip.offsetHeight - 8)}px`;
});

// The list: the static page filters here, `lion view` on the server.
const form = find("#filter");
const PAGE = 25;
let offset = 0;
let turns = 0;

function wanted() {
  const fields = Object.fromEntries(new FormData(form));
  return { run: "0", ...fields, offset, limit: PAGE };
}

async function asked(path, fields) {
  const answer = await fetch(`${path}?${new URLSearchParams(fields)}`);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

async function rowsOf(query) {
  if (data.served) return asked("/api/instructions", query);
  const words = query.text.toLowerCase().split(/\s+/).filter(Boolean);
  const { rows, details } = data.runs[Number(query.run)];
  const kept = rows.filter((row) => {
    const haystack = `${row.id} ${details[row.id].instruction} ${details[row.id].input}`.toLowerCase();
    return (
      row.when === query.exam &&
      (!query.kind || row.kinds.includes(query.kind)) &&
      (!query.verdict || row.verdict === query.verdict) &&
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

function compare(a, b, down) {
  if (a === b) return 0;
  if (a === null || b === null) return a === null ? 1 : -1; // unknown values come last
  return (a < b ? -1 : 1) * (down ? -1 : 1);
}

function listRow(row) {
  const open = make("button", { type: "button", className: "open", dir: "auto" }, row.text || "(empty)");
  open.addEventListener("click", () => { location.hash = `i=${encodeURIComponent(row.id)}`; });
  const cells = [
    ["", open], ["verdict", chip(row.verdict)], ["gap", figure(row.gap)], ["teacher", figure(row.teacher)],
    ["student", figure(row.student)], ["improved", signed(row.change)], ["origin", row.origin], ["joined", row.round],
  ];
  const line = make("tr");
  for (const [name, content] of cells) {
    const cell = make("td", {}, content);
    cell.dataset.name = name;
    line.append(cell);
  }
  return line;
}

const isBusy = (busy) => find("#matches").setAttribute("aria-busy", busy);

// Only `lion view` can fail to answer, after it has ended.
const silence = () => ({ total: 0, rows: [], failed: "No answer. Start `lion view` again, then reload this page." });

async function list() {
  isBusy(true);
  const turn = ++turns;
  const { total, rows, failed } = await rowsOf(wanted()).catch(silence);
  if (turn !== turns) return; // a newer query is pending
  find("#list tbody").replaceChildren(...rows.map(listRow));
  find("#matches").textContent = total
    ? `${(offset + 1).toLocaleString("en")} to ${(offset + rows.length).toLocaleString("en")} of ${total.toLocaleString("en")}`
    : failed ?? "No instruction matches.";
  find("#list").hidden = total === 0;
  find("#pages").hidden = total <= PAGE;
  find("#back").disabled = offset === 0;
  find("#on").disabled = offset + rows.length >= total;
  isBusy(false);
}

function turnTo(start) {
  offset = Math.max(0, start);
  list();
}

function fill(name, values, first) {
  const select = form.elements[name];
  if (first) select.append(make("option", { value: "" }, first));
  select.append(...values.map((value) => make("option", { value }, value)));
}

function prepare() {
  const all = (key) => [...new Set(data.runs.flatMap((run) => run[key]))];
  fill("exam", all("exams"));
  fill("joined", all("rounds"), "any");
  fill("category", all("categories"), "any");
  form.hidden = false;
  let timer;
  const later = (wait) => {
    isBusy(true);
    clearTimeout(timer);
    timer = setTimeout(() => turnTo(0), wait);
  };
  form.addEventListener("input", () => later(120)); // wait for a pause in typing
  form.addEventListener("reset", () => later(0)); // wait until the fields are empty
  form.addEventListener("submit", (event) => { event.preventDefault(); turnTo(0); });
  find("#back").addEventListener("click", () => turnTo(offset - PAGE));
  find("#on").addEventListener("click", () => turnTo(offset + PAGE));
  list();
}

// One instruction: the address opens it, so that links and the back button work.
const dialog = find("#instruction");

async function detailsOf(id) {
  if (!data.served) return data.runs.map((run) => run.details[id] ?? null);
  return asked("/api/instruction", { id });
}

function kin(title, relatives, more) {
  if (!relatives.length) return null;
  const items = relatives.map((relative) =>
    make("li", {}, `${relative.round}, ${relative.origin}: `, data.served || data.runs.some((run) => run.details[relative.id])
      ? link(relative.id, relative.text) : make("bdi", {}, relative.text)));
  if (more > 0) items.push(make("li", {}, `and ${more} more`));
  return make("div", {}, make("h3", {}, title), make("ul", { className: "kin" }, ...items));
}

function answered(exam) {
  const parts = exam.parts.flatMap(([text, fresh], index) =>
    [index ? " " : "", fresh ? make("ins", {}, text) : text]);
  const text = make("p", { className: "text", dir: "auto" }, ...(exam.parts.length ? parts : ["(empty)"]));
  const title = `student ${exam.by}: ${figure(exam.student)} points${cut(exam.finish_reason)}`;
  return make("div", {}, make("h4", {}, title), text);
}

const cut = (reason) => (reason === "stop" ? "" : `, ended by ${reason}`);

function review(reply) {
  const title = `${reply.order.replace("_", " ")}${reply.attempt ? `, retry (${reply.attempt})` : ""}: ` +
    (reply.teacher === null ? "unreadable" : `teacher ${figure(reply.teacher, 1)}, student ${figure(reply.student, 1)}`);
  return make("div", {}, make("h4", {}, title), prose(reply.reply));
}

function examined(exam, teacher) {
  const points = teacher && make("div", {},
    make("h4", {}, `teacher: ${figure(exam.teacher)} points${cut(teacher.finish_reason)}`), prose(teacher.text));
  return [
    make("h3", {}, `Examined in ${exam.round}: gap ${figure(exam.gap)} `, chip(exam.verdict ?? "unjudged")),
    make("div", { className: "columns" }, points, answered(exam)),
    make("details", {}, make("summary", {}, `Referee's replies (${exam.reviews.length})`),
      make("div", { className: "columns" }, ...exam.reviews.map(review))),
  ];
}

function side(detail, label) {
  const title = data.runs.length > 1 ? make("h3", { className: "revision" }, make("bdi", {}, label)) : null;
  if (!detail) return make("div", { className: "side" }, title, make("p", { className: "empty" }, data.served ? "Not in this run." : "Not on this page; lion view shows all instructions."));
  const { teacher, exams } = detail;
  const blocks = [...exams].reverse().flatMap((exam) => examined(exam, teacher));
  if (!exams.length) {
    blocks.push(make("p", { className: "empty" }, "No student has been examined on this instruction yet."));
    if (teacher) blocks.push(make("div", { className: "columns" }, make("div", {}, make("h4", {}, "teacher"), prose(teacher.text))));
  }
  if (exams.length > 1) blocks.unshift(make("p", { className: "hint" }, "Latest first. Underlined: words that the previous round's answer did not have."));
  return make("div", { className: "side" }, title,
    make("p", { className: "text task", dir: "auto" }, detail.instruction),
    detail.input ? prose(detail.input) : null,
    make("p", { className: "hint" }, `${detail.origin}, joined in ${detail.round}, category `, make("bdi", {}, detail.category),
      `, inspired ${detail.draws} ${detail.draws === 1 ? "draft" : "drafts"}, id ${detail.id}`),
    ...blocks,
    kin("Inspired by", detail.ancestors, 0),
    kin("Inspired", detail.children, detail.offspring - detail.children.length));
}

async function open() {
  const id = new URLSearchParams(location.hash.slice(1)).get("i");
  if (!id) { dialog.close(); return; }
  const details = await detailsOf(id).catch(silence);
  const heading = make("h2", { id: "instruction-title" }, "Instruction");
  const sides = details.failed ? [make("p", { className: "empty" }, details.failed)]
    : details.map((detail, index) => side(detail, data.runs[index].label));
  find("#instruction-body").replaceChildren(heading, make("div", { className: "sides" }, ...sides));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

find(".close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => {
  if (location.hash.startsWith("#i=")) history.pushState(null, "", location.pathname);
});
addEventListener("hashchange", open);
prepare();
if (location.hash.startsWith("#i=")) open();
