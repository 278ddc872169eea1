// What a review is worth, in sentences.
import { h } from "./dom.js";
import { count, percent, plural } from "./format.js";

const NOTABLE = 0.1; // of the log-odds: it makes 11 of 100 out of 10

const interval = (share) => `${percent(share.estimate, 0)} (95 % interval ${percent(share.low, 0)} to ${percent(share.high, 0)})`;

const fact = (name, ...sentences) => h("div", {}, h("dt", {}, name), sentences.flat().filter(Boolean).map((sentence) => h("dd", {}, sentence)));

/** "The next 500 are expected to hold 12 wrong labels (5 to 20)." */
function outlook({ rows, wrong }, which) {
  if (!rows) return "Nothing is left to review.";
  const expected = wrong.estimate < 0.5 ? "no wrong label" : plural(Math.round(wrong.estimate), "wrong label");
  return `${which(count(rows))} are expected to hold ${expected} (${count(Math.round(wrong.low))} to ${count(Math.round(wrong.high))}).`;
}

/** Why the number of wrong labels that are left is not what it was, less those found. */
function surprise(shift) {
  if (Math.abs(shift) < NOTABLE) return null;
  return shift > 0
    ? "More of the labels reviewed were wrong than expected, so more are expected among the rest, too."
    : "Fewer of the labels reviewed were wrong than expected, so fewer are expected among the rest, too.";
}

/**
 * The answer of `/review` as a list of facts; `secondLook` is where rows are judged a second time. `decidedOf` counts what
 * was decided: rows alone, or all that was shown, as people count who judge.
 */
export function trustFacts(trust, secondLook, decidedOf = trust.decided) {
  const { keep, relabel, unsure } = decidedOf;
  const decided = keep + relabel + unsure;
  const hits = trust.reviewers.filter((each) => each.hit_rate).map((each) => {
    const seen = each.right_shown + each.planted_shown;
    return `${each.author ?? "You"}: ${each.right_kept + each.planted_found} of ${seen} judged rightly, ${interval(each.hit_rate)}`;
  });
  const { rows, agreed, share } = trust.agreement;
  return h("dl", { class: "facts" },
    fact("Decided", decided ? `${plural(decided, decidedOf === trust.decided ? "row" : "label")}: ${count(relabel)} changed, ${count(keep)} kept, ${count(unsure)} unsure` : "Nothing yet."),
    fact("What is left",
      Math.round(trust.next.wrong.estimate) < Math.round(trust.left.wrong.estimate) ? outlook(trust.next, (number) => `The next ${number}`) : null,
      outlook(trust.left, (number) => `All ${number} that are undecided`),
      decided ? surprise(trust.shift) : null),
    fact("Blind controls", hits.length ? hits : "None was judged yet."),
    fact("Agreement",
      rows ? `${agreed} of ${plural(rows, "row")} that several people judged: ${interval(share)}` : "No row was judged by two people yet.",
      decided ? h("a", { href: secondLook }, "Judge a sample of what others decided") : null));
}
