// One phone call through the plugin's own CallManager and mock provider: each event as its webhook hands it over, then
// the answer. "acknowledged ID" is printed where the webhook answers 200: in the tick in which processEvent returned.
//   PLUGIN=…/extensions/voice-call tsx deliver.mts FOLDER
import fs from "node:fs";

console.log = console.error; // standard output is what the world is told
const plugin = process.env.PLUGIN;
const { CallManager } = await import(`${plugin}/src/manager.ts`);
const { MockProvider } = await import(`${plugin}/src/providers/mock.ts`);

const config = { inboundPolicy: "open", maxDurationSeconds: 300, fromNumber: "+15550000000" };
const manager = new CallManager(config, process.argv[2]);
manager.initialize(new MockProvider(), "http://localhost/voice/webhook");

const call = { callId: "leg-1", providerCallId: "leg-1", direction: "inbound", from: "+15550001234", to: "+15550000000" };
const events = [
  { ...call, id: "e1", type: "call.ringing", timestamp: 1 },
  { ...call, id: "e2", type: "call.answered", timestamp: 2 },
  { ...call, id: "e3", type: "call.speech", timestamp: 3, transcript: "hello", isFinal: true },
  { ...call, id: "e4", type: "call.ended", timestamp: 4, reason: "hangup-user" },
];
for (const event of events) {
  manager.processEvent({ ...event });
  fs.writeSync(1, `acknowledged ${event.id}\n`);
  await new Promise((resolve) => setTimeout(resolve, 50)); // the next webhook comes later
}
