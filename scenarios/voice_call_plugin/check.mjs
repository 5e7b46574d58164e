// A manager restarted on what a death left: does it keep what was acknowledged? Exit 1 and one line that says what broke.
//   check.mjs STORE PLUGIN [PROMISE...]     of the promises below; all of them where none is named
//
// Each promise is judged by a manager of its own on a copy of the folder; the lines told before the death come on
// standard input. What the log holds is asked of the plugin's own `getCallHistory`.

import fs from "node:fs";
import path from "node:path";

import { EVENTS, callOf, deliver, isOutbound, place } from "./calls.mjs";
import { MAX_DURATION_MS, countIds, managers, quiet, watchAppends } from "./manager.mjs";

const [store, plugin, ...asked] = process.argv.slice(2);
const lines = fs.readFileSync(0, "utf-8").split("\n").filter(Boolean);
const acknowledged = lines.filter((line) => line.startsWith("acknowledged ")).map((line) => line.split(" ")[1]);
const outboundId = lines.find((line) => line.startsWith("placed "))?.split(" ")[1];
const wasTold = (event) => acknowledged.includes(event.id);

countIds("ff");
watchAppends(plugin);
const { started } = await managers(plugin);

const belongs = (call, event) => (isOutbound(event) ? call.callId === outboundId : call.providerCallId === event.providerCallId);

/** The last record of each call in the log, as the plugin reads it. */
async function lastRecords({ manager }) {
  return [...new Map((await manager.getCallHistory(10_000)).map((call) => [call.callId, call])).values()];
}

/** What an event that is applied changes. */
const shown = ({ manager, effects }) => JSON.stringify([manager.getActiveCalls(), effects]);

const PROMISES = {
  /** An acknowledged event is on record. */
  async "lost"(world) {
    const calls = await lastRecords(world);
    if (outboundId !== undefined && !calls.some((call) => call.callId === outboundId)) {
      return "the outbound call was placed and is not on record";
    }
    const gone = EVENTS.find((event) => wasTold(event) && !calls.some((call) => call.processedEventIds.includes(event.id)));
    return gone && `event ${gone.id} was acknowledged and is not on record`;
  },

  /** A call that ended is not active. */
  "stale-active"({ manager }) {
    const ends = EVENTS.filter((event) => event.type === "call.ended" && wasTold(event));
    const stale = ends.find((event) => manager.getActiveCalls().some((call) => belongs(call, event)));
    return stale && `the ${callOf(stale)} call ended and is active again`;
  },

  /** An acknowledged event that is delivered once more changes nothing. */
  async "double-applied"(world) {
    const calls = await lastRecords(world);
    for (const event of EVENTS.filter(wasTold)) {
      const before = shown(world);
      deliver(world, event, outboundId);
      if (shown(world) !== before) {
        const ended = calls.some((call) => belongs(call, event) && call.endedAt !== undefined);
        return `event ${event.id} was accepted twice` + (ended ? `: the ${callOf(event)} call had ended, and begins again` : "");
      }
    }
  },

  /** The first event after one restart is on record after the next: later records of its call would hide its loss. */
  async "torn-tail-swallow"(world, folder) {
    const placed = outboundId ?? (await place(world));
    await quiet();
    const before = shown(world);
    const next = EVENTS.find((event) => !wasTold(event));
    if (next === undefined) {
      return undefined;
    }
    deliver(world, next, placed);
    const applied = shown(world) !== before;
    await quiet();
    const calls = await lastRecords(started(folder));
    if (applied && !calls.some((call) => call.processedEventIds.includes(next.id))) {
      return `event ${next.id} was acknowledged after the restart and is not on record after the next`;
    }
    return undefined;
  },
};

/** An answered call ends by its time limit, whoever restarted in between. */
async function timerLost(folder) {
  const { mock } = await import("node:test");
  mock.timers.enable({ apis: ["setTimeout"] });
  const { manager } = started(folder);
  mock.timers.tick(MAX_DURATION_MS + 1);
  mock.timers.reset();
  await quiet();
  const endless = manager.getActiveCalls().find((call) => call.answeredAt !== undefined);
  return endless && `the ${endless.direction} call was answered before the death and has no time limit any more`;
}

async function judged(name) {
  const folder = path.join(store, `.judged-${name}`);
  fs.mkdirSync(folder);
  const log = path.join(store, "calls.jsonl");
  if (fs.existsSync(log)) {
    fs.copyFileSync(log, path.join(folder, "calls.jsonl"));
  }
  const broken = name === "timer-lost" ? await timerLost(folder) : await PROMISES[name](started(folder), folder);
  await quiet();
  return broken ? `${name}: ${broken}` : undefined;
}

const names = [...Object.keys(PROMISES), "timer-lost"];
const unknown = asked.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  fs.writeSync(2, `no promise ${unknown[0]}: one of ${names.join(", ")}\n`);
  process.exit(64);
}
const broken = [];
for (const name of asked.length > 0 ? asked : names) {
  const told = await judged(name);
  if (told !== undefined) {
    broken.push(told);
  }
}
fs.writeSync(1, `${broken.join(" · ") || "held"}\n`);
process.exit(broken.length > 0 ? 1 : 0);
