// Drop, paste or choose an image, and see what the model makes of it.

import { ask } from "./api.js";
import { drawDetails, drawSentence } from "./distribution.js";
import { byId, h } from "./dom.js";

const place = byId("answer");
const [sentence, details] = ["sentence", "details"].map(byId);
const picture = byId("picture");
const drop = byId("drop");
let image = null;
let asked = null;
let fresh = false;

const input = byId("image");
input.addEventListener("change", () => input.files[0] && take(input.files[0]));
byId("model").addEventListener("change", classify);
byId("level").addEventListener("input", () => {
  byId("level-said").textContent = Number(byId("level").value).toFixed(2);
});
byId("level").addEventListener("change", classify);
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
  if (file) take(file);
});
for (const event of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(event, (dropped) => {
    if (!dropped.dataTransfer?.types.includes("Files")) return;
    dropped.preventDefault();
    drop.classList.toggle("over", event === "dragover");
    if (event === "drop" && dropped.dataTransfer.files.length) take(dropped.dataTransfer.files[0]);
  });
}
for (const button of document.querySelectorAll("[data-image]")) {
  button.addEventListener("click", async () => {
    byId("model").value = button.dataset.model;
    take(await (await fetch(button.dataset.image)).blob());
  });
}

function take(file) {
  image = file;
  fresh = true;
  URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(file);
  picture.alt = file.name ? `The image ${file.name}` : "The image";
  classify();
}

picture.addEventListener("load", () => {
  picture.hidden = false;
  picture.classList.toggle("tiny", picture.naturalWidth < 128);
});
picture.addEventListener("error", () => { picture.hidden = true; });
if (input.files[0]) take(input.files[0]); // chosen before this module was there, on a slow line

async function classify() {
  if (!image) return;
  asked?.abort();
  asked = new AbortController();
  place.setAttribute("aria-busy", "true");
  const query = new URLSearchParams({ model: byId("model").value, level: byId("level").value, top_k: 1000 });
  try {
    const headers = { "Content-Type": "application/octet-stream" };
    const answer = await ask(`/v1/classify?${query}`, { method: "POST", body: image, headers, signal: asked.signal });
    const level = Number(byId("level").value);
    sentence.replaceChildren(...drawSentence(answer, level));
    details.replaceChildren(...drawDetails(answer, level));
  } catch (error) {
    if (error.name === "AbortError") return;
    sentence.replaceChildren(h("p", { class: "banner bad" }, `This can't be classified: ${error.message}.`.replace("..", ".")));
    details.replaceChildren();
  }
  place.removeAttribute("aria-busy");
  if (fresh && place.getBoundingClientRect().top > innerHeight / 2) place.scrollIntoView(); // a phone has it below the fold
  fresh = false;
}
