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
      `${counted(hard)} of ${counted(all)} judged are hard (${((100 * hard) / all).toFixed(1)}%)` +
      `; ${counted(Number(chart.dataset.total))} in all`;
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
