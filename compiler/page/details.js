// The panel on the chosen service: who may call it and whom it may call, on which ports and by which statement, and
// what it reaches, and is reached by, through others.

const most = 200; // rows of a list before a button shows the rest

const link = (node, on) => make("button", { type: "button", class: "link", onclick: () => on.choose(node.id) }, make("bdi", {}, node.id));

// A list that shows the first rows, and all where they are asked for.
function rows(className, items, row) {
  const list = make("ul", { class: className }, ...items.slice(0, most).map(row));
  if (items.length > most)
    list.append(make("li", {}, make("button", { type: "button", onclick: (event) => {
      event.target.parentNode.replaceWith(...items.slice(most).map(row));
    } }, `Show all ${number(items.length)}`)));
  return list;
}

const place = (at) => make("span", { class: "where" }, make("bdi", {}, `${at.file}:${at.line}`));

function lineRow(model, line) {
  const by = model.statements[line.by];
  const change = { added: "opened", removed: "closed" }[line.change];
  const notes = by ? [by.until && `until ${by.until}`, by.rate && `at most ${by.rate}`, by.log && "logged", by.owner && `owner: ${by.owner}`].filter(Boolean) : [];
  return make("li", { class: line.change },
    change && make("span", { class: "sign" }, signs[line.change] + " ", make("span", { class: "unseen" }, change + " ")),
    make("code", {}, line.ports), " ",
    by ? place(by) : make("span", { class: "muted" }, "nothing isolates it"),
    by?.why && make("bdi", { class: "why" }, by.why),
    notes.length > 0 && make("bdi", { class: "why muted" }, notes.join(", ")));
}

const callRow = (model, direction, on) => (edge) =>
  make("li", {}, link(direction === "out" ? edge.to : edge.from, on),
    make("ul", { class: "lines" }, ...edge.open.map((line) => lineRow(model, line))));

function section(title, count, ...content) {
  return [make("h3", {}, title, " ", count !== null && make("span", { class: "count" }, number(count))), ...content];
}

// What is reached over more than one step, by distance, each with the way there.
function farRows(found, on, word) {
  const far = [...found].filter(([, step]) => step.hops > 1).map(([node, step]) => ({ node, hops: step.hops }));
  if (far.length === 0) return [make("p", { class: "muted" }, "nothing")];
  return [rows("far", far, ({ node }) =>
    make("li", {}, link(node, on), make("span", { class: "muted" }, word + " ", make("bdi", {}, pathTo(found, node).map((step) => labelOf(step)).join(" \u2192 ")))))];
}

function facts(node) {
  const list = [
    ["defined", node.file && place(node)],
    ["ports", node.ports && node.ports.map((port) => `${port.name} ${port.port}`).join(", ")],
    ["workloads", node.workloads !== undefined && number(node.workloads)],
    ["addresses", node.cidrs && node.cidrs.join(", ")],
    ["except", node.except && node.except.join(", ")],
  ].filter(([, value]) => value);
  return make("dl", { class: "facts" }, ...list.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

function figure(className, total, direct, before, word) {
  const was = before !== null && before !== total && make("span", {}, ` ${number(before)} before`);
  return make("div", { class: className }, make("strong", {}, number(total), was), make("span", {}, `${word}, ${number(direct)} directly`));
}

// Reach in both directions, now and, where the graph is compared, before.
function measureReach(model, node) {
  const before = model.against !== undefined;
  node.reach ??= {
    out: reachOf(node, "out"), in: reachOf(node, "in"),
    outBefore: before ? reachOf(node, "out", wasOpen).size : null, inBefore: before ? reachOf(node, "in", wasOpen).size : null,
  };
  return node.reach;
}

const kindWords = { service: "service", workload: "workload", network: "network, outside", any: "anything at all", world: "every address that is no known workload and no node", node: "the machine of the other end" };

function showDetails(panel, model, node, deep, on) {
  const reach = measureReach(model, node);
  const into = node.in.filter(isOpen).length, out = node.out.filter(isOpen).length;
  const sign = node.change ? [make("span", { class: `sign ${node.change}` }, signs[node.change] + " "), make("span", { class: node.change }, node.change + " ")] : [];
  panel.replaceChildren(
    make("button", { type: "button", class: "close quiet", onclick: () => on.choose(null) }, "Close"),
    make("h2", {}, make("bdi", {}, node.id)),
    make("p", { class: "kind" }, ...sign, kindWords[node.kind]),
    facts(node),
    make("div", { class: "numbers" },
      figure("from", reach.in.size, into, reach.inBefore, "reach it"),
      figure("to", reach.out.size, out, reach.outBefore, "are reached")),
    make("label", { class: "switch" }, make("input", { type: "checkbox", checked: deep, onchange: (event) => on.deepen(event.target.checked) }),
      "show on the map what is reached through others"),
    ...section("May be called by", into, node.in.length ? rows("calls", node.in, callRow(model, "in", on)) : make("p", { class: "muted" }, "nobody")),
    ...section("May call", out, node.out.length ? rows("calls", node.out, callRow(model, "out", on)) : make("p", { class: "muted" }, "nobody")),
    ...section("Reaches through others", reach.out.size - out, ...farRows(reach.out, on, "through")),
    ...section("Reached through others", reach.in.size - into, ...farRows(reach.in, on, "through")),
  );
  return `${node.id}: called by ${into}, calls ${out}; reached by ${reach.in.size} and reaches ${reach.out.size} in all`;
}
