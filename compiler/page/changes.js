// The panel while nothing is chosen: what changed since the policy that the graph is compared with, or who is called and
// who calls most.

function endOf(model, name, on) {
  const node = model.byId.get(name);
  return node ? link(node, on) : make("bdi", {}, name);
}

function changeRow(model, change, on) {
  const opened = change.change === "opened", kind = opened ? "added" : "removed";
  const pairs = change.pairs ? ` (${counted(change.pairs, "pair")} of workloads)` : "";
  return make("li", {},
    make("span", { class: `sign ${kind}` }, signs[kind] + " "), make("span", { class: "unseen" }, change.change + " "),
    endOf(model, change.from, on), " \u2192 ", endOf(model, change.to, on),
    make("ul", { class: "lines" },
      make("li", { class: kind }, make("code", {}, change.ports.join(", ")), pairs),
      ...change.because.map((cause) => make("li", {}, cause.cause, " ", cause.file && place(cause), cause.why && make("bdi", { class: "why" }, cause.why)))));
}

function changesPanel(model, on) {
  const { changes, widenings, opened, closed } = model.diff;
  const same = changes.length + widenings.length === 0;
  return [
    make("h2", {}, "Changes"),
    make("p", { class: "muted" }, "since ", make("bdi", {}, model.against), same ? ": no difference" : `: ${number(opened)} opened, ${number(closed)} closed`),
    ...(widenings.length ? section("What became wider", widenings.length, rows("calls", widenings, (item) =>
      make("li", {}, make("span", { class: "sign wide" }, "! "), make("bdi", {}, item.text), " ", item.file && place(item)))) : []),
    ...(changes.length ? section("Flows", changes.length, rows("calls", changes, (change) => changeRow(model, change, on))) : []),
  ];
}

function busiest(model, direction, on) {
  const top = model.nodes.filter((node) => node[direction].length > 0)
    .sort((a, b) => b[direction].length - a[direction].length || byName(a, b)).slice(0, 8);
  return rows("far", top, (node) => make("li", {}, link(node, on), make("span", { class: "muted" }, number(node[direction].length))));
}

function overviewPanel(model, on) {
  if (model.edges.length === 0) return [make("h2", {}, "Overview"), make("p", { class: "muted" }, "No flow is allowed.")];
  return [
    make("h2", {}, "Overview"),
    make("p", { class: "muted" }, "Choose a service, here, in the list or on the map: who may call it, whom it may call, and what is within reach."),
    ...section("Called by most", null, busiest(model, "in", on)),
    ...section("Call most", null, busiest(model, "out", on)),
  ];
}

function showOverview(panel, model, on) {
  panel.replaceChildren(...(model.diff ? changesPanel(model, on) : overviewPanel(model, on)));
}
