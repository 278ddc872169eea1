// What an audit's state is called before people, and how it looks.

const WORDS = {
  queued: ["waiting", "tag"],
  running: ["running", "tag busy"],
  succeeded: ["finished", "tag good"],
  failed: ["failed", "tag bad"],
  cancelled: ["cancelled", "tag"],
};

export const word = (state) => WORDS[state.status][0];
export const look = (state) => WORDS[state.status][1];
export const isOver = (state) => !["queued", "running"].includes(state.status);
export const title = (state) => state.name ?? `Audit ${state.id.slice(0, 8)}`;

/** The phases of the work in their order, as the interface names them: what they are called before people. */
const CALLED = {
  "reading the labels": "reading the labels",
  "looking at images": "looking at images",
  "estimating the noise": "estimating how many are wrong",
  scoring: "judging each label",
  writing: "writing the report",
};

export const PHASES = Object.keys(CALLED);
export const called = (phase) => CALLED[phase] ?? phase;

/** How much of all the work is done, between 0 and 1: by far the most is looking at the images. */
export function share(state) {
  if (state.status === "succeeded") return 1;
  const phase = PHASES.indexOf(state.phase);
  if (phase < 0) return 0;
  const from = [0, 0.03, 0.85, 0.9, 0.97][phase];
  const to = [0.03, 0.85, 0.9, 0.97, 1][phase];
  return from + (to - from) * (state.total ? state.done / state.total : 0);
}
