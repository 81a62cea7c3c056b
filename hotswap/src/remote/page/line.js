// The versions of a switch as a line, and where each stands.

import { $, fill, h } from "./dom.js";
import { number } from "./words.js";

const MEANS = {
  permanent: "a rollback comes up here",
  current: "runs, on probation",
  old: "has run before",
  available: "has not run yet",
};

export function line({ view, versions }) {
  const stops = versions.map(({ number: version, standing, state, image, can_retire, takes }) => ({
    version,
    standing,
    state,
    image,
    runs: version === view.version,
    note: takes.length === 0 ? "decoded only" : can_retire ? "can be retired" : null,
  }));
  fill($("line"), stops, () => stops.map(stop));
}

function stop({ version, standing, state, image, runs, note }) {
  return h(
    "li",
    { class: standing, "aria-current": runs && "true" },
    h("span", { class: "number" }, number(version)),
    h("span", { class: "standing", title: MEANS[standing] }, standing, runs && standing === "permanent" && ", runs"),
    h("span", { class: "note" }, state),
    h("span", { class: "note" }, image === null ? "compiled in" : `loaded: ${image}`),
    h("span", { class: "note" }, note ?? MEANS[standing]),
  );
}
