// Beside the graph: the card of a node, the user's source, the list of steps.

/** Everything about one node, next to its box. */
class Card {
  constructor(host, nodes) {
    Object.assign(this, { host, nodes, item: null });
    this.element = h("div", { class: "card", hidden: true, role: "dialog",
                              "aria-label": "about this node" });
    host.append(this.element);
  }

  show(item, box, moment, graph) {
    if (item === this.item) return;
    this.item = item;
    this.box = box;
    this.graph = graph;
    this.element.hidden = !item || Boolean(item.key);
    if (this.element.hidden) return;
    this.fill(moment);
    this.place();
  }

  refresh(moment) {
    if (this.element.hidden) return;
    this.fill(moment);
    this.place();
  }

  close() {
    this.show(null);
  }

  fill(moment) {
    const { item } = this;
    const isKnown = moment.allKnown || moment.known.has(item.id);
    const grad = moment.third.get(item.id);
    const row = (label, content) => [h("dt", {}, label), h("dd", {}, content)];
    const inputs = item.inputs.map((id) => this.nodes.get(id)?.name ?? `node ${id}`);
    this.element.replaceChildren(
      h("h3", {}, item.name, h("span", { class: "role" }, item.role)),
      h("dl", {},
        item.expression ? row("is", h("code", {}, item.expression)) : null,
        item.role === "operation" || item.role === "output" ? row("op", item.op) : null,
        inputs.length ? row("of", [...new Set(inputs)].join(", ")) : null,
        row("shape", `${shapeOf(item)}, ${item.dtype}`),
        item.line ? row("line", String(item.line)) : null,
        item.group ? row("in", item.group) : null,
        row("value", isKnown ? valueView(item.value) : "not yet computed"),
        grad ? row(this.graph.third, valueView(grad.value)) : null));
  }

  /** Below the box or above it, inside the picture; on a phone at the bottom. */
  place() {
    const area = this.host.getBoundingClientRect();
    const box = this.box.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const left = Math.min(Math.max(8, box.left - area.left), area.width - width - 8);
    const below = box.bottom - area.top + 10;
    const above = box.top - area.top - height - 10;
    const fits = below + height < area.height - 4;
    const top = fits ? below : Math.max(4, above);
    this.element.style.left = `${Math.max(4, left)}px`;
    this.element.style.top = `${top}px`;
  }
}

/** The user's function, with the line that the current step comes from. */
class SourcePanel {
  constructor(host, source) {
    this.lines = new Map();
    byId("source-box").hidden = !source.length;
    host.replaceChildren(...source.flatMap(([number, text], i) => {
      const line = h("div", { class: "line" },
        h("span", { class: "gutter" }, String(number)), h("code", {}, text || " "));
      this.lines.set(number, line);
      // Between functions that don't follow each other in the file.
      const isApart = i > 0 && source[i - 1][0] !== number - 1;
      return isApart ? [h("div", { class: "gap", "aria-hidden": "true" }, "⋮"), line]
        : [line];
    }));
    this.host = host;
  }

  show(number) {
    for (const [own, line] of this.lines) line.classList.toggle("now", own === number);
    const line = this.lines.get(number);
    if (line) keepInView(this.host, line);
  }
}

/** All steps in the lecture's words; what is not yet done hides its numbers. */
class StepsPanel {
  constructor(host, programme, go) {
    this.host = host;
    this.shown = 0;
    this.rows = [];
    const heading = { forward: programme.name === "sweep" ? "Sweep" : "Forward pass",
                      backward: "Backward pass" };
    const lists = new Map();
    programme.steps.forEach((step, i) => {
      if (!lists.has(step.phase)) lists.set(step.phase, h("ol", {}));
      const row = h("button", { type: "button", class: "step later",
                                onclick: () => go(i + 1) },
        h("span", { class: "words" }, step.text),
        step.numbers ? h("span", { class: "numbers" }, step.numbers) : null);
      this.rows.push(row);
      lists.get(step.phase).append(h("li", {}, row));
    });
    host.replaceChildren(...[...lists].flatMap(([phase, list]) =>
      [h("h2", { class: phase }, heading[phase]), list]));
  }

  show(count) {
    const [from, to] = [Math.min(count, this.shown), Math.max(count, this.shown)];
    for (let i = Math.max(0, from - 1); i < to; i += 1) {
      this.rows[i].classList.toggle("later", i >= count);
      this.rows[i].classList.remove("now");
      this.rows[i].removeAttribute("aria-current");
    }
    this.shown = count;
    const row = this.rows[count - 1];
    if (!row) {
      this.host.scrollTop = 0;
      return;
    }
    row.classList.add("now");
    row.setAttribute("aria-current", "step");
    keepInView(this.host, row);
  }
}

/** Scroll a list, and only the list, until one of its rows is inside. */
function keepInView(host, row) {
  const [area, own] = [host.getBoundingClientRect(), row.getBoundingClientRect()];
  if (host.scrollHeight <= host.clientHeight + 1) return;
  if (own.top < area.top + 30 || own.bottom > area.bottom - 30) {
    host.scrollTop += own.top - area.top - area.height / 2 + own.height / 2;
  }
}
