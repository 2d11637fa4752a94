// The picture of a graph: boxes from left to right, laid out by dagre, that show
// values and adjoints as they become known, folded or open.

const CHAR = { name: 8.1, small: 7.0 }; // widths of a letter at 13.5 and 11.5 px
const PAD = 12;
const WIDEST = 24; // letters in a row of a box
const THUMB = 38; // height of an array's picture in its box
const LABELS_UP_TO = 60; // boxes: beyond that the panel tells the derivatives

class GraphView {
  /**
   * `third` is the word for the row below the value ("grad", "tangent" or ""),
   * `labels` maps edges to local derivatives, `letters` has the widths of the third
   * rows, and `onselect(item, box)` is told which box the reader looks at.
   */
  constructor(host, nodes, { third, labels, letters, onselect }) {
    Object.assign(this, { host, nodes, third, labels, letters, onselect });
    this.byId = new Map(nodes.map((node) => [node.id, node]));
    this.fold = new Fold(nodes);
    this.prefix = `${host.id}-`;
    this.canvas = s("g", { class: "canvas" });
    this.svg = s("svg", { class: "graph", role: "group" }, arrowheads(this.prefix), this.canvas);
    host.append(this.svg);
    this.viewport = new Viewport(host, this.canvas);
    this.layout();
    listenToPointer(this);
  }

  /** Boxes and edges for what is folded and open now. */
  layout() {
    const { items, frames } = this.fold.visible();
    this.isLabelled = items.length <= LABELS_UP_TO;
    const isLoose = this.labels.size > 0 && this.isLabelled;
    const plan = new dagre.graphlib.Graph({ multigraph: true, compound: true });
    plan.setGraph({ rankdir: "LR", nodesep: 22, ranksep: isLoose ? 34 : 52,
                    edgesep: 12, marginx: 16, marginy: 16 });
    this.boxes = new Map(items.map((item) => [item.key ?? item.id, this.box(item)]));
    for (const [key, box] of this.boxes) {
      plan.setNode(String(key), { width: box.width, height: box.height });
    }
    this.frame(plan, frames);
    this.edges = this.between();
    for (const [key, edge] of this.edges) plan.setEdge(
      String(edge.from), String(edge.to),
      { width: edge.label ? edge.label.length * CHAR.small + 14 : 0,
        height: edge.label ? 20 : 0, labelpos: "c" }, key);
    dagre.layout(plan);
    this.viewport.size = plan.graph();
    this.draw(plan, frames);
  }

  /** Open boxes around what is in them. */
  frame(plan, frames) {
    for (const frame of frames) plan.setNode(frame.key, {});
    for (const key of [...this.boxes.keys(), ...frames.map((frame) => frame.key)]) {
      const around = this.fold.parent.get(key);
      if (around !== this.fold.root) plan.setParent(String(key), around.key);
    }
  }

  /** The edges to draw: one for each argument, or for all between two boxes. */
  between() {
    const edges = new Map();
    for (const node of this.nodes) {
      node.inputs.forEach((input, slot) => {
        const [from, to] = [this.fold.shown(input), this.fold.shown(node.id)];
        if (from === to) return;
        const isPlain = from === input && to === node.id;
        const key = isPlain ? `${input}>${node.id}#${slot}` : `${from}>${to}`;
        const edge = edges.get(key) ?? { from, to, count: 0, label: "" };
        edge.count += 1;
        if (isPlain && this.isLabelled) {
          edge.label = clipped(this.labels.get(key) ?? "", 26);
        }
        edges.set(key, edge);
      });
    }
    return edges;
  }

  /** What a box says, and the room that it takes. */
  box(item) {
    if (item.key) {
      const title = clipped(item.name, WIDEST);
      return { item, title, width: Math.max(132, title.length * CHAR.name + 44),
               height: 62, rows: 1 };
    }
    const isNamed = item.expression && item.expression !== item.name;
    const detail = isNamed && item.role !== "constant" ? item.expression : "";
    const title = clipped(item.name, WIDEST);
    const note = clipped(detail, WIDEST);
    const hasThird = this.third !== "" && item.role !== "constant" && item.adjoint;
    const values = [item.value, hasThird ? item.adjoint : null].filter(Boolean);
    const letters = Math.max(brief(item.value, WIDEST).length,
                             hasThird ? this.letters.get(item.id) ?? 1 : 1);
    const label = hasThird ? this.third.length : 5;
    const isSmall = item.role === "constant";
    const least = isSmall ? 12 : 56;
    const heading = title.length * CHAR.name + note.length * CHAR.small + (note ? 14 : 0);
    const rows = (isSmall ? 0 : 1) + (hasThird ? 1 : 0);
    const hasPicture = !isSmall && values.some((v) => v.heat);
    const row = isSmall ? 0 : (label + letters) * CHAR.small + 16;
    return { item, title, note, rows, hasThird, hasPicture, isSmall,
             width: Math.max(least, heading, row, hasPicture ? 2 * 64 : 0) + 2 * PAD,
             height: 34 + rows * 19 + (rows ? 5 : 0) + (hasPicture ? THUMB + 6 : 0) };
  }

  draw(plan, frames) {
    const layer = (name) => s("g", { class: name });
    const [back, lines, words, front] = ["frames", "edges", "labels", "boxes"].map(layer);
    for (const frame of frames) back.append(this.drawFrame(frame, plan.node(frame.key)));
    for (const [key, edge] of this.edges) {
      const found = plan.edge(String(edge.from), String(edge.to), key);
      edge.line = s("path", { d: curve(found.points), class: "edge" });
      lines.append(edge.line);
      if (edge.label) {
        edge.word = drawLabel(edge.label, found.x, found.y);
        words.append(edge.word);
      } else if (edge.count > 1) {
        const middle = found.points[Math.floor(found.points.length / 2)];
        words.append(s("text", { x: middle.x, y: middle.y - 5, class: "count" },
                       `×${edge.count}`));
      }
    }
    for (const [key, box] of this.boxes) {
      Object.assign(box, { x: plan.node(String(key)).x, y: plan.node(String(key)).y });
      front.append(this.drawBox(box));
    }
    this.canvas.replaceChildren(back, lines, words, front);
  }

  drawFrame(frame, at) {
    const [x, y] = [at.x - at.width / 2, at.y - at.height / 2];
    const fold = () => this.setOpen(frame, false);
    return s("g", {
      class: "frame", tabindex: 0, role: "button", onclick: fold,
      onkeydown: (event) => onEnter(event, fold),
      "aria-label": `Fold ${frame.name}, ${frame.size} nodes`,
    },
    s("rect", { x, y: y - 8, width: at.width, height: at.height + 8, rx: 10 }),
    s("text", { x: x + 10, y: y + 8 }, `▾ ${clipped(frame.name, 40)}`));
  }

  drawBox(box) {
    const { item, width, height } = box;
    const [x, y] = [box.x - width / 2, box.y - height / 2];
    const role = item.key ? "folded" : item.role;
    const open = () => this.setOpen(item, true);
    box.group = s("g", {
      class: `box ${role}`, tabindex: 0, role: item.key ? "button" : "img",
      "data-id": item.key ?? item.id, transform: `translate(${x} ${y})`,
      // Focus that the keyboard moved; a box that was just opened is not asked about.
      onfocus: () => this.isMoving || this.lookAt(box),
      onblur: () => this.onselect(null),
      onclick: item.key ? open : null,
      onkeydown: item.key ? (event) => onEnter(event, open) : null,
    }, outlines(role, width, height), this.contents(box));
    return box.group;
  }

  /** The reader came to a box; by the keyboard it may have been out of sight. */
  lookAt(box) {
    if (box.group.matches(":focus-visible")) this.reveal(box.item.key ?? box.item.id);
    this.onselect(box.item, box.group);
  }

  contents(box) {
    const { item, width } = box;
    if (item.key) {
      box.state = s("text", { x: PAD, y: 46, class: "label" });
      return [s("text", { x: PAD, y: 24, class: "name" }, `▸ ${box.title}`), box.state];
    }
    const made = [s("text", { x: PAD, y: 22, class: "name" }, box.title)];
    if (box.note) made.push(s("text", { x: width - PAD, y: 22, class: "note" }, box.note));
    if (box.isSmall) return made;
    const row = (label, y) => {
      const text = s("text", { x: width - PAD, y, class: "figure" });
      made.push(s("text", { x: PAD, y, class: "label" }, label), text);
      return text;
    };
    made.push(s("path", { d: `M0 31H${width}`, class: "rule" }));
    box.value = row("value", 47);
    if (box.hasThird) box.third = row(this.third, 66);
    if (box.hasPicture) {
      box.pictures = s("g", { transform: `translate(0 ${36 + box.rows * 19})` });
      made.push(box.pictures);
    }
    return made;
  }

  /**
   * Show a moment: `known` (ids with a value), `third` (id -> text and value),
   * `lit` (edge keys or "from>to"), `active` (id), `other` (id), `phase`.
   */
  show(moment) {
    this.moment = moment;
    for (const box of this.boxes.values()) {
      if (box.item.key) this.showFolded(box, moment);
      else this.showBox(box, moment);
    }
    const shown = (id) => (id === null || id === undefined ? null : this.fold.shown(id));
    const [active, other] = [shown(moment.active), shown(moment.other)];
    for (const [key, box] of this.boxes) {
      box.group.classList.toggle("active", key === active);
      box.group.classList.toggle("other", key === other && key !== active);
      box.group.dataset.phase = moment.phase;
    }
    this.light(moment);
  }

  light({ lit, passed, phase }) {
    const keys = new Set();
    for (const { from, to, slot } of lit) {
      keys.add(`${from}>${to}#${slot}`);
      keys.add(`${this.fold.shown(from)}>${this.fold.shown(to)}`);
    }
    for (const [key, edge] of this.edges) {
      const isLit = keys.has(key);
      const isBackward = isLit && phase === "backward";
      const head = `url(#${this.prefix}${isLit ? phase : "plain"})`;
      edge.line.setAttribute("class", `edge ${isLit ? `lit ${phase}` : ""}`);
      edge.line.setAttribute("marker-end", isBackward ? "none" : head);
      edge.line.setAttribute("marker-start", isBackward ? head : "none");
      if (!edge.word) continue;
      const isTold = isBackward || passed.has(key);
      edge.word.setAttribute("class", `derivative ${isTold ? "" : "hidden"}`
        + (isBackward ? " lit" : ""));
    }
  }

  showBox(box, { known, third, allKnown }) {
    const { item } = box;
    const isKnown = allKnown || known.has(item.id);
    box.group.classList.toggle("pending", !isKnown);
    const said = isKnown ? brief(item.value, WIDEST) : "·";
    const grad = third.get(item.id);
    if (box.value) box.value.textContent = said;
    if (box.third) box.third.textContent = grad ? grad.text : "·";
    const label = [`${item.name} = ${item.expression || item.name}`, `${item.role}`,
                   isKnown ? `value ${item.value.text}` : "value not yet known"];
    if (box.third) label.push(grad ? `${this.third} ${grad.text}` : `no ${this.third} yet`);
    box.group.setAttribute("aria-label", label.join(", "));
    if (box.pictures) this.showPictures(box, isKnown, grad);
  }

  showPictures(box, isKnown, grad) {
    const shown = [isKnown ? box.item.value : null, grad ? grad.value : null];
    const drawn = shown.map((v) => (v && v.heat ? v.text : "")).join("|");
    if (box.drawn === drawn) return;
    box.drawn = drawn;
    box.pictures.replaceChildren(...shown.flatMap((value, i) => {
      if (!value || !value.heat || !value.heat.length) return [];
      const href = heatCanvas(value.heat, 4).toDataURL();
      const room = (box.width - 2 * PAD - 8) / (box.hasThird ? 2 : 1);
      const aspect = value.heat[0].length / value.heat.length;
      const width = Math.min(room, THUMB * Math.max(1, Math.min(aspect, 3)));
      const x = i === 0 ? PAD : box.width - PAD - width;
      return [s("image", { href, x, y: 0, width, height: THUMB,
                           preserveAspectRatio: "none" })];
    }));
  }

  showFolded(box, { known, third, allKnown, phase }) {
    const isCounted = (id) => this.byId.get(id).role !== "constant";
    const ids = (box.ids ??= members(box.item).filter(isCounted));
    const done = allKnown ? ids.length : ids.filter((id) => known.has(id)).length;
    const back = ids.filter((id) => third.has(id)).length;
    const size = ids.length;
    const said = phase === "backward" && !allKnown ? `${back} of ${size} reached`
      : done === ids.length ? `${size} nodes` : `${done} of ${size} done`;
    box.state.textContent = said;
    box.group.classList.toggle("pending", done === 0);
    box.group.setAttribute("aria-label", `${box.item.name}, folded, ${said}`);
  }

  /** Bring a box into view, if possible with a second one. */
  reveal(key, second = null) {
    this.viewport.reveal([key, second].map((k) => this.boxes.get(k)).filter(Boolean));
  }

  setOpen(block, open) {
    if (open) this.fold.open(block);
    else block.open = false;
    if (this.viewport.at.k > 1) this.viewport.zoom(1 / this.viewport.at.k);
    this.redraw(open ? this.fold.shown(members(block)[0]) : block.key);
  }

  setAll(open) {
    this.fold.all(open);
    this.redraw(null);
    this.viewport.fit();
  }

  /** Lay out anew and keep the reader's place: `key` stays where it can be seen. */
  redraw(key) {
    this.onselect(null);
    this.layout();
    if (this.moment) this.show(this.moment);
    if (key === null) return;
    this.reveal(key);
    this.isMoving = true;
    this.boxes.get(key)?.group.focus({ preventScroll: true });
    this.isMoving = false;
  }
}
