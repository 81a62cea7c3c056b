// Plan, then upgrade, then commit or roll back: what each would do is said before it can be asked for.

import { change, of, plan } from "./api.js";
import { ask, askToLeave, given } from "./consent.js";
import { $, enable, fill, h, say } from "./dom.js";
import { Asking, losses } from "./form.js";
import { planned } from "./planned.js";
import { count } from "./words.js";

export class Commands {
  #watch;
  #seen = null;
  /** The plan that an upgrade may follow, and the release it was made for. */
  #plan = null;
  /** The plan that was followed last, until another release comes: its own. */
  #asked = null;

  constructor(watch) {
    this.#watch = watch;
    this.planning = new Asking($("plan"), () => this.#askPlan());
    this.upgrading = new Asking($("upgrade"), () => this.#upgrade());
    this.committing = new Asking($("commit"), () => this.#commit());
    this.rollingBack = new Asking($("rollback"), () => this.#rollBack());
    this.planningBack = new Asking($("rollback"), () => this.#askWayBack(), $("back"));
    this.upgrading.form.elements.share.addEventListener("input", () => this.#showUpgrade());
  }

  show(seen) {
    const anew = seen.tag !== this.#seen?.tag || seen.view.label !== this.#seen.view.label;
    this.#seen = seen;
    // what was planned for another release says nothing of this one
    if (anew) this.#forget();
    this.#showPlan();
    this.#showUpgrade();
    this.#showEnd();
  }

  #forget() {
    const [plan, asked] = [this.#plan, this.#asked];
    this.#plan = this.#asked = null;
    // what was asked for stays, to be compared with what comes of it
    if (asked !== null) planned($("planned"), { ...asked, asked: true });
    else this.#note(plan === null ? "Nothing is planned." : "The release has changed since: plan again.");
    fill($("back-planned"), null, () => h("p", { class: "note" }, "Nothing is planned."));
    ask(this.upgrading.consent, null);
    ask(this.rollingBack.consent, null);
  }

  #note(text) {
    fill($("planned"), text, () => h("p", { class: "note" }, text));
  }

  #showPlan() {
    const { view, versions } = this.#seen;
    const to = versions.filter(({ number, takes }) => number !== view.version && takes.length > 0).map(({ number }) => number);
    fill($("to"), to, () => to.map((number) => h("option", { value: number, selected: number === next(to, view.version) }, number)));
    enable(this.planning.button, to.length > 0);
  }

  async #askPlan() {
    const { view, tag } = this.#seen;
    const to = Number($("to").value);
    this.#plan = null;
    this.#note(`Every migration to version ${to} is run …`);
    try {
      const found = await plan(view.label, to);
      if (tag !== this.#seen.tag) return this.#forget();
      this.#plan = { tag, to, ...found };
      planned($("planned"), found);
      ask(this.upgrading.consent, found.loses);
    } catch (error) {
      this.#forget();
      throw error;
    } finally {
      this.#showUpgrade();
    }
  }

  #showUpgrade() {
    const { view } = this.#seen;
    const to = this.#plan?.to;
    say(this.upgrading.button, to === undefined ? "Upgrade" : `Upgrade to version ${to}`);
    enable(this.upgrading.button, to !== undefined && !view.canary);
    say($("upgrade-note"), view.canary ? "A canary runs: promote it or roll it back first." : this.#would(view, to));
  }

  /** What an upgrade would do. */
  #would({ live, permanent }, to) {
    if (to === undefined) return "First plan, to see what it would do.";
    const back = `A rollback goes to version ${permanent}, until version ${to} is committed.`;
    const share = this.upgrading.form.elements.share.value;
    const all = `Steps run at version ${to} at once, and ${count(live, "instance")} move there.`;
    return `${share === "" ? all : `About ${share} % of ${count(live, "instance")} move to version ${to}, the others stay.`} ${back}`;
  }

  async #upgrade() {
    const { upgrading } = this;
    const { tag, to } = this.#plan;
    const { label } = this.#seen.view;
    const { keep, share } = upgrading.form.elements;
    const body = { to, reason: upgrading.reason, keep_previous: keep.checked, accept_loss: given(upgrading.consent) };
    // a program without canaries does not know the field
    if (share.value !== "") body.canary = Number(share.value);
    this.#asked = this.#plan;
    try {
      await this.#change(upgrading, of(label, "/upgrades"), tag, body);
    } catch (error) {
      this.#asked = null;
      throw error;
    }
  }

  #showEnd() {
    const { view } = this.#seen;
    const { version, permanent, held_back, held, live } = view;
    const probation = view.phase === "probation";
    const none = `Version ${permanent} is permanent: there is nothing to commit or to roll back.`;
    const commits = `Commit: version ${version} becomes permanent. No rollback goes further back, and states that were kept for one go.`;
    const soon = `A canary runs: version ${version} can be committed once it is promoted.`;
    say($("commit-note"), !probation ? none : view.canary ? soon : commits);
    say($("rollback-note"), probation ? `Roll back: ${count(live, "instance")} go to version ${permanent}, each by the declared way down, or else to its state from before, if that was kept; who has neither is held back.` : "");
    askToLeave(this.committing.consent, probation ? held_back : 0, held.slice(0, 10).map(({ who }) => who));
    say(this.committing.button, probation ? `Commit version ${version}` : "Commit");
    say(this.rollingBack.button, probation ? `Roll back to version ${permanent}` : "Roll back");
    enable(this.committing.button, probation && !view.canary);
    for (const { button } of [this.rollingBack, this.planningBack]) enable(button, probation);
  }

  async #commit() {
    const { reason, consent } = this.committing;
    const { view, tag } = this.#seen;
    await this.#change(this.committing, of(view.label, "/commit"), tag, { reason, leave_held_back: given(consent) });
  }

  async #askWayBack() {
    const { view, tag } = this.#seen;
    fill($("back-planned"), "…", () => h("p", { class: "note" }, `Every migration to version ${view.permanent} is run …`));
    try {
      const found = await plan(view.label, view.permanent);
      if (tag !== this.#seen.tag) return;
      planned($("back-planned"), found);
      ask(this.rollingBack.consent, found.loses);
    } catch (error) {
      fill($("back-planned"), error.message, () => h("p", { class: "note" }, "No declared way was planned; a rollback restores the states that were kept."));
      throw error;
    }
  }

  async #rollBack() {
    const { reason, consent } = this.rollingBack;
    const { view, tag } = this.#seen;
    await this.#change(this.rollingBack, of(view.label, "/rollback"), tag, { reason, accept_loss: given(consent) });
  }

  /** Asks for it, and looks at what it did, or what stands in its way. */
  async #change(asking, path, tag, body) {
    try {
      await change(path, tag, body);
      asking.form.reset();
    } catch (error) {
      // what is to be accepted is named, and then asked for
      const named = losses(error);
      if (named !== null) ask(asking.consent, named);
      throw error;
    } finally {
      this.#watch.wake();
    }
  }
}

/** The next version up, or the highest there is. */
const next = (to, version) => to.find((number) => number > version) ?? to.at(-1);
