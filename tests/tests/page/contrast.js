// Every text that can be seen, and those of them whose contrast with what is behind them is under 4.5 (WCAG 2.1, 1.4.3).
const read = (text) => {
  const [, inside] = /^rgba?\((.*)\)$/.exec(text) ?? [];
  if (inside === undefined) throw new Error(`no colour that is read here: ${text}`);
  const [r, g, b, a = 1] = inside.split(/[,/ ]+/).map(Number);
  return [r, g, b, a];
};
const over = ([r, g, b, a], [br, bg, bb]) => [r * a + br * (1 - a), g * a + bg * (1 - a), b * a + bb * (1 - a), 1];
const luminance = (colour) => {
  const [r, g, b] = colour.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  const layers = [];
  for (let at = element; at !== null; at = at.parentElement) {
    layers.push(read(getComputedStyle(at).backgroundColor));
    if (layers.at(-1)[3] === 1) break;
  }
  return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
};
const contrast = (element) => {
  const back = behind(element);
  const [light, dark] = [luminance(over(read(getComputedStyle(element).color), back)), luminance(back)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
};
const elements = new Set();
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) if (walk.currentNode.data.trim() !== "") elements.add(walk.currentNode.parentElement);
for (const field of document.querySelectorAll("input:not([type=checkbox]), select")) elements.add(field);
const seen = [...elements].filter((element) => element.checkVisibility() && element.tagName !== "OPTION");
const all = seen.map((element) => [contrast(element), element.outerHTML.slice(0, 100)]);
return { texts: all.length, least: Math.min(...all.map(([found]) => found)), pale: all.filter(([found]) => found < 4.5) };
