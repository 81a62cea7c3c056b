// A form that asks the server for something: once at a time, and what is refused is shown.

import { Refused } from "./api.js";
import { $, enabled } from "./dom.js";
import { refuse } from "./problem.js";

/** There is one place for it, which nothing has to make room for. */
const refusal = $("refusal");
const shown = refusal.querySelector(".refusal");

function close() {
  refusal.hidden = true;
  shown.replaceChildren();
}

$("refusal-close").addEventListener("click", close);

export class Asking {
  /** `ask` is done when the form is sent, unless its button is off. */
  constructor(form, ask, button = form.querySelector("button[type=submit]")) {
    Object.assign(this, { form, ask, button });
    this.consent = form.querySelector(".consent");
    this.busy = false;
    const asked = (event) => {
      event.preventDefault();
      this.#go();
    };
    if (button.type === "submit") form.addEventListener("submit", asked);
    else button.addEventListener("click", asked);
  }

  /** Why, in the operator's words. */
  get reason() {
    return this.form.elements.namedItem("reason").value;
  }

  async #go() {
    if (this.busy || !enabled(this.button)) return;
    this.busy = true;
    this.button.setAttribute("aria-busy", "true");
    close();
    try {
      await this.ask();
    } catch (error) {
      refuse(shown, error);
      refusal.hidden = false;
      if (!(error instanceof Refused)) console.warn(error);
    } finally {
      this.busy = false;
      this.button.removeAttribute("aria-busy");
    }
  }
}

/** What a refusal says would be lost; `null` if it was refused for another reason. */
export const losses = (error) => (error instanceof Refused && error.problem.blocker?.kind === "losses" ? error.problem.blocker.losses : null);
