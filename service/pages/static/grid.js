// The grid: one directed pair at a time, the largest first; accept the suggestion for all except some.
import { ask } from "./api.js";
import { decide, remember, settled, takeBack } from "./decisions.js";
import { byId, h, say } from "./dom.js";
import { count, percent, plural } from "./format.js";
import { dragOver } from "./drag.js";
import { base, command, filters, isFiltered, message, nothingLeft, picture, rows, search, sharpen, showFilters } from "./review.js";

const LIMIT = 48;
const tiles = byId("tiles");
let pairs = [];
let at = 0;
const NONE = { rows: [], next_cursor: null };
let page = NONE;
let ahead = null; // the page after it, on its way; null in the end where it did not come
let turns = 0; // how often other rows were asked for
let anchor = 0;
let leaveOut = "keep"; // what becomes of a tile that is clicked, or in the frame

const STATES = {
  accept: { mark: "", verdict: (row) => ({ decision: "relabel", label: row.suggested_label }) },
  keep: { mark: "keep", verdict: () => ({ decision: "keep" }) },
  unsure: { mark: "unsure", verdict: () => ({ decision: "unsure" }) },
};
const ofDecision = { keep: "keep", unsure: "unsure" };

const pairFilter = () => ({ class: pairs[at].given_label, suggested: pairs[at].suggested_label });
const load = async (cursor) => {
  const found = await rows(cursor, LIMIT, pairFilter());
  for (const row of found.rows) if (row.pictured) new Image().src = picture(row.row, 240);
  return found;
};

const fromService = async () => (await ask(`${base}/pairs${filters.top ? `?top=${filters.top}` : ""}`)).pairs;

/** A pair in the address is where to begin among all; one of its two classes alone is a filter. */
async function start() {
  pairs = await fromService();
  const fits = (pair) => (!filters.class || pair.given_label === filters.class) && (!filters.suggested || pair.suggested_label === filters.suggested);
  let begin = -1;
  if (filters.class && filters.suggested) {
    if (!pairs.some(fits)) pairs.push({ given_label: filters.class, suggested_label: filters.suggested, rows: 0, undecided: 0, expected_wrong: 0 });
    begin = pairs.findIndex(fits);
    filters.class = filters.suggested = "";
    showFilters();
  } else pairs = pairs.filter(fits);
  byId("pair").replaceChildren(...pairs.map((pair, index) => h("option", { value: index }, "")));
  renamePairs();
  if (!pairs.length) return nothing("No label is flagged here.");
  if (begin < 0 && filters.decision === "none") begin = pairs.findIndex((pair) => pair.undecided);
  await show(Math.max(0, begin));
}

/** How many are left of each pair, as the service counts them: blind controls are none of them. */
async function recount() {
  const found = new Map((await fromService()).map((pair) => [JSON.stringify([pair.given_label, pair.suggested_label]), pair]));
  for (const pair of pairs) pair.undecided = found.get(JSON.stringify([pair.given_label, pair.suggested_label]))?.undecided ?? 0;
  renamePairs();
}

function renamePairs() {
  pairs.forEach((pair, index) => {
    const left = pair.undecided ? `${count(pair.undecided)} left` : "done";
    say(byId("pair").options[index], `${pair.given_label} → ${pair.suggested_label} · ${left}`);
  });
}

/** Draw rows once they are here, unless others were asked for meanwhile; until then nothing can be accepted. */
async function turnTo(coming) {
  const turn = ++turns;
  byId("accept").disabled = true;
  try {
    const found = await coming();
    if (turn !== turns) return;
    if (found.rows.length) draw(found);
    else await next(turn);
  } catch (error) {
    if (turn === turns) message("bad", error.message, ["Try again", () => turnTo(coming)]);
  }
}

/** Be at a pair: in the list, and in the address, unless that says which pairs there are. */
function place(index) {
  at = index;
  byId("pair").value = at;
  if (!filters.class && !filters.suggested) history.replaceState(null, "", location.pathname + search(pairFilter()));
  byId("to-one").href = `${location.pathname}/one${search(pairFilter())}`;
}

function show(index) {
  place(index);
  return turnTo(async () => {
    const found = await load("0");
    pairs[index].hidden = !found.rows.length;
    return found;
  });
}

/** Draw a page; `states` are those of its tiles where they were chosen before. */
function draw(found, states = []) {
  page = found;
  ahead = page.next_cursor ? load(page.next_cursor).catch(() => null) : null;
  const pair = pairs[at];
  const wrong = page.rows.reduce((sum, row) => sum + row.p_wrong, 0);
  byId("pair-words").replaceChildren(
    "Labelled ", h("b", {}, pair.given_label), ". Are they ", h("b", { class: "suggested" }, pair.suggested_label),
    `? About ${percent(wrong / page.rows.length, 0)} of these ${count(page.rows.length)} should be.`);
  tiles.replaceChildren(...page.rows.map((row, index) => tile(row, index, states[index])));
  tiles.setAttribute("aria-label", `Images; those pressed become ${pair.suggested_label}`);
  byId("empty").hidden = true;
  for (const each of ["actions", "tiles", "accept", "invert", "doubt"]) byId(each).hidden = false;
  byId("accept").disabled = false;
  anchor = 0;
  tiles.firstChild.tabIndex = 0;
  tiles.firstChild.focus({ preventScroll: true });
  scrollTo({ top: 0 });
  describe();
}

function tile(row, index, chosen) {
  const state = chosen ?? ofDecision[row.decision?.decision] ?? "accept";
  const image = row.pictured ? h("img", { src: picture(row.row, 240), alt: "", draggable: "false", onload: sharpen }) : h("span", { class: "note" }, "no image");
  return h("button", { class: "tile", type: "button", tabindex: "-1", "data-state": state, "data-index": index },
    image, h("span", { class: "mark" }), h("span", { class: "odds" }, percent(row.p_wrong, 0)));
}

function name(element) {
  const row = page.rows[element.dataset.index];
  const state = element.dataset.state;
  say(element.querySelector(".mark"), { accept: "✓", keep: `keep`, unsure: "?" }[state]);
  element.setAttribute("aria-pressed", { accept: "true", keep: "false", unsure: "mixed" }[state]);
  element.setAttribute("aria-label", `Image ${Number(element.dataset.index) + 1}, wrong with ${percent(row.p_wrong, 0)}`);
}

function describe() {
  const all = [...tiles.children];
  all.forEach(name);
  const kept = all.filter((each) => each.dataset.state === "keep").length;
  const unsure = all.filter((each) => each.dataset.state === "unsure").length;
  const except = [kept ? `${kept} kept` : "", unsure ? `${unsure} unsure` : ""].filter(Boolean).join(", ");
  say(byId("accept"), `Change ${all.length - kept - unsure} to ${pairs[at].suggested_label}${except ? `, ${except}` : ""}`);
}

const set = (elements, state) => {
  for (const each of elements) each.dataset.state = state;
  describe();
};
const toggle = (elements, state) => set(elements, elements.every((each) => each.dataset.state === state) ? "accept" : state);

/** Decide about the page and go on. */
function accept() {
  if (byId("accept").disabled || !page.rows.length) return;
  const states = [...tiles.children].map((each) => each.dataset.state);
  save(page, at, states);
  const [{ next_cursor }, coming] = [page, ahead];
  turnTo(async () => (next_cursor ? (await coming) ?? load(next_cursor) : NONE));
}

async function save(decidedPage, index, states) {
  const decided = decidedPage.rows.map((row, place) => [row, STATES[states[place]].verdict(row)]);
  say(byId("done"), "Saving …");
  const saved = decide(decided);
  remember(saved, () => again(decidedPage, index, states));
  try {
    await saved;
  } catch (error) {
    say(byId("done"), "");
    message("bad", `These ${decided.length} decisions were not saved. ${error.message}`, ["Try again", () => save(decidedPage, index, states)]);
    return;
  }
  const changed = decided.filter(([, verdict]) => verdict.decision === "relabel").length;
  say(byId("done"), `${plural(changed, "label")} changed, ${count(decided.length - changed)} left as they were.`);
  recount().catch(() => {}); // the next count sets it right
}

/** Show a page that was decided, as it was then. */
function again(decidedPage, index, states) {
  turns += 1; // what else is on its way is not wanted any more
  place(index);
  pairs[index].hidden = false;
  draw(decidedPage, states);
  recount().catch(() => {});
}

/** The next pair that has rows, once it is known what was saved. */
async function next(turn) {
  await settled();
  await recount();
  if (turn !== turns) return null;
  const undecided = filters.decision === "none";
  const open = (pair) => !pair.hidden && (pair.undecided || !undecided);
  const after = pairs.findIndex((pair, index) => index > at && open(pair));
  const to = after < 0 && undecided ? pairs.findIndex(open) : after;
  if (to >= 0) return show(to);
  return nothing(isFiltered() ? "Nothing more fits the filters." : "All pairs are done.");
}

function nothing(words) {
  tiles.replaceChildren();
  tiles.hidden = true;
  page = NONE;
  say(byId("pair-words"), words);
  nothingLeft();
  for (const each of ["accept", "invert", "doubt"]) byId(each).hidden = true;
}

function move(key) {
  const all = [...tiles.children];
  const now = all.indexOf(document.activeElement);
  const columns = all.filter((each) => each.offsetTop === all[0].offsetTop).length;
  const to = now < 0 ? 0 : now + { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  if (to < 0 || to >= all.length) return;
  all[Math.max(0, now)].tabIndex = -1;
  all[to].tabIndex = 0;
  all[to].focus();
}

const KEYS = {
  Enter: accept,
  z: takeBack,
  n: () => at + 1 < pairs.length && show(at + 1),
  p: () => at > 0 && show(at - 1),
  s: () => document.activeElement.matches(".tile") && toggle([document.activeElement], "unsure"),
};

document.addEventListener("keydown", (event) => {
  const key = command(event);
  if (key === null) return;
  const onButton = event.target.closest("button, a") && !event.target.matches(".tile");
  if (key.startsWith("Arrow") && !event.target.matches("input")) move(key);
  else if (key in KEYS && !(onButton && key === "Enter")) KEYS[key]();
  else return;
  event.preventDefault();
});

tiles.addEventListener("click", (event) => {
  const clicked = event.target.closest(".tile");
  if (!clicked) return;
  const index = Number(clicked.dataset.index);
  if (event.shiftKey) {
    const [from, to] = [Math.min(anchor, index), Math.max(anchor, index)];
    set([...tiles.children].slice(from, to + 1), tiles.children[anchor].dataset.state);
  } else toggle([clicked], leaveOut);
  anchor = index;
});
dragOver(tiles, (elements) => toggle(elements, leaveOut));

byId("accept").addEventListener("click", accept);
byId("undo").addEventListener("click", takeBack);
byId("invert").addEventListener("click", () => {
  for (const each of tiles.children) each.dataset.state = each.dataset.state === "accept" ? "keep" : "accept";
  describe();
});
byId("doubt").addEventListener("click", ({ target }) => {
  leaveOut = leaveOut === "keep" ? "unsure" : "keep";
  target.setAttribute("aria-pressed", leaveOut === "unsure");
});
byId("pair").addEventListener("change", ({ target }) => show(Number(target.value)));
byId("pair-back").addEventListener("click", KEYS.p);
byId("pair-next").addEventListener("click", KEYS.n);

const size = byId("size");
size.value = localStorage.getItem("lookalike-tile") ?? size.value;
const resize = () => tiles.style.setProperty("--tile", `${size.value}px`);
size.addEventListener("input", () => { resize(); localStorage.setItem("lookalike-tile", size.value); });
resize();

start().catch((error) => message("bad", error.message));
