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
    if (file && !byId("name").value) byId("name").placeholder = nameOf(file);
    shown.of(file);
  },
  refused: complain,
});
const images = fileDrop(byId("images-drop"), setup.images.endings, {
  changed(file) {
    complain("");
    if (file && dataset) dataset.value = "";
    look();
  },
  refused: complain,
});
dataset?.addEventListener("change", () => {
  if (dataset.value) images.clear();
  look();
});
byId("model").addEventListener("change", () => shown.again());

// What is dropped anywhere goes where its name says; a file that missed must not replace the page.
for (const event of ["dragover", "drop"]) {
  document.addEventListener(event, (dropped) => {
    if (!dropped.dataTransfer?.types.includes("Files")) return;
    dropped.preventDefault();
    if (event === "drop") for (const file of dropped.dataTransfer.files) (images.takes(file) ? images : labels).take(file);
  });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  complain("");
  if (look()) return (labels.file ? byId("images") : byId("labels")).focus();
  try {
    const { id } = await upload(fields(), setup.most);
    location.assign(`/audits/${id}`);
  } catch (error) {
    if (error.name !== "AbortError") complain(error.message);
  }
});

/** Say what is still missing; returns it. */
function look() {
  const has = { labels: labels.file, images: images.file || dataset?.value };
  let missing = "";
  if (!has.labels && !has.images) missing = "Choose a label file, and its images.";
  else if (!has.images && !shown.hasProbabilities()) missing = "Choose the images, too.";
  byId("missing").textContent = missing;
  return missing;
}

function fields() {
  const name = byId("name").value.trim() || (labels.file ? nameOf(labels.file) : "");
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

function nameOf(file) {
  return file.name.replace(/\.[^.]+$/, "").slice(0, 200);
}

function complain(text) {
  trouble.hidden = !text;
  trouble.textContent = text;
  if (text) trouble.scrollIntoView({ block: "nearest" });
}

for (const drop of [labels, images]) drop.takeChosen();
