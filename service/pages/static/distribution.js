// A classification as a person reads it: a sentence, the groups with the classes inside them, and what goes with it.

import { h } from "./dom.js";
import { percent } from "./format.js";

const SLIGHT = 0.02;
const MOST_GROUPS = 8;

/** What an answer of `/v1/classify` for one image comes to; `level` is from where on it counts as sure. */
export const drawSentence = ({ predictions: [prediction] }, level) => [
  h("h2", { class: "sentence" }, sentence(prediction)), h("p", { class: "note" }, reason(prediction, level)),
];

/** The groups with their classes, and what goes with them. */
export function drawDetails({ model, predictions: [prediction], warnings = [] }, level) {
  const groups = groupsOf(prediction);
  const shown = groups.slice(0, MOST_GROUPS);
  return [
    prediction.outlier ? h("p", { class: "banner warn" }, h("strong", {}, "Not its kind of image"), "This is unlike anything the model learnt from: the answer may mean nothing.") : null,
    ...warnings.map((warning) => h("p", { class: "banner warn" }, warning)),
    h("div", { class: "stack close" },
      h("div", { class: "distribution" }, shown.map((group) => drawGroup(group, level))),
      h("p", { class: "legend" }, `sure from ${percent(level, 0)}`),
      groups.length > shown.length ? h("p", { class: "note" }, `and ${groups.length - shown.length} more groups`) : null),
    h("dl", { class: "facts" },
      prediction.prediction_set && !prediction.outlier ? h("div", {}, h("dt", {}, `The true class is one of these ${percent(prediction.prediction_set.coverage, 0)} of the time`), h("dd", {}, listed(prediction.prediction_set.classes, "and"))) : null,
      h("div", {}, h("dt", {}, "Model"), h("dd", {}, `${model.name}, version ${model.version}`))),
  ].filter(Boolean);
}

function sentence({ decision, class: top, probability }) {
  if (decision.level === "class") return `${top}, ${percent(probability)}`;
  if (decision.level === "group") return `${listed(decision.classes, "or")}, ${percent(decision.probability)}`;
  return "The model can't tell";
}

function reason({ decision, class: top, probability }, level) {
  if (decision.level === "class") return "The model is sure of the class.";
  if (decision.level === "group") return "The model is sure that it is one of these, and can't tell which.";
  return `Neither a class nor a group reaches ${percent(level, 0)}. The likeliest is ${top}, ${percent(probability)}.`;
}

/** The groups, the likeliest first, each with its classes: a class is shown where it is likeliest, not twice. */
function groupsOf({ groups, probabilities }) {
  const left = new Set(Object.keys(probabilities));
  const found = [];
  for (const { classes, probability } of [...groups].sort((a, b) => b.probability - a.probability)) {
    const own = classes.filter((name) => left.delete(name));
    if (!own.length) continue;
    const members = own.map((name) => ({ name, probability: probabilities[name] })).sort((a, b) => b.probability - a.probability);
    found.push({ name: listed(classes, "or"), probability, members });
  }
  return found;
}

function drawGroup({ name, probability, members }, level) {
  const bar = h("div", { class: "bar", "aria-hidden": "true" }, members.map((member) => wide(h("i"), member.probability)), at(h("b"), level));
  const slight = probability < SLIGHT;
  return h("section", { class: slight ? "group slight" : "group" },
    h("h3", {}, h("span", {}, name), h("span", {}, percent(probability))),
    bar,
    slight || members.length < 2 ? null : h("ul", { class: "classes" }, members.map((member) => h("li", {}, h("strong", {}, member.name), ` ${percent(member.probability)}`))));
}

function wide(element, share) {
  element.style.inlineSize = `${share * 100}%`;
  return element;
}

function at(element, share) {
  element.style.insetInlineStart = `calc(${share * 100}% - 1px)`;
  return element;
}

function listed(names, word) {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} ${word} ${names.at(-1)}`;
}
