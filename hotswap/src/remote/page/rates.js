// Rate and p99 of the steps by version, from `/metrics`.
//
// Both are of a few steps after each look: `hotswap_steps_per_second` is how fast they came, and of `hotswap_step_seconds` each look
// is set against the one before. Of a version that runs no more the last that was measured stays.

import { Refused } from "./api.js";

/** Between two readings, in milliseconds; shorter ones are mostly noise. */
const APART = 2000;
/** After the program has said that it renders no metrics. */
const LONG = 30000;

const LINE = /^hotswap_(steps_per_second|step_seconds(?:_count|_bucket)?)\{(.*)\}\s+(\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;
const ESCAPED = { "\\n": "\n", '\\"': '"', "\\\\": "\\" };

/** What the metrics say of the steps of this switch, by version. */
export function read(text, label) {
  const versions = new Map();
  for (const line of text.split("\n")) {
    const [, name, labels, value] = LINE.exec(line) ?? [];
    if (name === undefined) continue;
    const of = Object.fromEntries(Array.from(labels.matchAll(LABEL), ([, key, said]) => [key, said.replace(/\\./g, (two) => ESCAPED[two] ?? two)]));
    if (of.switch !== label || of.version === undefined) continue;
    const version = Number(of.version);
    if (!versions.has(version)) versions.set(version, { rate: null, sampled: 0, buckets: new Map(), p99: null });
    const known = versions.get(version);
    if (name === "steps_per_second") known.rate = Number(value) || null;
    else if (name === "step_seconds_count") known.sampled = Number(value);
    else if (name === "step_seconds_bucket") known.buckets.set(of.le === "+Inf" ? Infinity : Number(of.le), Number(value));
    else if (of.quantile === "0.99") known.p99 = Number(value);
  }
  return versions;
}

/** The smallest bound that 99 of 100 samples between two readings stay under, or else what the program says itself. */
function p99(before, after) {
  const sampled = after.sampled - (before?.sampled ?? 0);
  if (sampled <= 0) return null;
  const under = [...after.buckets].map(([bound, n]) => [bound, n - (before?.buckets.get(bound) ?? 0)]);
  const bound = under.sort(([a], [b]) => a - b).find(([, n]) => n >= 0.99 * sampled)?.[0];
  if (bound !== undefined) return { bound, exact: false };
  return after.p99 === null ? null : { bound: after.p99, exact: true };
}

export class Rates {
  #of = null;
  #last = null;
  #next = 0;
  #measured = {};
  #absent = null;

  /** What has been measured of this switch up to now. */
  async look({ label, boot }, text) {
    if (this.#of !== `${boot} ${label}`) {
      this.#of = `${boot} ${label}`;
      [this.#last, this.#next, this.#measured, this.#absent] = [null, 0, {}, null];
    }
    const now = performance.now();
    if (now >= this.#next) {
      try {
        this.#next = now + APART;
        this.#take(read(await text("metrics"), label));
      } catch (error) {
        if (!(error instanceof Refused) || error.status === 401) throw error;
        this.#absent = error.message;
        this.#next = now + LONG;
      }
    }
    return { versions: this.#measured, absent: this.#absent };
  }

  #take(versions) {
    const last = this.#last;
    this.#last = versions;
    this.#absent = null;
    if (last === null) return;
    const measured = { ...this.#measured };
    for (const [version, after] of versions) {
      const before = last.get(version);
      const found = { rate: after.rate, p99: p99(before, after) };
      const old = measured[version] ?? { rate: null, p99: null };
      measured[version] = { rate: found.rate ?? old.rate, p99: found.p99 ?? old.p99 };
    }
    this.#measured = measured;
  }
}
