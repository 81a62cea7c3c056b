// Consents: ticks that name what they agree to, and are empty again when that changes.

import { fill, h } from "./dom.js";
import { count } from "./words.js";

/** Asks for a consent to this loss, or, with none, for nothing; `null` is not known. */
export function ask(box, losses) {
  fill(box, losses, () => {
    if (losses === null) return h("p", { class: "note" }, "What would be lost is said here, to be agreed to.");
    if (losses.length === 0) return h("p", { class: "note" }, "Nothing would be lost.");
    const named = losses.map(({ what, instances }) => h("li", null, `${what}, of ${count(instances, "instance")}`));
    return [h("label", { class: "tick" }, h("input", { type: "checkbox" }), "I accept that this is lost:"), h("ul", null, named)];
  });
}

/** Asks for leave to leave these behind. */
export function askToLeave(box, held, named) {
  fill(box, [held, named], () => {
    if (held === 0) return h("p", { class: "note" }, "Nobody would be left behind.");
    const text = `leave ${count(held, "instance")} held back at the version they have`;
    return [h("label", { class: "tick" }, h("input", { type: "checkbox" }), text), h("p", { class: "note" }, named.join(", "))];
  });
}

export const given = (box) => box.querySelector("input")?.checked ?? false;
