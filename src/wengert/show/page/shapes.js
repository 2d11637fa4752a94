// Parts of the picture that know nothing of graphs: outlines, arrowheads, curves.

/** Roles differ in outline, not in colour only. */
function outlines(role, width, height) {
  const radius = { input: 17, operation: 5, output: 5, constant: 5, folded: 3 }[role];
  const outer = s("rect", { width, height, rx: radius, class: "outline" });
  if (role === "output") {
    return [outer, s("rect", { x: 3, y: 3, width: width - 6, height: height - 6, rx: 3,
                               class: "inner" })];
  }
  if (role !== "folded") return [outer];
  const stack = s("path", { class: "stack",
    d: `M6 ${height + 4}H${width + 4}V6M3 ${height + 2}` });
  return [stack, outer];
}

function drawLabel(text, x, y) {
  const width = text.length * CHAR.small + 10;
  return s("g", { class: "derivative hidden" },
    s("rect", { x: x - width / 2, y: y - 9, width, height: 18, rx: 9 }),
    s("text", { x, y: y + 4 }, text));
}

/** A smooth line through dagre's bends. */
function curve(points) {
  const at = (p) => `${p.x.toFixed(1)} ${p.y.toFixed(1)}`;
  let path = `M${at(points[0])}`;
  for (let i = 1; i < points.length - 1; i += 1) {
    const [a, b] = [points[i], points[i + 1]];
    const isLast = i === points.length - 2;
    path += `Q${at(a)} ${at(isLast ? b : { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 })}`;
  }
  return points.length === 2 ? `${path}L${at(points[1])}` : path;
}

/** Markers for the ends of edges; identifiers are unique in the page by the prefix. */
function arrowheads(prefix) {
  const arrow = (kind) =>
    s("marker", {
      id: `${prefix}${kind}`, viewBox: "0 0 10 10", refX: 9, refY: 5,
      markerWidth: 9, markerHeight: 9, orient: "auto-start-reverse",
      markerUnits: "userSpaceOnUse", class: `head ${kind}`,
    }, s("path", { d: "M0 0.5L10 5L0 9.5z" }));
  return s("defs", {}, ["plain", "forward", "backward"].map(arrow));
}

/** Enter and Space on what is no button but acts as one. */
const onEnter = (event, act) => {
  if (event.key !== "Enter" && event.key !== " ") return;
  event.preventDefault();
  event.stopPropagation();
  act();
};
