#!/usr/bin/env node
// The command `kronlens`; everything is in dist/cli/main.js.
'use strict';
const { availableParallelism } = require('node:os');

// Eigendecompositions run on libuv's threads, of which there are four, whatever the machine. The
// number is read when the first one starts, which loading an ES module already does; hence this
// file is CommonJS (package.json beside it). Two are left for files.
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism() + 2));

import('../dist/cli/main.js')
  .then(({ main }) => main(process.argv.slice(2)))
  .then((code) => {
    process.exitCode = code;
  });
