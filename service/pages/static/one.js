// One by one: the image large, what the model sees in it, and images of both classes beside it.
import { ask } from "./api.js";
import { decide, remember, takeBack } from "./decisions.js";
import { byId, h, say } from "./dom.js";
import { about, base, decisionShown, filters, picture, rows, search } from "./filters.js";
import { count, percent, roughly } from "./format.js";
import { command, message, nothingLeft, sharpen } from "./review.js";

const LIMIT = 50;
const LARGE = 640;
const AHEAD = 8;
const queue = [];
const evidence = new Map();
const images = new Map();
let cursor = "0";
let loading = null;
let at = 0;
let seen = false; // whether the picture of the row is there, or none will come: before that nothing is decided

function more() {
  loading ??= rows(cursor, LIMIT).then((page) => {
    queue.push(...page.rows);
    cursor = page.next_cursor;
    loading = null;
  }, (error) => { loading = null; throw error; });
  return loading;
}

function prepare() {
  for (const row of about.pictured ? queue.slice(at, at + AHEAD) : []) {
    if (!images.has(row.row) && row.pictured) {
      const image = new Image();
      image.src = picture(row.row, LARGE);
      images.set(row.row, image);
    }
  }
  for (const row of queue.slice(at, at + 3)) evidenceOf(row);
  for (const kept of [images, evidence]) while (kept.size > 4 * AHEAD) kept.delete(kept.keys().next().value);
}

function evidenceOf(row) {
  if (!evidence.has(row.row)) evidence.set(row.row, ask(`${base}/rows/${row.row}/evidence`).catch(() => null));
  return evidence.get(row.row);
}

/** Show the picture, or hide the last one until that of the row is there. */
function see(is) {
  seen = is;
  byId("picture").classList.toggle("coming", !is);
}

async function show(index) {
  at = index;
  see(false);
  while (at >= queue.length && cursor !== null) await more();
  const row = queue[at];
  byId("one").hidden = !row;
  byId("empty").hidden = true;
  if (!row) return nothingLeft();
  const pictured = row.pictured && about.pictured && !["missing_image", "corrupt_image"].includes(row.status);
  byId("frame").hidden = !pictured;
  if (pictured) byId("picture").src = picture(row.row, LARGE);
  else see(true);
  byId("question").replaceChildren("Labelled ", h("b", {}, row.given_label ?? "no class"), ...(row.suggested_label ? [". Rather ", h("b", { class: "suggested" }, row.suggested_label), "?"] : []));
  byId("picture").alt = `Labelled ${row.given_label}`;
  const before = decisionShown(row);
  const said = before && before.decision !== "undecided" ? ` · decided: ${before.label ?? before.decision}` : "";
  say(byId("where"), `${about.pictured ? "Image" : "Label"} ${count(at + 1)}${said}`);
  byId("odds-bar").setAttribute("width", 100 * (row.p_wrong ?? 0));
  say(byId("odds"), row.p_wrong === null ? "This label could not be judged." : `This label is wrong with a probability of ${roughly(row.p_wrong)}.`);
  say(byId("keep").lastChild, `Keep ${row.given_label ?? "it as it is"}`);
  byId("take").hidden = !row.suggested_label;
  say(byId("take").lastChild, `It is ${row.suggested_label}`);
  prepare();
  if (queue.length - at < LIMIT / 2 && cursor !== null) more().catch((error) => message("bad", error.message));
  const found = await evidenceOf(row);
  if (queue[at] === row) {
    drawDistribution(found);
    drawExamples(found, row);
    drawFile(found);
  }
}

function drawDistribution(found) {
  const shares = Object.entries(found?.probabilities ?? {});
  const groups = found?.groups ?? [];
  const groupOf = (name) => groups.findIndex((group) => group.classes.includes(name)) + 1;
  byId("distribution").replaceChildren(
    ...(shares.length ? [] : [h("p", { class: "note" }, "The model that judged this audit is not served any more.")]),
    h("ul", { class: "bars" }, shares.map(([name, share]) => h("li", {},
      h("span", {}, name),
      h("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true", class: `group-${Math.min(groupOf(name), 6)}` }, h("rect", { width: Math.max(100 * share, 0.5), height: 8 })),
      h("span", { class: "number" }, percent(share, 0))))),
    groups.length ? h("p", { class: "note" }, groups.slice(0, 2).map((group) => `${group.classes.join(" or ")}: ${percent(group.probability, 0)} together`).join(" · ")) : "");
}

function drawExamples(found, row) {
  if (!about.pictured) return;
  byId("examples").replaceChildren(...Object.entries(found?.examples ?? {}).map(([name, alike]) =>
    h("section", { class: "card stack close" },
      h("h3", {}, "Surely ", h("span", { class: name === row.suggested_label ? "suggested" : "" }, name)),
      alike.length
        ? h("div", { class: "row" }, alike.map((each) => h("img", { src: picture(each, 160), alt: name, width: 96, height: 96, onload: sharpen })))
        : h("p", { class: "note" }, "There is no sure example of this class."))));
}

/** Where the row is in the file, and what else stands there. */
function drawFile(found) {
  say(byId("file-name"), found ? [found.image, `row ${count(found.number)}`].filter(Boolean).join(" · ") : "");
  const columns = Object.entries(found?.columns ?? {});
  byId("file-columns").replaceChildren(...columns.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  byId("file").hidden = !columns.length;
}

const go = (index) => show(index).catch((error) => message("bad", error.message, ["Try again", () => go(index)]));

function judge(verdict) {
  const row = queue[at];
  if (!row || !seen) return;
  save(row, verdict, at);
  go(at + 1);
}

async function save(row, verdict, index) {
  const saved = decide([[row, verdict]]);
  remember(saved, () => go(index));
  try {
    await saved;
    say(byId("done"), `${row.given_label}: ${verdict.label ?? verdict.decision}, saved.`);
  } catch (error) {
    message("bad", `A decision about ${row.given_label} was not saved. ${error.message}`, ["Try again", () => save(row, verdict, index)]);
  }
}

const ACTIONS = {
  keep: () => judge({ decision: "keep" }),
  take: () => queue[at]?.suggested_label && judge({ decision: "relabel", label: queue[at].suggested_label }),
  unsure: () => judge({ decision: "unsure" }),
  undo: takeBack,
  skip: () => go(at + 1),
};
const KEYS = {
  k: ACTIONS.keep, t: ACTIONS.take, u: ACTIONS.unsure, z: ACTIONS.undo,
  o: () => byId("other").focus(), ArrowRight: ACTIONS.skip, ArrowLeft: () => at && go(at - 1),
};

for (const [name, act] of Object.entries(ACTIONS)) byId(name).addEventListener("click", act);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target === byId("other")) byId("other").blur();
  const key = command(event);
  if (event.repeat || !(key in KEYS)) return;
  event.preventDefault();
  KEYS[key]();
});
byId("other-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const other = byId("other");
  const typed = other.value.trim().toLowerCase();
  const exact = about.classes.filter((each) => each.toLowerCase() === typed);
  const fits = exact.length ? exact : about.classes.filter((each) => each.toLowerCase().startsWith(typed));
  if (!typed || fits.length !== 1) {
    other.setAttribute("aria-invalid", "true");
    return;
  }
  other.removeAttribute("aria-invalid");
  other.value = "";
  other.blur();
  const label = fits[0];
  judge(label === queue[at].given_label ? { decision: "keep" } : { decision: "relabel", label });
});
byId("other").addEventListener("input", ({ target }) => target.removeAttribute("aria-invalid"));
byId("picture").addEventListener("load", (event) => { sharpen(event); see(true); });
byId("picture").addEventListener("error", () => see(true)); // its text says that it is missing
if (filters.top) say(byId("title"), `Review the first ${Number(filters.top).toLocaleString("en")}`);
byId("to-grid").href = `${location.pathname.replace(/\/one$/, "")}${search()}`;

go(0);
