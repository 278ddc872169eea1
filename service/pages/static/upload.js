// Send a form with its progress; a tab that is closed meanwhile asks first.

import { problemOf, signIn } from "./api.js";
import { byId, say } from "./dom.js";
import { about, size } from "./format.js";

/** Resolves to the audit's state; rejects with a `Problem`, or an `AbortError` where the person stopped it. */
export function upload(form, most) {
  const bytes = [...form.values()].reduce((sum, value) => sum + (value.size ?? 0), 0);
  if (bytes > most) {
    return Promise.reject(new Error(`These are ${size(bytes)}; the service takes ${size(most)} at most. Ask its operator to mount the images, or to allow more.`));
  }
  const [place, bar, said, what] = ["upload", "upload-bar", "upload-said", "upload-what"].map(byId);
  const request = new XMLHttpRequest();
  const started = performance.now();
  const stay = (event) => event.preventDefault();
  const stop = () => request.abort();

  function begin() {
    place.hidden = false;
    byId("submit").disabled = true;
    bar.removeAttribute("value");
    say(what, "Uploading");
    addEventListener("beforeunload", stay);
    byId("upload-stop").addEventListener("click", stop);
    byId("upload-stop").focus();
  }

  function end() {
    place.hidden = true;
    byId("submit").disabled = false;
    removeEventListener("beforeunload", stay);
    byId("upload-stop").removeEventListener("click", stop);
  }

  function progressed({ loaded, total }) {
    bar.max = total;
    bar.value = loaded;
    const seconds = (performance.now() - started) / 1000;
    const left = (seconds / loaded) * (total - loaded);
    if (loaded === total) say(what, "Received; it is being checked");
    said.textContent = loaded < total && seconds > 1
      ? `${size(loaded)} of ${size(total)}, ${size(loaded / seconds)}/s, ${about(left)} left`
      : `${size(loaded)} of ${size(total)}`;
  }

  return new Promise((resolve, reject) => {
    request.upload.addEventListener("progress", progressed);
    request.addEventListener("load", () => {
      if (request.status === 401) signIn();
      if (request.status === 202) resolve(JSON.parse(request.responseText));
      else reject(problemOf(request.status, request.responseText));
    });
    request.addEventListener("error", () => reject(new Error("The connection broke before everything was sent. Nothing was started; try again.")));
    request.addEventListener("abort", () => reject(new DOMException("stopped", "AbortError")));
    request.addEventListener("loadend", end);
    request.open("POST", "/v1/audits");
    begin();
    request.send(form);
  });
}
