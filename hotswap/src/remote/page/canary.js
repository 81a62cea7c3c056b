// The canary, where the program has them: how both sides do, and taking everybody along.

import { change, of } from "./api.js";
import { ask, given } from "./consent.js";
import { $, enable, fill, h, say } from "./dom.js";
import { Asking, losses } from "./form.js";
import { number, seconds } from "./words.js";

const NOT = "not measured";

const ROWS = [
  ["instances", ({ live }) => number(live)],
  ["steps", ({ steps }) => number(steps)],
  ["failed", ({ failures }) => number(failures)],
  ["panicked", ({ panics }) => number(panics)],
  ["half within", ({ latency }) => (latency ? seconds(latency.p50_ns / 1e9) : NOT)],
  ["p99", ({ latency }) => (latency ? seconds(latency.p99_ns / 1e9) : NOT)],
];

export class Canary {
  #watch;
  #seen = null;

  constructor(watch) {
    this.#watch = watch;
    this.promoting = new Asking($("promote"), () => this.#promote());
  }

  show(seen) {
    const { canary, live } = seen.view;
    if (seen.tag !== this.#seen?.tag) ask(this.promoting.consent, null);
    this.#seen = seen;
    const known = canary !== undefined;
    $("canary").hidden = $("share").hidden = !known;
    if (!known) return;
    fill($("sides"), canary, () => (canary === null ? [] : sides(canary)));
    const runs = canary && `Version ${canary.canary.version} for ${canary.percent} % of the keys. Promote: all ${number(live)} go there, still on probation.`;
    say($("canary-note"), runs ?? "None runs: an upgrade may begin with a share of the keys.");
    enable(this.promoting.button, canary !== null);
  }

  async #promote() {
    const { view, tag } = this.#seen;
    const { reason, consent } = this.promoting;
    try {
      await change(of(view.label, "/promote"), tag, { reason, accept_loss: given(consent) });
      this.promoting.form.reset();
    } catch (error) {
      const named = losses(error);
      if (named !== null) ask(consent, named);
      throw error;
    } finally {
      this.#watch.wake();
    }
  }
}

function sides({ before, canary }) {
  const head = [before, canary].map(({ version }) => h("th", { scope: "col" }, `version ${version}`));
  const body = ROWS.map(([name, of]) => h("tr", null, h("th", { scope: "row" }, name), [before, canary].map((side) => h("td", null, of(side)))));
  return [h("thead", null, h("tr", null, h("th", { scope: "col" }, "both sides"), head)), h("tbody", null, body)];
}
