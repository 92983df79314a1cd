// A list of instructions or of questions: a form of filters, headers that sort, pages, downloads.
const SAVED = { jsonl: "application/x-ndjson", csv: "text/csv" };

class Listing {
  // `columns` are [name, sort, cell]; `rowsOf(fields)` gives { total, rows } of one page;
  // `whole(fields, form)` gives the text of a download, or the address that has it.
  constructor({ name, prefix, form, kind, columns, rowsOf, whole }) {
    Object.assign(this, { name, prefix, form, kind, columns, rowsOf, whole });
    this.offset = 0;
    this.turns = 0;
    this.rows = [];
    this.total = 0;
    this.table = find(`#${name}`);
    this.initial = Object.fromEntries(new FormData(form));
    this.prepare();
    listings.push(this);
  }

  part(name) { return find(`#${this.name}-${name}`); }

  get size() { return Number(this.part("size").value); }

  fields() {
    return { run: "0", ...Object.fromEntries(new FormData(this.form)), offset: this.offset, limit: this.size };
  }

  filters() {
    return [...new FormData(this.form)].filter(([name, value]) => value !== this.initial[name]);
  }

  prepare() {
    this.form.hidden = false;
    this.part("tools").hidden = false;
    this.columns.forEach(([name, sort], index) => {
      const head = this.table.tHead.rows[0].cells[index];
      if (!sort) { head.textContent = name; return; }
      const button = make("button", { type: "button" }, name);
      button.addEventListener("click", () => this.sortBy(sort));
      head.replaceChildren(button);
      head.dataset.sort = sort;
    });
    this.form.addEventListener("input", () => this.later(120)); // wait for a pause in typing
    this.form.addEventListener("reset", () => this.later(0)); // wait until the fields are empty
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.changed(); });
    this.part("size").addEventListener("change", () => this.turnTo(0));
    for (const button of this.part("pages").children)
      button.addEventListener("click", () => this.turnTo(this.offset + Number(button.dataset.turn) * this.size));
    for (const button of this.part("tools").querySelectorAll("button"))
      button.addEventListener("click", () => this.download(button.dataset.download));
  }

  later(wait) {
    this.isBusy(true);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.changed(), wait);
  }

  sortBy(sort) {
    const { sort: by, down } = this.form.elements;
    down.value = by.value === sort && down.value === "1" ? "0" : "1";
    by.value = sort;
    this.changed();
  }

  // Take the filters from the address, if it has any.
  restore(fields) {
    let hasAny = false;
    for (const field of this.form.elements) {
      const value = fields.get(this.prefix + field.name);
      if (field.name && value !== null) { field.value = value; hasAny = true; }
    }
    if (hasAny) this.turnTo(0);
  }

  changed() {
    address.settle("replaceState");
    return this.turnTo(0);
  }

  turnTo(start) {
    this.offset = Math.max(0, start);
    return this.show();
  }

  isBusy(busy) { this.part("matches").setAttribute("aria-busy", busy); }

  async show() {
    this.isBusy(true);
    const turn = ++this.turns;
    const { total, rows, failed } = await this.rowsOf(this.fields()).catch(silence);
    if (turn !== this.turns) return; // a newer query is pending
    Object.assign(this, { rows, total });
    find("tbody", this.table).replaceChildren(...rows.map((row) => this.line(row)));
    this.part("matches").textContent = total
      ? `${counted(this.offset + 1)} to ${counted(this.offset + rows.length)} of ${counted(total)}`
      : failed ?? `No ${this.kind} matches.`;
    this.table.hidden = total === 0;
    this.part("pages").hidden = total <= this.size;
    const [back, on] = this.part("pages").children;
    back.disabled = this.offset === 0;
    on.disabled = this.offset + rows.length >= total;
    this.showFilters();
    this.isBusy(false);
  }

  line(row) {
    const open = make("button", { type: "button", className: "open", dir: "auto" }, row.text || "(empty)");
    open.addEventListener("click", () => address.open(this.kind[0], row.id));
    return make("tr", {}, ...this.columns.map(([name, , cell], index) => {
      const content = make("td", {}, index ? cell(row) : open);
      if (index) content.dataset.name = name;
      return content;
    }));
  }

  // Filters as chips, each with its way back, and the sorted header.
  showFilters() {
    const { sort, down } = this.form.elements;
    for (const head of this.table.tHead.rows[0].cells) {
      head.removeAttribute("aria-sort");
      if (head.dataset.sort === sort.value) head.setAttribute("aria-sort", down.value === "1" ? "descending" : "ascending");
    }
    const chips = this.filters().filter(([name]) => !["sort", "down", "run"].includes(name));
    this.part("chips").replaceChildren(...chips.map(([name, value]) => {
      const field = this.form.elements[name];
      const label = field.closest("label").firstChild.textContent.trim();
      const shown = field.selectedOptions?.[0].textContent ?? value;
      const button = make("button", { type: "button", title: "Remove this filter" }, `${label}: ${shown} ×`);
      button.addEventListener("click", () => { field.value = this.initial[name]; this.changed(); });
      return button;
    }));
  }

  // The neighbour of an opened row in the list's order, on the next page if it must be.
  async neighbour(id, step) {
    const place = this.rows.findIndex((row) => row.id === id);
    if (place < 0) return null;
    const wanted = this.offset + place + step;
    if (wanted < 0 || wanted >= this.total) return null;
    if (!this.rows[place + step]) await this.turnTo(step > 0 ? this.offset + this.size : this.offset - this.size);
    return this.rows[wanted - this.offset]?.id ?? null;
  }

  async download(form) {
    const all = { ...this.fields(), offset: 0, limit: Infinity };
    const address = await this.whole(all, form);
    make("a", { href: address, download: `${this.kind}s.${form}` }).click();
  }
}

// Rows as a file; a cell that a spreadsheet would run as a formula gets an apostrophe.
function saved(rows, form) {
  const names = Object.keys(rows[0] ?? {});
  const cell = (value) => {
    const text = isKnown(value) ? String(value) : "";
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = form === "csv" ? [names.join(","), ...rows.map((row) => names.map((name) => cell(row[name])).join(","))]
    : rows.map((row) => JSON.stringify(row));
  return URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: SAVED[form] }));
}

const wordsOf = (query) => query.text.toLowerCase().split(/\s+/).filter(Boolean);

// One page of `rows`, sorted by a value.
function pageOf(rows, { down, offset, limit }, value) {
  rows.sort((a, b) => compare(value(a), value(b), down === "1") || compare(a.id, b.id, false));
  return { total: rows.length, rows: rows.slice(offset, offset + limit) };
}

function fill(form, name, values, first) {
  const select = form.elements[name];
  if (first) select.append(make("option", { value: "" }, first));
  select.append(...values.map((value) => make("option", { value }, value)));
}
