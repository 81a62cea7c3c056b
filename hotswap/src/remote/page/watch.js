// Keeps looking at one switch: often while something moves, at leisure while nothing does, at once when it is told to.

import { Refused, look, of, text } from "./api.js";
import { events } from "./events.js";
import { Rates } from "./rates.js";

/** Between two looks, in milliseconds: while a command runs, while instances lag, while nothing happens. */
const [QUICK, STEADY, SLOW] = [150, 1000, 3000];

export class Watch {
  /** The switch that is looked at; any, if there is no such one. */
  label = null;
  #to;
  #woken = false;
  #wake = () => {};
  #listens = false;
  #seen = null;
  #rates = new Rates();

  /** `to.show` gets what was seen, `to.fail` what went wrong, `to.hear` each event. */
  constructor(to) {
    this.#to = to;
    document.addEventListener("visibilitychange", () => this.wake());
  }

  choose(label) {
    this.label = label;
    this.wake();
  }

  /** Looks at everything at once. */
  wake() {
    this.#woken = true;
    this.#wake();
  }

  async run() {
    let all = true;
    for (;;) {
      let pause;
      this.#woken = false;
      try {
        const seen = await this.#look(all);
        this.#seen = seen;
        this.#to.show(seen);
        pause = seen.view?.pending != null ? QUICK : seen.lags ? STEADY : SLOW;
        this.#listen();
      } catch (error) {
        this.#to.fail(error);
        // without a token it is of no use to go on asking
        pause = error instanceof Refused && error.status === 401 ? Infinity : STEADY;
      }
      all = (await this.#sleep(document.hidden ? Infinity : pause)) || pause === SLOW;
    }
  }

  /** Says whether it was woken. */
  async #sleep(ms) {
    if (this.#woken) return true;
    await new Promise((done) => {
      this.#wake = done;
      if (ms !== Infinity) setTimeout(done, ms);
    });
    return this.#woken;
  }

  async #look(all) {
    const last = this.#seen;
    if (!all && last?.view) {
      const { label } = last.view;
      const [view, outcome] = await Promise.all([look(of(label)), lastOutcome(label)]);
      const rates = await this.#rates.look(view, text);
      if (tag(view) === last.tag) return seen({ ...last, view, outcome, rates });
    }
    const { switches } = await look("v1/switches");
    const label = (switches.find((each) => each.label === this.label) ?? switches[0])?.label;
    if (label === undefined) return { switches };
    const [view, { versions }, outcome, images, audit] = await Promise.all([
      look(of(label)),
      look(of(label, "/versions")),
      lastOutcome(label),
      orRefused(look("v1/images")),
      orRefused(look(`v1/audit?label=${encodeURIComponent(label)}`)),
    ]);
    return seen({ switches, view, versions, outcome, images, audit, rates: await this.#rates.look(view, text) });
  }

  /** Hears of what happens, until the stream ends; the next look begins another. */
  async #listen() {
    if (this.#listens) return;
    this.#listens = true;
    try {
      for await (const event of events()) {
        this.#to.hear(event);
        this.wake();
      }
    } catch {
      // the looks say what is wrong with the connection
    } finally {
      this.#listens = false;
    }
  }
}

/** The release's tag, for `If-Match`. */
const tag = (view) => `"${view.boot}-${view.epoch}"`;

function seen(what) {
  const { view, outcome } = what;
  // what of the last outcome is of an earlier release is not of this one
  const present = outcome?.epoch === view.epoch ? outcome : null;
  return { ...what, tag: tag(view), outcome: present, lags: present !== null && !present.settled };
}

async function lastOutcome(label) {
  return (await look(of(label, "/upgrades?limit=1"))).outcomes.at(-1) ?? null;
}

/** What is not offered here is no failure of the page. */
async function orRefused(looked) {
  try {
    return await looked;
  } catch (error) {
    if (error instanceof Refused && error.status !== 401) return { refused: error.message };
    throw error;
  }
}
