// Positions: each namespace is a box, in it services stand in columns such that calls go from left to right as far as
// they can. The boxes are placed the same way. Nothing is random: the same graph has the same picture.

// Room around things: `roomy` where arrows carry their ports, `compact` where services are many and their names need it.
const tight = { row: 42, node: 28, column: 64, pad: 16, gap: 56, widest: 190, narrowest: 56, margin: 22, title: 30 };
const roomy = { ...tight, row: 54, column: 108, pad: 22, gap: 66 };
const compact = { ...tight, row: 31, node: 24, column: 16, pad: 9, gap: 26, widest: 150, narrowest: 44, margin: 12 };
const dense = { ...compact, title: 62 }; // with names of namespaces to be read from afar

const measure = (() => {
  const context = document.createElement("canvas").getContext("2d");
  context.font = "12px system-ui, sans-serif";
  return (text) => context.measureText(text).width;
})();

const labelOf = (node) => (node.outside ? node.id : node.name);
const signedLabel = (node) => (node.change ? signs[node.change] + " " : "") + labelOf(node);

// The ports of an arrow under one another, at most three lines.
function portLines(edge) {
  const lines = portsOf(edge);
  return lines.length > 3 ? [...lines.slice(0, 2), `and ${number(lines.length - 2)} more`] : lines;
}

const byName = (a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

// The longest path to each item over edges that close no circle. `next` lists the items behind one, in a fixed order.
function ranksOf(items, next) {
  const state = new Map(), order = [], ranks = new Map(items.map((item) => [item, 0])), kept = new Map();
  for (const root of items) {
    if (state.has(root)) continue;
    const stack = [[root, 0]];
    state.set(root, 1);
    while (stack.length > 0) {
      const top = stack[stack.length - 1], [item] = top, successors = next(item);
      if (top[1] === successors.length) {
        state.set(item, 2);
        order.push(item);
        stack.pop();
        continue;
      }
      const successor = successors[top[1]++];
      if (state.get(successor) === 1) continue;
      if (!kept.has(item)) kept.set(item, []);
      kept.get(item).push(successor);
      if (!state.has(successor)) {
        state.set(successor, 1);
        stack.push([successor, 0]);
      }
    }
  }
  for (const item of order.reverse())
    for (const successor of kept.get(item) ?? []) ranks.set(successor, Math.max(ranks.get(successor), ranks.get(item) + 1));
  return ranks;
}

// Items to columns, at most `most` of them, each ordered by where its neighbours in the others are.
function columnsOf(items, neighbours, next, most) {
  const ranks = ranksOf(items, next);
  const deepest = Math.max(0, ...ranks.values()) + 1, count = Math.min(deepest, most);
  const columns = Array.from({ length: count }, () => []);
  for (const item of items) columns[Math.floor((ranks.get(item) * count) / deepest)].push(item);
  const place = new Map();
  const note = (column) => column.forEach((item, i) => place.set(item, i - (column.length - 1) / 2));
  columns.forEach(note);
  for (let sweep = 0; sweep < 6; sweep++)
    for (const column of sweep % 2 ? [...columns].reverse() : columns) {
      const wanted = new Map(column.map((item) => {
        const around = neighbours(item).filter((other) => place.has(other) && !column.includes(other));
        return [item, around.length ? around.reduce((sum, other) => sum + place.get(other), 0) / around.length : place.get(item)];
      }));
      column.sort((a, b) => wanted.get(a) - wanted.get(b) || place.get(a) - place.get(b));
      note(column);
    }
  return columns.filter((column) => column.length > 0);
}

// The same items in the same order in columns of one height.
function evenly(items, rows) {
  const columns = [];
  for (let at = 0; at < items.length; at += rows) columns.push(items.slice(at, at + rows));
  return columns;
}

// Puts the nodes of one box in at most `most` columns, and gives it its size.
function fillBox(box, sizes, most) {
  const { title } = sizes, inside = new Set(box.nodes);
  let columns = columnsOf(
    box.nodes,
    (node) => [...node.in.map((edge) => edge.from), ...node.out.map((edge) => edge.to)].filter((other) => inside.has(other)),
    (node) => node.out.map((edge) => edge.to).filter((other) => inside.has(other) && other !== node),
    box.outside ? 1 : Math.min(most, Math.max(4, Math.round(Math.sqrt(box.nodes.length)))),
  );
  if (sizes.row === compact.row) columns = evenly(columns.flat(), Math.ceil(Math.sqrt(box.nodes.length * 2.6)));
  const rows = Math.max(...columns.map((column) => column.length));
  let x = sizes.pad;
  for (const column of columns) {
    const width = Math.min(sizes.widest, Math.max(sizes.narrowest, ...column.map((node) => Math.ceil(measure(signedLabel(node))) + sizes.margin)));
    column.forEach((node, i) => {
      node.w = width;
      node.h = sizes.node;
      node.x = x + width / 2;
      node.y = title + (i + (rows - column.length) / 2 + 0.5) * sizes.row;
    });
    x += width + sizes.column;
  }
  box.w = Math.max(x - sizes.column + sizes.pad, Math.ceil(measure(box.name)) + 2 * sizes.pad);
  box.h = title + rows * sizes.row + sizes.pad / 2;
  const spare = (box.w - (x - sizes.column + sizes.pad)) / 2;
  for (const node of box.nodes) node.x += spare;
}

// What is outside stands on the left where it mostly calls, and on the right where it is mostly called.
function boxesOf(model) {
  const boxes = new Map();
  for (const node of model.nodes) {
    const left = node.outside && node.out.length > node.in.length;
    const key = node.outside ? (left ? "\u0000in" : "\u0000out") : node.namespace;
    if (!boxes.has(key)) boxes.set(key, { key, name: node.outside ? "outside" : node.namespace, nodes: [], outside: node.outside, left });
    node.box = boxes.get(key);
    node.box.nodes.push(node);
  }
  return [...boxes.values()];
}

const tall = (column, gap) => column.reduce((sum, box) => sum + box.h + gap, -gap);
const wide = (column) => Math.max(...column.map((box) => box.w));

// Fills `count` columns with boxes in their order.
function fillColumns(boxes, count, gap) {
  const height = (tall(boxes, gap) + gap) / count, columns = [[]];
  let used = 0;
  for (const box of boxes) {
    if (used + box.h / 2 > height && columns.length < count) {
      columns.push([]);
      used = 0;
    }
    columns[columns.length - 1].push(box);
    used += box.h + gap;
  }
  return columns;
}

// How much room columns of boxes take on a map of that shape: the height of the map that holds them.
function roomOf(columns, { gap }, shape) {
  const width = columns.reduce((sum, column) => sum + wide(column) + gap * 1.3, 0);
  return Math.max(width / shape, ...columns.map((column) => tall(column, gap)));
}

// As many columns as make the picture largest.
function bestFill(boxes, sizes, shape) {
  let best = [], least = Infinity;
  for (let count = 1; count <= Math.min(boxes.length, 64); count++) {
    const columns = fillColumns(boxes, count, sizes.gap), room = roomOf(columns, sizes, shape);
    if (room < least) [best, least] = [columns, room];
  }
  return best;
}

// Outside the boxes that mostly call stand on the left, the others on the right.
function withOutside(boxes, columns) {
  const left = boxes.filter((box) => box.outside && box.left), right = boxes.filter((box) => box.outside && !box.left);
  return [left, ...columns, right].filter((column) => column.length > 0);
}

const within = 1050; // a picture of that height is drawn at three quarters of its size on most screens, and its names can be read

// Boxes to columns of the picture. Few are placed by who calls whom, in as many columns, and columns within a box, as
// leave it large enough to be read; many fill the shape of the map, in that order.
function boxColumns(boxes, sizes, shape) {
  const inner = boxes.filter((box) => !box.outside), isFew = sizes.row !== compact.row && inner.length <= 12;
  const next = (box) => [...box.calls.keys()].filter((other) => !other.outside);
  const around = (box) => [...box.calls.keys(), ...box.callers.keys()];
  const ranked = (most) => (inner.length > 0 ? columnsOf(inner, around, next, most) : []);
  const fill = (most) => boxes.forEach((box) => fillBox(box, sizes, most));
  if (!isFew) {
    fill(Infinity);
    return withOutside(boxes, bestFill(ranked(inner.length).flat(), sizes, shape));
  }
  let best = [], least = Infinity, narrow = 1;
  for (const inBox of [Infinity, 3, 2, 1]) {
    fill(inBox);
    for (const most of [4, 3, 2, 1]) {
      const columns = withOutside(boxes, ranked(most)), room = Math.max(within, roomOf(columns, sizes, shape));
      if (room < least * 0.95) [best, least, narrow] = [columns, room, inBox];
    }
  }
  fill(narrow);
  return best;
}

function sizesFor(model, boxes) {
  if (boxes.length > 40) return dense;
  if (model.nodes.length > 80) return compact;
  if (model.edges.length > limits.named) return tight;
  const longest = Math.max(0, ...model.edges.flatMap((edge) => portLines(edge).map(measure)));
  return { ...roomy, column: Math.max(roomy.column, Math.ceil(longest) + 36) };
}

// Gives every node x, y, w and h, and returns the boxes.
// `shape` is the width of the map by its height.
function layout(model, shape) {
  const boxes = boxesOf(model);
  const sizes = sizesFor(model, boxes);
  for (const box of boxes) {
    box.calls = new Map();
    box.callers = new Map();
    box.title = sizes.title;
    box.nodes.sort(byName);
  }
  for (const edge of model.edges) {
    const from = edge.from.box, to = edge.to.box;
    if (from === to) continue;
    from.calls.set(to, (from.calls.get(to) ?? 0) + 1);
    to.callers.set(from, (to.callers.get(from) ?? 0) + 1);
  }
  const columns = boxColumns(boxes, sizes, shape);
  const height = Math.max(0, ...columns.map((column) => tall(column, sizes.gap)));
  let x = 0;
  for (const column of columns) {
    const width = wide(column);
    let y = (height - tall(column, sizes.gap)) / 2;
    for (const box of column) {
      box.x = x + (width - box.w) / 2;
      box.y = y;
      for (const node of box.nodes) {
        node.x += box.x;
        node.y += box.y;
      }
      y += box.h + sizes.gap;
    }
    x += width + sizes.gap * 1.3;
  }
  return boxes;
}

// Which nodes lie at a point, looked up in squares.
function createGround(nodes) {
  const square = 96, squares = new Map();
  const key = (x, y) => `${Math.floor(x / square)} ${Math.floor(y / square)}`;
  for (const node of nodes) {
    const left = node.x - node.w / 2 - 3, top = node.y - node.h / 2 - 3;
    for (let x = Math.floor(left / square); x * square <= left + node.w + 6; x++)
      for (let y = Math.floor(top / square); y * square <= top + node.h + 6; y++) {
        const at = key(x * square, y * square);
        if (!squares.has(at)) squares.set(at, []);
        squares.get(at).push(node);
      }
  }
  return (x, y, but) => (squares.get(key(x, y)) ?? []).some((node) => !but.includes(node) && Math.abs(x - node.x) < node.w / 2 + 3 && Math.abs(y - node.y) < node.h / 2 + 3);
}

// Points of the curve that the map draws: two arcs, which meet in the middle of the control points.
function* pointsOf({ start, end, controls: [one, two] }) {
  const middle = { x: (one.x + two.x) / 2, y: (one.y + two.y) / 2 };
  for (const [a, b, c] of [[start, one, middle], [middle, two, end]])
    for (let t = 0.1; t < 1; t += 0.1)
      yield { x: (1 - t) ** 2 * a.x + 2 * t * (1 - t) * b.x + t * t * c.x, y: (1 - t) ** 2 * a.y + 2 * t * (1 - t) * b.y + t * t * c.y };
}

const lifts = [0, -24, 24, -48, 48, -80, 80, -120, 120];

// The way of an arrow: out of the right side and into the left one where that is forwards, the other way round where it
// is backwards, and around the right side in a column. `controls` are the two points that bend it, lifted such that it
// lies on as few other nodes as can be.
function routeOf(from, to, isTaken) {
  const side = (node, sign) => ({ x: node.x + (sign * node.w) / 2, y: node.y });
  const forwards = to.x - to.w / 2 >= from.x + from.w / 2 + 8, backwards = to.x + to.w / 2 <= from.x - from.w / 2 - 8;
  const ends = forwards ? [1, -1] : backwards ? [-1, 1] : [1, 1];
  const start = side(from, ends[0]), end = side(to, ends[1]);
  if (!forwards && !backwards) {
    const bend = Math.max(start.x, end.x) + 26 + Math.min(60, Math.abs(end.y - start.y) * 0.12);
    return { ends, start, end, controls: [{ x: bend, y: start.y }, { x: bend, y: end.y }] };
  }
  const across = end.x - start.x, pull = Math.sign(across) * Math.min(Math.abs(across) * 0.45, 160);
  let best = null, fewest = Infinity;
  for (const lift of lifts.filter((lift) => Math.abs(lift) <= Math.max(40, Math.abs(across) * 0.4))) {
    const route = { ends, start, end, controls: [{ x: start.x + pull, y: start.y + lift }, { x: end.x - pull, y: end.y + lift }] };
    let taken = 0;
    for (const point of pointsOf(route)) taken += isTaken(point.x, point.y, [from, to]) ? 1 : 0;
    if (taken < fewest) [best, fewest] = [route, taken];
    if (taken === 0) break;
  }
  return best;
}
