// The newest audits, asked for again as long as somebody looks.

import { ask } from "./api.js";
import { h, say } from "./dom.js";
import { about, ago, plural } from "./format.js";
import { called, isOver, look, share, title, word } from "./states.js";

const WHILE_RUNNING = 1500;
const AT_REST = 15_000;
const MORE = 50;
const MOST = 1000;

/** Keep `place` up to date: the `shown` newest, beginning with the answer that came with the page, `newest`; `trouble` says when it can't be. */
export function showAudits(place, trouble, newest, shown) {
  let timer;

  function draw() {
    if (!newest.audits.length) return;
    const focused = place.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    place.replaceChildren(
      h("ul", { class: "audits" }, newest.audits.map(item)),
      ...(newest.next_cursor && shown < MOST ? [h("button", { type: "button", class: "button plain small", onclick: more }, "Show older ones")] : []),
    );
    if (focused) place.querySelector(`a[href="${focused}"]`)?.focus();
  }

  async function more() {
    const before = shown;
    shown = Math.min(shown + MORE, MOST);
    await again();
    place.querySelectorAll("a")[before]?.focus();
  }

  async function again() {
    clearTimeout(timer);
    if (document.hidden) return;
    try {
      const before = JSON.stringify(newest);
      newest = await ask(`/v1/audits?limit=${shown}`);
      if (JSON.stringify(newest) !== before) draw();
      say(trouble, "");
    } catch (error) {
      say(trouble, `This list may be old: ${error.message}`);
    }
    next();
  }

  const next = () => { timer = setTimeout(again, newest.audits.every(isOver) ? AT_REST : WHILE_RUNNING); };
  document.addEventListener("visibilitychange", again);
  draw();
  next();
}

function item(state) {
  const running = !isOver(state);
  const facts = [state.status === "succeeded" && state.total ? plural(state.total, "row") : null, state.model, state.owner === "local" ? null : state.owner, ago(new Date(state.created_at))].filter(Boolean);
  return h("li", {}, h("a", { href: `/audits/${state.id}` },
    h("div", { class: "row apart" }, h("span", { class: "title" }, title(state)), h("span", { class: look(state) }, word(state))),
    running ? h("progress", { class: "thin", max: 1, value: share(state), "aria-label": "Progress" }) : null,
    running && state.phase ? h("span", { class: "note" }, called(state.phase), state.eta_seconds ? `, ${about(state.eta_seconds)} left in this step` : "") : null,
    state.error ? h("span", { class: "note wrong" }, state.error) : null,
    h("span", { class: "note" }, facts.join(" · ")),
  ));
}
