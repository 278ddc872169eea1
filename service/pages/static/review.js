// What both ways to review show and do: messages, keys, what the review is worth, and that nothing is left of it.
import { ask } from "./api.js";
import { byId, h, say } from "./dom.js";
import { about, author, base, callOneself, isSecondLook, lettersAreKeys } from "./filters.js";
import { trustFacts } from "./trust.js";

/** Small pictures are enlarged with their pixels in view, not blurred. */
export function sharpen({ target }) {
  target.classList.toggle("small-original", target.naturalWidth < target.clientWidth / 1.5);
}

/** Show a message with things to do about it; each closes it. */
export function message(kind, text, ...actions) {
  const banner = h("div", { class: `banner ${kind} row apart` }, h("span", {}, text));
  const buttons = [...actions, ["Close", () => {}]].map(([name, act]) =>
    h("button", { class: "button small", type: "button", onclick: () => { banner.remove(); act(); } }, name));
  banner.append(h("span", { class: "row" }, buttons));
  byId("messages").append(banner);
}

const secondLook = `${location.pathname}?decision=second`;
let pending = 0;

/** Look again what the review is worth, a moment after the last call. */
export function refreshTrust(after = 1500) {
  clearTimeout(pending);
  const look = async () => {
    const trust = await ask(`${base}/review`);
    byId("trust-body").replaceChildren(trustFacts(trust, secondLook, trust.judged));
  };
  pending = setTimeout(() => look().catch(() => {}), after); // what stands there may stay
}

/** The key that is meant for the page, letters small; null where it is a field's, has a modifier, or letters are off. */
export function command(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  if (event.target.closest("input:not([type=range]), select, textarea, summary")) return null;
  if (event.key.length > 1) return event.key;
  return lettersAreKeys() ? event.key.toLowerCase() : null;
}

function whatNow() {
  if (!isSecondLook) return "Export the labels as you reviewed them, or look at all rows with the filter above.";
  return "One in ten of the labels that others decided about comes here. There is none that you have not judged.";
}

/** Ask for the name without which there are no others. */
function whoAreYou() {
  const name = h("input", { id: "who", maxlength: 100, autocomplete: "name", required: true });
  const form = h("form", { class: "row who" }, h("label", { for: "who" }, "Your name"), name, h("button", { class: "button primary" }, "Begin"));
  form.addEventListener("submit", (event) => { event.preventDefault(); callOneself(name.value); });
  byId("empty").replaceChildren(h("strong", {}, "Who are you?"), h("p", {}, "What comes here are labels that others decided about."), form);
  byId("empty").hidden = false;
}

/** Say that nothing is left, and what to do now. */
export function nothingLeft() {
  if (isSecondLook && !about.named && !author().author) return whoAreYou();
  byId("empty").replaceChildren(
    h("strong", {}, "Nothing is left here"), h("p", {}, whatNow()),
    h("p", {}, h("a", { class: "button", href: `${base}/export?labels=reviewed&format=csv` }, "Export the reviewed labels")));
  byId("empty").hidden = false;
}

if (isSecondLook) say(byId("title"), "A second look");
refreshTrust(300);
