// Which rows a review is about, and who judges them: as the address and the form say.
import { ask } from "./api.js";
import { byId, h, say } from "./dom.js";

export const about = JSON.parse(byId("about").textContent);
export const base = `/v1/audits/${about.audit}`;

const DEFAULTS = { class: "", suggested: "", kind: "", decision: "none", flagged: "true", sort: "log_odds", top: "", controls: "on" };
const asked = new URLSearchParams(location.search);
export const filters = Object.fromEntries(Object.entries(DEFAULTS).map(([name, usual]) => [name, asked.get(name) ?? usual]));

/** The filters as an address has them: what differs from the default. */
export function search(changed = {}) {
  const query = new URLSearchParams(Object.entries({ ...filters, ...changed }).filter(([name, value]) => value !== DEFAULTS[name]));
  return query.size ? `?${query}` : "";
}

/** Whether rows are judged that others have decided about, without being told how. */
export const isSecondLook = filters.decision === "second";

/** Whether blind controls are among the rows. */
export const withControls = !isSecondLook && filters.controls !== "off";

/** A page of rows, with blind controls among them. */
export function rows(cursor, limit, changed = {}) {
  const { flagged, controls: _, decision, ...rest } = { ...filters, ...changed };
  const query = new URLSearchParams(Object.entries(rest).filter(([, value]) => value));
  if (isSecondLook) {
    for (const [name, value] of Object.entries({ second_look: true, ...author() })) query.set(name, value);
  } else {
    if (decision) query.set("decision", decision);
    if (flagged === "true") query.set("flagged", "true");
    if (flagged === "unjudged") query.set("judged", "false");
    if (withControls) query.set("controls", "true");
  }
  return ask(`${base}/rows?columns=answers&cursor=${cursor}&limit=${limit}&${query}`);
}

export const picture = (row, size) => `${base}/rows/${row}/image?size=${size}`;

/** What was decided about a row, as far as the one who judges it may know. */
export const decisionShown = (row) => (isSecondLook ? null : row.decision);

/** `{author}` where the person gave a name, else nothing: with keys the service knows who it is. */
export function author() {
  const name = about.named ? "" : localStorage.getItem("lookalike-author");
  return name ? { author: name } : {};
}

/** Decide under a name from now on. */
export function callOneself(name) {
  localStorage.setItem("lookalike-author", name.trim());
  if (isSecondLook) location.reload(); // what others decided is what is not one's own
}

const LETTERS = "lookalike-letters";

/** Whether keys of one letter do something: speech input presses them unasked. */
export const lettersAreKeys = () => localStorage.getItem(LETTERS) !== "off";

const differing = (names) => names.filter((name) => filters[name] !== DEFAULTS[name]);

/** Whether rows that are left to review may be hidden. */
export const isFiltered = () => differing(["class", "suggested", "kind", "decision", "top"]).length > 0;

/** Fill in the classes, which stand in the page once: there may be a thousand. */
function fillClasses() {
  const options = () => about.classes.map((each) => h("option", {}, each));
  for (const id of ["f-class", "f-suggested", "classes"]) byId(id)?.append(...options());
}

/** Show in the form what the filters are. */
export function showFilters() {
  for (const control of byId("filter-form").elements) if (control.name) control.value = filters[control.name];
  const set = differing(["class", "suggested", "kind", "decision", "flagged", "sort"]).length;
  say(byId("filter-words"), set ? `Filter and sort (${set} set)` : "Filter and sort");
}

function listen() {
  const form = byId("filter-form");
  form.addEventListener("change", ({ target }) => {
    if (target.name) location.assign(location.pathname + search({ [target.name]: target.value }));
    else if (target.id === "f-letters") localStorage.setItem(LETTERS, target.checked ? "on" : "off");
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  const name = byId("f-author");
  if (name) {
    name.value = localStorage.getItem("lookalike-author") ?? "";
    name.addEventListener("change", () => callOneself(name.value));
  }
  byId("f-letters").checked = lettersAreKeys();
  for (const link of ["to-grid", "to-one"]) byId(link).href += search();
}

fillClasses();
showFilters();
listen();
