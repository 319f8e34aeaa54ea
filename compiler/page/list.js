// The list of services beside the map: what can be done on the map with a mouse is done here with keys.
//
// One option can be tabbed to; arrows, Home and End go on from there, Enter and space choose.

// An element with properties and children. Text becomes text nodes, never markup.
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// What may be searched for: names, and ports that a service declares or is called on.
const wordsOf = (node) =>
  [node.id, ...(node.ports ?? []).flatMap((port) => [port.name, port.port]), ...(node.cidrs ?? []),
    ...node.in.flatMap((edge) => edge.open.map((line) => line.ports))].join(" ").toLowerCase();

function createList(model, on) {
  const list = document.getElementById("list"), search = document.getElementById("search");
  const found = document.getElementById("found"), changed = document.getElementById("changed");
  const items = [];
  let current = null; // the option that Tab goes to

  const touched = new Set(model.edges.filter((edge) => edge.change).flatMap((edge) => [edge.from, edge.to]));
  const inside = model.nodes.filter((node) => !node.outside), outside = model.nodes.filter((node) => node.outside);
  const kindWord = inside.some((node) => node.kind === "workload") ? "workload" : "service";
  document.getElementById("only-changes").hidden = model.against === undefined;

  let group = null, name = null;
  for (const node of [...inside, ...outside]) {
    if (group === null || groupOf(node) !== name) {
      name = groupOf(node);
      const id = `group-${items.length}`;
      group = make("div", { class: "group", role: "group", "aria-labelledby": id },
        make("div", { class: "head", id, role: "presentation" }, make("bdi", {}, node.outside ? "outside" : name)));
      list.append(group);
    }
    const out = node.out.filter(isOpen).length, into = node.in.filter(isOpen).length;
    const element = make("div", { class: "option", role: "option", tabindex: -1, "aria-selected": "false", "data-id": node.id },
      make("span", {}, node.change ? make("span", { class: `sign ${node.change}` }, signs[node.change] + " ") : null, make("bdi", {}, labelOf(node)),
        make("span", { class: "unseen" }, `${node.change ? ", " + node.change : ""}, called by ${into}, calls ${out}`)),
      make("span", { class: "degree", "aria-hidden": "true" }, `\u2190${into} \u2192${out}`));
    group.append(element);
    items.push({ node, element, group, words: wordsOf(node), isTouched: touched.has(node) || node.change !== undefined });
  }
  const byElement = new Map(items.map((item) => [item.element, item]));
  const visible = () => items.filter((item) => !item.element.hidden);

  function tabTo(item) {
    if (current) current.element.tabIndex = -1;
    current = item ?? null;
    if (current) current.element.tabIndex = 0;
  }

  function focus(item) {
    if (!item) return;
    tabTo(item);
    item.element.focus();
    item.element.scrollIntoView({ block: "nearest" });
  }

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const isAsked = words.length > 0 || changed.checked;
    const groups = new Set();
    for (const item of items) {
      const fits = words.every((word) => item.words.includes(word)) && (!changed.checked || item.isTouched);
      item.element.hidden = !fits;
      if (fits) groups.add(item.group);
    }
    for (const element of list.children) element.hidden = !groups.has(element);
    const shown = visible();
    if (!current || current.element.hidden) tabTo(shown[0]);
    found.textContent = isAsked ? `${number(shown.length)} of ${counted(items.length, "entry", "entries")}`
      : `${counted(inside.length, kindWord)}${outside.length ? `, ${number(outside.length)} outside` : ""}`;
    on.match(isAsked ? new Set(shown.map((item) => item.node.id)) : null, found.textContent);
  }

  list.addEventListener("click", (event) => {
    const item = byElement.get(event.target.closest(".option"));
    if (!item) return;
    tabTo(item);
    on.choose(item.node.id);
  });
  list.addEventListener("keydown", (event) => {
    const shown = visible(), at = shown.indexOf(byElement.get(event.target));
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1, PageDown: at + 10, PageUp: at - 10 };
    if (event.key === "Enter" || event.key === " ") {
      if (event.target.getAttribute("aria-selected") === "true") on.enter();
      else on.choose(shown[at].node.id);
    } else if (event.key === "ArrowRight") on.enter();
    else if (event.key in steps) focus(shown[Math.max(0, Math.min(shown.length - 1, steps[event.key]))]);
    else return;
    event.preventDefault();
  });
  search.addEventListener("input", filter);
  changed.addEventListener("change", filter);
  search.addEventListener("keydown", (event) => {
    const shown = visible();
    if (event.key === "ArrowDown") focus(current && !current.element.hidden ? current : shown[0]);
    else if (event.key === "Enter" && shown.length > 0) on.choose(shown[0].node.id);
    else return;
    event.preventDefault();
  });
  filter();

  return {
    choose(node) {
      for (const item of items) {
        const is = item.node === node;
        if ((item.element.getAttribute("aria-selected") === "true") !== is) item.element.setAttribute("aria-selected", String(is));
        if (!is) continue;
        tabTo(item);
        item.element.scrollIntoView({ block: "nearest" });
      }
    },
    focus: () => focus(current ?? visible()[0]),
    clear() {
      search.value = "";
      changed.checked = false;
      filter();
    },
    isFiltered: () => search.value !== "" || changed.checked,
    search,
  };
}
