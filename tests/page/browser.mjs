// What the tests of the page share: TAP, the command, and a browser without a network.
import { execFileSync } from "node:child_process";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

export const work = process.env.WORK, shots = process.env.SHOTS;

let count = 0, failed = 0;

export function result(name, problem) {
  count++;
  console.log(`${problem ? "not ok" : "ok"} ${count} - ${name}`);
  if (!problem) return;
  failed++;
  console.log(String(problem).split("\n").slice(0, 12).map((line) => `# ${line}`).join("\n"));
}

export const equal = (name, have, want) =>
  result(name, JSON.stringify(have) === JSON.stringify(want) ? null : `have ${JSON.stringify(have)}\nwant ${JSON.stringify(want)}`);

export const holds = (name, is, more = "") => result(name, is ? null : `does not hold ${more}`);

export function finish() {
  console.log(`1..${count}`);
  process.exitCode = failed === 0 ? 0 : 1;
}

export const ringfence = (...words) => execFileSync(resolve(process.env.RINGFENCE), words, { encoding: "utf8", maxBuffer: 1 << 28 });
export const generate = (services, allows) => execFileSync("tests/page/generate", [services, allows], { encoding: "utf8", maxBuffer: 1 << 28 });

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
export const close = () => browser.close();

// Opens a page, waits until it answers, and collects what it asked for and what it complained about.
export async function open(file, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, offline: true, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  const requests = [], complaints = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  const url = pathToFileURL(resolve(file)).href;
  await page.goto(url);
  await page.waitForFunction(() => document.documentElement.dataset.usable !== undefined, null, { timeout: 120000 });
  return Object.assign(page, {
    url_: url, requests, complaints,
    shot: (name) => page.screenshot({ path: join(shots, `${name}.png`) }),
    option: (id) => page.locator(`.option[data-id="${id}"]`),
    texts: (selector) => page.locator(selector).allInnerTexts(),
    said: () => page.locator("#said").innerText(),
    // What the map shows: the library keeps itself at its container.
    map: (ask, argument) => page.evaluate(([source, argument]) => eval(source)(document.getElementById("canvas")._cyreg.cy, argument), [`(${ask})`, argument]),
    async clickNode(id) {
      const at = await this.map((cy, id) => cy.getElementById(id).renderedPosition(), id);
      const box = await page.locator("#canvas").boundingBox();
      await page.mouse.click(box.x + at.x, box.y + at.y);
    },
  });
}

// Reach as the command lists it, walked here: who is reached from `start`, or reaches it, in how many steps.
export function walk(lines, start, forwards, passes) {
  const found = new Map([[start, 0]]);
  for (let again = true; again; ) {
    again = false;
    for (const { from, to } of lines) {
      const [near, far] = forwards ? [from, to] : [to, from];
      if (!found.has(near) || (near !== start && !passes(near))) continue;
      if (found.has(far) && found.get(far) <= found.get(near) + 1) continue;
      found.set(far, found.get(near) + 1);
      again = true;
    }
  }
  found.delete(start);
  return found;
}
