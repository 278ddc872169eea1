// The interface under /v1, as the pages call it: same origin, JSON, errors as sentences.

/** An answer that is an error; `message` is for people, `code` for programs. */
export class Problem extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

/** The problem that an answer's body describes. */
export function problemOf(status, text) {
  try {
    const { code, detail } = JSON.parse(text);
    if (detail) return new Problem(status, code, detail);
  } catch { /* not of this service: a proxy's, perhaps */ }
  return new Problem(status, "unknown", status ? `The service answered with ${status}.` : "The service can't be reached.");
}

/** Ask; resolves to what the JSON says (null: an empty answer), or rejects with a `Problem`. */
export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "unreachable", "The service can't be reached. Check the connection and try again.");
  }
  if (answer.status === 401) signIn();
  if (!answer.ok) throw problemOf(answer.status, await answer.text());
  return answer.status === 204 ? null : answer.json();
}

/** Send JSON. */
export const send = (method, path, content, options = {}) =>
  ask(path, { method, body: JSON.stringify(content), headers: { "Content-Type": "application/json" }, ...options });

/** Ask for the key, and come back here. */
export function signIn() {
  location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
}
