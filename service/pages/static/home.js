// The front page: a form that shows what is taken for what before it uploads, beside the list of audits.

import { byId } from "./dom.js";
import { showAudits } from "./audit_list.js";
import { fileDrop } from "./file_drop.js";
import { preview } from "./preview.js";
import { upload } from "./upload.js";

const setup = JSON.parse(byId("setup").textContent);
const form = byId("start");
const trouble = byId("trouble");
const dataset = byId("dataset");

showAudits(byId("list"), byId("list-trouble"), JSON.parse(byId("newest").textContent), setup.shown);

const model = () => setup.models.find(({ name }) => name === byId("model").value);
const shown = preview(byId("preview"), setup.labels, model, { complain, ready: look });
const labels = fileDrop(byId("labels-drop"), setup.labels.endings, {
  changed(file) {
    complain("");
    suggestName();
    shown.of(file);
  },
  misplaced: (file) => take([file]),
  refused: complain,
});
const images = fileDrop(byId("images-drop"), setup.images.endings, {
  changed(file) {
    complain("");
    if (file && dataset) dataset.value = "";
    suggestName();
    look();
  },
  misplaced: (file) => take([file]),
  refused: complain,
});
dataset?.addEventListener("change", () => {
  if (dataset.value) images.clear();
  suggestName();
  look();
});
byId("model").addEventListener("change", () => shown.again());

// What is dropped anywhere goes where its name says; a file that missed must not replace the page.
for (const event of ["dragover", "drop"]) {
  document.addEventListener(event, (dropped) => {
    if (!dropped.dataTransfer?.types.includes("Files")) return;
    dropped.preventDefault();
    if (event === "drop") take([...dropped.dataTransfer.files]);
  });
}

/** Each file where it belongs; what is refused comes last, so that its reason stays. */
function take(files) {
  const drops = files.map((file) => [[images, labels].find((drop) => drop.takes(file)), file]);
  for (const [drop, file] of drops) drop?.take(file);
  for (const [drop, file] of drops) if (!drop) labels.take(file);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  complain("");
  await shown.settled();
  const lacking = look();
  if (lacking) return byId(lacking)?.focus();
  try {
    const { id } = await upload(fields(), setup.most);
    location.assign(`/audits/${id}`);
  } catch (error) {
    if (error.name !== "AbortError") complain(error.message);
  }
});

/** Say what is still missing; returns the id of the field that lacks it, or null. */
function look() {
  const [field, missing] = lack() ?? [null, ""];
  byId("missing").textContent = missing;
  return field;
}

function lack() {
  const hasImages = Boolean(images.file || dataset?.value);
  if (!labels.file && !hasImages) return ["labels", "Choose a label file, and its images."];
  if (labels.file && shown.lacksLabels()) return ["label_column", shown.lacksLabels()];
  if (shown.hasProbabilities()) return null;
  if (!hasImages) return ["images", "Choose the images, too."];
  if (labels.file && shown.lacksImages()) return ["image_column", "Choose the column of the images."];
  return null;
}

function fields() {
  const name = byId("name").value.trim() || ownName();
  const chosen = {
    name,
    model: byId("model").value,
    evidence: form.elements.evidence.value,
    groups: groups(byId("groups").value),
    probabilities: byId("probabilities").checked ? "true" : "",
    dataset: dataset?.value,
    ...shown.columns(),
  };
  const content = new FormData();
  for (const [field, value] of Object.entries(chosen)) if (value) content.append(field, value);
  if (labels.file) content.append("labels", labels.file);
  if (images.file) content.append("images", images.file);
  return content;
}

/** The content of a groups file, of lines of classes; what is JSON already stays as it is. */
function groups(text) {
  if (!text.trim() || text.trim().startsWith("{")) return text.trim();
  const lines = text.split("\n").map((line) => line.split(",").map((name) => name.trim()).filter(Boolean));
  return JSON.stringify({ groups: lines.filter((line) => line.length) });
}

/** What the audit is called where nobody gives it a name: as its label file is, else as its images are. */
function ownName() {
  const name = labels.file?.name ?? images.file?.name;
  return (name ? name.replace(/(\.tar)?\.[^.]+$/, "") : dataset?.value ?? "").slice(0, 200);
}

function suggestName() {
  if (ownName()) byId("name").placeholder = ownName();
}

function complain(text) {
  trouble.hidden = !text;
  trouble.textContent = text;
  if (text) trouble.scrollIntoView({ block: "nearest" });
}

for (const drop of [labels, images]) drop.takeChosen();
