// A place for one file: chosen, or dropped onto it; by its ending it is taken or refused.

import { say } from "./dom.js";
import { size } from "./format.js";

const SPREADSHEETS = /\.(xlsx?|xlsm|ods|numbers)$/i;
const PICTURES = /\.(png|jpe?g|gif|bmp|webp|tiff?|heic)$/i;

/**
 * `changed(file)` is called with the file or null, `misplaced(file)` where a file of another kind was chosen here, and
 * `refused(sentence)` where one was taken that is none. What is dropped is left to the page: it may be two files.
 */
export function fileDrop(place, endings, { changed, misplaced, refused }) {
  const input = place.querySelector("input[type=file]");
  const chosen = place.querySelector(".chosen");
  const what = place.querySelector("h3").textContent;
  const drop = {
    file: null,
    takes: (file) => endings.some((ending) => file.name.toLowerCase().endsWith(ending)),
    take(file) {
      if (file && !drop.takes(file)) {
        refused(whyNot(file));
        return;
      }
      drop.file = file;
      show();
      changed(file);
    },
    /** Take what was chosen before this module was there, on a slow line. */
    takeChosen() {
      if (input.files.length) chose(input.files[0]);
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

  function whyNot({ name }) {
    if (SPREADSHEETS.test(name)) return `${name} is a spreadsheet. In Excel: Save as, CSV UTF-8.`;
    if (PICTURES.test(name)) return `${name} is a picture. Put all of them into one .zip.`;
    return `${name} can't be taken as ${what.toLowerCase()}: its name must end in one of ${endings.join(", ")}.`;
  }

  input.addEventListener("change", () => chose(input.files[0] ?? null));
  function chose(file) {
    if (!file || drop.takes(file)) return drop.take(file);
    input.value = "";
    misplaced(file);
  }

  let inside = 0;
  place.addEventListener("dragenter", () => place.classList.toggle("over", ++inside > 0));
  place.addEventListener("dragleave", () => place.classList.toggle("over", --inside > 0));
  place.addEventListener("drop", () => {
    inside = 0;
    place.classList.remove("over");
  });
  return drop;
}
