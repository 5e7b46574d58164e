// The plugin restarts on the folder it finds, with its own loader; what was acknowledged is held against it.
//   check.ts lost     each acknowledged event is in the log
//   check.ts active   a call whose end was acknowledged is not active
//   check.ts twice    an acknowledged event that is delivered once more changes nothing
import fs from "node:fs";
import { CallManager } from "PLUGIN/src/manager.ts";
import { MockProvider } from "PLUGIN/src/providers/mock.ts";

console.log = () => {};
const acknowledged = fs.readFileSync(0, "utf-8").split("\n").filter(Boolean).map((line) => line.split(" ")[1]);
const root = process.env.HARNESS_ROOT as string;

function fail(summary: string): never {
  fs.writeSync(1, `${summary}\n`);
  process.exit(1);
}

const log = `${root}/calls.jsonl`;
const lines = fs.existsSync(log) ? fs.readFileSync(log, "utf-8").split("\n") : [];
const seen = new Set<string>();
for (const line of lines) {
  try {
    for (const id of JSON.parse(line).processedEventIds) seen.add(id);
  } catch {
    // a line that the plugin skips as well
  }
}

const config = { inboundPolicy: "open", maxDurationSeconds: 300, fromNumber: "+15550000000" };
const manager = new CallManager(config as never, root);
manager.initialize(new MockProvider(), "http://localhost/voice/webhook");

switch (process.argv[2]) {
  case "lost": {
    const lost = acknowledged.find((id) => !seen.has(id));
    if (lost) fail(`event ${lost} was acknowledged and is lost`);
    break;
  }
  case "active": {
    const ended = acknowledged.includes("e4");
    if (ended && manager.getActiveCalls().length > 0) fail("the call has ended and is active again");
    break;
  }
  case "twice": {
    const call = { callId: "leg-1", providerCallId: "leg-1", direction: "inbound", from: "+15550001234" };
    if (acknowledged.includes("e3") && !acknowledged.includes("e4")) {
      const before = JSON.stringify(manager.getActiveCalls());
      manager.processEvent({ ...call, id: "e3", type: "call.speech", timestamp: 3, transcript: "hello", isFinal: true } as never);
      const after = JSON.stringify(manager.getActiveCalls());
      if (before !== after) fail("event e3 was acknowledged, and is accepted a second time");
    }
    break;
  }
}
process.exit(0);
