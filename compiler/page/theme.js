// Light and dark: the page's colours are in the style sheet, and the map is painted with the same.

const themes = ["auto", "light", "dark"];

function colours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["ground", "panel", "text", "muted", "out", "in", "both", "added", "removed", "changed", "node", "border", "box", "box-border", "edge", "chosen"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue("--" + name).trim()]));
}

// Calls `changed` whenever the colours are others.
function watchTheme(changed) {
  const button = document.getElementById("theme");
  let at = 0;
  button.addEventListener("click", () => {
    at = (at + 1) % themes.length;
    if (at === 0) delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = themes[at];
    button.textContent = `Theme: ${themes[at]}`;
    changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}

// How the map is painted. Numbers are pixels at zoom 1.
function mapStyle(few) {
  const c = colours();
  const font = "system-ui, -apple-system, Segoe UI, Roboto, sans-serif";
  const line = (color, width, more = {}) => ({ "line-color": color, "target-arrow-color": color, color, width, opacity: 1, ...more });
  return [
    { selector: "node", style: { "z-index-compare": "manual", "font-family": font } },
    { selector: ".box", style: {
      shape: "round-rectangle", width: "data(w)", height: "data(h)", "corner-radius": 10, "background-color": c.box,
      "border-color": c["box-border"], "border-width": 1, label: "data(label)", "font-size": "data(font)", color: c.muted,
      "font-weight": 600, "text-valign": "top", "text-halign": "center", "text-margin-y": "data(drop)", "z-index": 0, "text-events": "no",
    } },
    { selector: ".box.outside", style: { "border-style": "dashed", "background-opacity": 0.35 } },
    { selector: ".node", style: {
      shape: "round-rectangle", width: "data(w)", height: "data(h)", "corner-radius": 6, "background-color": c.node,
      "border-color": c.border, "border-width": 1, "font-size": 12, color: c.text, "text-valign": "center", "text-halign": "center",
      "z-index": 20,
    } },
    { selector: ".node.named", style: { label: "data(label)", "text-wrap": "ellipsis", "text-max-width": "data(room)" } },
    { selector: ".node.outside", style: { "border-style": "dashed", "corner-radius": 14 } },
    { selector: ".node.added", style: { "border-color": c.added, "border-width": 3 } },
    { selector: ".node.removed", style: { "border-color": c.removed, "border-width": 2, "border-style": "dashed" } },
    { selector: "edge", style: {
      "z-index-compare": "manual", "z-index": 5, "font-family": font, "curve-style": "unbundled-bezier", "edge-distances": "endpoints",
      "source-endpoint": "data(start)", "target-endpoint": "data(end)", "control-point-weights": "data(weights)",
      "control-point-distances": "data(distances)", width: 1.25, "line-color": c.edge, "target-arrow-color": c.edge,
      "target-arrow-shape": "triangle", "arrow-scale": 0.9, opacity: few ? 0.85 : 0.4, "font-size": 10.5, color: c.muted,
      "text-background-color": c.box, "text-background-opacity": 0.92, "text-background-padding": 2, "text-background-shape": "round-rectangle",
      "min-zoomed-font-size": 7,
    } },
    { selector: "edge.named", style: { label: "data(label)", "text-wrap": "wrap" } },
    { selector: "edge.bundle", style: {
      "curve-style": "bezier", "source-endpoint": "outside-to-node", "target-endpoint": "outside-to-node", width: "data(width)",
      "edge-distances": "intersection", "arrow-scale": 1.6, opacity: 0.3, "z-index": 4,
    } },
    { selector: "edge.added", style: line(c.added, 2.5) },
    { selector: "edge.removed", style: line(c.removed, 2, { "line-style": "dashed" }) },
    { selector: "edge.changed", style: line(c.changed, 2.5, { "line-style": "dotted" }) },
    { selector: ".faint", style: { opacity: 0.16 } },
    { selector: "edge.faint", style: { opacity: 0.07, "text-opacity": 0 } },
    { selector: ".far-out", style: { "border-color": c.out, "border-width": 1.5 } },
    { selector: ".far-in", style: { "border-color": c.in, "border-width": 1.5 } },
    { selector: ".far-in.far-out", style: { "border-color": c.both } },
    { selector: "edge.far", style: { opacity: 0.5, width: 1.25, "z-index": 6 } },
    { selector: "edge.far.out", style: { "line-color": c.out, "target-arrow-color": c.out } },
    { selector: "edge.far.in", style: { "line-color": c.in, "target-arrow-color": c.in } },
    { selector: ".node.out", style: { "border-color": c.out, "border-width": 2.5 } },
    { selector: ".node.in", style: { "border-color": c.in, "border-width": 2.5 } },
    { selector: ".node.in.out", style: { "border-color": c.both } },
    { selector: "edge.near", style: { width: 2.5, opacity: 1, "z-index": 12, color: c.text, ...(few ? { label: "data(label)", "text-wrap": "wrap" } : {}) } },
    { selector: "edge.near.out", style: { "line-color": c.out, "target-arrow-color": c.out } },
    { selector: "edge.near.in", style: { "line-color": c.in, "target-arrow-color": c.in } },
    { selector: "edge.near.added", style: line(c.added, 3) },
    { selector: "edge.near.removed", style: line(c.removed, 2.5) },
    { selector: "edge.near.changed", style: line(c.changed, 3) },
    { selector: ".match", style: { "border-color": c.out, "border-width": 3 } },
    { selector: ".chosen", style: { "background-color": c.chosen, "border-color": c.text, "border-width": 3, "z-index": 30 } },
  ];
}
