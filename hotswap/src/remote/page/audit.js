// What was done and what was refused, the newest first: by the switch, and by the server before it came to the switch.

import { $, fill, h } from "./dom.js";
import { number, time } from "./words.js";

/** So many are shown. */
const MOST = 200;

export function audit({ audit: seen, view }) {
  fill($("audit"), seen, () => {
    if (seen.refused) return h("li", { class: "note" }, `${seen.refused}.`);
    const { changes, changes_lost, refusals, refusals_lost } = seen.switches[view.label];
    const all = [
      ...changes.map((entry) => ({ ...entry, class: "" })),
      ...refusals.map((entry) => ({ ...entry, class: "refused", what: `refused: ${entry.what}` })),
      ...seen.remote.filter((call) => call.status >= 400 && !told(call, refusals)).map(called),
    ].sort((a, b) => b.at_ms - a.at_ms);
    const lost = changes_lost + refusals_lost + seen.remote_lost + Math.max(0, all.length - MOST);
    const older = lost > 0 && h("li", { class: "note" }, `and ${number(lost)} older`);
    return [...all.slice(0, MOST).map(entry), older, all.length + lost === 0 && h("li", { class: "note" }, "Nothing yet.")];
  });
}

/** The switch has said it already. */
const told = ({ why }, refusals) => refusals.some((entry) => entry.why === why);

function called({ at_ms, who, from, method, path, status, why }) {
  const by = who === "" ? `nobody known, ${from}` : `${who} via ${from}`;
  return { at_ms, class: "refused", what: `refused: ${method} ${path} (${status})`, why, by };
}

function entry({ at_ms, class: sort, what, why, by }) {
  return h(
    "li",
    { class: sort },
    h("strong", null, what),
    h("span", { class: "note" }, h("time", null, time(at_ms)), by && ` by ${by}`),
    why && h("span", null, why),
  );
}
