// The detail of a day: its hours in words, its gaps and how to fill them, and its rejected records.

const detail = { shown: null };

// In rows that are fetched by date, days are those of the row's time zone.
const touches = (row, part, day) => localDay(Date.parse(part.from), row.timezone) <= day && day <= localDay(Date.parse(part.to) - 1, row.timezone);

function openDetail(row, day) {
  showDetail(row.merchant_id, row.dataset, day);
  byId("detail").hidden = false;
  document.body.classList.add("with-detail");
  byId("detail").focus({ preventScroll: true });
  intoView(cellAt(...grid.at));
}

// Also called after a run has filled a gap, when the report is a new one; so the row is looked up by name.
function showDetail(merchantId, dataset, day) {
  detail.shown = [merchantId, dataset, day];
  const row = page.report.rows.find((one) => one.merchant_id === merchantId && one.dataset === dataset);
  if (!row) return closeDetail();
  const letters = row.days[day] || ".";
  const gaps = row.gaps.filter((gap) => touches(row, gap, day));
  const rejected = row.rejected.filter((part) => touches(row, part, day));
  const zone = row.step === "day" && row.timezone !== "UTC" ? `, days of ${row.timezone}` : "";
  const held = byId("detail").contains(document.activeElement);
  byId("detail").replaceChildren(
    make("header", {}, make("h2", { id: "detail-title" }, longDay(day), make("small", {}, `${row.title} · ${merchantOf(row)}${zone}`)),
      make("button", { type: "button", "aria-label": "Close", onclick: closeDetail }, "×")),
    strip(letters),
    make("ul", { class: "hours" }, ...hourLines(letters)),
    ...section(counted(gaps.length, "gap", "gaps"), gaps.map((gap) => gapCard(row, gap))),
    ...section("Rejected records", rejected.map(rejectedCard)),
    make("p", { class: "soft" }, `zDirect keeps ${row.dataset}: ${row.retention}. Merchant ${row.merchant_id}.`));
  if (held) byId("detail").focus({ preventScroll: true });
}

function closeDetail() {
  if (byId("detail").hidden) return;
  byId("detail").hidden = true;
  document.body.classList.remove("with-detail");
  moveTo(...grid.at);
}

function strip(letters) {
  if (letters.length === 1) return "";
  return make("div", { class: "strip", "aria-hidden": "true" }, ...[...letters].map((letter, hour) => {
    const sign = statusOf(letter).sign;
    return make("span", { class: `key s-${letter === "." ? "none" : letter}`, title: `${clock(hour)} ${statusOf(letter).name}` }, make("i", {}, sign), make("em", {}, hour % 6 ? "" : String(hour)));
  }));
}

function hourLines(letters) {
  if (letters.length === 1) return [make("li", {}, "The whole day: ", badgeOf(letters))];
  return spansOf(letters).map((span) => make("li", {}, make("span", { class: "time" }, `${clock(span.from)} to ${clock(span.to)}`), badgeOf(span.letter)));
}

const badgeOf = (letter) => (letter === "." ? make("span", { class: "soft" }, NOT_EXPECTED.name) : badge(letter));
const section = (title, cards) => (cards.length ? [make("h3", {}, title), ...cards] : []);

function gapCard(row, gap) {
  return make("div", { class: gap.urgent ? "card urgent" : "card" },
    make("p", {}, badge(GAP_LETTERS[gap.status]), " ", make("strong", {}, windowWords(gap)), ` · ${lengthWords(gap)}`),
    make("p", { class: gap.urgent ? "left urgent" : "left" }, daysLeftWords(gap)),
    gap.started ? make("p", { class: "soft" }, "A task has begun to fetch this window and has not published it.") : null,
    gap.fill ? make("pre", { tabindex: "0" }, gap.fill.command) : null,
    make("p", { class: "fill" }, ...fillers(row, gap)));
}

function rejectedCard(part) {
  return make("div", { class: "card" },
    make("p", {}, make("strong", {}, counted(part.records, "record", "records")), ` rejected in ${windowWords(part)}`),
    ...(part.uri ? [make("p", { class: "soft" }, "They are kept, with the reasons, in:"), make("pre", { tabindex: "0" }, part.uri)] : []));
}
