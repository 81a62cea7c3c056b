// Asks for a token where the server wants one.

import { token } from "./api.js";
import { $ } from "./dom.js";
import { refuse } from "./problem.js";

export class Token {
  /** `given` is told when there is another, or none any more. */
  constructor(given) {
    const form = $("token-form");
    const input = form.elements.namedItem("token");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      token.set(input.value.trim());
      this.#close(given);
    });
    $("token-forget").addEventListener("click", () => {
      token.forget();
      this.#close(given);
    });
    $("token-open").addEventListener("click", () => this.#open());
  }

  /** The server does not know who asks. */
  wanted(error) {
    refuse($("token-form").querySelector(".refusal"), error);
    this.#open();
  }

  #open() {
    if (!$("token").open) $("token").showModal();
  }

  #close(given) {
    $("token-form").reset();
    $("token-form").querySelector(".refusal").replaceChildren();
    $("token").close();
    given();
  }
}
