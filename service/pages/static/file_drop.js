// A place for one file: chosen, or dropped onto it; by its ending it is taken or refused.

import { say } from "./dom.js";
import { size } from "./format.js";

/** `changed(file)` is called with the file or null, `refused(sentence)` where a file is of another kind. */
export function fileDrop(place, endings, { changed, refused }) {
  const input = place.querySelector("input[type=file]");
  const chosen = place.querySelector(".chosen");
  const what = place.querySelector("h3").textContent;
  const drop = {
    file: null,
    takes: (file) => endings.some((ending) => file.name.toLowerCase().endsWith(ending)),
    take(file) {
      if (file && !drop.takes(file)) {
        drop.clear();
        refused(`${file.name} can't be taken as ${what.toLowerCase()}: its name must end in one of ${endings.join(", ")}.`);
        return;
      }
      drop.file = file;
      show();
      changed(file);
    },
    /** Take what was chosen before this module was there, on a slow line. */
    takeChosen() {
      if (input.files.length) drop.take(input.files[0]);
    },
    clear() {
      input.value = "";
      drop.file = null;
      show();
    },
  };

  function show() {
    place.classList.toggle("full", drop.file !== null);
    say(chosen, drop.file ? `${drop.file.name}, ${size(drop.file.size)}` : "");
  }

  input.addEventListener("change", () => drop.take(input.files[0] ?? null));
  let inside = 0;
  place.addEventListener("dragenter", () => place.classList.toggle("over", ++inside > 0));
  place.addEventListener("dragleave", () => place.classList.toggle("over", --inside > 0));
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    inside = 0;
    place.classList.remove("over");
    if (event.dataTransfer.files.length) drop.take(event.dataTransfer.files[0]);
  });
  return drop;
}
