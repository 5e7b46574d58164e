'use strict';
// Loaded into Node before the program (NODE_OPTIONS=--require): tells which line asks for a change of a file.
//
// Each call of `fs` that may change something is told on a named pipe right before it is made: kind, path, file, line,
// function. Node makes the call itself later, on another thread; so the line cannot be read from a stack then.

const fs = require('fs');
const path = require('path');
const { fileURLToPath } = require('url');

const pipe = process.env.HARNESS_LINES;
const root = process.env.HARNESS_ROOT;

if (pipe && root) {
  const { openSync, writeSync, readlinkSync } = fs;
  const out = openSync(pipe, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
  const FRAME = /^\s+at (?:async )?(?:(.*?) \()?(.*?):(\d+):\d+\)?$/;

  const caller = () => {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 30;
    const lines = (new Error().stack || '').split('\n').slice(1);
    Error.stackTraceLimit = limit;
    for (const line of lines) {
      const frame = FRAME.exec(line);
      if (!frame || frame[2].startsWith('node:') || frame[2] === __filename || frame[2].startsWith('<')) continue;
      const file = frame[2].startsWith('file:') ? fileURLToPath(frame[2]) : frame[2];
      return [file, frame[3], frame[1] || ''];
    }
    return undefined;
  };

  const placeOf = (target) => {
    if (typeof target === 'number') return readlinkSync(`/proc/self/fd/${target}`);
    if (target instanceof URL) return fileURLToPath(target);
    return path.resolve(Buffer.isBuffer(target) ? target.toString() : String(target));
  };

  const tell = (kinds, target) => {
    try {
      const place = placeOf(target);
      if (place !== root && !place.startsWith(`${root}/`)) return;
      const found = caller();
      if (found) writeSync(out, `${[process.pid, kinds, place.slice(root.length) || '/', ...found].join('\t')}\n`);
    } catch {
      // a line that cannot be told is not worth a failure of the program
    }
  };

  // name -> [kinds of calls that it leads to, which arguments name the file]
  const CALLS = {
    open: ['open,truncate', [0]], appendFile: ['open,write', [0]], writeFile: ['open,truncate,write', [0]],
    createWriteStream: ['open,truncate,write', [0]], copyFile: ['open,truncate,write', [1]],
    write: ['write', [0]], writev: ['write', [0]], truncate: ['truncate', [0]], ftruncate: ['truncate', [0]],
    fsync: ['fsync', [0]], fdatasync: ['fdatasync', [0]],
    rename: ['rename', [0]], link: ['link', [1]], symlink: ['symlink', [1]], mkdir: ['mkdir', [0]],
    mkdtemp: ['mkdir', [0]], unlink: ['unlink', [0]], rm: ['unlink,rmdir', [0]], rmdir: ['rmdir', [0]],
  };
  const wrap = (owner, name, [kinds, places]) => {
    const original = owner[name];
    if (typeof original !== 'function') return;
    const told = function (...given) {
      for (const at of places) tell(kinds, given[at]);
      return original.apply(this, given);
    };
    owner[name] = Object.assign(told, original);
  };
  for (const [name, how] of Object.entries(CALLS)) {
    wrap(fs, name, how);
    wrap(fs, `${name}Sync`, how);
    wrap(fs.promises, name, how);
  }

  // the methods of a FileHandle are found on the first one
  const METHODS = {
    appendFile: 'write', writeFile: 'truncate,write', write: 'write', writev: 'write', truncate: 'truncate',
    sync: 'fsync', datasync: 'fdatasync',
  };
  const { open } = fs.promises;
  let known = false;
  fs.promises.open = async function (...given) {
    const handle = await open.apply(this, given);
    if (!known) {
      known = true;
      const methods = Object.getPrototypeOf(handle);
      for (const [name, kinds] of Object.entries(METHODS)) {
        const original = methods[name];
        if (typeof original !== 'function') continue;
        methods[name] = function (...more) {
          tell(kinds, this.fd);
          return original.apply(this, more);
        };
      }
    }
    return handle;
  };
  require('module').syncBuiltinESMExports();
}
