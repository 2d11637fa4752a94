// Which operations stand as themselves and which are folded into one box.
//
// A folded box holds a run of the topological order. Such a run is convex: no path
// leaves it and comes back, so folding never makes a circle out of the graph.

const FOLD_ABOVE = 60; // nodes: more than this and the picture starts out folded
const BUNDLE = 30; // neighbours put together where scopes don't fold enough
const DRAWABLE = 150; // boxes at once: the layout takes about half a second
const IN_SIGHT = 6; // inputs that are shown by themselves
const DEEPEST = 12; // scopes inside scopes that get boxes of their own

class Fold {
  constructor(nodes) {
    this.total = nodes.length;
    this.blocks = [];
    this.parent = new Map(); // node id or block -> the block that it is in
    this.root = this.block("", bundled(this, scopes(this, withConstants(nodes), 0)));
    this.root.open = true;
    for (const block of this.blocks) block.open ||= nodes.length <= FOLD_ABOVE;
  }

  block(name, children) {
    const made = { key: `b${this.blocks.length}`, name, children, open: false };
    made.size = children.reduce((sum, child) => sum + (child.size ?? 1), 0);
    for (const child of children) this.parent.set(child.key ?? child.id, made);
    this.blocks.push(made);
    return made;
  }

  /** What stands for a node now: itself, or the outermost closed box around it. */
  shown(id) {
    let found = id;
    for (let at = this.parent.get(id); at; at = this.parent.get(at.key)) {
      if (!at.open) found = at.key;
    }
    return found;
  }

  /** Nodes and closed boxes to draw, and the open boxes that frame them. */
  visible() {
    const items = [];
    const frames = [];
    const todo = [...this.root.children].reverse();
    while (todo.length) {
      const item = todo.pop();
      if (!item.key || !item.open) items.push(item);
      else {
        frames.push(item);
        todo.push(...[...item.children].reverse());
      }
    }
    return { items, frames };
  }

  /** Open a box; others close first where the picture would get too big to lay out. */
  open(block) {
    block.open = true;
    for (const other of this.blocks) {
      if (this.visible().items.length <= DRAWABLE) return;
      if (other !== this.root && !this.around(block).has(other)) other.open = false;
    }
  }

  /** A box and all that it is in. */
  around(block) {
    const found = new Set([block]);
    for (let at = this.parent.get(block.key); at; at = this.parent.get(at.key)) {
      found.add(at);
    }
    return found;
  }

  all(open) {
    for (const block of this.blocks) if (block !== this.root) block.open = open;
  }
}

/** Constants take the scope of the operation that follows them. */
function withConstants(nodes) {
  let scope = "";
  const placed = [...nodes].reverse().map((node) => {
    if (node.role !== "constant") scope = node.role === "input" ? "" : node.group || "";
    return { ...node, scope: scope ? scope.split("/") : [] };
  });
  return placed.reverse();
}

/** Consecutive nodes of one scope as a box, scopes inside it as boxes within. */
function scopes(fold, nodes, depth) {
  const runs = [];
  for (const node of nodes) {
    const name = depth < DEEPEST ? node.scope[depth] : undefined;
    const last = runs.at(-1);
    if (last && name !== undefined && last.name === name) last.nodes.push(node);
    else runs.push({ name, nodes: [node] });
  }
  const whole = runs.length === 1 && runs[0].name !== undefined;
  if (whole) return scopes(fold, runs[0].nodes, depth + 1);
  return runs.flatMap((run) => {
    if (run.name === undefined || run.nodes.length === 1) return run.nodes;
    return [fold.block(run.name, bundled(fold, scopes(fold, run.nodes, depth + 1)))];
  });
}

/** Too many children of one box: neighbours are put together, evenly. */
function bundled(fold, children) {
  // A few inputs stay in sight. Nothing leads to them, so they may come first.
  const inputs = children.filter((item) => item.role === "input");
  const apart = new Set(inputs.length <= IN_SIGHT ? inputs : []);
  let level = children.filter((item) => !apart.has(item));
  while (level.length > FOLD_ABOVE) {
    const isHuge = level.length > FOLD_ABOVE ** 2;
    const length = isHuge ? BUNDLE : Math.ceil(Math.sqrt(level.length));
    const next = [];
    for (let i = 0; i < level.length; i += length) {
      const piece = level.slice(i, i + length);
      next.push(piece.length === 1 ? piece[0] : fold.block(span(piece), piece));
    }
    level = next;
  }
  return [...apart, ...level];
}

function span(piece) {
  const ends = [piece[0], piece.at(-1)].map((item) => item.name.split(" … "));
  return `${ends[0][0]} … ${ends[1].at(-1)}`;
}

/** All nodes in a box, however deep. */
function members(block) {
  const found = [];
  const todo = [block];
  while (todo.length) {
    const item = todo.pop();
    if (item.key) todo.push(...[...item.children].reverse());
    else found.push(item.id);
  }
  return found;
}
