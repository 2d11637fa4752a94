// The page as a whole: sections, keys, light and dark, printing.

const story = JSON.parse(byId("story").textContent);
const player = new Player(story);
const reverse = reverseProgramme(story);
let secondView = null;

function chooseProgramme() {
  const chosen = byId("mode").value;
  const sweep = chosen === "reverse" ? null : story.sweeps[+chosen];
  player.choose(sweep ? sweepProgramme(story, sweep) : reverse);
}

function fillModes() {
  const nodes = new Map(story.nodes.map((node) => [node.id, node]));
  byId("mode").append(h("option", { value: "reverse" }, "Reverse mode"),
    ...story.sweeps.slice(0, 50).map((sweep, i) =>
      h("option", { value: i }, `Forward mode: ${sweepName(sweep, nodes)}`)));
  byId("mode").addEventListener("change", chooseProgramme);
  byId("mode-box").hidden = !story.sweeps.length;
}

/** Sections behind tabs; those that this story has nothing for stay away. */
function fillSections() {
  const has = { forward: story.sweeps.length > 0, second: story.second !== null,
                checks: story.checks.length > 0, graph: true,
                compiled: Boolean(story.compiled) };
  fillForwardMode(byId("forward-panel"), story);
  fillChecks(byId("checks-panel"), story);
  if (story.compiled) fillCompiled(byId("compiled-panel"), story.compiled);
  byId("second-of").textContent = story.second?.of ?? "";
  const tabs = [...document.querySelectorAll("[role=tab]")];
  for (const tab of tabs) {
    const name = tab.id.replace("-tab", "");
    tab.hidden = !has[name];
    byId(`${name}-panel`).classList.toggle("empty", !has[name]);
    tab.addEventListener("click", () => openSection(name));
    tab.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      event.stopPropagation();
      const open = tabs.filter((other) => !other.hidden);
      const next = open[(open.indexOf(tab) + by + open.length) % open.length];
      next.focus();
      next.click();
    });
  }
  byId("tabs").hidden = tabs.filter((tab) => !tab.hidden).length < 2;
  if (story.notes?.length) {
    byId("notes").replaceChildren(...story.notes.map((note) => h("p", {}, note)));
  }
  byId("notes").hidden = !story.notes?.length;
}

function openSection(name) {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const isOpen = tab.id === `${name}-tab`;
    tab.setAttribute("aria-selected", isOpen);
    tab.tabIndex = isOpen ? 0 : -1;
    byId(tab.getAttribute("aria-controls")).classList.toggle("closed", !isOpen);
  }
  if (name !== "graph") player.pause();
  if (name === "second") showSecond();
}

/** The extended graph is laid out when it is first looked at. */
function showSecond() {
  if (secondView || !story.second) return;
  const { nodes, backward = [] } = story.second;
  const part = { nodes, backward, forward: [] };
  const programme = reverseProgramme(part);
  const moment = { ...wholeMoment(part, programme), allKnown: true };
  const host = byId("second-stage");
  const card = new Card(host, new Map(nodes.map((node) => [node.id, node])));
  secondView = new GraphView(host, nodes, {
    third: programme.steps.length ? "grad" : "", labels: programme.labels,
    letters: lettersOf(programme.steps),
    onselect: (item, box) => card.show(item, box, moment, secondView),
  });
  secondView.show(moment);
  const rows = backward.map((step) => h("li", {}, h("span", { class: "words" }, step.text),
    h("span", { class: "numbers" }, step.numbers)));
  byId("second-steps").replaceChildren(...rows);
  secondView.viewport.fit(0.66);
}

function listenToViewButtons() {
  const graphOf = (button) =>
    (button.closest("#second-panel") ? secondView : player.graph);
  const acts = {
    in: (graph) => graph.viewport.zoom(1.25), out: (graph) => graph.viewport.zoom(0.8),
    fit: (graph) => graph.viewport.fit(), fold: (graph) => graph.setAll(false),
    unfold: (graph) => graph.setAll(true),
  };
  for (const button of document.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => acts[button.dataset.view](graphOf(button)));
  }
  const offerFold = (host, nodes) => {
    const blocks = new Fold(nodes).blocks.length - 1;
    host.querySelector("[data-view=fold]").hidden = blocks === 0;
    host.querySelector("[data-view=unfold]").hidden =
      blocks === 0 || nodes.length > DRAWABLE;
  };
  offerFold(byId("graph-panel"), story.nodes);
  if (story.second) offerFold(byId("second-panel"), story.second.nodes);
}

/** Keys, unless the reader is in a control that has its own use for them. */
function onKey(event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.target.closest("input, select, textarea, summary")) return;
  if (event.key === " " && event.target.closest("button")) return;
  const acts = {
    " ": () => player.toggle(),
    ArrowRight: () => player.step(1),
    ArrowLeft: () => player.step(-1),
    Home: () => player.go(0),
    End: () => player.go(player.programme.steps.length),
    "+": () => player.graph.viewport.zoom(1.25),
    "=": () => player.graph.viewport.zoom(1.25),
    "-": () => player.graph.viewport.zoom(0.8),
    f: () => player.graph.viewport.fit(),
    Escape: () => player.card.close(),
  };
  const isPlayer = !byId("graph-panel").classList.contains("closed");
  if (!acts[event.key] || !isPlayer) return;
  event.preventDefault();
  acts[event.key]();
}

/** Light or dark: the system's choice until the reader makes one. */
function listenToTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
  const name = () => {
    byId("theme").textContent = isDark() ? "☀ Light" : "☾ Dark";
  };
  byId("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    name();
  });
  dark.addEventListener("change", name);
  name();
}

/** On paper: the end of the story, with the whole graph in the picture. */
function listenToPrinting() {
  let before = null;
  addEventListener("beforeprint", () => {
    before ??= { at: player.at, view: player.graph.viewport.at };
    player.go(player.programme.steps.length);
    player.graph.show({ ...wholeMoment(story, player.programme), allKnown: true });
    fillPrinted(byId("printed"), story);
    showSecond();
    for (const graph of [player.graph, secondView]) if (graph) {
      const { width, height } = graph.viewport.size;
      graph.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    }
  });
  addEventListener("afterprint", () => {
    if (!before) return;
    byId("printed").replaceChildren();
    for (const graph of [player.graph, secondView]) graph?.svg.removeAttribute("viewBox");
    player.go(before.at);
    player.graph.viewport.moveTo(before.view);
    before = null;
  });
}

fillModes();
fillSections();
chooseProgramme();
listenToViewButtons();
listenToTheme();
listenToPrinting();
document.addEventListener("keydown", onKey);
new ResizeObserver(() => {
  if (player.at === 0) player.graph.viewport.fit(player.leastScale());
  else player.follow(player.programme.steps[player.at - 1]);
}).observe(byId("stage"));
document.documentElement.classList.add("ready");
