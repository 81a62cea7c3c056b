// Calls of the server's API: with the token, and for what changes something with the release that was seen.

const TOKEN = "hotswap.token";

export const token = {
  get: () => sessionStorage.getItem(TOKEN),
  set: (text) => sessionStorage.setItem(TOKEN, text),
  forget: () => sessionStorage.removeItem(TOKEN),
};

/** The server answered, and refused. */
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
    this.status = problem.status;
    this.sort = String(problem.type).replace("urn:hotswap:problem:", "");
  }
}

/** There was no answer. */
export class Unreachable extends Error {}

async function ask(method, path, headers, body, signal) {
  const given = token.get();
  if (given) headers.authorization = `Bearer ${given}`;
  let response;
  try {
    response = await fetch(path, { method, headers, body, signal, cache: "no-store", redirect: "error" });
  } catch (error) {
    throw new Unreachable(error.message);
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => null);
  throw new Refused(problem?.detail ? problem : { type: "", title: "refused", status: response.status, detail: `the server answered ${response.status}` });
}

/** No look takes longer, in milliseconds: a server that is stopped neither answers nor goes away. */
const LONGEST = 20000;

/** What the server answers to a look. */
export async function look(path) {
  return (await ask("GET", path, {}, undefined, AbortSignal.timeout(LONGEST))).json();
}

export async function text(path) {
  return (await ask("GET", path, {}, undefined, AbortSignal.timeout(LONGEST))).text();
}

/** A response whose body is read as it comes. */
export const stream = (path) => ask("GET", path, { accept: "text/event-stream" });

/** Asks for a plan: it changes nothing. */
export async function plan(label, to) {
  const headers = { "content-type": "application/json" };
  return (await ask("POST", of(label, "/plans"), headers, JSON.stringify({ to }))).json();
}

/** Calls whose answer got lost, and their keys: asked again, they are done once. */
const unanswered = new Map();

/** Asks for a change of the release that `tag` names, and of no other. */
export async function change(path, tag, body) {
  const sent = JSON.stringify(body);
  const what = `${path} ${tag} ${sent}`;
  const key = unanswered.get(what) ?? crypto.randomUUID();
  unanswered.set(what, key);
  const headers = { "content-type": "application/json", "if-match": tag, "idempotency-key": key };
  try {
    const response = await ask("POST", path, headers, sent);
    unanswered.delete(what);
    return await response.json();
  } catch (error) {
    if (error instanceof Refused) unanswered.delete(what);
    throw error;
  }
}

/** The path of a switch, and what is under it. */
export const of = (label, under = "") => `v1/switches/${encodeURIComponent(label)}${under}`;
