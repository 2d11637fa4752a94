// Mouse, pen and fingers on a graph: drag to pan, wheel or pinch to zoom, hover and
// tap to look at a box.

function listenToPointer(graph) {
  const { host, viewport } = graph;
  const fingers = new Map();
  let start = null;
  let hasMoved = false;

  const local = (event) => {
    const area = host.getBoundingClientRect();
    return [event.clientX - area.left, event.clientY - area.top];
  };
  const boxOf = (event) => {
    const group = event.target.closest?.(".box");
    if (!group) return null;
    return [...graph.boxes.values()].find((box) => box.group === group) ?? null;
  };

  host.addEventListener("wheel", (event) => {
    event.preventDefault();
    viewport.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), local(event));
  }, { passive: false });

  host.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.target.closest("button, .card")) return;
    fingers.set(event.pointerId, local(event));
    hasMoved = false;
    start = { view: { ...viewport.at }, at: local(event), gap: gapOf(fingers) };
  });

  host.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) {
      hover(event);
      return;
    }
    fingers.set(event.pointerId, local(event));
    if (fingers.size === 2) {
      const gap = gapOf(fingers);
      if (start.gap) viewport.zoom(gap / start.gap, middleOf(fingers));
      start.gap = gap;
      hasMoved = true;
      return;
    }
    const [dx, dy] = local(event).map((p, i) => p - start.at[i]);
    if (!hasMoved && Math.hypot(dx, dy) < 5) return;
    if (!hasMoved) host.setPointerCapture(event.pointerId);
    hasMoved = true;
    host.classList.add("dragging");
    viewport.moveTo({ ...viewport.at, x: start.view.x + dx, y: start.view.y + dy });
  });

  const release = (event) => {
    if (!fingers.delete(event.pointerId)) return;
    host.classList.remove("dragging");
    if (fingers.size) {
      const rest = [...fingers.values()][0];
      start = { view: { ...viewport.at }, at: rest, gap: 0 };
      return;
    }
    if (hasMoved || event.type === "pointercancel") return;
    const box = boxOf(event);
    if (!box) graph.onselect(null);
    else if (!box.item.key) graph.onselect(box.item, box.group);
  };
  host.addEventListener("pointerup", release);
  host.addEventListener("pointercancel", release);
  // A drag that ends on a box is not a click on it.
  host.addEventListener("click", (event) => {
    if (hasMoved) event.stopPropagation();
    hasMoved = false;
  }, true);

  function hover(event) {
    if (event.pointerType !== "mouse") return;
    const box = boxOf(event);
    if (box) graph.onselect(box.item, box.group);
    else if (!event.target.closest?.(".card")) graph.onselect(null);
  }
}

function gapOf(fingers) {
  const [a, b] = [...fingers.values()];
  return b ? Math.hypot(a[0] - b[0], a[1] - b[1]) : 0;
}

function middleOf(fingers) {
  const [a, b] = [...fingers.values()];
  return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
}
