
"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const frames = JSON.parse(at("frames").textContent);
  const dots = JSON.parse(at("curve").dataset.dots);
  const edges = [...at("neurons").querySelectorAll("path.edge:has(title)")];
  const pen = at("field").getContext("2d");
  const last = frames.length - 1;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let now = last;
  let timer = 0;

  // "#c2570c" → [194, 87, 12]: the classes' colours, as light or dark has them.
  const colour = (name) => {
    const text = getComputedStyle(document.body).getPropertyValue(name).trim();
    return [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16));
  };

  const shade = (frame) => {
    const bytes = atob(frame.shades);
    const side = at("field").width;
    const image = pen.createImageData(side, side);
    const [up, down] = [colour("--up"), colour("--down")];
    for (let i = 0; i < bytes.length; i++) {
      const sure = bytes.charCodeAt(i) / 127.5 - 1;
      image.data.set(sure > 0 ? up : down, 4 * i);
      image.data[4 * i + 3] = 110 * Math.abs(sure);
    }
    pen.putImageData(image, 0, 0);
  };

  const show = (i) => {
    now = Math.max(0, Math.min(last, i));
    const frame = frames[now];
    at("level").setAttribute("d", frame.level);
    shade(frame);
    edges.forEach((edge, k) => {
      const weight = frame.weights[k];
      edge.setAttribute("stroke-width", frame.thick[k]);
      edge.setAttribute("class", weight < 0 ? "edge down" : "edge up");
      const title = edge.querySelector("title");
      title.textContent = `${title.textContent.split(":")[0]}: ${weight}`.replace("-", "−");
    });
    at("dot").setAttribute("cx", dots[now][0]);
    at("dot").setAttribute("cy", dots[now][1]);
    at("slider").value = now;
    at("slider").setAttribute("aria-valuetext", `step ${frame.step}`);
    at("said").textContent =
      `step ${frame.step} · loss ${frame.loss} · ${frame.right} right`;
    at("back").disabled = now === 0;
    at("step").disabled = now === last;
  };

  const stop = () => {
    clearInterval(timer);
    timer = 0;
    at("play").textContent = "▶ Play";
    at("said").setAttribute("aria-live", "polite");
  };

  const play = () => {
    if (timer) return stop();
    if (now === last) show(0);
    at("play").textContent = "❚❚ Pause";
    at("said").setAttribute("aria-live", "off"); // not every frame is read aloud
    timer = setInterval(() => (now === last ? stop() : show(now + 1)), calm ? 1000 : 160);
  };

  const go = (i) => { stop(); show(i); };
  at("play").addEventListener("click", play);
  at("back").addEventListener("click", () => go(now - 1));
  at("step").addEventListener("click", () => go(now + 1));
  at("slider").addEventListener("input", (event) => go(Number(event.target.value)));
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const on = event.target.tagName;
    const keys = { ArrowLeft: () => go(now - 1), ArrowRight: () => go(now + 1),
                   Home: () => go(0), End: () => go(last), " ": play };
    // A button takes the space bar, and the slider its arrows, for itself.
    if (!(event.key in keys) || on === "INPUT" || (event.key === " " && on === "BUTTON")) return;
    if (event.target.closest(".scroll")) return;
    event.preventDefault();
    keys[event.key]();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => shade(frames[now]));
  // page.html#3 opens at the fourth frame, and page.html#play plays at once.
  const wanted = location.hash.slice(1);
  show(/^\d+$/.test(wanted) ? Number(wanted) : last);
  if (wanted === "play") play();
})();
