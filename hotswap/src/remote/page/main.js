// Puts the page together: what was seen goes to each of its parts.

import { Refused } from "./api.js";
import { audit } from "./audit.js";
import { bars } from "./bars.js";
import { Canary } from "./canary.js";
import { Commands } from "./commands.js";
import { $, fill, h, say } from "./dom.js";
import { Held } from "./held.js";
import { images } from "./images.js";
import { line } from "./line.js";
import { News } from "./news.js";
import { steps } from "./steps.js";
import { Token } from "./token.js";
import { Watch } from "./watch.js";

const watch = new Watch({ show, fail, hear: (event) => news.hear(event) });
const news = new News();
const token = new Token(() => watch.wake());
const parts = [new Held(watch), new Canary(watch), new Commands(watch), news];

function show(seen) {
  connected("connected", true);
  const { view } = seen;
  fill($("switches"), [seen.switches, view?.label].map(JSON.stringify), () => seen.switches.map((each) => link(each, view.label)));
  $("main").hidden = view === undefined;
  if (view === undefined) return say($("news"), "This program has no switch.");
  title(seen);
  for (const part of [line, bars, steps, images, audit]) part(seen);
  for (const part of parts) part.show(seen);
}

function link({ label }, shown) {
  return h("li", null, h("a", { href: `#/${encodeURIComponent(label)}`, "aria-current": label === shown && "page" }, label));
}

function title({ view }) {
  document.title = `${view.label} – hotswap`;
  say($("label"), view.label);
  const phase = view.phase === "probation" ? `version ${view.version} on probation, permanent is ${view.permanent}` : `version ${view.version}, permanent`;
  say($("facts"), `machine ${view.machine}: ${phase}; epoch ${view.epoch} of run ${view.boot}`);
}

function fail(error) {
  if (error instanceof Refused && error.status === 401) {
    connected("not let in", false);
    token.wanted(error);
  } else {
    connected(error instanceof Refused ? "refused" : "no connection", false);
    say($("news"), error.message);
  }
}

function connected(text, well) {
  say($("link"), text);
  $("link").classList.toggle("well", well);
}

/** The address says which switch: `#/till`. */
function choose() {
  const [, label] = /^#\/(.*)$/.exec(location.hash) ?? [];
  if (label !== undefined) watch.choose(decoded(label));
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

window.addEventListener("hashchange", choose);
choose();
watch.run();
