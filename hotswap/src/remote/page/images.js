// The images that are in the program, and who uses them.

import { $, fill, h } from "./dom.js";
import { count } from "./words.js";

export function images({ images: seen }) {
  fill($("images"), seen, () => {
    if (seen.refused) return h("li", { class: "note" }, `${seen.refused}.`);
    const all = [...seen.images.map(image), ...seen.pinned.map(pinned)];
    return all.length > 0 ? all : h("li", { class: "note" }, "None: every version is compiled in.");
  });
}

function image({ id, from, serial, digest, machines, holders }) {
  const has = machines.map(({ machine, versions }) => `${machine} ${versions.join(", ")}`).join("; ");
  const uses = holders.map(({ switch: label, version, current, permanent, live }) => {
    const why = [current && "runs", permanent && "permanent", live > 0 && count(live, "instance")].filter(Boolean);
    return `${label} ${version} (${why.join(", ")})`;
  });
  return h(
    "li",
    null,
    h("strong", null, id),
    h("span", { class: "note" }, [serial !== null && `serial ${serial}`, from && `from ${from}`].filter(Boolean).join(", ")),
    h("span", null, `has ${has}`),
    h("span", null, uses.length > 0 ? `used by ${uses.join("; ")}` : "used by nobody"),
    h("span", { class: "note digest" }, `SHA-256 ${digest}`),
  );
}

function pinned({ image: id, reason }) {
  return h("li", null, h("strong", null, id), h("span", { class: "note" }, "let go, and still in memory"), h("span", null, reason));
}
