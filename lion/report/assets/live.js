// A run under way: `lion view` tells its stage now and then, and the page loads new results itself.
const PAUSE = 5000; // milliseconds between two questions
const live = find("#live");

const clock = (seconds) => {
  const minutes = Math.round(seconds / 60);
  return minutes < 1 ? "less than a minute" : minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
};

const paced = (rate) => (rate < 1 ? `${+(60 * rate).toPrecision(2)} a minute` : `${+rate.toPrecision(2)} a second`);

function progress(now) {
  const parts = [`${now.stage} has run for ${clock(now.seconds)}`];
  if (isKnown(now.total)) parts.push(`${counted(now.done)} of ${counted(now.total)} ${now.unit}`);
  if (isKnown(now.rate)) parts.push(paced(now.rate));
  if (isKnown(now.left)) parts.push(`about ${clock(now.left)} left in the whole loop`);
  else parts.push(`time left unknown until ${now.unmeasured.join(", ")} ${now.unmeasured.length > 1 ? "have" : "has"} been measured once`);
  if (now.money) parts.push(`${now.money} spent`);
  return parts.join(" · ");
}

function showLive(now) {
  live.hidden = !now.stage;
  if (!now.stage) return;
  find("p", live).textContent = progress(now);
  const bar = find("progress", live);
  bar.hidden = !now.total;
  if (now.total) { bar.max = now.total; bar.value = now.done; }
  find("ul", live).replaceChildren(...now.newest.map(({ role, round, text }) =>
    make("li", {}, make("b", {}, `${role} ${round} `), make("bdi", {}, text))));
}

// A reader who has something open is asked; others get the new results at once.
function renew() {
  const isBusy = dialog.open || find("details[open]") || /^(INPUT|SELECT)$/.test(document.activeElement.tagName);
  const notice = find("#renew");
  if (isBusy) notice.hidden = false;
  else location.reload();
}

async function follow() {
  try {
    const now = await asked("/api/now", {});
    showLive(now);
    if (now.version !== data.version) renew();
  } catch {
    live.hidden = false;
    find("p", live).textContent = "No answer. Start `lion view` again; this page goes on by itself then.";
  }
  setTimeout(follow, PAUSE);
}

if (data.version) {
  find("#renew button").addEventListener("click", () => location.reload());
  follow();
}
