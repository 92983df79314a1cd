addEventListener("hashchange", () => {
  for (const list of listings) list.restore(address.fields());
  open();
});
for (const list of listings) {
  list.restore(address.fields());
  if (!list.turns) list.show();
}
if (address.opened()) open();
