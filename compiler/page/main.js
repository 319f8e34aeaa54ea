// Joins the parts: one thing is chosen or none, and the list, the map and the panel show it.

const element = (id) => document.getElementById(id);
const model = readModel(element("graph").textContent);
const panel = element("panel");
const state = { chosen: null, deep: true };

const say = (text) => void (element("said").textContent = text);

const on = {
  choose(id) {
    state.chosen = id === null ? null : model.byId.get(id);
    if (state.chosen) say(showDetails(panel, model, state.chosen, state.deep, on));
    else {
      showOverview(panel, model, on);
      say("nothing chosen");
    }
    panel.scrollTop = 0;
    list.choose(state.chosen);
    map.choose(state.chosen);
  },
  enter() {
    panel.focus();
  },
  match(ids, text) {
    map?.match(ids);
    if (map) say(text);
  },
  deepen(deep) {
    state.deep = deep;
    map.deepen(deep);
  },
};

function showHeader() {
  const inside = model.nodes.filter((node) => !node.outside);
  const spaces = new Set(inside.map((node) => node.namespace)).size, outside = model.nodes.length - inside.length;
  const kind = inside.some((node) => node.kind === "workload") ? "workload" : "service";
  const count = (change) => model.edges.filter((edge) => edge.change === change).length;
  element("title").append(make("bdi", {}, model.policy), model.against !== undefined ? " against " : "", model.against !== undefined ? make("bdi", {}, model.against) : "");
  element("counts").append([counted(inside.length, kind), counted(spaces, "namespace"),
    counted(model.edges.filter(isOpen).length, "arrow"), `${number(outside)} outside`].join(" \u00b7 "));
  if (model.against !== undefined)
    for (const change of ["added", "removed", "changed"])
      element("counts").append(" \u00b7 ", make("span", { class: change }, `${signs[change]}${number(count(change))} ${change}`));
  document.title = `Ringfence: ${model.policy}`;
}

function showLegend() {
  const keys = [["node", "service"], ["outside", "outside"], ["out", "chosen calls"], ["in", "calls chosen"], ["both", "both"]];
  if (model.against !== undefined) keys.push(["added", "+ opened"], ["removed", "\u2212 closed"], ["changed", "\u00b1 other ports"]);
  element("legend").append(...keys.map(([key, text]) => make("li", {}, make("span", { class: `key ${key}`, "aria-hidden": "true" }), text)));
  if (!map.many) return;
  const shown = Math.min(map.bundleCount, limits.bundles);
  element("note").textContent = `Thick arrows are calls between namespaces${shown < map.bundleCount ? `, the ${number(shown)} largest of ${number(map.bundleCount)}` : ""}. ` +
    "Choose or point at a service, or zoom in, for its own.";
}

// The width of the map by its height, within reason.
const shapeOf = ({ clientWidth, clientHeight }) => Math.max(0.6, Math.min(2.4, clientWidth / Math.max(clientHeight, 1)));

let map = null;
const list = createList(model, on);
showHeader();
showOverview(panel, model, on);
map = createMap(model, layout(model, shapeOf(element("canvas"))), on);
showLegend();

element("zoom-in").addEventListener("click", () => map.zoomBy(1.4));
element("zoom-out").addEventListener("click", () => map.zoomBy(1 / 1.4));
element("fit").addEventListener("click", map.fit);
watchTheme(map.repaint);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && document.activeElement !== list.search) {
    list.search.focus();
    list.search.select();
    event.preventDefault();
  } else if (event.key === "Escape") {
    if (document.activeElement === list.search && list.isFiltered()) list.clear();
    else if (state.chosen) {
      on.choose(null);
      list.focus();
    } else if (list.isFiltered()) list.clear();
    event.preventDefault();
  }
});

// The first frame after which everything above answers.
map.cy.one("render", () => requestAnimationFrame(() => {
  performance.mark("usable");
  document.documentElement.dataset.usable = Math.round(performance.now());
}));
