// Gaps as a table and in the detail of a day: what is missing, how long zDirect keeps it, and how to fill it.

const MOST_SHOWN = 200;
const gapList = { all: false, fill: null };

// As gaps_by_urgency in page.py.
function gapsByUrgency(rows) {
  const rank = { missing: 0, uncertain: 1, lost: 2 };
  const left = (gap) => (gap.days_left === null ? Infinity : gap.days_left);
  return rows
    .flatMap((row) => row.gaps.map((gap) => ({ row, gap })))
    .sort((a, b) => rank[a.gap.status] - rank[b.gap.status] || (left(a.gap) < left(b.gap) ? -1 : left(a.gap) > left(b.gap) ? 1 : 0) || (a.gap.from < b.gap.from ? -1 : 1));
}

function buildGaps(rows) {
  const found = gapsByUrgency(rows);
  const box = document.querySelector("#gaps .table");
  byId("gaps-title").textContent = found.length ? counted(found.length, "gap", "gaps") : "Gaps";
  if (!found.length) return box.replaceChildren(make("p", { class: "soft" }, "No gaps in these rows."));
  const shown = gapList.all ? found : found.slice(0, MOST_SHOWN);
  const head = ["Time left", "Status", "Merchant", "Dataset", "Window (UTC)", "Length", "Fill"].map((text) => make("th", { scope: "col" }, text));
  const table = make("table", { class: "gaps" }, make("caption", {}, "The most urgent first."), make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...shown.map(gapLine)));
  const held = box.contains(document.activeElement) && document.activeElement.closest("[data-gap]");
  const rest = found.length - shown.length;
  const more = rest ? make("button", { type: "button", onclick: () => { gapList.all = true; buildGaps(rows); } }, `Show ${rest.toLocaleString("en")} more`) : "";
  box.replaceChildren(table, more);
  // Keyboard users stay at the gap.
  const line = held && [...table.tBodies[0].rows].find((each) => each.dataset.gap === held.dataset.gap);
  if (line) line.querySelector("a, button")?.focus({ preventScroll: true });
}

function gapLine({ row, gap }) {
  return make("tr", { "data-gap": gapKey(row, gap), class: gap.urgent ? "urgent" : null },
    make("td", {}, make("span", { class: gap.urgent ? "left urgent" : "left" }, daysLeftWords(gap))),
    make("td", {}, badge(GAP_LETTERS[gap.status]), gap.started ? make("span", { class: "soft", title: "A task has begun to fetch this window and has not published it." }, " started") : null),
    make("td", {}, merchantOf(row)),
    make("td", {}, row.dataset),
    make("td", { class: "window" }, windowWords(gap)),
    make("td", {}, lengthWords(gap)),
    make("td", { class: "fill" }, ...fillers(row, gap)));
}

function badge(letter) {
  const status = statusOf(letter);
  return make("span", { class: "badge" }, make("b", { class: `key s-${letter}`, "aria-hidden": "true" }, make("i", {}, status.sign)), status.name);
}

// The ready command and, in Airflow, the button.
function fillers(row, gap) {
  if (!gap.fill) return [make("span", { class: "soft" }, gap.status === "lost" ? "cannot be filled" : "–")];
  const copy = make("button", { type: "button", "aria-label": `Copy the command that fills ${row.dataset} ${windowWords(gap)}`, title: gap.fill.command, onclick: (event) => copyText(event.target, gap.fill.command) }, "Copy command");
  return gapList.fill ? [...gapList.fill(row, gap), copy] : [copy];
}

async function copyText(button, text) {
  let done = false;
  try {
    await navigator.clipboard.writeText(text);
    done = true;
  } catch {
    // Without HTTPS there is no clipboard API; this is the older way.
    const field = make("textarea", { class: "unseen", readonly: true });
    field.value = text;
    button.after(field);
    field.select();
    done = document.execCommand("copy");
    field.remove();
    button.focus();
  }
  button.textContent = done ? "Copied" : "Select and copy the command";
  announce(button.textContent);
  setTimeout(() => { button.textContent = "Copy command"; }, 2500);
}
