// Who is held back, and why; and trying them again.

import { change, of } from "./api.js";
import { $, enable, fill, h, say } from "./dom.js";
import { Asking } from "./form.js";
import { count } from "./words.js";

export class Held {
  #watch;
  #seen = null;

  constructor(watch) {
    this.#watch = watch;
    this.retrying = new Asking($("retry"), () => this.#retry());
  }

  show(seen) {
    this.#seen = seen;
    const { held, held_back } = seen.view;
    say($("held-h"), held_back === 0 ? "Held back" : `Held back: ${count(held_back, "instance")}`);
    fill($("held"), [held, held_back], () => {
      if (held_back === 0) return h("li", { class: "note" }, "Nobody.");
      const unnamed = held_back - held.length;
      return [...held.map(entry), unnamed > 0 && h("li", { class: "note" }, `and ${count(unnamed, "more instance")}, not named here`)];
    });
    enable(this.retrying.button, held_back > 0);
  }

  async #retry() {
    const { view, tag } = this.#seen;
    try {
      await change(of(view.label, `/upgrades/${encodeURIComponent(view.id)}/retry`), tag, { reason: "" });
    } finally {
      this.#watch.wake();
    }
  }
}

function entry({ who, place, version, reason, poisoned }) {
  const at = version === 0 ? "its state is lost" : `at version ${version}`;
  const where = `${place}, ${at}${poisoned ? ", poisoned" : ""}`;
  return h("li", null, h("strong", null, who), h("span", { class: "note" }, where), h("span", null, reason));
}
