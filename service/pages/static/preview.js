// The first rows of a label file, with what is taken for labels and images; whoever sees it wrong chooses another column.

import { ask } from "./api.js";
import { h } from "./dom.js";
import { count, plural } from "./format.js";

const PART_BYTES = 256_000;
const SHOWN_LABELS = 40;
const PREFIX = "prob_";
const ENOUGH_ROWS = 20;

const NO_LABELS = "This file has probabilities but no labels. Add a column with the label of each row, or choose it.";

/** `model()` is the chosen model; `complain(sentence)` says what is wrong with the file, `ready()` that one has looked at it. */
export function preview(place, limits, model, { complain, ready }) {
  let file = null;
  let seen = null;
  let asked = null;
  let settled = Promise.resolve();

  async function show(columns = {}) {
    asked?.abort();
    asked = new AbortController();
    const form = partOf(file);
    if (!form) return cannot();
    for (const [field, value] of Object.entries(columns)) form.append(field, value);
    place.setAttribute("aria-busy", "true");
    try {
      seen = await ask("/v1/audits/preview", { method: "POST", body: form, signal: asked.signal });
      draw();
      ready();
    } catch (error) {
      if (error.name === "AbortError") return;
      forget();
      complain(error.message.replace(/^labels\.\w+/, file.name));
    }
    place.removeAttribute("aria-busy");
  }

  /** The file, or its beginning, as it is sent; null: it can't be previewed. */
  function partOf(file) {
    const ending = limits.previewed.find((each) => file.name.toLowerCase().endsWith(each));
    const inParts = limits.parts.includes(ending);
    if (!ending || (!inParts && file.size > limits.most * 0.9)) return null;
    const form = new FormData();
    const whole = !inParts || file.size <= PART_BYTES;
    form.append("labels", whole ? file : file.slice(0, PART_BYTES), file.name);
    form.append("whole", String(whole));
    return form;
  }

  function cannot() {
    seen = null;
    place.hidden = false;
    place.replaceChildren(
      h("p", { class: "note" }, "A file of this kind and size has no preview. Its columns are found by their names, or are these:"),
      h("div", { class: "fields" }, named("label_column", "Column of the labels"), named("image_column", "Column of the images")),
    );
    ready();
  }

  const named = (field, what) => h("div", { class: "field" },
    h("label", { for: field }, what), h("input", { id: field, autocomplete: "off" }));

  function draw() {
    place.hidden = false;
    const { columns, rows } = seen;
    const lacking = lacksLabels();
    const role = (name) => (name === seen.label_column ? "label" : name === seen.image_column ? "image" : "");
    place.replaceChildren(
      h("h3", { id: "preview-title" }, "What is in the file"),
      h("div", { class: "fields" }, choice("label_column", "Column of the labels", seen.label_candidates), choice("image_column", "Column of the images", seen.image_candidates)),
      h("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": "The first rows" },
        h("table", { class: "table" },
          h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col", class: role(name) }, role(name) && h("span", { class: "role" }, role(name) === "label" ? "Labels" : "Images"), name)))),
          h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell, i) => h("td", { class: role(columns[i]) }, cell ?? "")))))),
      ),
      lacking ? h("p", { class: "banner warn" }, seen.probability_classes.length ? NO_LABELS : "Which column holds the labels?") : known(),
      ...seen.warnings.map((warning) => h("p", { class: "note" }, warning)),
    );
  }

  function choice(field, what, candidates) {
    const taken = seen[field];
    const needed = field === "label_column" || !seen.probability_classes.length;
    const select = h("select", { id: field, "aria-invalid": needed && !taken ? "true" : null },
      taken ? null : h("option", { value: "" }, needed ? "choose the column" : "none"),
      seen.columns.filter((name) => !name.startsWith(PREFIX) || name === taken).map((name) => h("option", { value: name, selected: name === taken }, name)));
    select.addEventListener("change", async () => {
      settled = show({ ...chosen(), [field]: select.value });
      await settled;
      document.getElementById(field)?.focus();
    });
    const hint = !taken && candidates.length > 1 ? h("p", { class: "note" }, `It may be ${candidates.join(" or ")}.`) : null;
    return h("div", { class: "field" }, h("label", { for: field }, what), select, hint);
  }

  /** Which labels there are, and whether the model knows them. */
  function known() {
    const labels = Object.entries(seen.labels);
    if (!labels.length) return null;
    const classes = new Set(model()?.classes ?? []);
    const indices = labels.every(([label]) => /^\d+$/.test(label) && Number(label) < classes.size);
    const strange = new Set(indices ? [] : labels.map(([label]) => label).filter((label) => !classes.has(label)));
    const tags = labels.slice(0, SHOWN_LABELS).map(([label, n]) =>
      h("li", { class: strange.has(label) && classes.size ? "tag warn" : "tag" }, label || "(none)", h("span", {}, count(n))));
    if (seen.distinct_labels > SHOWN_LABELS) tags.push(h("li", { class: "tag" }, `and ${count(seen.distinct_labels - SHOWN_LABELS)} more`));
    return h("div", { class: "stack close" }, doubt(), h("p", { class: "note" }, verdict(labels, strange, classes)), h("ul", { class: "labels", "aria-label": "Labels" }, tags));
  }

  /** Labels that hardly ever come twice are names, or numbers of rows. */
  function doubt() {
    if (seen.rows_read < ENOUGH_ROWS || seen.distinct_labels <= seen.rows_read / 2) return null;
    return h("p", { class: "banner warn" }, `${count(seen.distinct_labels)} different values in ${count(seen.rows_read)} rows: is this really the column of the labels?`);
  }

  function verdict(labels, strange, classes) {
    const found = `${plural(seen.distinct_labels, "label")} in ${plural(seen.rows_read, "row")}`;
    if (seen.probability_classes.length) return `${found}, with probabilities: they are judged by these, and need no images.`;
    if (!classes.size) return `${found}. The model knows no classes: each label is judged by what the others say of such images.`;
    if (!strange.size) return `${found}; ${model().name} knows all of them.`;
    if (strange.size === labels.length) return `${found}; ${model().name} knows none of them: each is judged by what the others say of such images.`;
    return `${found}; ${model().name} does not know ${strange.size <= 3 ? [...strange].join(", ") : `${count(strange.size)} of them`}.`;
  }

  /** What keeps the labels from being read, or null. */
  function lacksLabels() {
    if (!seen || seen.label_column) return null;
    return seen.probability_classes.length ? NO_LABELS : "Choose the column of the labels.";
  }

  function forget() {
    seen = null;
    place.hidden = true;
    place.replaceChildren();
  }

  const chosen = () => {
    const found = {};
    for (const field of ["label_column", "image_column"]) {
      const value = document.getElementById(field)?.value;
      if (value) found[field] = value;
    }
    return found;
  };

  return {
    of(next) {
      file = next;
      forget();
      if (file) settled = show();
      else ready();
    },
    /** The model has changed: it may know other labels. */
    again: () => seen && draw(),
    columns: () => (place.hidden ? {} : chosen()),
    /** Resolves when what was asked last is shown, or what is wrong with it is said. */
    settled: () => settled,
    lacksLabels,
    lacksImages: () => seen !== null && !seen.image_column,
    hasProbabilities: () => Boolean(seen?.probability_classes.length),
  };
}
