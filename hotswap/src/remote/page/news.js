// Says what happens, for those who look elsewhere or cannot look: each flip and outcome, and how far a sweep has come by quarters.

import { $, say } from "./dom.js";
import { progress } from "./bars.js";
import { number } from "./words.js";

/** How far a command has come: its flip, a quarter of its sweep, its end. */
const [FLIP, END] = [0, 5];

export class News {
  #of = null;
  #label = null;
  /** What was said last: of the command of which epoch, and how far that had come. */
  #epoch = 0;
  #stage = FLIP;

  /** An event of the switch that is shown. */
  hear(event) {
    if (event.switch !== this.#label) return;
    if (event.event === "flip") this.#tell(event.epoch, FLIP, `Flip: ${event.kind} ${event.from} → ${event.to}, ${event.phase}.`);
    if (event.event === "outcome") this.#tell(event.epoch, END, progress({ outcome: event }));
  }

  show({ view, outcome }) {
    const of = `${view.boot} ${view.label}`;
    if (of !== this.#of) [this.#of, this.#label, this.#epoch, this.#stage] = [of, view.label, 0, FLIP];
    if (outcome === null || outcome.live === 0) return;
    const { epoch, kind, to, live, not_reached, settled } = outcome;
    // one that ended before this page was opened is no news
    if (settled && epoch === this.#epoch) this.#tell(epoch, END, progress({ outcome }));
    const quarter = Math.floor((4 * (live - not_reached)) / live);
    if (!settled && quarter > 0) this.#tell(epoch, quarter, `${kind} to version ${to}: ${number(25 * quarter)} % reached.`);
  }

  /** Events and looks come in any order: what is older than what was said is not said any more. */
  #tell(epoch, stage, text) {
    if (epoch < this.#epoch || (epoch === this.#epoch && stage < this.#stage)) return;
    [this.#epoch, this.#stage] = [epoch, stage];
    say($("news"), text);
  }
}
