// Decisions: saved at once, never over somebody else's that was not seen, and taken back one by one.
import { send } from "./api.js";
import { byId, say } from "./dom.js";
import { author, base, decisionShown } from "./filters.js";
import { message, refreshTrust } from "./review.js";

const words = ({ decision, label }) => ({ keep: "keep the label", relabel: label, unsure: "unsure", undecided: "undecided" })[decision];

const verdictOf = ({ decision, label }) => (decision === "relabel" ? { decision, label } : { decision });

/** What stands of a row now, as a verdict: in a second look none, as taking it back must not repeat what another said. */
const present = (row) => (decisionShown(row) ? verdictOf(row.decision) : { decision: "undecided" });

const saving = new Set();

/**
 * Decide about rows: `[[row, verdict], ...]`; each row gets its new decision, or that of whoever was quicker.
 * Resolves to what takes it back, or to null where all was decided by others in the meantime. Rejects with a `Problem`
 * where nothing could be saved.
 */
export function decide(decided) {
  const saved = save(decided);
  saving.add(saved);
  saved.catch(() => {}).then(() => saving.delete(saved));
  return saved;
}

/** Once all that is being saved is saved, or failed. */
export const settled = () => Promise.allSettled(saving);

addEventListener("beforeunload", (event) => { if (saving.size) event.preventDefault(); });

async function save(decided) {
  if (!decided.length) return () => {};
  const before = decided.map(([row]) => [row, present(row)]);
  const decisions = decided.map(([row, verdict]) => ({ row: row.row, version: row.decision?.version ?? 0, ...verdict, ...author() }));
  const { taken, conflicts } = await send("POST", `${base}/decisions`, { decisions }, { keepalive: true });
  const wanted = new Map(decided.map(([row, verdict]) => [row.row, [row, verdict]]));
  for (const each of [...taken, ...conflicts]) wanted.get(each.row)[0].decision = each;
  for (const other of conflicts) contest(...wanted.get(other.row), other);
  refreshTrust();
  const contested = new Set(conflicts.map((each) => each.row));
  return contested.size < decided.length ? () => decide(before.filter(([row]) => !contested.has(row.row))) : null;
}

/** Somebody else decided in the meantime: say what, and leave it, or put one's own over it. */
function contest(row, mine, other) {
  if (words(verdictOf(other)) === words(mine)) return; // both said the same
  message("warn", `${other.author ?? "Somebody"} decided about this image in the meantime: ${words(other)}. You said: ${words(mine)}.`,
    ["Take mine instead", () => {
      const saved = decide([[row, mine]]);
      remember(saved, () => {});
      saved.catch((error) => message("bad", error.message));
    }]);
}

const past = [];
let turn = Promise.resolve();

/** Let a decision be taken back, also while it is still being saved; `again` shows it as it was when it was made. */
export function remember(saved, again) {
  const step = { saved, again };
  past.push(step);
  offerUndo();
  const forget = () => {
    if (past.includes(step)) past.splice(past.indexOf(step), 1);
    offerUndo();
  };
  saved.then((back) => back ?? forget(), forget);
}

/** Take back what was decided last; one after the other, as each names the decision that it undoes. */
export function takeBack() {
  const step = past.pop();
  offerUndo();
  if (step) turn = turn.then(() => undo(step));
}

async function undo(step) {
  try {
    const back = await step.saved.catch(() => null); // was not saved, which was said
    if (!back) return;
    await back();
  } catch (error) {
    past.push(step);
    offerUndo();
    message("bad", `The last decision was not taken back. ${error.message}`);
    return;
  }
  await step.again();
  say(byId("done"), "Taken back.");
}

const offerUndo = () => { byId("undo").disabled = !past.length; };
