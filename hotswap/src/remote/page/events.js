// The server's events, read by `fetch`: an `EventSource` cannot send a token.

import { stream } from "./api.js";

/** Each event's data, until the stream ends. */
export async function* events() {
  const response = await stream("v1/events");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n").filter((line) => line.startsWith("data:"));
      if (lines.length > 0) yield JSON.parse(lines.map((line) => line.slice("data:".length)).join("\n"));
    }
  }
}
