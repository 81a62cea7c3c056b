// The table of rate and p99, before the last command and now. What was not measured is said not to be.

import { $, fill, h, say } from "./dom.js";
import { rate, seconds } from "./words.js";

const NOT = "not measured";
const NOTHING = { rate: null, p99: null };

export function steps({ view, outcome, rates }) {
  const rows = [["before", outcome && outcome.from !== outcome.to ? outcome.from : null], ["now", view.version]];
  const measured = rows.map(([when, version]) => [when, version, rates.versions[version] ?? NOTHING]);
  fill($("rates"), measured, () => measured.map(row));
  say($("rates-note"), note(rates));
}

function row([when, version, { rate: steps, p99 }]) {
  const name = version === null ? when : `${when}: ${version}`;
  return h("tr", null, h("th", { scope: "row" }, name), h("td", null, steps === null ? NOT : rate(steps)), h("td", null, within(p99)));
}

function within(p99) {
  if (p99 === null) return NOT;
  if (p99.bound === Infinity) return "longer";
  return p99.exact ? seconds(p99.bound) : `≤ ${seconds(p99.bound)}`;
}

function note({ absent, versions }) {
  if (absent !== null) return `Not measured: ${absent}.`;
  const all = Object.values(versions);
  if (all.every(({ p99 }) => p99 === null)) return "Nothing was measured while this page was open.";
  return "While this page was open, of a few steps at a time.";
}
