// Who follows a link from another site is signed in, but the browser kept the cookie back: then go on at once.

const { value: target } = document.querySelector("input[name=next]");
const failed = document.querySelector("[aria-invalid]");
if (!failed && (await fetch("/", { redirect: "manual" })).ok) location.replace(target);
