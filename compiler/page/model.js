// The graph that the page holds: nodes, edges by their ends, and what reaches what.

const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

// Text from a policy may hold characters that turn the text around them; they are shown by their number.
const plain = (text) => text.replace(controls, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));

function readModel(text) {
  const isPlain = text.search(controls) < 0 && !text.includes("\\u00"); // as nearly always
  const data = JSON.parse(text, isPlain ? undefined : (key, value) => (typeof value === "string" ? plain(value) : value));
  const nodes = new Map(data.nodes.map((node) => [node.id, { ...node, out: [], in: [], outside: isOutside(node) }]));
  const edges = data.edges.map((edge, number) => ({ ...edge, number, from: nodes.get(edge.from), to: nodes.get(edge.to) }));
  for (const edge of edges) {
    edge.from.out.push(edge);
    edge.to.in.push(edge);
  }
  return { ...data, nodes: [...nodes.values()], byId: nodes, edges };
}

const isOutside = (node) => node.kind !== "service" && node.kind !== "workload";

// Where a node is shown: its namespace, or outside.
const groupOf = (node) => (node.outside ? "" : node.namespace);

const isOpen = (edge) => edge.change !== "removed";
const wasOpen = (edge) => edge.change !== "added";

// Everything that `start` reaches over `edges` ("out"), or that reaches it ("in"), each with its distance and the node
// before it. What is outside is reached, and reaches, but passes nothing on: it is not ours to cross.
function reachOf(start, direction, counts = isOpen) {
  const found = new Map([[start, { hops: 0, by: null }]]);
  const queue = [start];
  for (let at = 0; at < queue.length; at++) {
    const node = queue[at];
    if (node.outside && node !== start) continue;
    for (const edge of node[direction]) {
      const next = direction === "out" ? edge.to : edge.from;
      if (!counts(edge) || found.has(next)) continue;
      found.set(next, { hops: found.get(node).hops + 1, by: node });
      queue.push(next);
    }
  }
  found.delete(start);
  return found;
}

// The nodes between `start` and `node`, nearest to `node` last.
function pathTo(found, node) {
  const path = [];
  for (let at = found.get(node)?.by; at && found.has(at); at = found.get(at).by) path.unshift(at);
  return path;
}

// The ports of an arrow, those that were opened or closed with a sign.
const portsOf = (edge) => edge.open.map((line) => ({ added: "+ ", removed: "\u2212 " }[line.change] ?? "") + line.ports);

const number = ((format) => (value) => format.format(value))(new Intl.NumberFormat("en"));
const counted = (count, one, many = one + "s") => `${number(count)} ${count === 1 ? one : many}`;
const signs = { added: "+", removed: "\u2212", changed: "\u00b1" };
