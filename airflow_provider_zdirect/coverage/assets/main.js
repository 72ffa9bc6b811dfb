// Draws the page, and draws it again when the report or the filters change.

const page = { report: null, summary: null };

function drawSummary() {
  const { headline, details, tone } = page.summary;
  const box = byId("summary");
  box.className = `summary ${tone}`;
  box.querySelector(".sign").textContent = { good: "✓", care: "!", alarm: "!" }[tone];
  box.querySelector(".headline").textContent = headline;
  box.querySelector(".details").replaceChildren(...details.map((text) => make("li", {}, text)));
  box.hidden = false;
  document.title = `${headline} · zDirect coverage`;
}

function drawLegend() {
  const present = new Set(page.report.rows.flatMap((row) => Object.values(row.days)).join(""));
  byId("legend").replaceChildren(...STATUSES.filter((status) => present.has(status.letter)).map((status) => {
    const item = make("li", { title: status.about });
    item.append(badge(status.letter));
    return item;
  }));
}

function fillSelect(id, choices) {
  const chosen = byId(id).value;
  byId(id).replaceChildren(make("option", { value: "" }, "All"), ...choices.map(([value, text]) => make("option", { value }, text)));
  if (choices.some(([value]) => value === chosen)) byId(id).value = chosen;
}

function drawFilters() {
  fillSelect("merchant", [...new Map(page.report.rows.map((row) => [row.merchant_id, merchantOf(row)]))]);
  fillSelect("dataset", [...new Set(page.report.rows.map((row) => row.dataset))].sort().map((name) => [name, name]));
}

const chosen = () => ({ merchant: byId("merchant").value, dataset: byId("dataset").value, onlyGaps: byId("only-gaps").checked });

function applyFilters() {
  const count = filterRows(chosen());
  drawGaps();
  announce(`${counted(count, "row", "rows")} shown.`);
}

function drawGaps() {
  const { merchant, dataset } = chosen();
  buildGaps(page.report.rows.filter((row) => (!merchant || row.merchant_id === merchant) && (!dataset || row.dataset === dataset)));
  if (!byId("detail").hidden) showDetail(...detail.shown);
}

function draw({ report, summary }) {
  const first = page.report === null;
  Object.assign(page, { report, summary });
  const about = [report.base_path, report.environment, `${instantText(report.made_at)} UTC`, `warns ${report.warn_days} days before data is lost`];
  byId("about").textContent = about.filter(Boolean).join(" · ");
  drawSummary();
  drawLegend();
  drawFilters();
  buildGrid(report);
  byId("view").hidden = !report.rows.length;
  if (first) grid.at = [0, grid.days.length - 1];
  moveTo(Math.min(grid.at[0], grid.rows.length - 1), Math.min(grid.at[1], grid.days.length - 1), { focus: false });
  filterRows(chosen());
  drawGaps();
  // The newest days first.
  if (first) byId("scroll").scrollLeft = byId("scroll").scrollWidth;
}

// after: only a report that was made later counts.
async function load(after = null) {
  byId("refresh").setAttribute("aria-busy", "true");
  try {
    const answer = await ask(fill.live.data + (after ? `?after=${encodeURIComponent(after)}` : ""));
    fill.mayFill = answer.may_fill;
    for (const [key, run] of fill.runs) if (DONE.has(run.state)) fill.runs.delete(key);
    showNotice(answer.notice || "");
    if (answer.report) draw(answer);
    announce(answer.report ? answer.summary.headline : answer.notice);
  } catch (error) {
    showNotice(error.status ? refusal(error) : `The report cannot be loaded: ${error.message}`);
  } finally {
    byId("refresh").removeAttribute("aria-busy");
  }
}

// Light, dark, or as the system (in Airflow: as Airflow's own setting).
function listenToTheme() {
  const airflows = () => (fill.live ? localStorage.getItem("theme") : null);
  const dark = () => document.documentElement.dataset.theme === "dark" || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  const set = (theme) => {
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    byId("theme").textContent = dark() ? "Light theme" : "Dark theme";
  };
  set(airflows());
  byId("theme").addEventListener("click", () => set(dark() ? "light" : "dark"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => set(document.documentElement.dataset.theme));
  if (fill.live) addEventListener("storage", (event) => (event.key === "theme" ? set(event.newValue) : undefined));
}

function start() {
  const { live, ...given } = JSON.parse(byId("data").textContent);
  fill.live = live;
  listenToTheme();
  listenToGrid();
  grid.onOpen = (row, column) => openDetail(grid.rows[row].row, grid.days[column]);
  grid.onRead = (text) => {
    byId("readout").textContent = text || "Point at a day, or move to it with the keys, to read its status.";
    byId("readout").classList.toggle("soft", !text);
  };
  grid.onRead("");
  byId("filters").addEventListener("change", applyFilters);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("keydown", (event) => (event.key === "Escape" && !byId("confirm").open ? closeDetail() : undefined));
  if (given.report) draw(given);
  if (!live) return;
  gapList.fill = fillButtons;
  fill.reload = load;
  byId("refresh").hidden = false;
  byId("refresh").addEventListener("click", () => load(page.report && page.report.made_at));
  showNotice("Measuring coverage ...");
  load();
}

start();
