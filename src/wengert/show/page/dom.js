// Elements, values and numbers. Text reaches the page only through text nodes, so
// that no name, value or source line can ever become markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element with attributes, listeners (`onclick`) and children. */
function h(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
function s(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null));
  return element;
}

const byId = (id) => document.getElementById(id);

/** At most `width` characters, the last of them an ellipsis if some were cut. */
const clipped = (text, width) =>
  text.length <= width ? text : text.slice(0, width - 1) + "…";

/** A number of the story: NaN and the infinities arrive as words. */
function number(x) {
  if (typeof x !== "string") return x === null ? NaN : Number(x);
  const words = { nan: NaN, inf: Infinity, "-inf": -Infinity, "−inf": -Infinity };
  return x in words ? words[x] : Number(x.replace("−", "-"));
}

/** A number as people write it: few digits, a true minus sign. */
function written(x, digits = 5) {
  if (typeof x === "boolean") return x ? "True" : "False";
  if (typeof x === "string" && Number.isNaN(number(x))) return x;
  const value = number(x);
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "−inf";
  const size = Math.abs(value);
  const plain =
    value !== 0 && (size >= 1e6 || size < 1e-4)
      ? value.toExponential(digits - 2).replace(/\.?0+e/, "e").replace("e+", "e")
      : String(Number(value.toPrecision(digits)));
  return plain.replaceAll("-", "−");
}

const FEW = 16; // elements: larger arrays are named by their shape in a row

/** A value in one short row: its text if that fits, else what kind of array it is. */
function brief(value, width) {
  const size = value.shape.reduce((product, n) => product * n, 1);
  const fits = size <= FEW && value.text.length <= width;
  if (fits || !value.shape.length) return clipped(value.text, width);
  if (value.shape.length === 1) return `array of ${size}`;
  return `${value.shape.join(" × ")} array`;
}

const shapeOf = (value) => (value.shape.length ? value.shape.join(" × ") : "scalar");

// Cividis: the same order of brightness for every kind of colour sight, and in print.
const PALETTE = [
  [0, 34, 78],
  [60, 77, 110],
  [124, 123, 120],
  [188, 175, 111],
  [254, 232, 56],
];

function shade(t) {
  const at = Math.max(0, Math.min(1, t)) * (PALETTE.length - 1);
  const i = Math.min(PALETTE.length - 2, Math.floor(at));
  const mix = PALETTE[i].map((c, j) => Math.round(c + (at - i) * (PALETTE[i + 1][j] - c)));
  return `rgb(${mix.join(",")})`;
}

/** The block means of a big array as a picture; missing numbers are crossed out. */
function heatCanvas(rows, wide, high = wide) {
  const canvas = h("canvas", {
    width: rows[0].length * wide,
    height: rows.length * high,
    class: "heat",
    role: "img",
    "aria-label": "heat map of the values",
  });
  const pen = canvas.getContext("2d");
  rows.forEach((row, i) =>
    row.forEach((t, j) => {
      const [x, y] = [j * wide, i * high];
      if (t !== null) {
        pen.fillStyle = shade(t);
        pen.fillRect(x, y, wide, high);
        return;
      }
      pen.strokeStyle = "#d00";
      pen.beginPath();
      pen.moveTo(x, y);
      pen.lineTo(x + wide, y + high);
      pen.moveTo(x + wide, y);
      pen.lineTo(x, y + high);
      pen.stroke();
    }),
  );
  return canvas;
}

/** A value in full where it is small, else its summary and its heat map. */
function valueView(value) {
  if (!value.shape.length) return h("span", { class: "number" }, value.text);
  const parts = [];
  if (value.small && value.shape.length <= 2 && !value.shape.includes(0)) {
    parts.push(value.shape.length === 1 ? vector(value.small) : matrix(value.small));
  } else if (!value.summary) {
    parts.push(h("span", { class: "number" }, value.text));
  }
  if (value.heat && value.heat.length && value.heat[0].length) {
    const wide = Math.max(4, Math.floor(128 / value.heat[0].length));
    const high = Math.max(Math.min(wide, 24), Math.ceil(20 / value.heat.length));
    const scale = value.summary && h("span", { class: "scale" },
      h("span", {}, written(value.summary.min, 3)),
      h("span", { class: "ramp" }),
      h("span", {}, written(value.summary.max, 3)));
    parts.push(h("figure", {}, heatCanvas(value.heat, wide, high), scale));
  }
  if (value.summary) parts.push(summaryLine(value.summary));
  return h("div", { class: "value" }, parts);
}

function summaryLine(summary) {
  const bad = ["nan", "inf"].filter((kind) => summary[kind]);
  const said = ["min", "mean", "max"].map((key) => `${key} ${written(summary[key], 4)}`);
  const missing = bad.map((kind) => `${summary[kind]} × ${kind}`);
  return h("p", { class: "summary" }, [...said, ...missing].join(" · "));
}

const vector = (items) =>
  h("div", { class: "vector" }, items.map((x) => h("span", {}, written(x))));

const matrix = (rows) =>
  h("table", { class: "matrix" }, rows.map((row) =>
    h("tr", {}, row.map((x) => h("td", {}, written(x))))));
