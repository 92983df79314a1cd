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
