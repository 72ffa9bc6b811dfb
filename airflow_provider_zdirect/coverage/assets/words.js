// The statuses, and the words for times, merchants and gaps.

// Worst first, as in the report: letter, name, sign (a shape beside the colour), and what it means.
const STATUSES = [
  { letter: "X", name: "lost", sign: "×", about: "missing, and zDirect has deleted it" },
  { letter: "M", name: "missing", sign: "!", about: "not fetched, or not completely" },
  { letter: "E", name: "empty, not certain", sign: "?", about: "an empty report that may still be filled" },
  { letter: "R", name: "landed with rejected records", sign: "r", about: "some records could not be read" },
  { letter: "F", name: "fetched again", sign: "+", about: "landed, and fetched a second time" },
  { letter: "L", name: "landed", sign: "", about: "complete" },
  { letter: "P", name: "not due yet", sign: "·", about: "the window has only just ended" },
];
const BY_LETTER = Object.fromEntries(STATUSES.map((status) => [status.letter, status]));
const NOT_EXPECTED = { letter: ".", name: "not expected", sign: "" };
const GAP_LETTERS = { lost: "X", missing: "M", uncertain: "E" };
const HOUR = 3600000, DAY = 24 * HOUR;

const byId = (id) => document.getElementById(id);
const statusOf = (letter) => BY_LETTER[letter] || NOT_EXPECTED;
const isGap = (letter) => letter === "X" || letter === "M" || letter === "E";
const worstOf = (letters) => (STATUSES.find((status) => letters.includes(status.letter)) || NOT_EXPECTED).letter;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const merchantOf = (row) => row.merchant || row.merchant_id;
const counted = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

// "2026-11-20" as a moment; days are those of UTC.
const dayStart = (day) => Date.parse(`${day}T00:00:00Z`);
const dayText = (moment) => new Date(moment).toISOString().slice(0, 10);
const DAY_FORMAT = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const longDay = (day) => DAY_FORMAT.format(dayStart(day)).replace(",", "");
const localDay = (moment, timeZone) => new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" }).format(moment);
const instantText = (iso) => new Date(iso).toISOString().slice(0, 16).replace("T", " ");
const clock = (hour) => `${String(hour).padStart(2, "0")}:00`;

function daysBetween(from, to) {
  const days = [];
  for (let at = dayStart(from); at < dayStart(to); at += DAY) days.push(dayText(at));
  return days;
}

// Letters of a day as spans of the same status: [{letter, from: 6, to: 8}].
function spansOf(letters) {
  const spans = [];
  [...letters].forEach((letter, hour) => {
    const last = spans[spans.length - 1];
    if (last && last.letter === letter) last.to = hour + 1;
    else spans.push({ letter, from: hour, to: hour + 1 });
  });
  return spans;
}

// "missing 06:00 to 08:00, the rest landed", for the cell and its label.
function cellWords(letters) {
  if (!letters) return NOT_EXPECTED.name;
  const spans = spansOf(letters).filter((span) => span.letter !== ".");
  if (!spans.length) return NOT_EXPECTED.name;
  if (letters.length === 1 || new Set(letters).size === 1) return statusOf(letters[0]).name;
  const quiet = spans.some((span) => span.letter === "L") ? "L" : null;
  const named = spans.filter((span) => span.letter !== quiet).map((span) => `${statusOf(span.letter).name} ${clock(span.from)} to ${clock(span.to)}`);
  return [...named, ...(quiet ? [named.length ? "the rest landed" : "landed"] : [])].join(", ");
}

function daysLeftWords(gap) {
  if (gap.status === "lost") return "deleted at zDirect";
  if (gap.days_left === null) return "kept without a limit";
  if (gap.days_left < 1) return "less than a day left";
  return `${counted(gap.days_left, "day", "days")} left`;
}

const gapKey = (row, gap) => [row.merchant_id, row.dataset, gap.from, gap.to].join("|");

// A window in words: whole days without clock times.
function windowWords(gap) {
  const [from, to] = [instantText(gap.from), instantText(gap.to)];
  if (from.endsWith("00:00") && to.endsWith("00:00")) {
    const last = dayText(Date.parse(gap.to) - DAY);
    return from.slice(0, 10) === last ? last : `${from.slice(0, 10)} to ${last}`;
  }
  return from.slice(0, 10) === to.slice(0, 10) ? `${from} to ${to.slice(11)}` : `${from} to ${to}`;
}

function lengthWords(gap) {
  const hours = (Date.parse(gap.to) - Date.parse(gap.from)) / HOUR;
  if (hours >= 24) return counted(Math.round((hours / 24) * 10) / 10, "day", "days");
  return hours >= 1 ? counted(Math.round(hours * 10) / 10, "hour", "hours") : counted(Math.round(hours * 60), "minute", "minutes");
}

function announce(text) {
  byId("live").textContent = text;
}
