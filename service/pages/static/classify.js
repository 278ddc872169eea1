// Drop, paste or choose an image, and see what the model makes of it.

import { ask } from "./api.js";
import { drawAnswer } from "./distribution.js";
import { byId, h } from "./dom.js";

const place = byId("answer");
const picture = byId("picture");
const drop = byId("drop");
let image = null;
let asked = null;

byId("image").addEventListener("change", ({ target }) => target.files[0] && take(target.files[0]));
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

async function classify() {
  if (!image) return;
  asked?.abort();
  asked = new AbortController();
  place.setAttribute("aria-busy", "true");
  const query = new URLSearchParams({ model: byId("model").value, level: byId("level").value, top_k: 1000 });
  try {
    const headers = { "Content-Type": "application/octet-stream" };
    const answer = await ask(`/v1/classify?${query}`, { method: "POST", body: image, headers, signal: asked.signal });
    place.replaceChildren(...drawAnswer(answer, Number(byId("level").value)));
  } catch (error) {
    if (error.name === "AbortError") return;
    place.replaceChildren(h("p", { class: "banner bad" }, `This can't be classified: ${error.message}.`.replace("..", ".")));
  }
  place.removeAttribute("aria-busy");
}
