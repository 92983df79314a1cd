addEventListener("hashchange", () => {
  address.restore();
  open();
});
address.restore();
for (const list of listings) if (!list.turns) list.show();
if (address.opened()) open();
