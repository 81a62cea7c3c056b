// Building and changing elements. What the server says comes in as text: nothing here takes HTML.

export const $ = (id) => document.getElementById(id);

/** An element with attributes and children; what is no element becomes text. `null` and `false` are left out. */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

/** Has the element say this. What it says already is not said again, or it would be read out again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const drawn = new WeakMap();

/** Fills the element with what `make` gives for `value`, unless that is what it was last filled with. */
export function fill(element, value, make) {
  const text = JSON.stringify(value) ?? "";
  if (drawn.get(element) === text) return;
  drawn.set(element, text);
  element.replaceChildren(...[make(value)].flat().filter((child) => child != null && child !== false));
}

/** A list of names and what they are. */
export function pairs(...of) {
  return h("dl", null, of.filter(Boolean).map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));
}

/** Whether a button can be used. It can be reached either way, so that nobody loses their place. */
export function enable(button, on) {
  button.setAttribute("aria-disabled", String(!on));
}

export const enabled = (button) => button.getAttribute("aria-disabled") !== "true";
