// The address: filters and an opened instruction (#verdict=hard&i=ID), to share and to go back to.
const address = {
  fields: () => (location.hash.includes("=") ? new URLSearchParams(location.hash.slice(1)) : new URLSearchParams()),

  opened() {
    const fields = address.fields();
    const kind = ["i", "q"].find((name) => fields.get(name));
    return kind ? { kind, id: fields.get(kind) } : null;
  },

  // The filters of every list, without those that filter nothing.
  filters() {
    const fields = new URLSearchParams();
    taus.forEach((tau, run) => { if (isMoved(run)) fields.set(`tau${run || ""}`, tau); });
    for (const list of listings) for (const [name, value] of list.filters()) fields.set(list.prefix + name, value);
    return fields;
  },

  // Take tau and filters from the address, if it has any.
  restore() {
    const fields = address.fields();
    taus.forEach((_, run) => {
      const tau = Number(fields.get(`tau${run || ""}`) ?? NaN);
      if (tau >= GAPS[0] && tau <= GAPS[1]) setTau(run, tau);
    });
    for (const list of listings) list.restore(fields);
  },

  open(kind, id) {
    const fields = address.filters();
    fields.set(kind, id);
    location.hash = fields.toString();
  },

  // Called when a filter changes or the dialog closes.
  settle(how) {
    const fields = address.filters().toString();
    const isSection = location.hash && !location.hash.includes("=");
    if (fields || !isSection) history[how](null, "", fields ? `#${fields}` : location.pathname + location.search);
  },
};
const listings = [];
