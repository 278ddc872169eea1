// What both ways to review share: which rows are wanted, who decides, what goes wrong, and what the review is worth.
import { ask } from "./api.js";
import { byId, h, say } from "./dom.js";
import { trustFacts } from "./trust.js";

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

/** A page of rows, with blind controls among them. */
export function rows(cursor, limit, changed = {}) {
  const { flagged, controls, decision, ...rest } = { ...filters, ...changed };
  const query = new URLSearchParams(Object.entries(rest).filter(([, value]) => value));
  if (isSecondLook) {
    for (const [name, value] of Object.entries({ second_look: true, ...author() })) query.set(name, value);
  } else {
    if (decision) query.set("decision", decision);
    if (flagged === "true") query.set("flagged", "true");
    if (controls !== "off") query.set("controls", "true");
  }
  return ask(`${base}/rows?columns=answers&cursor=${cursor}&limit=${limit}&${query}`);
}

export const picture = (row, size) => `${base}/rows/${row}/image?size=${size}`;

/** Small pictures are enlarged with their pixels in view, not blurred. */
export function sharpen({ target }) {
  target.classList.toggle("small-original", target.naturalWidth < target.clientWidth / 1.5);
}

/** What was decided about a row, as far as the one who judges it may know. */
export const decisionShown = (row) => (isSecondLook ? null : row.decision);

/** `{author}` where the person gave a name, else nothing: with keys the service knows who it is. */
export function author() {
  const name = about.named ? "" : localStorage.getItem("lookalike-author");
  return name ? { author: name } : {};
}

/** Show a message with things to do about it; each closes it. */
export function message(kind, text, ...actions) {
  const banner = h("div", { class: `banner ${kind} row apart` }, h("span", {}, text));
  const buttons = [...actions, ["Close", () => {}]].map(([name, act]) =>
    h("button", { class: "button small", type: "button", onclick: () => { banner.remove(); act(); } }, name));
  banner.append(h("span", { class: "row" }, buttons));
  byId("messages").append(banner);
}

const secondLook = location.pathname + "?decision=second";
let pending = 0;

/** Look again what the review is worth, a moment after the last call. */
export function refreshTrust(after = 1500) {
  clearTimeout(pending);
  const look = async () => byId("trust-body").replaceChildren(trustFacts(await ask(`${base}/review`), secondLook));
  pending = setTimeout(() => look().catch(() => {}), after); // what stands there may stay
}

const LETTERS = "lookalike-letters"; // whether keys of one letter do something: speech input presses them unasked

/** The key that is meant for the page, letters small; null where it is a field's, has a modifier, or letters are off. */
export function command(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  if (event.target.closest("input:not([type=range]), select, textarea, summary")) return null;
  if (event.key.length > 1) return event.key;
  return localStorage.getItem(LETTERS) === "off" ? null : event.key.toLowerCase();
}

/** Say that nothing is left, and what to do now. */
export function nothingLeft() {
  const words = isSecondLook
    ? about.named || author().author
      ? "One in ten of the labels that others decided about comes here. There is none that you have not judged."
      : "Say who you are, under “Filter and sort”: what comes here are labels that others decided about."
    : "Export the labels as you reviewed them, or look at all rows with the filter above.";
  byId("empty").replaceChildren(
    h("strong", {}, "Nothing is left here"), h("p", {}, words),
    h("p", {}, h("a", { class: "button", href: `${base}/export?labels=reviewed&format=csv` }, "Export the reviewed labels")));
  byId("empty").hidden = false;
}

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
    else {
      localStorage.setItem("lookalike-author", target.value.trim());
      if (isSecondLook) location.reload(); // what others decided is what is not one's own
    }
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  const name = byId("f-author");
  if (name) name.value = localStorage.getItem("lookalike-author") ?? "";
  byId("f-letters").checked = localStorage.getItem(LETTERS) !== "off";
  for (const link of ["to-grid", "to-one"]) byId(link).href += search();
}

if (isSecondLook) say(byId("title"), "A second look");
fillClasses();
showFilters();
listen();
refreshTrust(300);
