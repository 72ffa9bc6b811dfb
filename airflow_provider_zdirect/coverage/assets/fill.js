// Inside Airflow: fetches the report, and fills a gap with a run of its DAG. Every request uses the user's session and Airflow's
// REST API, which decides what the user may do.

const POLL_SECONDS = 2;
const RUN_WORDS = { queued: "The run is queued.", running: "The run is running.", success: "The run has succeeded.", failed: "The run has failed." };
const DONE = new Set(["success", "failed"]);
const fill = { live: null, mayFill: false, runs: new Map(), reload: async () => {} };

async function ask(url, options = {}) {
  const headers = { Accept: "application/json", ...(options.body ? { "Content-Type": "application/json" } : {}) };
  const send = (more) => fetch(url, { ...options, headers: { ...headers, ...more }, credentials: "same-origin", cache: "no-store" });
  let answer = await send({});
  // The session is in a cookie that scripts cannot read; in the first releases of Airflow 3.1 it is in the local storage.
  const token = localStorage.getItem("token");
  if (answer.status === 401 && token) answer = await send({ Authorization: `Bearer ${token}` });
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) return body;
  const why = typeof body.detail === "string" ? body.detail : JSON.stringify(body.detail || answer.statusText);
  throw Object.assign(new Error(why), { status: answer.status });
}

function refusal(error) {
  if (error.status === 401) return "Your session has ended. Log in to Airflow, then open this page again.";
  if (error.status === 403) return "Your Airflow user is not allowed to do this. You need permission to trigger the DAG, and to edit it if it is paused.";
  return `Airflow answered: ${error.message}`;
}

function fillButtons(row, gap) {
  const run = fill.runs.get(gapKey(row, gap));
  if (run) return [make("span", { class: `run ${run.state}` }, run.text, " "), run.id ? runLink(run) : ""];
  if (!fill.mayFill) return [];
  return [make("button", { type: "button", class: "primary", "aria-label": `Fill ${row.dataset} ${windowWords(gap)} of ${merchantOf(row)}`, onclick: () => confirmFill(row, gap) }, "Fill this gap")];
}

function runLink(run) {
  const href = `${fill.live.ui}/dags/${encodeURIComponent(run.dag)}/runs/${encodeURIComponent(run.id)}`;
  return make("a", { href, onclick: (event) => openInAirflow(event, href) }, "Open the run");
}

// Airflow shows this page in a frame, which may not navigate the window around it; a link in that window may.
function openInAirflow(event, href) {
  if (window.parent === window || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const link = window.parent.document.createElement("a");
  link.href = href;
  link.click();
}

async function confirmFill(row, gap) {
  const { dag_id: dag } = gap.fill;
  let paused;
  try {
    paused = (await ask(`${fill.live.api}/dags/${dag}`)).is_paused;
  } catch (error) {
    return showNotice(error.status === 404 ? `The DAG ${dag} is not in this Airflow. Add the provider's example DAG, or fetch the window with ZDirectExtractOperator.` : refusal(error));
  }
  const dialog = byId("confirm");
  dialog.replaceChildren(
    make("h2", { id: "confirm-title" }, "Fill this gap?"),
    make("p", {}, `A run of ${dag} fetches ${row.dataset} of ${merchantOf(row)}, ${windowWords(gap)} (UTC). What has landed already is not doubled.`),
    paused ? make("p", { class: "paused" }, `${dag} is paused. Filling unpauses it, as Airflow does when you trigger a DAG; its scheduled runs fetch nothing.`) : "",
    make("form", { method: "dialog" },
      make("button", { value: "cancel" }, "Cancel"),
      make("button", { value: "fill", class: "primary" }, paused ? "Unpause and fill" : "Fill")));
  dialog.returnValue = "";
  dialog.onclose = () => (dialog.returnValue === "fill" ? startRun(row, gap, paused) : undefined);
  dialog.showModal();
}

async function startRun(row, gap, paused) {
  const { dag_id: dag, conf } = gap.fill;
  const key = gapKey(row, gap), run = { dag, id: null, state: "queued", text: "Starting a run" };
  fill.runs.set(key, run);
  drawGaps();
  try {
    if (paused) await ask(`${fill.live.api}/dags/${dag}`, { method: "PATCH", body: JSON.stringify({ is_paused: false }) });
    const made = await ask(`${fill.live.api}/dags/${dag}/dagRuns`, { method: "POST", body: JSON.stringify({ logical_date: null, conf, note: "Fills a gap that the coverage page showed." }) });
    run.id = made.dag_run_id;
    show(run, made);
    await follow(run);
  } catch (error) {
    // Once it is created, the run continues, even if its state cannot be read.
    if (run.id) run.text = "The state of the run cannot be read.";
    else fill.runs.delete(key);
    drawGaps();
    return showNotice(refusal(error));
  }
  if (run.state !== "success") return;
  await fill.reload(run.ended);
  showFilled(row, gap, run);
}

// A successful run is no proof: what has landed since decides.
function showFilled(row, gap, run) {
  const left = page.report.rows.find((one) => one.merchant_id === row.merchant_id && one.dataset === row.dataset);
  const filled = !left || !left.gaps.some((other) => Date.parse(other.from) < Date.parse(gap.to) && Date.parse(other.to) > Date.parse(gap.from));
  const what = `${row.dataset} of ${merchantOf(row)}, ${windowWords(gap)},`;
  byId("filled").replaceChildren(filled ? `${what} is filled. ` : `The run has succeeded, but ${what} is still not complete. `, runLink(run));
  byId("filled").hidden = false;
}

// Until the run has ended. If Airflow does not answer, this tries again; if it refuses, it fails.
async function follow(run) {
  while (!DONE.has(run.state)) {
    await new Promise((resume) => setTimeout(resume, POLL_SECONDS * 1000));
    try {
      const found = await ask(`${fill.live.api}/dags/${run.dag}/dagRuns/${encodeURIComponent(run.id)}`);
      if (found.state !== run.state) show(run, found);
    } catch (error) {
      if (error.status && error.status < 500) throw error;
    }
  }
}

function show(run, { state, end_date: ended }) {
  Object.assign(run, { state, ended, text: RUN_WORDS[state] || `The run is ${state}.` });
  announce(run.text);
  drawGaps();
}

function showNotice(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
}
