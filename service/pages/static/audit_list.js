// All audits, newest first, asked for again as long as somebody looks.

import { ask } from "./api.js";
import { h, say } from "./dom.js";
import { about, ago } from "./format.js";
import { isOver, look, share, title, word } from "./states.js";

const WHILE_RUNNING = 1500;
const AT_REST = 15_000;
const SHOWN = 12;

/** Keep `place` up to date, beginning with what the page came with; `trouble` says when it can't be. */
export function showAudits(place, trouble, states) {
  let all = false;
  let timer;

  function draw() {
    if (!states.length) return;
    const newest = [...states].reverse();
    const focused = place.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    place.replaceChildren(
      h("ul", { class: "audits" }, (all ? newest : newest.slice(0, SHOWN)).map(item)),
      ...(all || newest.length <= SHOWN ? [] : [h("button", { type: "button", class: "button plain small", onclick: more }, `All ${newest.length}`)]),
    );
    if (focused) place.querySelector(`a[href="${focused}"]`)?.focus();
  }

  function more() {
    all = true;
    draw();
    place.querySelectorAll("a")[SHOWN].focus();
  }

  async function again() {
    clearTimeout(timer);
    if (document.hidden) return;
    try {
      const before = JSON.stringify(states);
      states = (await ask("/v1/audits")).audits;
      if (JSON.stringify(states) !== before) draw();
      say(trouble, "");
    } catch (error) {
      say(trouble, `This list may be old: ${error.message}`);
    }
    next();
  }

  const next = () => { timer = setTimeout(again, states.every(isOver) ? AT_REST : WHILE_RUNNING); };
  document.addEventListener("visibilitychange", again);
  draw();
  next();
}

function item(state) {
  const running = !isOver(state);
  const facts = [state.model, state.owner === "local" ? null : state.owner, ago(new Date(state.created_at))].filter(Boolean);
  return h("li", {}, h("a", { href: `/audits/${state.id}` },
    h("div", { class: "row apart" }, h("span", { class: "title" }, title(state)), h("span", { class: look(state) }, word(state))),
    running ? h("progress", { class: "thin", max: 1, value: share(state), "aria-label": "Progress" }) : null,
    running && state.phase ? h("span", { class: "note" }, state.phase, state.eta_seconds ? `, ${about(state.eta_seconds)} left in this step` : "") : null,
    state.error ? h("span", { class: "note wrong" }, state.error) : null,
    h("span", { class: "note" }, facts.join(" · ")),
  ));
}
