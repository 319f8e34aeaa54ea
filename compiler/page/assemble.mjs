// Makes the one page from its parts: node assemble.mjs LIBRARY_DIRECTORY SCRIPT... > page.html
//
// Styles and scripts stand in the page, and its content security policy names them by their hashes: nothing else runs,
// and nothing is loaded. The licence of the library goes with it.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Script } from "node:vm";

const here = dirname(fileURLToPath(import.meta.url));
const [library, ...scripts] = process.argv.slice(2);
const read = (...path) => readFileSync(join(...path), "utf8");
const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

const parts = {
  STYLE: read(here, "page.css"),
  LIBRARY: read(library, "dist", "cytoscape.min.js"),
  SCRIPT: `"use strict";\n(() => {\n${scripts.map((name) => read(name)).join("\n")}})();\n`,
  LICENSE: read(library, "LICENSE").trim(),
  VERSION: JSON.parse(read(library, "package.json")).version,
};
new Script(parts.SCRIPT, { filename: "page.js" }); // a syntax error ends the build
for (const [name, text] of Object.entries(parts))
  if (/<\/(script|style)|<!--|-->|@GRAPH@/i.test(text)) throw new Error(`${name} cannot stand in a page`);
parts.POLICY = [
  "default-src 'none'",
  `script-src ${hash(parts.LIBRARY)} ${hash(parts.SCRIPT)}`,
  `style-src ${hash(parts.STYLE)}`,
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

process.stdout.write(read(here, "page.html").replace(/@(\w+)@/g, (mark, name) => parts[name] ?? mark));
