// The page in a browser. Numbers that it shows are compared with `ringfence reach`, walked by other code.
import { cpSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { instance as graphviz } from "@viz-js/viz";
import { close, equal, finish, generate, holds, open, result, ringfence, shots, walk, work } from "./browser.mjs";

const shop = "tests/page/shop";
const file = (name) => join(work, name);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const draw = (name, ...words) => {
  ringfence("graph", "-o", file(name), ...words);
  return file(name);
};

// ---- a small policy, with a mouse ----

{
  const page = await open(draw("shop.html", shop));
  await page.shot("shop-light");
  equal("the page asks for nothing but itself", page.requests, [page.url_]);
  equal("and complains about nothing", page.complaints, []);
  equal("every service and peer is in the list", await page.texts(".option bdi"), ["prometheus", "api", "db", "resize-image", "web", "shop/payments"]);
  equal("and on the map", await page.map((cy) => cy.nodes(".node").map((node) => node.id()).sort()),
    ["monitoring/prometheus", "shop/api", "shop/db", "shop/payments", "shop/resize-image", "shop/web"]);
  equal("with an arrow for each that may talk", await page.map((cy) => cy.edges().map((edge) => `${edge.source().id()} ${edge.target().id()} ${edge.data("label")}`).sort()),
    JSON.parse(ringfence("reach", "--format", "json", shop)).reach.map((line) => `${line.from} ${line.to} ${line.ports}`).sort());

  await page.clickNode("shop/api");
  await page.shot("shop-chosen");
  equal("a click shows a service", await page.texts("#panel h2"), ["shop/api"]);
  equal("who may call it, and whom it may call", await page.texts("#panel .calls button"),
    ["monitoring/prometheus", "shop/web", "shop/db", "shop/payments", "shop/resize-image"]);
  equal("on which port, by which statement, and why", await page.locator("#panel .calls li", { hasText: "shop/web" }).locator(".lines").innerText(),
    "8080/tcp tests/page/shop/policy.yaml:23\nthe storefront calls the API");
  equal("the map marks those", await page.map((cy) => [cy.nodes(".in").length, cy.nodes(".out").length, cy.nodes(".chosen").id()]), [2, 3, "shop/api"]);
  await page.locator("#panel button.link", { hasText: "shop/web" }).click();
  equal("what is behind others is named with the way there", (await page.texts("#panel .far li")).map((text) => text.replace(/\s+/g, " ")),
    ["shop/db through api", "shop/payments through api", "shop/resize-image through api"]);
  equal("and marked", await page.map((cy) => cy.nodes(".far-out").map((node) => node.id()).sort()), ["shop/db", "shop/payments", "shop/resize-image"]);
  await page.locator("#panel input[type=checkbox]").uncheck();
  equal("unless that is not wanted", await page.map((cy) => cy.nodes(".far-out").length), 0);
  await page.locator("#panel input[type=checkbox]").check();
  await page.mouse.click(700, 800 - 30);
  equal("a click beside everything chooses nothing", await page.texts("#panel h2"), ["Overview"]);
  await page.context().close();
}

// ---- keys alone ----

{
  const page = await open(file("shop.html"));
  const active = () => page.evaluate(() => document.activeElement.id || document.activeElement.dataset.id || document.activeElement.tagName);
  const order = [];
  for (let i = 0; i < 7; i++) {
    await page.keyboard.press("Tab");
    order.push(await active());
  }
  equal("Tab goes through the page in its order", order, ["theme", "search", "monitoring/prometheus", "zoom-in", "zoom-out", "fit", "panel"]);
  await page.keyboard.press("/");
  equal("/ goes to the search", await active(), "search");
  await page.keyboard.type("shop 5432");
  equal("a search finds by namespace and port", await page.texts(".option:visible bdi"), ["db"]);
  equal("and says how many", await page.said(), "1 of 6 entries");
  equal("the map marks what was found", await page.map((cy) => [cy.nodes(".match").map((node) => node.id()), cy.nodes(".faint").length]), [["shop/db"], 5]);
  await page.keyboard.press("Enter");
  equal("Enter chooses the first", await page.texts("#panel h2"), ["shop/db"]);
  holds("and it is said", (await page.said()).startsWith("shop/db: called by 1, calls 0; reached by 3 and reaches 0"), await page.said());
  await page.keyboard.press("Escape");
  equal("Escape ends the search", [await page.inputValue("#search"), (await page.texts(".option:visible")).length], ["", 6]);
  await page.keyboard.press("Escape");
  equal("and then the choice", await page.texts("#panel h2"), ["Overview"]);
  await page.keyboard.press("Home");
  const steps = [];
  for (const key of ["ArrowDown", "ArrowDown", "ArrowUp", "End", "Home", "End", "ArrowUp"]) {
    await page.keyboard.press(key);
    steps.push(await active());
  }
  equal("arrows, Home and End go through the list", steps,
    ["shop/api", "shop/db", "shop/api", "shop/payments", "monitoring/prometheus", "shop/payments", "shop/web"]);
  await page.keyboard.press("Enter");
  equal("Enter chooses there", [await page.texts("#panel h2"), await page.locator("[aria-selected=true]").count()], [["shop/web"], 1]);
  await page.keyboard.press("Enter");
  equal("Enter again goes to the panel", await active(), "panel");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  equal("where names are buttons", await page.texts("#panel h2"), ["shop/api"]);
  await page.keyboard.press("Escape");
  equal("Escape goes back to the list", await active(), "shop/api");
  await page.context().close();
}

// ---- the examples: few services, each name large enough to be read before anybody zooms ----

for (const [name, ...paths] of [["shop", "examples/shop"], ["three-teams", "examples/three-teams/policy"],
  ["image-pipeline", "examples/image-pipeline/policy"], ["systemd-host", "examples/systemd-host/policy"],
  ["network-policies", "examples/network-policies/manifests", "examples/network-policies/ringfence"]]) {
  const page = await open(draw(`${name}.html`, ...paths));
  await page.shot(`${name}-light`);
  const size = await page.map((cy) => 12 * cy.zoom());
  holds(`${name}: names have 8 pixels at least`, size >= 8, `${size}`);
  equal(`${name}: no two boxes lie on each other`, await page.map((cy) => {
    const boxes = cy.nodes(".node").map((node) => node.boundingBox({ includeLabels: false }));
    return boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => a.x1 < b.x2 && b.x1 < a.x2 && a.y1 < b.y2 && b.y1 < a.y2)).length;
  }), 0);
  await page.context().close();
}

// ---- what is outside passes nothing on ----

{
  writeFileSync(file("outside.yaml"), `ringfence: v1
services: {a: {workloads: {app: a}}, b: {workloads: {app: b}}, c: {workloads: {app: c}}}
networks: {out: [192.0.2.0/24]}
allow: [{from: a, to: [b, out], ports: [1/tcp]}, {from: b, to: a, ports: [1/tcp]}, {from: out, to: c, ports: [2/tcp]}]
`);
  const page = await open(draw("outside.html", file("outside.yaml")));
  const numbers = async (id) => {
    await page.option(id).click();
    return page.texts("#panel .numbers strong");
  };
  equal("a service passes on", [await numbers("default/a"), await numbers("default/b")], [["1", "2"], ["1", "2"]]);
  equal("what a network calls is not reached through it", [await numbers("default/out"), await numbers("default/c")], [["2", "1"], ["1", "0"]]);
  await page.context().close();
}

// ---- against another policy, with hostile text ----

{
  const hostile = `</script><img src=x onerror=document.title='owned'> & "a" \u202eabc`;
  cpSync(shop, file("new"), { recursive: true });
  const text = readFileSync(join(shop, "policy.yaml"), "utf8")
    .replace(/.*to: payments, ports.*\n/g, "")
    .replace("{from: api, to: resize-image}", `{from: api, to: resize-image, ports: [invoke, 9000-9010/tcp], why: ${JSON.stringify(hostile)}}`)
    .replace("allow:\n", "allow:\n  - {from: world, to: web, ports: [http]}\n");
  writeFileSync(join(file("new"), "policy.yaml"), text);
  const page = await open(draw("diff.html", "--against", shop, file("new")));
  await page.shot("diff-light");
  equal("input is never markup", [await page.locator("img").count(), await page.title(), page.complaints], [0, `Ringfence: ${file("new")}`, []]);
  equal("arrows are marked by colour and by line", await page.map((cy) => cy.edges(".added, .removed, .changed").map((edge) =>
    `${edge.source().id()} ${edge.target().id()} ${edge.style("line-style")} ${edge.data("label")}`).sort()),
  ["shop/api shop/payments dashed \u2212 443/tcp", "shop/api shop/resize-image dotted 8081/tcp\n+ 9000-9010/tcp", "world shop/web solid + 8080/tcp"]);
  equal("the colours differ", await page.map((cy) => new Set(cy.edges().map((edge) => edge.style("line-color"))).size), 4);
  equal("the changes are listed as diff tells them", (await page.texts("#panel .calls > li > .lines > li:first-child")),
    ringfenceDiff(file("new")).changes.map((change) => change.ports.join(", ") + (change.pairs ? ` (${change.pairs} pair of workloads)` : "")));
  equal("and the header counts arrows", (await page.texts("#counts span")), ["+1 added", "\u22121 removed", "\u00b11 changed"]);
  await page.locator("#changed").check();
  equal("the list can be narrowed to what changed", await page.texts(".option:visible bdi"), ["api", "resize-image", "web", "shop/payments", "world"]);
  await page.option("shop/api").click();
  equal("a closed arrow shows the statement that was", (await page.locator("#panel .calls > li", { hasText: "shop/payments" }).locator(".lines").innerText()).replace(/\s+/g, " "),
    "\u2212 closed 443/tcp tests/page/shop/policy.yaml:25 SHOP-311");
  equal("reach is counted without it, beside what it was", await page.texts("#panel .numbers strong"), ["3 2 before", "2 3 before"]);
  holds("hostile text is shown, with what turns text around by its number",
    (await page.locator("#panel").innerText()).includes(hostile.replace("\u202e", "\\u202e")));
  await page.shot("diff-chosen");
  await page.context().close();
}

function ringfenceDiff(policy) {
  try {
    return JSON.parse(ringfence("diff", "--format", "json", shop, policy));
  } catch (error) {
    return JSON.parse(error.stdout); // status 1: there is a difference
  }
}

// ---- light, dark, and what a checker of accessibility says ----

for (const colorScheme of ["light", "dark"])
  for (const [name, chosen] of [["shop.html", "shop/api"], ["diff.html", "shop/api"], ["diff.html", null]]) {
    const page = await open(file(name), { colorScheme });
    if (chosen) await page.option(chosen).click();
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }));
    result(`accessible: ${name} ${colorScheme} ${chosen ? "chosen" : ""}`, violations.length === 0 ? null :
      violations.flatMap((violation) => [violation.help, ...violation.nodes.map((node) => `  ${node.html} ${node.failureSummary}`)]).join("\n"));
    await page.shot(`${name.replace(".html", "")}-${chosen ? "chosen" : "overview"}-${colorScheme}`);
    await page.context().close();
  }
{
  const page = await open(file("shop.html"), { colorScheme: "dark" });
  const paint = async () => [await page.evaluate(() => getComputedStyle(document.body).backgroundColor), await page.map((cy) => cy.nodes(".node").style("background-color"))];
  const dark = await paint();
  await page.click("#theme");
  const light = await paint();
  holds("the theme can be chosen, for the page and the map", dark[0] !== light[0] && dark[1] !== light[1], [dark, light]);
  await page.click("#theme");
  equal("and dark is what the system's dark is", await paint(), dark);
  await page.context().close();
  const narrow = await open(file("shop.html"), { viewport: { width: 400, height: 800 } });
  equal("nothing is wider than a narrow window", await narrow.evaluate(() => document.documentElement.scrollWidth), 400);
  await narrow.shot("shop-narrow");
  await narrow.context().close();
}

// ---- many services ----

// A limit is for a change of kind: the machine that tests run on is shared, and draws without a graphics card.
for (const [services, allows, limit] of [[300, 3, 15], [3000, 3, 40], [3000, 10, 60]]) {
  const name = `${services}-${allows}`;
  writeFileSync(file(`${name}.yaml`), generate(services, allows));
  const page = await open(draw(`${name}.html`, file(`${name}.yaml`)));
  const usable = await page.evaluate(() => performance.getEntriesByName("usable")[0].startTime);
  console.log(`# ${services} services, ${allows} allows each: ${statSync(file(`${name}.html`)).size} bytes, usable after ${Math.round(usable)} ms`);
  holds(`${name}: usable within ${limit} s`, usable < limit * 1000, usable);
  await page.shot(`${name}-light`);
  equal(`${name}: every service is on the map`, await page.map((cy) => cy.nodes(".node").filter((node) => !node.hasClass("outside")).length), services);
  const { reach } = JSON.parse(ringfence("reach", "--format", "json", file(`${name}.yaml`)));
  const passes = (id) => !id.endsWith("/partner");
  for (const id of ["team-001/svc-0001", "team-000/partner"].map((id) => (services === 300 || id.startsWith("team-000") ? id : `team-001/svc-${String(1 + services / 25).padStart(4, "0")}`))) {
    const start = Date.now();
    await page.fill("#search", id);
    await page.keyboard.press("Enter");
    await page.waitForFunction((id) => document.querySelector("#panel h2")?.textContent === id, id);
    const took = Date.now() - start;
    const out = walk(reach, id, true, passes), into = walk(reach, id, false, passes);
    const direct = (found) => [...found.values()].filter((hops) => hops === 1).length;
    equal(`${name}: ${id} has the reach that the command tells`, await page.texts("#panel .numbers > div"),
      [`${into.size.toLocaleString("en")}\nreach it, ${direct(into)} directly`, `${out.size.toLocaleString("en")}\nare reached, ${direct(out)} directly`]);
    holds(`${name}: ${id} is found and chosen within ${limit / 2} s`, took < limit * 500, took);
    const arrows = await page.map((cy, id) => cy.edges(`[source = "${id}"], [target = "${id}"]`).map((edge) => `${edge.source().id()} ${edge.target().id()}`).sort(), id);
    equal(`${name}: ${id} has its arrows`, arrows, [...new Set(reach.filter((line) => line.from === id || line.to === id).map((line) => `${line.from} ${line.to}`))].sort());
  }
  for (const button of await page.locator("#panel .far button", { hasText: "Show all" }).all()) await button.click();
  equal(`${name}: the lists can be had whole`, await page.locator("#panel .far li").count(),
    [true, false].flatMap((forwards) => [...walk(reach, "team-000/partner", forwards, passes).values()].filter((hops) => hops > 1)).length);
  await page.shot(`${name}-chosen`);
  equal(`${name}: without a complaint or a request`, [page.complaints, page.requests.length], [[], 1]);
  await page.context().close();
}

// ---- what graphviz says of DOT ----

{
  const viz = await graphviz();
  const drawn = viz.renderString(ringfence("graph", "--format", "dot", "--against", shop, file("new")), { format: "svg" });
  equal("graphviz draws the DOT", [...drawn.matchAll(/class="(node|edge|cluster)"/g)].length, 7 + 6 + 2);
  holds("with the text of the input", drawn.includes("&lt;/script&gt;"));
}

await close();
finish();
