// The other sections: forward mode and what it costs, the checks, the second order.

function fillForwardMode(host, story) {
  const byId_ = new Map(story.nodes.map((node) => [node.id, node]));
  const parts = [countsView(story.counts)];
  for (const sweep of story.sweeps) {
    const heading = `Sweep for ${sweepName(sweep, byId_)}`;
    const rows = sweep.steps.map((step) => h("tr", {},
      h("td", { class: "code" }, step.text),
      h("td", { class: "code numbers" }, step.numbers),
      h("td", { class: "number" }, brief(step.value, 40))));
    parts.push(h("section", { class: "sheet" }, h("h2", {}, heading),
      h("div", { class: "wide" }, h("table", {},
        h("thead", {}, headRow(["tangent", "numbers", "value"])),
        h("tbody", {}, rows)))));
  }
  if (!story.sweeps.length) {
    parts.push(h("p", {}, "No forward-mode sweeps were kept in this page."));
  }
  host.replaceChildren(...parts);
}

function sweepName(sweep, nodes) {
  const element = (sweep.element ?? []).join(", ");
  return `d${nodes.get(sweep.input).name}${element ? `[${element}]` : ""}`;
}

const headRow = (names) => h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)));

/** Multiplications by local derivatives, as two bars. */
function countsView(counts) {
  const most = Math.max(counts.forward_mode, counts.reverse_mode, 1);
  const sweeps = counts.sweeps;
  const bar = (label, count, kind) => {
    const fill = h("span", { class: `fill ${kind}` });
    fill.style.width = `${(100 * count) / most}%`;
    return h("div", { class: "bar" }, h("span", { class: "name" }, label),
      h("span", { class: "track" }, fill), h("b", {}, String(count)));
  };
  const note = sweeps === undefined ? "Forward mode"
    : `Forward mode, ${sweeps} sweep${sweeps === 1 ? "" : "s"}`;
  return h("section", { class: "sheet counts" },
    h("h2", {}, "Multiplications by local derivatives"),
    bar(note, counts.forward_mode, "forward"),
    bar("Reverse mode, one pass", counts.reverse_mode, "backward"),
    h("p", { class: "why" }, "Forward mode needs a sweep for every input element; "
      + "reverse mode finds all of them in one pass back from the output."));
}

function fillChecks(host, story) {
  const byId_ = new Map(story.nodes.map((node) => [node.id, node]));
  const views = story.checks.map((check) => checkView(check, byId_.get(check.input).name));
  host.replaceChildren(...views);
}

function checkView(check, name) {
  const row = (label, value, how, error) => value && h("tr", {},
    h("th", { scope: "row" }, label), h("td", { class: "number" }, brief(value, 40)),
    h("td", { class: "code" }, how), h("td", { class: "number" }, error));
  const error = (x) => (x === null || x === undefined ? "" : written(x, 3));
  const table = h("table", {},
    h("thead", {}, headRow(["", `∂ by ${name}`, "from", "error"])),
    h("tbody", {}, [
      row("Automatic", check.automatic, "the backward pass", "—"),
      row("Numerical", check.numerical, "a central difference: two runs",
          error(check.error_numerical)),
      row("Symbolic", check.symbolic_value, check.symbolic, error(check.error_symbolic)),
    ].filter(Boolean)));
  const plot = check.curve && check.curve.length > 1 ? stepSizePlot(check.curve, name) : null;
  return h("section", { class: "sheet" }, h("h2", {}, `Derivative by ${name}`),
    h("div", { class: "wide" }, table), plot);
}

/** Error of the finite difference over its step size: the V, on logarithmic axes. */
function stepSizePlot(curve, name) {
  const [width, height, left, right, top, bottom] = [560, 320, 62, 18, 18, 48];
  const points = curve.map(([x, y]) => [number(x), number(y)])
    .filter(([x, y]) => x > 0 && Number.isFinite(y) && y >= 0);
  const positive = points.filter(([, y]) => y > 0).map(([, y]) => Math.log10(y));
  if (points.length < 2 || !positive.length) return null;
  const xs = points.map(([x]) => Math.log10(x));
  const [x0, x1] = [Math.floor(Math.min(...xs)), Math.ceil(Math.max(...xs))];
  const floor = Math.floor(Math.min(...positive)) - (positive.length < points.length);
  const [y0, y1] = [floor, Math.max(floor + 1, Math.ceil(Math.max(...positive)))];
  const px = (x) => left + ((x - x0) / Math.max(1, x1 - x0)) * (width - left - right);
  const py = (y) => height - bottom - ((y - y0) / (y1 - y0)) * (height - top - bottom);
  const at = ([x, y]) => [px(Math.log10(x)), py(y > 0 ? Math.log10(y) : y0)];
  const best = points.reduce((a, b) => (b[1] < a[1] ? b : a));
  const [bx, by] = at(best);
  const marks = points.map((point) => {
    const [cx, cy] = at(point);
    return s("circle", { cx, cy, r: point === best ? 5 : 3.2,
                         class: point === best ? "best" : point[1] > 0 ? "dot" : "none" });
  });
  const line = s("path", { class: "line",
    d: points.map((point, i) => `${i ? "L" : "M"}${at(point).join(" ")}`).join("") });
  const says = `smallest error ${written(best[1], 2)} at step ${written(best[0], 2)}`;
  const middle = Math.max(left + 130, Math.min(width - right - 130, bx));
  return h("figure", { class: "plot" },
    s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
               "aria-label": `Error of the finite difference by ${name}: ${says}` },
      ticks(x0, x1, 8).map((t) => axisTick("x", t, px(t), top, height - bottom)),
      ticks(y0, y1, 6).map((t) => axisTick("y", t, py(t), left, width - right)),
      s("path", { class: "axis", d: `M${left} ${top}V${height - bottom}H${width - right}` }),
      s("path", { class: "leader", d: `M${bx} ${top + 18}V${by}` }), line, marks,
      s("text", { x: middle, y: top + 12, class: "best", "text-anchor": "middle" }, says),
      s("text", { x: (left + width - right) / 2, y: height - 8, class: "title" },
        "step size h"),
      s("text", { class: "title", transform: `translate(15 ${(top + height - bottom) / 2}) `
        + "rotate(-90)" }, "error")),
    h("figcaption", {}, `Error of the one-sided difference (f(${name} + h) − f(${name}))/h. `
      + "Towards the right it misses curvature; towards the left, digits cancel. "
      + "The best step lies between."));
}

function ticks(low, high, most) {
  const stride = Math.max(1, Math.ceil((high - low) / most));
  const found = [];
  for (let t = Math.ceil(low / stride) * stride; t <= high; t += stride) found.push(t);
  return found;
}

function axisTick(axis, exponent, at, from, to) {
  const isX = axis === "x";
  const grid = isX ? `M${at} ${from}V${to}` : `M${from} ${at}H${to}`;
  const text = s("text", { x: isX ? at : from - 8, y: isX ? to + 18 : at + 4,
                           class: `tick ${axis}` }, "10",
    s("tspan", { dy: -5, class: "power" }, written(exponent)));
  return s("g", {}, s("path", { class: "grid", d: grid }), text);
}

/** All nodes in rows, for paper, where nothing can be pointed at or unfolded. */
function fillPrinted(host, story) {
  const rows = story.nodes.map((node) => h("tr", {},
    h("th", { scope: "row", class: "code" }, node.name),
    h("td", { class: "code" }, node.expression || node.role),
    h("td", {}, shapeOf(node)),
    h("td", { class: "code" }, node.value.text),
    h("td", { class: "code" }, node.adjoint ? node.adjoint.text : "")));
  host.replaceChildren(h("h2", {}, "All nodes"), h("table", {},
    h("thead", {}, headRow(["node", "is", "shape", "value", "grad"])),
    h("tbody", {}, rows)));
}
