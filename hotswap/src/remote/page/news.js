// Says what happens, for those who look elsewhere or cannot look: each flip and outcome, and how far a sweep has come by quarters.

import { $, say } from "./dom.js";
import { progress } from "./bars.js";
import { number } from "./words.js";

export class News {
  #label = null;
  #said = "";

  /** An event of the switch that is shown. */
  hear(event) {
    if (event.switch !== this.#label) return;
    if (event.event === "flip") say($("news"), `Flip: ${event.kind} ${event.from} → ${event.to}, ${event.phase}.`);
    if (event.event === "outcome") say($("news"), progress({ outcome: event }));
  }

  show({ view, outcome }) {
    this.#label = view.label;
    if (outcome === null || outcome.settled || outcome.live === 0) return;
    const quarter = Math.floor((4 * (outcome.live - outcome.not_reached)) / outcome.live);
    const said = `${outcome.id} ${quarter}`;
    if (quarter === 0 || said === this.#said) return;
    this.#said = said;
    say($("news"), `${outcome.kind} to version ${outcome.to}: ${number(25 * quarter)} % reached.`);
  }
}
