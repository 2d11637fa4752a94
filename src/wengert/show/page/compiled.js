// The section on compiled functions: passes, kernels as pseudo-code, time by line.

function fillCompiled(host, compiled) {
  const { steps, passes, lines, notes } = compiled;
  const count = (kind, word) => {
    const n = steps.filter((step) => step.kind === kind).length;
    return n ? `${n} ${word}${n === 1 ? "" : "s"}` : null;
  };
  const counts = [count("kernel", "kernel"), count("call", "library call"),
                  count("host", "host call")].filter(Boolean).join(", ");
  const lead = `${compiled.before} operations, ${compiled.after} after the passes`
    + (counts ? `; ${counts}, ${compiled.bytes} bytes of code, compiled in `
                + `${duration(compiled.seconds)}.` : ".");
  const head = [lead, ...notes].map((text) => h("p", { class: "why" }, text));
  host.replaceChildren(h("section", { class: "sheet" }, head),
    ...(lines.length ? [timesView(lines)] : []),
    ...steps.map(stepView), passesView(passes));
}

function duration(seconds) {
  const [size, unit] = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]]
    .find(([least]) => seconds >= least) ?? [1e-9, "ns"];
  return `${written(seconds / size, 3)} ${unit}`;
}

/** Each line of the source with its share of the time, as a bar. */
function timesView(lines) {
  const most = Math.max(...lines.map((row) => row.share), 1e-9);
  const rows = lines.slice(0, 20).map((row) => {
    const fill = h("span", { class: "fill forward" });
    fill.style.width = `${(100 * row.share) / most}%`;
    const share = `${Math.round(100 * row.share)} %`;
    return h("div", { class: "time" },
      h("span", { class: "code" }, row.line || "(no line)"),
      h("span", { class: "track" }, fill),
      h("b", {}, share), h("span", { class: "number" }, duration(row.seconds)));
  });
  return h("section", { class: "sheet" }, h("h2", {}, "Time by line"), rows,
    h("p", { class: "why" }, "An estimate: the time of each step, run on its own, is "
      + "shared among the lines that are fused into it by what their operations cost."));
}

/** A kernel or a call: pseudo-code, with the line beside it where that is another. */
function stepView(step) {
  const rows = step.lines.map(([text, source]) => h("tr", {},
    h("td", { class: "code pseudo" }, text), h("td", { class: "code source" }, source)));
  const time = step.seconds === null ? "" : `, ${duration(step.seconds)}`;
  return h("section", { class: "sheet" },
    h("h2", {}, step.head.replace(/:$/, "") + time),
    h("div", { class: "wide" }, h("table", { class: "kernel" }, h("tbody", {}, rows))),
    step.why ? h("p", { class: "why" }, `On the host: ${step.why}.`) : null);
}

/** What each pass changed; those that changed nothing are only counted. */
function passesView(passes) {
  const busy = passes.filter((pass) => pass.changes.length || pass.gone.length);
  const idle = passes.length - busy.length;
  const items = busy.map((pass) => h("section", {},
    h("h3", {}, `${pass.name}: ${pass.before} → ${pass.after} operations`),
    h("p", { class: "why" }, pass.why),
    h("ul", { class: "code" }, pass.changes.map((change) => h("li", {}, change))),
    pass.gone.length
      ? h("p", { class: "why" }, `No longer needed: ${pass.gone.join(", ")}.`) : null));
  return h("section", { class: "sheet passes" }, h("h2", {}, "Passes"), items,
    h("p", { class: "why" }, `${idle} of ${passes.length} passes changed nothing.`));
}
