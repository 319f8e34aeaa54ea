// The map. Services and boxes are always on it. Arrows are all there while they are few; else the map shows bundles
// between namespaces, and the arrows themselves for what is chosen, pointed at, or large enough to be read.

const limits = { arrows: 1200, bundles: 300, close: 0.42, named: 40, name: 0.5, far: 250 };

const calm = matchMedia("(prefers-reduced-motion: reduce)");

function createMap(model, boxes, on) {
  const many = model.edges.length > limits.arrows;
  const few = model.edges.length <= 150, named = model.edges.length <= limits.named;
  const isTaken = createGround(model.nodes);
  const drawn = new Map(); // edge number to element
  let isNamed = false;
  let style = mapStyle(few), view = { chosen: null, pointed: null, deep: true, matches: null };

  const bundles = many ? bundlesOf(boxes) : [];
  const cy = cytoscape({
    container: document.getElementById("canvas"),
    elements: [...boxes.map(boxElement), ...model.nodes.map(nodeElement), ...bundles.slice(0, limits.bundles)],
    style, layout: { name: "preset", fit: false }, ...start(boxes), minZoom: 0.02, maxZoom: 2.5, autoungrabify: true, boxSelectionEnabled: false,
    selectionType: "single", textureOnViewport: model.nodes.length > 1000, hideEdgesOnViewport: many, motionBlur: false,
  });
  cy.nodes().unselectify();

  // ---- which arrows are drawn ----

  // Those that the view needs, in the order of their worth: what is chosen, pointed at, changed, and then what is near.
  function wanted() {
    if (!many) return model.edges;
    const set = new Set();
    for (const node of [view.chosen, view.pointed]) if (node) for (const edge of [...node.out, ...node.in]) set.add(edge);
    for (const edge of model.edges) if (edge.change && set.size < limits.arrows) set.add(edge);
    for (const edge of view.deep ? farEdges() : []) if (set.size < limits.arrows) set.add(edge);
    if (cy.zoom() < limits.close || view.chosen) return set;
    const shown = cy.extent();
    const isShown = (node) => node.x > shown.x1 && node.x < shown.x2 && node.y > shown.y1 && node.y < shown.y2;
    const seen = model.nodes.filter(isShown);
    for (const node of seen)
      for (const edge of node.out) if (set.size < limits.arrows && (edge.to.box === node.box || isShown(edge.to))) set.add(edge);
    return set;
  }

  // The arrows over which the chosen one reaches others, or is reached, while they can be told from one another.
  function* farEdges() {
    if (!view.chosen || view.chosen.reach.out.size + view.chosen.reach.in.size > limits.far) return;
    for (const direction of ["out", "in"])
      for (const [node, step] of view.chosen.reach[direction])
        for (const edge of node[direction === "out" ? "in" : "out"])
          if ((direction === "out" ? edge.from : edge.to) === step.by && isOpen(edge)) yield edge;
  }

  function draw() {
    document.getElementById("note").hidden = !many || view.chosen !== null || cy.zoom() >= limits.close;
    const set = new Set(wanted());
    const gone = [], fresh = [];
    for (const [number, element] of drawn)
      if (!set.has(model.edges[number])) {
        gone.push(element);
        drawn.delete(number);
      }
    for (const edge of set) if (!drawn.has(edge.number)) fresh.push(edgeElement(edge, named || (few && edge.change), isTaken));
    cy.batch(() => {
      cy.collection(gone).remove();
      for (const element of cy.add(fresh)) drawn.set(element.data("number"), element);
      paint();
    });
  }

  // ---- how they are painted ----

  function paint() {
    const { chosen, pointed, matches } = view;
    const classes = ["faint", "out", "in", "far", "far-out", "far-in", "near", "chosen", "match"].join(" ");
    cy.elements().removeClass(classes);
    if (!chosen) {
      if (matches) cy.nodes(".node").forEach((node) => void node.addClass(matches.has(node.id()) ? "match" : "faint"));
      if (matches) cy.edges().addClass("faint");
      if (pointed) for (const direction of ["out", "in"]) mark(pointed, direction);
      return;
    }
    cy.elements(".node, edge").addClass("faint");
    for (const direction of ["in", "out"]) {
      for (const [node, step] of chosen.reach[direction])
        if (step.hops === 1 || view.deep)
          cy.getElementById(node.id).removeClass("faint").addClass(step.hops > 1 ? `far-${direction}` : "");
    }
    if (view.deep)
      for (const edge of farEdges())
        if (edge.from !== chosen && edge.to !== chosen)
          drawn.get(edge.number)?.removeClass("faint").addClass(`far ${chosen.reach.out.get(edge.to)?.by === edge.from ? "out" : "in"}`);
    for (const direction of ["out", "in"]) mark(chosen, direction);
    cy.getElementById(chosen.id).removeClass("faint").addClass("chosen");
  }

  function mark(node, direction) {
    for (const edge of node[direction]) {
      drawn.get(edge.number)?.removeClass("faint far").addClass(`near ${direction}`);
      cy.getElementById((direction === "out" ? edge.to : edge.from).id).removeClass("faint").addClass(direction);
    }
  }

  // The names of services are there where they can be read; those of namespaces stay readable while there is room.
  function fitNames() {
    const isClose = cy.zoom() >= limits.name;
    if (isClose !== isNamed) cy.nodes(".node").toggleClass("named", (isNamed = isClose));
    cy.nodes(".box").forEach((node) => {
      const { title, w, label } = node.data();
      const font = Math.max(8, Math.min(Math.max(12, 12 / cy.zoom()), title * 0.72, (w - 16) / (label.length * 0.58)));
      node.data({ font, drop: (title + font) / 2 });
    });
  }

  let waiting = 0;
  cy.on("viewport", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => cy.batch(fitNames));
    clearTimeout(redraw);
    if (many) redraw = setTimeout(draw, 120);
  });
  let redraw = 0;

  cy.on("tap", ".node", (event) => on.choose(event.target.id()));
  cy.on("tap", ".box", (event) => move({ fit: { eles: event.target, padding: 40 } }));
  cy.on("tap", (event) => event.target === cy && on.choose(null));
  cy.on("mouseover", ".node", (event) => point(event.target.id()));
  cy.on("mouseout", ".node", () => point(null));

  function point(id) {
    cy.container().style.cursor = id ? "pointer" : "";
    view = { ...view, pointed: id && !view.chosen ? model.byId.get(id) : null };
    if (!view.chosen) draw();
  }

  function move(to) {
    cy.stop();
    if (calm.matches) {
      if (to.fit) cy.fit(to.fit.eles, to.fit.padding);
      if (to.zoom) cy.zoom(to.zoom);
      if (to.pan) cy.pan(to.pan);
      if (to.center) cy.center(to.center.eles);
    } else cy.animate({ ...to, duration: 220, easing: "ease-out" });
  }

  const fit = () => move(start(boxes));

  const zoomBy = (factor) => move({ zoom: { level: cy.zoom() * factor, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } } });

  // Brings a node into view, where it is not, at a size that can be read.
  function show(node) {
    const box = cy.getElementById(node.id).renderedBoundingBox();
    const isSeen = box.x1 > 0 && box.y1 > 0 && box.x2 < cy.width() && box.y2 < cy.height() - 50;
    if (isSeen && cy.zoom() >= limits.close) return;
    move({ zoom: Math.max(cy.zoom(), 0.7), center: { eles: cy.getElementById(node.id) } });
  }

  cy.batch(fitNames);
  draw();

  return {
    cy, fit, zoomBy, many, bundleCount: bundles.length,
    choose(node) {
      view = { ...view, chosen: node, pointed: null };
      draw();
      if (node) show(node);
    },
    match(ids) {
      view = { ...view, matches: ids };
      paint();
    },
    deepen(deep) {
      view = { ...view, deep };
      draw();
    },
    repaint() {
      style = mapStyle(few);
      cy.style(style);
    },
  };
}

// Zoom and pan at which everything is seen, below the note and above the legend.
function start(boxes) {
  const { clientWidth: width, clientHeight: height } = document.getElementById("canvas");
  const margin = { side: 24, top: 62, bottom: 64 };
  const right = Math.max(1, ...boxes.map((box) => box.x + box.w)), bottom = Math.max(1, ...boxes.map((box) => box.y + box.h));
  const top = Math.min(0, ...boxes.map((box) => box.y));
  const zoom = Math.min(1.5, (width - 2 * margin.side) / right, (height - margin.top - margin.bottom) / (bottom - top));
  return { zoom: Math.max(zoom, 0.02), pan: { x: (width - right * zoom) / 2, y: margin.top + (height - margin.top - margin.bottom - (bottom - top) * zoom) / 2 - top * zoom } };
}

// ---- elements ----

const boxElement = (box) => ({
  group: "nodes", classes: box.outside ? "box outside" : "box",
  data: { id: "box " + box.key, label: box.name, w: box.w, h: box.h, title: box.title, font: 12, drop: 22 },
  position: { x: box.x + box.w / 2, y: box.y + box.h / 2 },
});

const nodeElement = (node) => ({
  group: "nodes", classes: `node ${node.outside ? "outside" : ""} ${node.change ?? ""}`,
  data: { id: node.id, label: signedLabel(node), w: node.w, h: node.h, room: node.w - 10 },
  position: { x: node.x, y: node.y },
});

function edgeElement(edge, named, isTaken) {
  const { ends, start, end, controls } = routeOf(edge.from, edge.to, isTaken);
  const dx = end.x - start.x, dy = end.y - start.y, length = Math.hypot(dx, dy) || 1;
  // A point beside the line from start to end: how far along it, and how far to its side.
  const along = (point) => ((point.x - start.x) * dx + (point.y - start.y) * dy) / (length * length);
  const beside = (point) => ((point.y - start.y) * dx - (point.x - start.x) * dy) / length;
  return {
    group: "edges", classes: `${edge.change ?? ""} ${named ? "named" : ""}`,
    data: {
      id: "edge " + edge.number, number: edge.number, source: edge.from.id, target: edge.to.id, label: portLines(edge).join("\n"),
      start: `${ends[0] * 50}% 0%`, end: `${ends[1] * 50}% 0%`,
      weights: controls.map(along), distances: controls.map(beside),
    },
  };
}

// One arrow for all that go from a namespace to another, those of most first.
function bundlesOf(boxes) {
  const found = [];
  for (const box of boxes)
    for (const [other, count] of box.calls)
      found.push({ count, element: {
        group: "edges", classes: "bundle",
        data: { id: `bundle ${box.key} ${other.key}`, source: "box " + box.key, target: "box " + other.key, width: 1.5 + 2 * Math.log2(1 + count), number: -1, start: "0 0", end: "0 0", weights: [0.5], distances: [0] },
      } });
  return found.sort((a, b) => b.count - a.count || byName(a.element.data, b.element.data)).map((bundle) => bundle.element);
}
