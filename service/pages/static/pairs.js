// The directed pairs of an audit, the largest first: how many are left of each, and at which one the review is.
import { ask } from "./api.js";
import { byId, h, say } from "./dom.js";
import { count } from "./format.js";
import { base, filters, search, showFilters, withControls } from "./filters.js";

const select = byId("pair");
let pairs = [];
let at = 0;

const key = (pair) => JSON.stringify([pair.given_label, pair.suggested_label]);
const counted = new URLSearchParams({ ...(filters.top && { top: filters.top }), controls: withControls });
const fromService = async () => (await ask(`${base}/pairs?${counted}`)).pairs;

export const here = () => pairs[at];
export const place = () => at;
export const exists = (index) => index >= 0 && index < pairs.length;

/** The filter that a pair is. */
export const asFilter = () => ({ class: here().given_label, suggested: here().suggested_label });

/**
 * Ask which there are; resolves to where to begin, or to null where there is none. A pair in the address is where to
 * begin among all; one of its two classes alone is a filter.
 */
export async function findPairs() {
  pairs = await fromService();
  const fits = (pair) => (!filters.class || pair.given_label === filters.class) && (!filters.suggested || pair.suggested_label === filters.suggested);
  let begin = -1;
  if (filters.class && filters.suggested) {
    if (!pairs.some(fits)) pairs.push({ given_label: filters.class, suggested_label: filters.suggested, undecided: 0 });
    begin = pairs.findIndex(fits);
    filters.class = filters.suggested = "";
    showFilters();
  } else pairs = pairs.filter(fits);
  select.replaceChildren(...pairs.map((_, index) => h("option", { value: index }, "")));
  rename();
  if (begin < 0 && filters.decision === "none") begin = pairs.findIndex((pair) => pair.undecided);
  return pairs.length ? Math.max(0, begin) : null;
}

/** How many are left of each, as the service counts them: those that are shown, blind controls among them. */
export async function recount() {
  const undecided = new Map((await fromService()).map((pair) => [key(pair), pair.undecided]));
  for (const pair of pairs) pair.undecided = undecided.get(key(pair)) ?? 0;
  rename();
}

function rename() {
  pairs.forEach((pair, index) => {
    const left = pair.undecided ? `${count(pair.undecided)} left` : "done";
    say(select.options[index], `${pair.given_label} → ${pair.suggested_label} · ${left}`);
  });
}

/** Be at a pair: in the list, and in the address, unless that says which pairs there are. */
export function goTo(index) {
  at = index;
  select.value = at;
  if (!filters.class && !filters.suggested) history.replaceState(null, "", location.pathname + search(asFilter()));
  byId("to-one").href = `${location.pathname}/one${search(asFilter())}`;
}

/** Whether a pair was found to have no rows that fit the filters. */
export function foundEmpty(index, empty) {
  pairs[index].empty = empty;
}

/** The next pair that may have rows, after the last the first again where decided rows don't come back; or -1. */
export function following() {
  const undecided = filters.decision === "none";
  const open = (pair) => !pair.empty && (pair.undecided || !undecided);
  const after = pairs.findIndex((pair, index) => index > at && open(pair));
  return after < 0 && undecided ? pairs.findIndex(open) : after;
}
