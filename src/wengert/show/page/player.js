// Play, step, back: one programme on one graph, with the lecture's words below it.

const PACE = 1400; // milliseconds a step at speed 1

class Player {
  constructor(story) {
    this.story = story;
    this.at = 0;
    this.timer = null;
    this.byId = new Map(story.nodes.map((node) => [node.id, node]));
    this.card = new Card(byId("stage"), this.byId);
    byId("play").addEventListener("click", () => this.toggle());
    byId("step").addEventListener("click", () => this.step(1));
    byId("back").addEventListener("click", () => this.step(-1));
    byId("first").addEventListener("click", () => this.go(0));
    byId("last").addEventListener("click", () => this.go(this.programme.steps.length));
    byId("place").addEventListener("input", (event) => this.go(+event.target.value));
    byId("speed").addEventListener("change", () => this.isPlaying && this.play());
    this.source = new SourcePanel(byId("source"), story.source);
  }

  choose(programme) {
    this.pause();
    this.programme = programme;
    byId("stage").querySelector("svg.graph")?.remove();
    this.graph = new GraphView(byId("stage"), this.story.nodes, {
      third: programme.third,
      labels: programme.labels,
      letters: lettersOf(programme.steps),
      onselect: (item, box) => this.card.show(item, box, this.moment, this.graph),
    });
    byId("place").max = programme.steps.length;
    const turn = programme.steps.findIndex((step) => step.phase === "backward");
    const share = turn < 0 ? 1 : turn / programme.steps.length;
    byId("place").style.setProperty("--turn", `${100 * share}%`);
    this.steps = new StepsPanel(byId("steps"), programme, (count) => this.go(count));
    this.graph.viewport.fit(this.leastScale());
    this.go(0);
  }

  /** Letters in the picture never start out smaller than about nine pixels. */
  leastScale() {
    return byId("stage").clientWidth < 600 ? 0.8 : 0.66;
  }

  get isPlaying() {
    return this.timer !== null;
  }

  toggle() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  play() {
    if (this.at === this.programme.steps.length) this.go(0);
    clearInterval(this.timer);
    const tick = () => {
      this.step(1, true);
      if (this.at === this.programme.steps.length) this.pause();
    };
    this.timer = setInterval(tick, PACE / +byId("speed").value);
    this.markPlaying(true);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.markPlaying(false);
  }

  markPlaying(isPlaying) {
    byId("play").querySelector(".word").textContent = isPlaying ? "Pause" : "Play";
    byId("play").setAttribute("aria-pressed", isPlaying);
  }

  step(by, isPlayed = false) {
    this.go(this.at + by, isPlayed);
  }

  go(count, isPlayed = false) {
    if (!isPlayed) this.pause();
    const { steps } = this.programme;
    this.at = Math.max(0, Math.min(steps.length, count));
    const step = steps[this.at - 1] ?? null;
    this.moment = momentAfter(this.story, this.programme, this.at);
    this.graph.show(this.moment);
    if (step) this.follow(step);
    this.card.refresh(this.moment);
    this.steps.show(this.at);
    this.source.show(step?.line ?? null);
    this.caption(step);
    byId("place").value = this.at;
    byId("back").disabled = byId("first").disabled = this.at === 0;
    byId("step").disabled = byId("last").disabled = this.at === steps.length;
  }

  follow({ node, other }) {
    const { fold } = this.graph;
    this.graph.reveal(fold.shown(node), other === null ? null : fold.shown(other));
  }

  caption(step) {
    const told = step ? this.tell(step) : this.opening();
    byId("caption").replaceChildren(...told.parts);
    byId("caption").dataset.phase = step?.phase ?? "start";
    byId("live").textContent = told.spoken;
    byId("place").setAttribute("aria-valuetext", told.spoken);
  }

  opening() {
    const inputs = this.story.nodes.filter((node) => node.role === "input");
    const shown = inputs.slice(0, 6).map((n) => `${n.name} = ${brief(n.value, 20)}`);
    if (inputs.length > 6) shown.push(`and ${inputs.length - 6} more`);
    const given = shown.length ? `Given: ${shown.join(", ")}.` : "";
    const hint = "Press Play, or the right arrow key, to compute the nodes in order.";
    return { spoken: `Start. ${given}`, parts: [
      h("p", { class: "where" }, "Start"),
      h("p", { class: "words" }, given || this.story.title),
      h("p", { class: "why" }, hint)] };
  }

  tell(step) {
    const { steps } = this.programme;
    const same = steps.filter((other) => other.phase === step.phase);
    const isSweep = this.programme.name === "sweep";
    const pass = isSweep ? "Forward-mode sweep"
      : step.phase === "forward" ? "Forward pass" : "Backward pass";
    const where = `${pass}, step ${same.indexOf(step) + 1} of ${same.length}`;
    const parts = [
      h("p", { class: "where" }, where),
      h("p", { class: "words" }, step.text),
      step.numbers ? h("p", { class: "numbers" }, step.numbers) : null,
    ];
    if (step.phase === "backward") parts.push(this.sum(step));
    parts.push(h("p", { class: "why" }, this.why(step, isSweep)));
    if (this.at === steps.length) parts.push(h("p", { class: "result" }, this.ending()));
    return { spoken: `${where}: ${step.text}. ${step.numbers ?? ""}`,
             parts: parts.filter(Boolean) };
  }

  /** before + contribution = after, under the names of what is added. */
  sum(step) {
    const name = this.byId.get(step.to).name;
    const term = (label, value, kind) =>
      h("span", { class: `term ${kind}` }, h("small", {}, label),
        termValue(value));
    const sign = (text) => h("span", { class: "sign" }, text);
    const path = step.paths > 1 ? `path ${step.path} of ${step.paths}` : "contribution";
    return h("div", { class: "sum", role: "group", "aria-label": "accumulation" },
      term("before", step.before, "before"), sign("+"),
      term(path, step.contribution, "contribution"), sign("="),
      term(`${name}.grad`, step.after, "after"));
  }

  why(step, isSweep) {
    const name = (id) => this.byId.get(id).name;
    if (isSweep) {
      return "The value and its derivative by this input are carried forward together.";
    }
    if (step.phase === "forward") {
      const inputs = [...new Set(this.byId.get(step.node).inputs.map(name))];
      return inputs.length ? `Computed from ${inputs.join(" and ")}.` : "";
    }
    if (step.from === null) {
      return "The derivative of the output by itself: here the way back begins.";
    }
    const flow = `The adjoint of ${name(step.from)} flows back to ${name(step.to)}`
      + `${through(step.local)}.${this.spread(step)}`;
    if (step.paths < 2) return flow;
    return `${flow} ${name(step.to)} is used ${step.paths} times; what arrives is added.`;
  }

  /** Where NumPy repeated an argument to fit, its adjoint is a sum over the copies. */
  spread({ from, to, local }) {
    const [result, argument] = [this.byId.get(from), this.byId.get(to)];
    const isElementwise = local?.value;
    if (!isElementwise || String(result.shape) === String(argument.shape)) return "";
    return ` ${argument.name} was repeated to ${shapeOf(result)} (broadcasting): `
      + "the shares of its copies are summed.";
  }

  ending() {
    const isInput = (node) => node.role === "input" && this.moment.third.has(node.id);
    if (this.programme.name === "sweep") {
      const out = this.story.nodes.find((node) => node.role === "output");
      const tangent = out && this.moment.third.get(out.id);
      return tangent ? `Done: the derivative of the output is ${tangent.text}.` : "Done.";
    }
    const inputs = this.story.nodes.filter(isInput).slice(0, 6);
    const said = inputs.map((n) => `${n.name}.grad = ${this.moment.third.get(n.id).text}`);
    return said.length ? `Done: ${said.join(", ")}` : "Done.";
  }
}

/** What becomes of an adjoint on its way along an edge. */
function through(local) {
  if (!local) return "";
  if (local.symbol === "1") return " unchanged: the local derivative is 1";
  if (!local.value) return ` by ${local.symbol}`;
  return `, times the local derivative ${localText(local)}`;
}

/** A term of a sum: a number, a small table, or a small picture. */
function termValue(value) {
  const said = brief(value, 34);
  const [rows, columns] = value.shape;
  const isTable = value.small && value.shape.length === 2 && rows <= 3 && columns <= 5;
  if (isTable && said !== value.text) return matrix(value.small);
  const text = h("b", {}, said);
  return value.heat?.length ? h("span", {}, heatCanvas(value.heat, 2), text) : text;
}
