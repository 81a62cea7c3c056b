// How many instances run which version, as bars that move while a sweep runs, and how far that has come.

import { $, fill, h, say } from "./dom.js";
import { count, number } from "./words.js";

/** By version: how many live there, in whatever place. */
function populations({ view, versions }) {
  const live = new Map(versions.map(({ number: version }) => [version, 0]));
  for (const { version, live: some } of view.by_version) live.set(version, (live.get(version) ?? 0) + some);
  // 0 is those whose state was lost; where there are none, they have no bar
  return [...live].filter(([version, some]) => version !== 0 || some > 0).sort(([a], [b]) => a - b);
}

export function bars(seen) {
  const { view, versions } = seen;
  const by = populations(seen);
  const standing = Object.fromEntries(versions.map(({ number: version, standing: where }) => [version, where]));
  const rows = by.map(([version]) => [version, standing[version] ?? "lost"]);
  fill($("bars"), rows, () => rows.map(row));
  const total = Math.max(1, by.reduce((sum, [, some]) => sum + some, 0));
  by.forEach(([, some], index) => {
    const bar = $("bars").children[index];
    bar.querySelector(".fill").style.setProperty("transform", `scaleX(${some / total})`);
    say(bar.querySelector(".count"), number(some));
  });
  say($("progress"), progress(seen));
  $("bars").classList.toggle("moves", view.pending !== null);
}

function row([version, standing]) {
  return h(
    "li",
    { class: standing },
    h("span", { class: "name" }, version === 0 ? "lost" : `version ${version}`),
    h("span", { class: "track", "aria-hidden": "true" }, h("span", { class: "fill" })),
    h("span", { class: "count" }),
  );
}

/** Where everybody is whom the last command was about: the parts sum to those who lived at its flip. */
export function progress({ view, outcome }) {
  if (outcome === null || outcome.kind === "start") return `${count(view.live, "instance")}.`;
  const { kind, from, to, live, moved, stayed = 0, held_back, gone, not_reached, settled } = outcome;
  const way = from === to ? `at version ${to}` : `${from} → ${to}`;
  const parts = [`${number(moved)} moved`, `${number(held_back)} held back`, `${number(gone)} gone`];
  if (stayed > 0) parts.splice(1, 0, `${number(stayed)} stayed`);
  if (not_reached > 0) parts.push(`${number(not_reached)} not reached`);
  return `${kind} ${way}: of ${number(live)}, ${parts.join(", ")}. ${settled ? "Settled." : "It goes on."}`;
}
