// Decisions: saved at once, never over somebody else's that was not seen, and taken back one by one.
import { ask, send } from "./api.js";
import { author, base, message, refreshTrust } from "./review.js";

const words = ({ decision, label }) => ({ keep: "keep the label", relabel: label, unsure: "unsure", undecided: "undecided" })[decision];

const verdictOf = ({ decision, label }) => (decision === "relabel" ? { decision, label } : { decision });

/** What stands of a row now, as a verdict. */
const present = (row) => (row.decision ? verdictOf(row.decision) : { decision: "undecided" });

/**
 * Decide about rows: `[[row, verdict], ...]`; each row gets its new decision, or that of whoever was quicker.
 * Resolves to what takes it back. Rejects with a `Problem` where nothing could be saved.
 */
export async function decide(decided) {
  const before = decided.map(([row]) => [row, present(row)]);
  const decisions = decided.map(([row, verdict]) => ({ row: row.row, version: row.decision?.version ?? 0, ...verdict, ...author() }));
  const { taken, conflicts } = await send("POST", `${base}/decisions`, { decisions });
  const wanted = new Map(decided.map(([row, verdict]) => [row.row, [row, verdict]]));
  for (const each of [...taken, ...conflicts]) wanted.get(each.row)[0].decision = each;
  for (const other of conflicts) contest(...wanted.get(other.row), other);
  refreshTrust();
  const contested = new Set(conflicts.map((each) => each.row));
  return () => decide(before.filter(([row]) => !contested.has(row.row)));
}

/** Somebody else decided in the meantime: say what, and leave it, or put one's own over it. */
function contest(row, mine, other) {
  if (words(verdictOf(other)) === words(mine)) return; // both said the same
  message("warn", `${other.author ?? "Somebody"} decided about this image in the meantime: ${words(other)}. You said: ${words(mine)}.`,
    ["Take mine instead", () => decide([[row, mine]]).catch((error) => message("bad", error.message))]);
}

/** The latest decision of a row, from the service. */
export async function look(row) {
  row.decision = (await ask(`${base}/rows/${row.row}/decisions`)).at(-1) ?? null;
}
