// The report: the budget chosen on the curve, the review so far, printing.
import { ask, send } from "./api.js";
import { byId, say } from "./dom.js";
import { count, plural, roughly } from "./format.js";
import { trustFacts } from "./trust.js";

const report = byId("report");
const review = `/audits/${report.dataset.audit}/review`;

/** The precision at a budget, between those that the report has, on the logarithmic axis of the curve. */
function between(table, budget) {
  const next = table.findIndex((each) => each.budget >= budget);
  if (next <= 0) return table[next === 0 ? 0 : table.length - 1].precision;
  const [low, high] = [table[next - 1], table[next]];
  const share = Math.log(budget / low.budget) / Math.log(high.budget / low.budget);
  return low.precision + share * (high.precision - low.precision);
}

/** Two digits, so that the slider stops at budgets that one would name. */
function round(budget) {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(budget)) - 1);
  return Math.round(budget / unit) * unit;
}

function chooseBudget({ precision, flagged, plot: [left, top, right, bottom] }) {
  const range = byId("budget-range");
  const [first, last] = [precision[0].budget, precision.at(-1).budget];
  const place = (budget) => (1000 * Math.log(budget / first)) / Math.log(last / first);
  const show = (budget) => {
    const share = between(precision, budget);
    const wrong = Math.round(share * budget);
    say(byId("budget-words"), wrong
      ? `Review the first ${count(budget)}: ${roughly(share)} of them are wrong (${plural(wrong, "label")}).`
      : `Of the first ${count(budget)}, none is expected to be wrong.`);
    const x = left + (right - left) * place(budget) / 1000;
    const [line, dot] = [byId("curve-at"), byId("curve-dot")];
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    dot.setAttribute("cx", x);
    dot.setAttribute("cy", bottom - (bottom - top) * share);
    line.setAttribute("visibility", "visible");
    dot.setAttribute("visibility", "visible");
    range.setAttribute("aria-valuetext", `${count(budget)} rows`);
    byId("budget-link").href = `${review}/one?top=${budget}&flagged=any`;
    say(byId("budget-link"), `${wrong ? "Review" : "Look at"} the first ${count(budget)}`);
  };
  const budgetAt = (value) => Math.min(last, Math.max(first, round(first * (last / first) ** (value / 1000))));
  range.addEventListener("input", () => show(budgetAt(Number(range.value))));
  range.value = place(Math.min(last, Math.max(first, flagged || first)));
  show(Math.min(last, Math.max(first, flagged || first)));
  byId("budget-choice").hidden = false;
}

const data = byId("budget-data");
if (data) chooseBudget(JSON.parse(data.textContent));

const print = byId("print");
print.hidden = false;
print.addEventListener("click", () => window.print());

const trust = await ask(`/v1/audits/${report.dataset.audit}/review`);
if (trust.reviewers.length) {
  byId("trust-body").replaceChildren(trustFacts(trust, `${review}/one?decision=second`));
  byId("rescore").addEventListener("click", async ({ target }) => {
    target.disabled = true;
    say(byId("rescore-problem"), "");
    try {
      await send("POST", `/v1/audits/${report.dataset.audit}/rescore`, {});
      location.reload();
    } catch (error) {
      say(byId("rescore-problem"), error.message);
      target.disabled = false;
    }
  });
  byId("to-score").hidden = trust.scored;
  byId("scored").hidden = !trust.scored;
  byId("trust").hidden = false;
  if (byId("begin")) say(byId("begin"), trust.flagged_left ? `Go on reviewing: ${count(trust.flagged_left)} left` : "All suspicious labels are reviewed");
}
