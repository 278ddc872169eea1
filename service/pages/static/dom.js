// Elements from names, properties and children. Whatever is text stays text: there is no way to make markup of it.

/** Make an element; `properties` are attributes, listeners (`onclick`), or null for none; children may be null. */
export function h(name, properties = {}, ...children) {
  const element = name === "svg" || SVG.has(name)
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = new Set(["circle", "g", "line", "path", "polyline", "rect", "text", "title", "tspan"]);

/** The one element with this id. */
export const byId = (id) => document.getElementById(id);

/** Set a text where it differs: what a screen reader has read it need not read again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
