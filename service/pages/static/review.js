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

/** A page of rows, with blind controls among them. */
export function rows(cursor, limit, changed = {}) {
  const { flagged, controls, ...rest } = { ...filters, ...changed };
  const query = new URLSearchParams(Object.entries(rest).filter(([, value]) => value));
  if (flagged === "true") query.set("flagged", "true");
  if (controls !== "off") query.set("controls", "true");
  return ask(`${base}/rows?columns=answers&cursor=${cursor}&limit=${limit}&${query}`);
}

export const picture = (row, size) => `${base}/rows/${row}/image?size=${size}`;

/** Small pictures are enlarged with their pixels in view, not blurred. */
export function sharpen({ target }) {
  target.classList.toggle("small-original", target.naturalWidth < target.clientWidth / 1.5);
}

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

let pending = 0;

/** Look again what the review is worth, a moment after the last call. */
export function refreshTrust(after = 1500) {
  clearTimeout(pending);
  pending = setTimeout(async () => byId("trust-body").replaceChildren(trustFacts(await ask(`${base}/review`))), after);
}

/** Whether a key is meant for the page, and not for a field or together with a modifier. */
export const isCommand = (event) =>
  !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.closest("input:not([type=range]), select, textarea, summary");

function fillFilters() {
  const form = byId("filter-form");
  for (const control of form.elements) if (control.name) control.value = filters[control.name];
  form.addEventListener("change", ({ target }) => {
    if (target.name) location.assign(location.pathname + search({ [target.name]: target.value }));
    else localStorage.setItem("lookalike-author", target.value.trim());
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  const name = byId("f-author");
  if (name) name.value = localStorage.getItem("lookalike-author") ?? "";
  const chosen = ["class", "suggested", "kind", "decision", "flagged", "sort"].filter((each) => filters[each] !== DEFAULTS[each]);
  say(byId("filter-words"), chosen.length ? `Filter and sort (${chosen.length} set)` : "Filter and sort");
  for (const link of ["to-grid", "to-one"]) byId(link).href += search();
}

fillFilters();
refreshTrust(300);
