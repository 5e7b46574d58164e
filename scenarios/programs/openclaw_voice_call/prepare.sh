#!/bin/sh
# Fetches the plugin as it was published, and what runs it, into the folder DIR; builds the checker for each variant.
#   prepare.sh DIR
# DIR/plain is the plugin as it is; DIR/flushed the same with an append that is synchronous and flushed.
set -e
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"
npm pack --silent openclaw@2026.2.17 > /dev/null
tar xzf openclaw-2026.2.17.tgz package/extensions/voice-call
npm install --silent --no-audit --no-fund tsx@4 zod@4 > /dev/null
for variant in plain flushed; do
  mkdir "$variant"
  cp -R package/extensions/voice-call/src "$variant/src"
  echo '{"type": "module"}' > "$variant/package.json"
done
node -e '
  const fs = require("fs"), file = "flushed/src/manager/store.ts", text = fs.readFileSync(file, "utf-8");
  const patched = text.replace(/fsp\.appendFile\(logPath, line\)\.catch\([\s\S]*?\n  \}\);/,
    "fs.appendFileSync(logPath, line, { flush: true });");
  if (patched === text) throw new Error("store.ts has no fsp.appendFile(logPath, line).catch any more");
  fs.writeFileSync(file, patched);
'
for variant in plain flushed; do
  sed "s|PLUGIN/|./$variant/|" "$here/check.ts" > "check-$variant.ts"
  node_modules/.bin/esbuild "check-$variant.ts" --bundle --platform=node --format=esm --log-level=error --outfile="check-$variant.mjs"
  cp "$here/deliver.mts" deliver.mts
done
