// The plugin's own CallManager with its own mock provider, on a folder; run through tsx, which compiles its TypeScript.
//
// Made countable: ids (the plugin draws random ones, and two runs could not be compared). Watched, not changed: the two
// calls that append to the log. What the plugin logs for an operator goes nowhere: the provider at the other end of the
// webhook cannot read it, and no line of it may pass for an acknowledgement.

import crypto from "node:crypto";
import fs from "node:fs";
import fsp from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";

/** What the plugin reads of its settings, with its documented defaults; inbound calls are accepted. */
const SETTINGS = {
  enabled: true,
  provider: "mock",
  inboundPolicy: "open",
  fromNumber: "+15550000000",
  maxConcurrentCalls: 10,
  maxDurationSeconds: 300,
  transcriptTimeoutMs: 180_000,
  outbound: { defaultMode: "conversation", notifyHangupDelaySec: 3 },
};

for (const level of ["log", "info", "warn", "error"]) {
  console[level] = () => {};
}

/** Ids from a counter; `family` (two hexadecimal digits) keeps those of a restarted manager apart. */
export function countIds(family) {
  let drawn = 0;
  crypto.randomUUID = () => `00000000-0000-4000-80${family}-${String(++drawn).padStart(12, "0")}`;
}

const pending = new Set();

/** All appends that were begun have ended, and those that they led to: as if nothing happened for a while. */
export async function quiet() {
  do {
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.allSettled(pending);
  } while (pending.size > 0);
}

/** `told(place, data)` for each append to the log: the lines of the plugin that asked for it, innermost first. */
export function watchAppends(plugin, told = () => {}) {
  const asynchronous = fsp.appendFile;
  const synchronous = fs.appendFileSync;
  fsp.appendFile = (...words) => {
    told(linesOf(plugin), words[1]);
    const append = asynchronous(...words);
    pending.add(append);
    const ended = () => pending.delete(append);
    append.then(ended, ended);
    return append;
  };
  fs.appendFileSync = (...words) => {
    told(linesOf(plugin), words[1]);
    return synchronous(...words);
  };
}

/** As the source maps have it: `manager/store.ts:10:7`, without the column. */
function linesOf(plugin) {
  const source = path.join(plugin, "src") + path.sep;
  return new Error().stack
    .split("\n")
    .filter((line) => line.includes(source))
    .map((line) => line.slice(line.indexOf(source) + source.length).replace(/:\d+\)?$/, ""));
}

async function imported(plugin, file, name) {
  return (await import(pathToFileURL(path.join(plugin, "src", file)).href))[name];
}

/** Managers on folders: `started(folder)` is {manager, provider, effects}; `effects` fills with what the provider did. */
export async function managers(plugin) {
  const CallManager = await imported(plugin, "manager.ts", "CallManager");
  const MockProvider = await imported(plugin, "providers/mock.ts", "MockProvider");
  return {
    started(folder) {
      const provider = new MockProvider();
      const effects = [];
      for (const name of ["initiateCall", "hangupCall", "playTts"]) {
        const done = provider[name].bind(provider);
        provider[name] = (input) => (effects.push(name), done(input));
      }
      const manager = new CallManager(SETTINGS, folder);
      manager.initialize(provider, "http://127.0.0.1/voice/webhook");
      return { manager, provider, effects };
    },
  };
}

export const MAX_DURATION_MS = SETTINGS.maxDurationSeconds * 1000;
