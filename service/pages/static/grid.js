// The grid: one directed pair at a time, the largest first; accept the suggestion for all except some.
import { decide, remember, settled, takeBack } from "./decisions.js";
import { byId, h, say } from "./dom.js";
import { isFiltered, isSecondLook, picture, rows } from "./filters.js";
import { count, plural, roughly } from "./format.js";
import { asFilter, exists, findPairs, following, foundEmpty, goTo, here, place, recount } from "./pairs.js";
import { command, message, nothingLeft } from "./review.js";
import { tileBoard, verdicts } from "./tiles.js";

const LIMIT = 48;
const NONE = { rows: [], next_cursor: null };
const board = tileBoard(byId("tiles"), describe);
let page = NONE;
let ahead = null; // the page after it, on its way; null in the end where it did not come
let turns = 0; // how often other rows were asked for
let drawn = 0; // which of these are shown

async function load(cursor) {
  const found = await rows(cursor, LIMIT, asFilter());
  for (const row of found.rows) if (row.pictured) new Image().src = picture(row.row, 240);
  return found;
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

function show(index) {
  goTo(index);
  return turnTo(async () => {
    const found = await load("0");
    foundEmpty(index, !found.rows.length);
    return found;
  });
}

function draw(found, states) {
  page = found;
  drawn = turns;
  ahead = page.next_cursor ? load(page.next_cursor).catch(() => null) : null;
  const { given_label: given, suggested_label: suggested } = here();
  const wrong = page.rows.reduce((sum, row) => sum + row.p_wrong, 0);
  byId("pair-words").replaceChildren(
    "Labelled ", h("b", {}, given), ". Are they ", h("b", { class: "suggested" }, suggested),
    `? Of these ${count(page.rows.length)}, ${roughly(wrong / page.rows.length)} should be.`);
  byId("tiles").setAttribute("aria-label", `Images; those pressed become ${suggested}`);
  byId("empty").hidden = true;
  for (const each of ["how", "actions", "accept", "invert", "doubt"]) byId(each).hidden = false;
  board.show(page.rows, states);
  scrollTo({ top: 0 });
}

/** Say on the button what it does, which is nothing before all images are there. */
function describe() {
  if (drawn !== turns) return;
  byId("accept").disabled = !board.isShown();
  const states = board.states();
  const number = (state) => states.filter((each) => each === state).length;
  const except = [["keep", "kept"], ["unsure", "unsure"], ["other", "of another class"], ["unseen", "not shown"]]
    .filter(([state]) => number(state)).map(([state, words]) => `, ${number(state)} ${words}`);
  say(byId("accept"), `Change ${number("accept")} to ${here().suggested_label}${except.join("")}`);
}

/** Decide about the page and go on. */
function accept() {
  if (byId("accept").disabled || !page.rows.length) return;
  save(page, place(), board.states());
  const [{ next_cursor }, coming] = [page, ahead];
  turnTo(async () => (next_cursor ? (await coming) ?? load(next_cursor) : NONE));
}

async function save(decidedPage, index, states) {
  const decided = verdicts(decidedPage.rows, states);
  if (!decided.length) return;
  say(byId("done"), "Saving …");
  const saved = decide(decided);
  remember(saved, () => again(decidedPage, index, states));
  try {
    await saved;
  } catch (error) {
    say(byId("done"), "");
    message("bad", `These ${plural(decided.length, "decision")} were not saved. ${error.message}`, ["Try again", () => save(decidedPage, index, states)]);
    return;
  }
  const changed = decided.filter(([, verdict]) => verdict.decision === "relabel").length;
  say(byId("done"), `${plural(changed, "label")} changed, ${count(decided.length - changed)} left as they were.`);
  recount().catch(() => {}); // the next count sets it right
}

/** Show a page that was decided, as it was then. */
function again(decidedPage, index, states) {
  turns += 1; // what else is on its way is not wanted any more
  goTo(index);
  foundEmpty(index, false);
  draw(decidedPage, states);
  recount().catch(() => {});
}

/** The next pair that has rows, once it is known what was saved. */
async function next(turn) {
  await settled();
  await recount();
  if (turn !== turns) return null;
  const to = following();
  if (to >= 0) return show(to);
  if (isSecondLook) return nothing("Nothing more is drawn for a second look.");
  return nothing(isFiltered() ? "Nothing more fits the filters." : "All pairs are done.");
}

function nothing(words) {
  page = NONE;
  board.show([]);
  say(byId("pair-words"), words);
  nothingLeft();
  for (const each of ["how", "accept", "invert", "doubt"]) byId(each).hidden = true;
}

const step = (by) => exists(place() + by) && show(place() + by);
const KEYS = {
  Enter: accept,
  z: takeBack,
  n: () => step(1),
  p: () => step(-1),
  s: () => board.toggleFocused("unsure"),
};

document.addEventListener("keydown", (event) => {
  const key = command(event);
  if (key === null) return;
  if (event.repeat && key in KEYS) return event.preventDefault(); // nobody has seen the next page yet
  const onButton = event.target.closest("button, a") && !event.target.matches(".tile");
  if (key.startsWith("Arrow") && !event.target.matches("input")) board.move(key);
  else if (key in KEYS && !(onButton && key === "Enter")) KEYS[key]();
  else return;
  event.preventDefault();
});

byId("accept").addEventListener("click", ({ detail }) => detail > 1 || accept()); // a double click is one
byId("undo").addEventListener("click", takeBack);
byId("invert").addEventListener("click", () => board.swap());
byId("doubt").addEventListener("click", ({ target }) => {
  const pressed = target.getAttribute("aria-pressed") !== "true";
  target.setAttribute("aria-pressed", pressed);
  board.leaveOutAs(pressed ? "unsure" : "keep");
});
byId("pair").addEventListener("change", ({ target }) => show(Number(target.value)));
byId("pair-back").addEventListener("click", KEYS.p);
byId("pair-next").addEventListener("click", KEYS.n);

const size = byId("size");
size.value = localStorage.getItem("lookalike-tile") ?? size.value;
const resize = () => byId("tiles").style.setProperty("--tile", `${size.value}px`);
size.addEventListener("input", () => { resize(); localStorage.setItem("lookalike-tile", size.value); });
resize();

async function start() {
  const begin = await findPairs();
  if (begin === null) nothing("No label is flagged here.");
  else await show(begin);
}

start().catch((error) => message("bad", error.message));
