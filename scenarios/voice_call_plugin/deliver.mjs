// Two calls through the manager; each acknowledgement is a line on standard output, as soon as it is given.
//   deliver.mjs STORE PLUGIN [APPENDS]
// APPENDS: file for what was asked of the log, a JSON document a line: how many lines had been told by then, the source
// lines that asked, the digest of what was to be appended. It lies outside of STORE.

import crypto from "node:crypto";
import fs from "node:fs";

import { EVENTS, deliver, place } from "./calls.mjs";
import { countIds, managers, quiet, watchAppends } from "./manager.mjs";

const [store, plugin, appends] = process.argv.slice(2);
let told = 0;
const tell = (text) => {
  fs.writeSync(1, `${text}\n`);
  told += 1;
};

countIds("00");
const appended = fs.appendFileSync;
watchAppends(plugin, (at, data) => {
  if (appends !== undefined) {
    const sha256 = crypto.createHash("sha256").update(data).digest("hex");
    appended(appends, `${JSON.stringify({ told, at, sha256 })}\n`);
  }
});

const world = (await managers(plugin)).started(store);
const outboundId = await place(world);
if (outboundId === undefined) {
  fs.writeSync(2, "the manager refused to place the call\n");
  process.exit(1);
}
tell(`placed ${outboundId}`);
await quiet();
for (const event of EVENTS) {
  deliver(world, event, outboundId);
  tell(`acknowledged ${event.id}`);
  await quiet();
}
process.exit(0);
