// An audit while it runs: told by events, asked for where they fail to come, until there is a report to show.

import { ask } from "./api.js";
import { byId, h, say } from "./dom.js";
import { about, ago, count, rounded } from "./format.js";
import { PHASES, called, isOver, look, share, title, word } from "./states.js";

const SILENCE = 10_000;
const RETRY = 2000;

let audit = JSON.parse(byId("audit").textContent);
const path = `/v1/audits/${audit.id}`;
let source = null;
let heard = Date.now();

say(byId("created"), ago(new Date(audit.created_at)));
byId("phases").append(...PHASES.map((phase) => h("li", {}, called(phase))));
byId("cancel").addEventListener("click", cancel);
byId("remove").addEventListener("click", () => byId("sure").showModal());
byId("sure").addEventListener("close", remove);
show(audit);
if (!isOver(audit)) {
  listen();
  setInterval(lookAgain, RETRY);
  addEventListener("online", lookAgain);
}

function show(state) {
  audit = state;
  heard = Date.now();
  lost("");
  if (state.status === "succeeded" || (isOver(state) && "answered" in byId("ended").dataset)) return location.reload();
  say(byId("word"), word(state));
  byId("word").className = look(state);
  byId("work").hidden = isOver(state);
  byId("ended").hidden = !isOver(state);
  if (isOver(state)) return showEnd(state);
  const phase = state.phase ? called(state.phase)[0].toUpperCase() + called(state.phase).slice(1) : "Waiting for its turn";
  const part = share(state);
  if (byId("now").textContent !== phase) say(byId("aloud"), phase);
  say(byId("now"), phase);
  say(byId("share"), state.status === "queued" ? "" : `${Math.floor(part * 100)} %`);
  byId("facts").hidden = state.status === "queued";
  if (state.status === "queued") byId("bar").removeAttribute("value");
  else byId("bar").value = part;
  const images = state.phase === "looking at images";
  say(byId("done-what"), images ? "Images" : "Rows");
  say(byId("rate-what"), images ? "Images a second" : "Rows a second");
  say(byId("done"), state.total ? `${count(state.done)} of ${count(state.total)}` : "–");
  say(byId("rate"), state.rows_per_second ? rounded(state.rows_per_second) : "–");
  say(byId("left"), state.eta_seconds === null ? "–" : about(state.eta_seconds));
  [...byId("phases").children].forEach((item, i) => {
    const at = PHASES.indexOf(state.phase);
    item.classList.toggle("done", i < at);
    if (i === at) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  });
  document.title = `${state.status === "queued" ? word(state) : `${Math.floor(part * 100)} %`} – ${title(state)}`;
}

function showEnd(state) {
  source?.close();
  document.title = `${word(state)} – ${title(state)}`;
  byId("verdict").className = state.status === "failed" ? "banner bad" : "banner";
  byId("verdict").replaceChildren(
    h("strong", {}, state.status === "failed" ? "This can't be audited as it is" : "This audit was cancelled"),
    h("span", {}, state.status === "failed" ? sentence(state.error) : "Nothing came of it. Its upload is kept until it is removed."),
  );
  say(byId("aloud"), word(state));
}

/** A message with a capital letter in front, but for one that begins with a file's name. */
function sentence(message) {
  return /^[^\s:]*\.\w/.test(message) ? message : message[0].toUpperCase() + message.slice(1);
}

/** Take events; a browser comes back by itself after a broken connection, but not after an error from a proxy. */
function listen() {
  source?.close();
  source = new EventSource(`${path}/events`);
  source.addEventListener("state", ({ data }) => show(JSON.parse(data)));
}

/** After a silence ask: events may have got lost, or the connection, without anybody having said so. */
async function lookAgain() {
  if (isOver(audit) || (Date.now() - heard < SILENCE && source.readyState === EventSource.OPEN)) return;
  try {
    show(await ask(path));
    if (source.readyState === EventSource.CLOSED && !isOver(audit)) listen();
  } catch (error) {
    if (error.code === "audit_not_found") gone();
    else lost("The connection is lost. The work goes on; this page comes back by itself.");
  }
}

function lost(text) {
  byId("connection").hidden = !text;
  say(byId("connection"), text);
}

function gone() {
  source.close();
  audit = { ...audit, status: "cancelled" };
  byId("work").hidden = true;
  lost("This audit has been removed.");
}

async function cancel() {
  byId("cancel").disabled = true;
  say(byId("cancel"), "Cancelling…");
  try {
    show(await ask(`${path}/cancel`, { method: "POST" }));
  } catch (error) {
    lost(error.message);
    byId("cancel").disabled = false;
    say(byId("cancel"), "Cancel");
  }
}

async function remove() {
  if (byId("sure").returnValue !== "remove") return;
  try {
    await ask(path, { method: "DELETE" });
    location.assign("/");
  } catch (error) {
    lost(error.message);
  }
}
