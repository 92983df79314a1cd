"use strict";
// Everything from a run is text: it reaches the page only through textContent.
const data = JSON.parse(document.getElementById("data").textContent);
const find = (query, root = document) => root.querySelector(query);

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const isKnown = (value) => value !== null && value !== undefined;
const figure = (value, digits = 2) => (isKnown(value) ? value.toFixed(digits) : "–");
const signed = (value) => (isKnown(value) ? (value > 0 ? "+" : "") + value.toFixed(2) : "–");
const counted = (value) => value.toLocaleString("en");
const link = (id, text) => make("a", { href: `#i=${encodeURIComponent(id)}`, dir: "auto" }, text);
const prose = (text) => make("p", { className: "text", dir: "auto" }, text === "" ? "(empty)" : text);

function compare(a, b, down) {
  if (a === b) return 0;
  if (!isKnown(a) || !isKnown(b)) return isKnown(a) ? -1 : 1; // unknown values come last
  return (a < b ? -1 : 1) * (down ? -1 : 1);
}

// Only `lion view` can fail to answer, after it has ended.
const silence = () => ({ total: 0, rows: [], failed: "No answer. Start `lion view` again, then reload this page." });

async function asked(path, fields) {
  const answer = await fetch(`${path}?${new URLSearchParams(fields)}`);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

// A table in a narrow column shows each figure with the name of its column.
for (const table of document.querySelectorAll("table.figures:not(.list)")) {
  const names = [...table.querySelectorAll("thead th")].map((head) => head.textContent);
  for (const row of table.querySelectorAll("tbody tr")) {
    if (row.cells.length !== names.length) continue;
    [...row.cells].forEach((cell, index) => { if (cell.tagName === "TD") cell.dataset.name = names[index]; });
  }
  table.classList.add("named");
}

// A page that a stage wrote holds no date, so that the same data gives the same page.
if (!data.served && location.protocol === "file:") {
  const written = new Date(document.lastModified).toISOString().slice(0, 10);
  for (const place of document.querySelectorAll(".written")) {
    place.textContent = `this file ${written}`;
    place.hidden = false;
  }
}
