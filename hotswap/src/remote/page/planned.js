// What a plan found: the way, who would be held back, what would be lost, and the size of it.

import { fill, h, pairs } from "./dom.js";
import { bytes, count, number, seconds } from "./words.js";

export function planned(box, plan) {
  fill(box, plan, () => {
    const { path, examined, live, not_examined, failed, failures, loses, bytes_before, bytes_after, took_ms, asked } = plan;
    return [
      pairs(
        ["way", `${path.join(" → ")}${asked ? ", asked for" : ""}`],
        ["examined", `${number(examined)} of ${count(live, "instance")}, in ${seconds(took_ms / 1000)}`],
        not_examined > 0 && ["not examined", `${number(not_examined)}: owned, poisoned or new`],
        ["would be held back", number(failed)],
        ["would be lost", loses.length === 0 ? "nothing" : h("ul", null, loses.map(loss))],
        ["states", `${bytes(bytes_before)} → ${bytes(bytes_after)}`],
      ),
      failures.length > 0 && h("ul", { class: "entries" }, failures.map(failure)),
    ];
  });
}

const loss = ({ what, instances }) => h("li", null, `${what}, of ${count(instances, "instance")}`);

const failure = ({ who, reason }) => h("li", null, h("strong", null, who), h("span", null, reason));
