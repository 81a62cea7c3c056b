// How numbers, sizes and times read.

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" });

export const number = (n) => whole.format(n);

/** `1 instance`, `2 instances`. */
export const count = (n, what) => `${number(n)} ${what}${n === 1 ? "" : "s"}`;

const UNITS = ["byte", "KiB", "MiB", "GiB", "TiB"];

export function bytes(n) {
  let unit = 0;
  for (; n >= 1024 && unit + 1 < UNITS.length; unit++) n /= 1024;
  return unit === 0 ? count(n, "byte") : `${short.format(n)} ${UNITS[unit]}`;
}

export function seconds(s) {
  if (s < 1e-3) return `${short.format(s * 1e6)} µs`;
  return s < 1 ? `${short.format(s * 1e3)} ms` : `${short.format(s)} s`;
}

export const rate = (n) => short.format(n);

/** A time that is given in milliseconds since 1970. */
export const time = (ms) => clock.format(new Date(ms));
