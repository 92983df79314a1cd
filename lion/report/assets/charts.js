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

// Tau of each run: moving it recounts verdicts everywhere; the run itself went by its own tau.
const GAPS = [-9, 9];
const MARGIN = 16; // pixels beside the plot, as drawn
const LEVELS = 7; // colours of a heat map
const taus = data.runs.map((run) => run.tau);
const isMoved = (run) => taus[run] !== data.runs[run].tau;
const hardOf = (counts, tau) =>
  counts.reduce((sum, [gap, rows]) => sum + (gap >= Math.round(tau * 100) ? rows : 0), 0);
const allOf = (counts) => counts.reduce((sum, row) => sum + row[1], 0);
const percent = (share) => `${(100 * share).toFixed(1)}%`;

// The verdict of a row of `run` at its tau now.
function verdictAt(run, { gap, verdict }) {
  return isKnown(gap) ? (gap >= taus[run] ? "hard" : "easy") : verdict ?? "unjudged";
}

function chip(run, row) {
  const verdict = verdictAt(run, row);
  const hasChanged = row.verdict && row.verdict !== verdict;
  const mark = make("span", { className: `chip ${verdict}${hasChanged ? " changed" : ""}` }, verdict);
  if (hasChanged) mark.title = `${row.verdict} at the run's own tau`;
  return mark;
}

function drawGaps(run, box) {
  const tau = taus[run];
  find("input", box).value = tau;
  find("output", box).textContent = String(tau).includes(".") ? tau : tau.toFixed(1);
  for (const chart of box.querySelectorAll("figure")) {
    const counts = data.runs[run].gaps[chart.dataset.round];
    const [hard, all] = [hardOf(counts, tau), allOf(counts)];
    find(".count", chart).textContent =
      `${counted(hard)} of ${counted(all)} judged are hard (${percent(hard / all)}); ${counted(Number(chart.dataset.total))} in all`;
    const width = find("svg", chart).viewBox.baseVal.width - MARGIN;
    find(".tau_marks line", chart).setAttribute("transform", `translate(${((tau - GAPS[0]) / (GAPS[1] - GAPS[0])) * width},0)`);
    const bins = [...new Set(counts.map((row) => Math.floor(row[0] / 50) / 2))].sort((a, b) => a - b);
    chart.querySelectorAll(".bars_marks path").forEach((bar, index) => {
      bar.setAttribute("fill", `var(--${bins[index] >= tau ? "hard" : "easy"})`);
    });
  }
}

function drawMap(run, chart) {
  const { cells, top } = data.runs[run].map;
  const figures = chart.querySelectorAll(".values_marks text");
  chart.querySelectorAll(".cells_marks path").forEach((cell, index) => {
    const { round, category, counts } = cells[index];
    const share = hardOf(counts, taus[run]) / allOf(counts);
    const level = Math.min(LEVELS - 1, Math.floor((share / top) * LEVELS));
    cell.setAttribute("fill", `var(--heat-${level})`);
    cell.setAttribute("aria-label", `${category}, ${round}: ${percent(share)} of ${counted(allOf(counts))} judged are hard`);
    figures[index].setAttribute("fill", `var(--heat-${level < 4 ? "low" : "high"})`);
    figures[index].textContent = `${Math.round(100 * share)}%`;
  });
}

function drawTable(run, side) {
  for (const cell of side.querySelectorAll("[data-hard]")) {
    const counts = data.runs[run].gaps[cell.dataset.hard];
    if (!counts) continue;
    cell.textContent = percent(hardOf(counts, taus[run]) / allOf(counts));
    cell.classList.toggle("changed", isMoved(run));
  }
}

// What moved, and the way back; a line that stays in sight.
function tellMoved() {
  const lines = data.runs.flatMap((run, index) => {
    if (!isMoved(index)) return [];
    const changes = Object.entries(run.gaps).map(([round, counts]) =>
      `${round} ${signedCount(hardOf(counts, taus[index]) - hardOf(counts, run.tau))}`);
    const name = data.runs.length > 1 ? `${run.label}: ` : "";
    return [`${name}tau ${taus[index]} instead of ${run.tau}. Hard verdicts: ${changes.join(", ")}.`];
  });
  const moved = find("#moved");
  moved.hidden = lines.length === 0;
  find("span", moved).textContent = `${lines.join(" ")} The run drew its parents by its own tau; with another, its rounds would have gone otherwise.`;
}

const signedCount = (count) => (count > 0 ? "+" : "") + counted(count);

function drawRun(run) {
  for (const side of document.querySelectorAll(`[data-run="${run}"]`)) {
    const box = find(".gaps:has(input)", side);
    if (box) drawGaps(run, box);
    const map = find("[data-chart='hard by category']:has(svg)", side);
    if (map) drawMap(run, map);
    drawTable(run, side);
  }
  tellMoved();
}

function setTau(run, tau) {
  taus[run] = tau;
  drawRun(run);
}

for (const box of document.querySelectorAll(".gaps:has(input)"))
  find("input", box).addEventListener("input", (event) => {
    setTau(Number(box.dataset.run), Number(event.target.value));
    instructions.later(120);
  });
find("#moved button").addEventListener("click", () => {
  data.runs.forEach((run, index) => setTau(index, run.tau));
  instructions.changed();
});
data.runs.forEach((_, index) => drawRun(index));
