// The images of a page of the grid, and what becomes of each: chosen by click, key, and frame.
import { dragOver } from "./drag.js";
import { h, say } from "./dom.js";
import { decisionShown, picture } from "./filters.js";
import { percent } from "./format.js";
import { sharpen } from "./review.js";

const relabel = (label) => ({ decision: "relabel", label });

/** What may become of an image; `pressed` as ARIA has it. */
const STATES = {
  accept: { mark: () => "✓", pressed: "true", verdict: (row) => relabel(row.suggested_label) },
  keep: { mark: () => "keep", pressed: "false", verdict: () => ({ decision: "keep" }) },
  unsure: { mark: () => "?", pressed: "mixed", verdict: () => ({ decision: "unsure" }) },
  other: { mark: (row) => row.decision.label, pressed: "false", verdict: (row) => relabel(row.decision.label) },
  unseen: { mark: () => "not shown", pressed: "false", verdict: () => null },
};

/** How an image begins: as it was decided, else as the page suggests. */
function stateOf(row) {
  const { decision, label } = decisionShown(row) ?? {};
  if (decision === "relabel" && label !== row.suggested_label) return "other";
  return { keep: "keep", unsure: "unsure" }[decision] ?? "accept";
}

/** The verdict on each row of a page that was seen, by the states of its tiles: `[[row, verdict], ...]`. */
export const verdicts = (rows, states) => rows.map((row, index) => [row, STATES[states[index]].verdict(row)]).filter(([, verdict]) => verdict);

/** Tiles in `place`; `changed()` is called when another is chosen. */
export function tileBoard(place, changed) {
  let rows = [];
  let anchor = 0;
  let leftOutAs = "keep";
  let coming = new Set(); // pictures on their way

  const all = () => [...place.children];
  const seen = (elements) => elements.filter((each) => each.dataset.state !== "unseen");
  const states = () => all().map((each) => each.dataset.state);

  function describe() {
    all().forEach((each, index) => {
      const { mark, pressed } = STATES[each.dataset.state];
      say(each.querySelector(".mark"), mark(rows[index]));
      each.setAttribute("aria-pressed", pressed);
    });
    changed();
  }

  function set(elements, state) {
    for (const each of seen(elements)) each.dataset.state = state;
    describe();
  }

  /** Leave all out, or take them in again where all were left out so. */
  const toggle = (elements, state = leftOutAs) => set(elements, seen(elements).every((each) => each.dataset.state === state) ? "accept" : state);

  function arrived(event) {
    sharpen(event);
    coming.delete(event.target);
    describe();
  }

  /** A picture that did not come, asked for twice: nothing is decided about its row. */
  function missed({ target }) {
    if (!target.dataset.again) {
      target.dataset.again = "true";
      target.src = target.src;
      return;
    }
    target.closest(".tile").dataset.state = "unseen";
    coming.delete(target);
    describe();
  }

  function tile(row, index, state) {
    const image = row.pictured
      ? h("img", { src: picture(row.row, 240), alt: row.image, draggable: "false", onload: arrived, onerror: missed })
      : h("span", { class: "note" }, "no image");
    const label = `${row.image ?? `Image ${index + 1}`}, wrong with ${percent(row.p_wrong, 0)}`;
    return h("button", { class: "tile", type: "button", tabindex: "-1", title: row.image, "data-state": state, "aria-label": label },
      image, h("span", { class: "mark" }), h("span", { class: "odds" }, percent(row.p_wrong, 0)));
  }

  place.addEventListener("click", (event) => {
    const clicked = event.target.closest(".tile");
    if (!clicked) return;
    const index = all().indexOf(clicked);
    if (event.shiftKey && seen([all()[anchor]]).length) set(all().slice(Math.min(anchor, index), Math.max(anchor, index) + 1), all()[anchor].dataset.state);
    else toggle([clicked]);
    anchor = index;
  });
  dragOver(place, (elements) => toggle(elements));

  return {
    states,
    /** Whether all pictures have come, or failed to. */
    isShown: () => !coming.size,
    /** Show rows; `chosen` are the states of their tiles where they were chosen before. */
    show(shown, chosen) {
      rows = shown;
      anchor = 0;
      const begins = (row, state) => (state && state !== "unseen" ? state : stateOf(row));
      place.replaceChildren(...rows.map((row, index) => tile(row, index, begins(row, chosen?.[index]))));
      coming = new Set(place.querySelectorAll("img"));
      place.hidden = !rows.length;
      if (!rows.length) return;
      place.firstChild.tabIndex = 0;
      place.firstChild.focus({ preventScroll: true });
      describe();
    },
    /** What is left out is taken in, and the other way round. */
    swap() {
      for (const each of seen(all())) each.dataset.state = each.dataset.state === "accept" ? "keep" : "accept";
      describe();
    },
    /** What becomes of tiles that are left out from now on: `keep` or `unsure`. */
    leaveOutAs(state) { leftOutAs = state; },
    toggleFocused(state) {
      if (place.contains(document.activeElement)) toggle([document.activeElement], state);
    },
    /** Go to the next tile in the direction of an arrow key. */
    move(key) {
      const tiles = all();
      const now = tiles.indexOf(document.activeElement);
      const columns = tiles.filter((each) => each.offsetTop === tiles[0].offsetTop).length;
      const to = now < 0 ? 0 : now + { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
      if (to < 0 || to >= tiles.length) return;
      tiles[Math.max(0, now)].tabIndex = -1;
      tiles[to].tabIndex = 0;
      tiles[to].focus();
    },
  };
}
