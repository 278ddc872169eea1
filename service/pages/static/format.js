// Numbers, times and sizes as people read them.

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

/** 12,345 */
export const count = (number) => whole.format(number);

/** 12.3 */
export const rounded = (number) => short.format(number);

/** "1 row", "2 rows" */
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** A share as "58.2 %"; never a round 0 or 100 that is not quite so. */
export function percent(share, digits = 1) {
  const least = 10 ** -digits;
  const value = share * 100;
  if (value > 0 && value < least) return `< ${least} %`;
  if (value < 100 && value > 100 - least) return `> ${(100 - least).toFixed(digits)} %`;
  return `${value.toFixed(digits)} %`;
}

/** A share that is an estimate, in words: "about 12 %", or "fewer than 1 %" where that says no more. */
export function roughly(share) {
  const value = percent(share, 0);
  if (share === 0 || share === 1) return value;
  return /^[<>]/.test(value) ? value.replace("<", "fewer than").replace(">", "more than") : `about ${value}`;
}

/** Seconds as "about 3 minutes". */
export function about(seconds) {
  if (seconds < 5) return "a few seconds";
  if (seconds < 55) return `about ${Math.ceil(seconds / 5) * 5} seconds`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return minutes <= 1 ? "about a minute" : `about ${minutes} minutes`;
  const hours = Math.round(seconds / 3600);
  return hours < 36 ? `about ${hours} hours` : `about ${Math.round(hours / 24)} days`;
}

/** Bytes as "12.3 MB". */
export function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) [bytes, unit] = [bytes / 1000, unit + 1];
  return `${short.format(bytes)} ${units[unit]}`;
}

/** When something happened: "just now", "5 minutes ago", or its date. */
export function ago(when, now = new Date()) {
  const seconds = (now - when) / 1000;
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${plural(Math.floor(seconds / 60), "minute")} ago`;
  if (seconds < 86400) return `${plural(Math.floor(seconds / 3600), "hour")} ago`;
  return when.toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });
}
