// The calendar: a row for each merchant and dataset, a column for each day. Tab leads to one cell, other keys to the rest.

const grid = { rows: [], days: [], at: [0, 0], onOpen: () => {}, onRead: () => {} };

function buildGrid(report) {
  grid.days = daysBetween(report.from, report.to);
  const table = byId("grid");
  table.replaceChildren(headOf(grid.days));
  grid.rows = [];
  const merchants = new Map();
  for (const row of report.rows) {
    if (!merchants.has(row.merchant_id)) merchants.set(row.merchant_id, []);
    merchants.get(row.merchant_id).push(row);
  }
  for (const rows of merchants.values()) {
    const body = make("tbody", {}, merchantLine(rows[0]));
    for (const row of rows) body.append(rowLine(row));
    table.append(body);
  }
}

function headOf(days) {
  const name = new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric", timeZone: "UTC" });
  const months = new Map();
  for (const day of days) months.set(day.slice(0, 7), [...(months.get(day.slice(0, 7)) || []), day]);
  const above = [...months.values()].map((own) => make("th", { scope: "colgroup", class: "month", colspan: String(own.length) }, make("span", {}, own.length > 2 ? name.format(dayStart(own[0])) : "")));
  const numbers = days.map((day) => {
    const monday = new Date(dayStart(day)).getUTCDay() === 1;
    return make("th", { scope: "col", class: monday ? "day monday" : "day", "aria-label": longDay(day) }, String(Number(day.slice(8))));
  });
  return make("thead", {}, make("tr", {}, make("td", { class: "corner" }), ...above), make("tr", {}, make("th", { class: "corner", scope: "col" }, "Dataset"), ...numbers));
}

function merchantLine(row) {
  const name = row.merchant ? [row.merchant, make("span", { class: "id" }, row.merchant_id)] : [row.merchant_id];
  return make("tr", { class: "merchant" }, make("th", { scope: "rowgroup", class: "label", colspan: "1" }, ...name), make("td", { colspan: String(grid.days.length) }));
}

function rowLine(row) {
  const index = grid.rows.length;
  const gaps = row.gaps.length ? make("span", { class: "count", title: counted(row.gaps.length, "gap", "gaps") }, String(row.gaps.length)) : null;
  const line = make("tr", { "data-merchant": row.merchant_id, "data-dataset": row.dataset },
    make("th", { scope: "row", class: "label", title: `${row.title}; zDirect keeps ${row.retention}` }, make("span", { class: "name" }, row.dataset), gaps));
  grid.days.forEach((day, column) => line.append(cellOf(row, index, day, column)));
  grid.rows.push({ row, line });
  return line;
}

function cellOf(row, index, day, column) {
  const letters = row.days[day] || ".";
  const worst = worstOf(letters);
  const cell = make("td", { role: "gridcell", tabindex: "-1", class: `cell s-${worst === "." ? "none" : worst}`, "aria-label": `${longDay(day)}, ${row.dataset}, ${merchantOf(row)}: ${cellWords(letters)}` });
  cell.dataset.row = index;
  cell.dataset.column = column;
  cell.dataset.letters = letters;
  const sign = statusOf(worst).sign;
  if (sign) cell.append(make("i", { "aria-hidden": "true" }, sign));
  if (letters.length > 1 && new Set(letters).size > 1) {
    cell.classList.add("mixed");
    const stops = spansOf(letters).map((span) => `var(--${span.letter === "." ? "none" : span.letter}) ${(span.from / letters.length) * 100}% ${(span.to / letters.length) * 100}%`);
    cell.style.backgroundImage = `linear-gradient(${stops.join(", ")})`;
  }
  return cell;
}

const cellAt = (row, column) => grid.rows[row] && grid.rows[row].line.cells[column + 1];
const visibleRows = () => grid.rows.map((_, index) => index).filter((index) => !grid.rows[index].line.hidden);

function moveTo(row, column, { focus = true } = {}) {
  const cell = cellAt(row, column);
  if (!cell) return;
  const before = cellAt(...grid.at);
  if (before) before.tabIndex = -1;
  grid.at = [row, column];
  cell.tabIndex = 0;
  if (focus) {
    cell.focus({ preventScroll: true });
    intoView(cell);
  }
}

// The labels stick to the edges, so the browser's own scrolling would leave a cell below them.
function intoView(cell) {
  const box = byId("scroll"), outer = box.getBoundingClientRect(), inner = cell.getBoundingClientRect();
  const label = cell.parentElement.cells[0].getBoundingClientRect().width, head = box.querySelector("thead").getBoundingClientRect().height;
  if (inner.left < outer.left + label) box.scrollLeft -= outer.left + label - inner.left + 4;
  else if (inner.right > outer.right) box.scrollLeft += inner.right - outer.right + 20;
  if (inner.top < outer.top + head) box.scrollTop -= outer.top + head - inner.top + 4;
  else if (inner.bottom > outer.bottom) box.scrollTop += inner.bottom - outer.bottom + 20;
  if (outer.top < 0 || outer.bottom > innerHeight) cell.scrollIntoView({ block: "nearest" });
}

function step(rows, columns) {
  const shown = visibleRows();
  const at = Math.max(0, shown.indexOf(grid.at[0]));
  const row = shown[Math.min(shown.length - 1, Math.max(0, at + rows))];
  moveTo(row, Math.min(grid.days.length - 1, Math.max(0, grid.at[1] + columns)));
}

// The next cell with a gap after this one (or before it), row by row, and then from the other end.
function stepToGap(direction) {
  const shown = visibleRows(), width = grid.days.length, all = shown.length * width;
  const start = Math.max(0, shown.indexOf(grid.at[0])) * width + grid.at[1];
  for (let count = 1; count <= all; count++) {
    const place = (((start + direction * count) % all) + all) % all;
    const row = shown[Math.floor(place / width)], column = place % width;
    if ([...cellAt(row, column).dataset.letters].some(isGap)) return moveTo(row, column);
  }
  announce("No gaps in these rows.");
}

const KEYS = {
  ArrowLeft: () => step(0, -1), ArrowRight: () => step(0, 1), ArrowUp: () => step(-1, 0), ArrowDown: () => step(1, 0),
  Home: () => step(0, -Infinity), End: () => step(0, Infinity), PageUp: () => step(-5, 0), PageDown: () => step(5, 0),
  n: () => stepToGap(1), p: () => stepToGap(-1),
  Enter: () => grid.onOpen(...grid.at), " ": () => grid.onOpen(...grid.at),
};

function listenToGrid() {
  const table = byId("grid");
  table.addEventListener("keydown", (event) => {
    if (event.altKey || event.metaKey || (event.ctrlKey && !["Home", "End"].includes(event.key)) || !event.target.classList.contains("cell")) return;
    const key = KEYS[event.key];
    if (!key) return;
    event.preventDefault();
    if (event.ctrlKey) step(event.key === "Home" ? -Infinity : Infinity, 0);
    key();
  });
  table.addEventListener("click", (event) => {
    const cell = event.target.closest(".cell");
    if (!cell) return;
    moveTo(Number(cell.dataset.row), Number(cell.dataset.column));
    grid.onOpen(...grid.at);
  });
  for (const kind of ["mouseover", "focusin"]) {
    table.addEventListener(kind, (event) => {
      const cell = event.target.closest(".cell");
      grid.onRead(cell ? cell.getAttribute("aria-label") : "");
    });
  }
}

function filterRows({ merchant, dataset, onlyGaps }) {
  for (const { row, line } of grid.rows) {
    line.hidden = Boolean((merchant && row.merchant_id !== merchant) || (dataset && row.dataset !== dataset) || (onlyGaps && !row.gaps.length));
  }
  for (const body of byId("grid").tBodies) body.hidden = ![...body.rows].slice(1).some((line) => !line.hidden);
  const shown = visibleRows();
  if (shown.length && !shown.includes(grid.at[0])) moveTo(shown[0], grid.at[1], { focus: false });
  return shown.length;
}
