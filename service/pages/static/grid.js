// The grid: one directed pair at a time, the largest first; accept the suggestion for all except some.
import { ask } from "./api.js";
import { decide } from "./decisions.js";
import { byId, h, say } from "./dom.js";
import { count, percent, plural } from "./format.js";
import { dragOver } from "./drag.js";
import { base, filters, isCommand, message, picture, rows, search, sharpen } from "./review.js";

const LIMIT = 48;
const tiles = byId("tiles");
let pairs = [];
let at = 0;
let page = null; // {rows, next_cursor}
let ahead = null; // the page after it, on its way
const undo = [];
let anchor = 0;

const STATES = {
  accept: { mark: "", verdict: (row) => ({ decision: "relabel", label: row.suggested_label }) },
  keep: { mark: "keep", verdict: () => ({ decision: "keep" }) },
  unsure: { mark: "unsure", verdict: () => ({ decision: "unsure" }) },
};
const ofDecision = { keep: "keep", unsure: "unsure" };

const pairFilter = () => ({ class: pairs[at].given_label, suggested: pairs[at].suggested_label });
const load = async (cursor) => {
  const found = await rows(cursor, LIMIT, pairFilter());
  for (const row of found.rows) new Image().src = picture(row.row, 240);
  return found;
};

async function start() {
  const query = filters.top ? `?top=${filters.top}` : "";
  pairs = (await ask(`${base}/pairs${query}`)).pairs;
  const fits = (pair) => (!filters.class || pair.given_label === filters.class) && (!filters.suggested || pair.suggested_label === filters.suggested);
  if (filters.class && filters.suggested && !pairs.some(fits))
    pairs.push({ given_label: filters.class, suggested_label: filters.suggested, rows: 0, undecided: 0, expected_wrong: 0 });
  else if (filters.class || filters.suggested) pairs = pairs.filter(fits);
  byId("pair").replaceChildren(...pairs.map((pair, index) => h("option", { value: index }, "")));
  renamePairs();
  if (!pairs.length) return nothing("No label is flagged here.");
  const open = filters.decision === "none" ? pairs.findIndex((pair) => pair.undecided) : 0;
  await show(Math.max(0, open));
}

function renamePairs() {
  pairs.forEach((pair, index) => {
    const left = pair.undecided ? `${count(pair.undecided)} left` : "done";
    say(byId("pair").options[index], `${pair.given_label} → ${pair.suggested_label} · ${left}`);
  });
}

async function show(index) {
  at = index;
  ahead = null;
  byId("pair").value = at;
  history.replaceState(null, "", location.pathname + search(pairFilter()));
  byId("to-one").href = `${location.pathname}/one${search(pairFilter())}`;
  draw(await load("0"));
}

function draw(found) {
  page = found;
  ahead = page.next_cursor ? load(page.next_cursor) : null;
  const pair = pairs[at];
  if (!page.rows.length) return next();
  const wrong = page.rows.reduce((sum, row) => sum + row.p_wrong, 0);
  byId("pair-words").replaceChildren(
    "Labelled ", h("b", {}, pair.given_label), ". Are they ", h("b", { class: "suggested" }, pair.suggested_label),
    `? About ${percent(wrong / page.rows.length, 0)} of these ${count(page.rows.length)} should be.`);
  tiles.replaceChildren(...page.rows.map(tile));
  byId("empty").hidden = true;
  for (const each of ["actions", "tiles", "accept", "invert"]) byId(each).hidden = false;
  anchor = 0;
  tiles.firstChild.tabIndex = 0;
  tiles.firstChild.focus({ preventScroll: true });
  scrollTo({ top: 0 });
  describe();
}

function tile(row, index) {
  const state = (row.decision && ofDecision[row.decision.decision]) || "accept";
  const image = row.pictured ? h("img", { src: picture(row.row, 240), alt: "", draggable: "false", onload: sharpen }) : h("span", { class: "note" }, "no image");
  return h("button", { class: "tile", type: "button", tabindex: "-1", "data-state": state, "data-index": index },
    image, h("span", { class: "mark" }), h("span", { class: "odds" }, percent(row.p_wrong, 0)));
}

function name(element) {
  const row = page.rows[element.dataset.index];
  const pair = pairs[at];
  const state = element.dataset.state;
  const becomes = { accept: `becomes ${pair.suggested_label}`, keep: `stays ${pair.given_label}`, unsure: "unsure" }[state];
  say(element.querySelector(".mark"), { accept: "✓", keep: `keep`, unsure: "?" }[state]);
  element.setAttribute("aria-pressed", state === "accept");
  element.setAttribute("aria-label", `Image ${Number(element.dataset.index) + 1}, wrong with ${percent(row.p_wrong, 0)}: ${becomes}`);
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

let busy = false;

/** Decide about the page and go on; a second press while the next page is on its way is none. */
async function accept() {
  if (busy || !page.rows.length) return;
  busy = true;
  try {
    await acceptPage();
  } catch (error) {
    message("bad", error.message);
  } finally {
    busy = false;
  }
}

async function acceptPage() {
  const pair = pairs[at];
  const decided = [...tiles.children].map((each) => {
    const row = page.rows[each.dataset.index];
    return [row, STATES[each.dataset.state].verdict(row)];
  });
  const fresh = decided.filter(([row]) => !row.decision || row.decision.decision === "undecided").length;
  pair.undecided = Math.max(0, pair.undecided - fresh);
  renamePairs();
  save(decided, pair, fresh);
  if (ahead) draw(await ahead);
  else await next();
}

async function save(decided, pair, fresh) {
  const back = { page, index: at };
  say(byId("done"), "Saving …");
  try {
    const takeBack = await decide(decided);
    undo.push({ takeBack, pair, fresh, ...back });
    byId("undo").disabled = false;
    const changed = decided.filter(([, verdict]) => verdict.decision === "relabel").length;
    say(byId("done"), `${plural(changed, "label")} changed, ${count(decided.length - changed)} left as they were.`);
  } catch (error) {
    say(byId("done"), "");
    message("bad", `These ${decided.length} decisions were not saved. ${error.message}`, ["Try again", () => save(decided, pair, fresh)]);
  }
}

async function takeBack() {
  const last = undo.pop();
  if (!last) return;
  byId("undo").disabled = !undo.length;
  try {
    await last.takeBack();
  } catch (error) {
    message("bad", error.message);
    return;
  }
  last.pair.undecided += last.fresh;
  renamePairs();
  at = last.index;
  byId("pair").value = at;
  draw(last.page);
  say(byId("done"), "Taken back.");
}

function next() {
  const open = pairs.findIndex((pair, index) => index > at && pair.undecided);
  const again = open < 0 ? pairs.findIndex((pair) => pair.undecided) : open;
  if (filters.decision === "none" && again >= 0 && again !== at) return show(again);
  return nothing("All pairs are done.");
}

function nothing(words) {
  tiles.replaceChildren();
  tiles.hidden = true;
  page = { rows: [], next_cursor: null };
  say(byId("pair-words"), words);
  byId("empty").replaceChildren(
    h("strong", {}, "Nothing is left here"), h("p", {}, "Export the labels as you reviewed them, or look at all rows with the filter above."),
    h("p", {}, h("a", { class: "button", href: `${base}/export?labels=reviewed&format=csv` }, "Export the reviewed labels")));
  byId("empty").hidden = false;
  byId("accept").hidden = byId("invert").hidden = true;
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
  if (!isCommand(event) || !page) return;
  const onButton = event.target.closest("button, a") && !event.target.matches(".tile");
  if (event.key.startsWith("Arrow") && !event.target.matches("input")) move(event.key);
  else if (event.key in KEYS && !(onButton && event.key === "Enter")) KEYS[event.key]();
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
  } else toggle([clicked], "keep");
  anchor = index;
});
dragOver(tiles, (elements) => toggle(elements, "keep"));

byId("accept").addEventListener("click", accept);
byId("undo").addEventListener("click", takeBack);
byId("invert").addEventListener("click", () => {
  for (const each of tiles.children) each.dataset.state = each.dataset.state === "accept" ? "keep" : "accept";
  describe();
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
