// What the server refused, and what stands in the way, as it says it.

import { Refused } from "./api.js";
import { h, pairs } from "./dom.js";

/** Shows it where it was asked for. */
export function refuse(box, error) {
  if (!(error instanceof Refused)) {
    box.replaceChildren(h("p", null, `There was no answer: ${error.message}. Asked again, it is done once.`));
    return;
  }
  const { title, detail, status, blocker } = error.problem;
  const stale = error.status === 412 && "Nothing was done. Here is how it stands now: look again before you ask again.";
  const { kind: _, ...fields } = blocker ?? {};
  const named = Object.entries(fields).map(([name, value]) => [name, spelled(value)]);
  box.replaceChildren(
    ...[
      h("p", null, h("strong", null, detail)),
      stale && h("p", null, stale),
      h("p", { class: "note" }, `${status} ${error.sort}: ${title}`),
      named.length > 0 && pairs(...named),
    ].filter(Boolean),
  );
}

/** A value of any shape. */
function spelled(value) {
  if (Array.isArray(value)) return value.length === 0 ? "none" : h("ul", null, value.map((each) => h("li", null, spelled(each))));
  if (value === null || typeof value !== "object") return String(value);
  return pairs(...Object.entries(value).map(([name, each]) => [name, spelled(each)]));
}
