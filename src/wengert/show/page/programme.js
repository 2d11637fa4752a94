// What can be played: a list of steps, and what is known after the first few of them.
//
// A step is { phase, node, other, text, numbers, lit, line } and, on the way back, the
// story's own record of what is added to which adjoint.

/** Forward, then backward. */
function reverseProgramme(story) {
  const byId = new Map(story.nodes.map((node) => [node.id, node]));
  const forward = story.forward.map((step) => forwardStep(step, byId));
  const edges = edgesOf(story.backward, byId);
  const backward = story.backward.map((step, i) => ({
    ...step, phase: "backward", node: step.to, other: step.from, lit: edges[i],
    line: (byId.get(step.from) ?? byId.get(step.to)).line, target: step.to,
    change: step.after, isLast: step.path >= step.paths,
  }));
  return { name: "reverse", third: "grad", steps: [...forward, ...backward],
           labels: derivatives(story.backward, edges) };
}

/** One sweep of forward mode: values and tangents together. */
function sweepProgramme(story, sweep) {
  const byId = new Map(story.nodes.map((node) => [node.id, node]));
  const steps = sweep.steps.map((step) => ({
    ...forwardStep(step, byId), phase: "forward", target: step.node,
    change: step.value, isLast: true,
  }));
  return { name: "sweep", third: "tangent", steps, labels: new Map() };
}

function forwardStep(step, byId) {
  const node = byId.get(step.node);
  return { ...step, phase: "forward", node: node.id, other: null, line: node.line,
           lit: node.inputs.map((from, slot) => ({ from, to: node.id, slot })) };
}

/** The edges that each backward step runs along: w * w has two, taken in turn. */
function edgesOf(steps, byId) {
  const asked = new Map();
  const pair = (step) => `${step.from}>${step.to}`;
  for (const step of steps) asked.set(pair(step), (asked.get(pair(step)) ?? 0) + 1);
  const taken = new Map();
  return steps.map((step) => {
    if (step.from === null) return [];
    const slots = byId.get(step.from).inputs
      .map((from, slot) => ({ from, to: step.from, slot }))
      .filter((edge) => edge.from === step.to);
    if (asked.get(pair(step)) !== slots.length) return slots;
    const turn = taken.get(pair(step)) ?? 0;
    taken.set(pair(step), turn + 1);
    return [slots[turn]];
  });
}

/** The longest text that each node's third row comes to show. */
function lettersOf(steps) {
  const letters = new Map();
  for (const { target, change, isLast } of steps.filter((step) => step.change)) {
    const length = thirdText(change, isLast).length;
    letters.set(target, Math.max(letters.get(target) ?? 0, length));
  }
  return letters;
}

/** An adjoint that more contributions are to come for ends in dots. */
const thirdText = (value, isLast) => brief(value, 20) + (isLast ? "" : " + …");

const edgeKey = ({ from, to, slot }) => `${from}>${to}#${slot}`;

/** What stands on the edges: the local derivative in symbols and in numbers. */
function derivatives(steps, edges) {
  const labels = new Map();
  steps.forEach((step, i) => {
    if (step.local) for (const edge of edges[i]) {
      labels.set(edgeKey(edge), localText(step.local));
    }
  });
  return labels;
}

function localText({ symbol, value }) {
  const isNumber = value && !value.shape.length;
  if (!isNumber) return signed(symbol);
  if (symbol.replaceAll("-", "−") === value.text) return value.text;
  return `${symbol} = ${value.text}`;
}

/** A number with a true minus sign; letters stay code. */
const signed = (symbol) => symbol.replace(/^-(?=[\d.]+$)/, "−");

/** What is known once the first `count` steps of a programme are done. */
function momentAfter(story, programme, count) {
  const steps = programme.steps.slice(0, count);
  const computed = new Set(story.forward.map((step) => step.node));
  const done = steps.filter((step) => step.phase === "forward").map((step) => step.node);
  const known = new Set(done);
  for (const { id } of story.nodes) if (!computed.has(id)) known.add(id);
  const third = new Map();
  const passed = new Set();
  for (const step of steps) {
    if (!step.change) continue;
    const text = thirdText(step.change, step.isLast);
    third.set(step.target, { text, value: step.change });
    if (step.phase === "backward") for (const edge of step.lit) passed.add(edgeKey(edge));
  }
  const now = steps.at(-1);
  return { known, third, passed, lit: now?.lit ?? [], active: now?.node,
           other: now?.other, phase: now?.phase ?? "start" };
}

/** Everything at once: for the printed page and for pictures that aren't played. */
function wholeMoment(story, programme) {
  const end = momentAfter(story, programme, programme.steps.length);
  return { ...end, lit: [], active: null, other: null, phase: "whole" };
}
