// A person's marks: verdicts are marked as right or wrong in `lion view`, which keeps them in a file.
const person = { by: "", marks: [] };

const markOf = (id, round) =>
  person.marks.findLast((mark) => mark.id === id && mark.round === round && mark.by === person.by);

// The buttons beside a verdict; pressed shows this person's last mark.
function marking(id, exam, run) {
  if (!exam.verdict || exam.verdict === "unjudged") return null;
  if (!data.version) return marked(data.runs[run].marks.filter((mark) => mark.id === id && mark.round === exam.round));
  const mark = markOf(id, exam.round);
  const button = (right) => {
    const made = make("button", { type: "button" }, right ? "right" : "wrong");
    made.setAttribute("aria-pressed", mark?.right === right);
    made.addEventListener("click", () => keepMark(id, exam.round, right, made.parentElement));
    return made;
  };
  return make("span", { className: "marking" }, `The verdict “${exam.verdict}” is `, button(true), " ", button(false), make("span", { role: "status" }));
}

// What people said, on a page that takes no marks.
const marked = (marks) => (marks.length === 0 ? null : make("span", { className: "marking" },
  ...marks.flatMap(({ by, right }, index) => [index ? ", " : "", make("bdi", {}, by), ` says ${right ? "right" : "wrong"}`])));

async function keepMark(id, round, right, place) {
  const body = JSON.stringify({ id, round, right, by: person.by });
  const answer = await fetch("/api/mark", { method: "POST", body, headers: { "Content-Type": "application/json" } })
    .catch(() => null);
  if (!answer?.ok) {
    find("[role=status]", place).textContent = answer ? ` Not kept: ${await answer.text()}` : " No answer: not kept.";
    return;
  }
  person.marks.push({ id, round, right, by: person.by });
  [...place.querySelectorAll("button")].forEach((button, index) => button.setAttribute("aria-pressed", (index === 0) === right));
  const status = find("[role=status]", place);
  status.textContent = ` Kept as ${person.by}'s word. `;
  const marks = await asked("/api/marks", {});
  showMarks(marks);
  if (marks.wanted.length) status.append(link(marks.wanted[0].id, "The next verdict to look at"));
}

function showMarks({ agreement, marks, wanted }) {
  person.marks = marks;
  const box = find("#marks");
  box.hidden = false;
  find("ul", box).replaceChildren(...(agreement.length ? agreement : ["Nobody has marked a verdict yet."])
    .map((line) => make("li", {}, line)));
  find("ol", box).replaceChildren(...wanted.map((row) =>
    make("li", {}, link(row.id, row.text), ` ${row.round}, ${row.verdict}`)));
}

if (data.version) {
  const name = find("#marks input");
  asked("/api/marks", {}).then((told) => {
    person.by = name.value = localStorage.getItem("lion-marks-by") || told.by;
    showMarks(told);
  }).catch(() => {});
  name.addEventListener("change", () => {
    person.by = name.value.trim() || person.by;
    localStorage.setItem("lion-marks-by", person.by);
  });
}
