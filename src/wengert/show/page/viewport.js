// Which part of a picture is seen, and how large.

const ROOF = 40; // height of the buttons above the picture

class Viewport {
  /** `size` is that of the whole picture; whoever draws it sets it. */
  constructor(host, canvas) {
    Object.assign(this, { host, canvas, size: { width: 1, height: 1 } });
    this.at = { k: 1, x: 0, y: 0 };
  }

  get room() {
    return { width: this.host.clientWidth, height: this.host.clientHeight };
  }

  moveTo(at) {
    this.at = at;
    this.canvas.style.transform = `translate(${at.x}px, ${at.y}px) scale(${at.k})`;
  }

  /** The whole picture in view; but not so small that it could not be read. */
  fit(least = 0) {
    const { width, height } = this.room;
    if (!width || !height) return;
    const free = height - ROOF;
    const whole = Math.min(width / this.size.width, free / this.size.height, 1.5);
    const k = Math.max(whole, least);
    this.moveTo({ k, x: Math.max(0, (width - this.size.width * k) / 2),
                  y: ROOF + (free - this.size.height * k) / 2 });
  }

  /** Larger or smaller, around a point of the window. */
  zoom(factor, point) {
    const { width, height } = this.room;
    const [px, py] = point ?? [width / 2, height / 2];
    const k = Math.max(0.02, Math.min(4, this.at.k * factor));
    const ratio = k / this.at.k;
    this.moveTo({ k, x: px - (px - this.at.x) * ratio,
                  y: py - (py - this.at.y) * ratio });
  }

  /** If not all of the boxes are seen: bring them, or the first, into the middle. */
  reveal(boxes) {
    if (boxes.every((box) => this.isSeen(box))) return;
    const { width, height } = this.room;
    const { k } = this.at;
    const span = (at, size) => {
      const half = (box) => box[size] / 2;
      return [Math.min(...boxes.map((box) => box[at] - half(box))),
              Math.max(...boxes.map((box) => box[at] + half(box)))];
    };
    const [[left, right], [top, bottom]] = [span("x", "width"), span("y", "height")];
    const fits = (right - left) * k < width - 40
      && (bottom - top) * k < height - ROOF - 20;
    const [x, y] = fits ? [(left + right) / 2, (top + bottom) / 2]
      : [boxes[0].x, boxes[0].y];
    this.moveTo({ k, x: width / 2 - x * k, y: (height + ROOF) / 2 - y * k });
  }

  /** Whether a box stands whole in the picture, clear of the buttons above. */
  isSeen(box) {
    const { width, height } = this.room;
    const { k, x, y } = this.at;
    const [cx, cy] = [box.x * k + x, box.y * k + y];
    const [w, hh] = [(box.width * k) / 2 + 3, (box.height * k) / 2 + 3];
    return cx >= w && cx <= width - w && cy >= hh + ROOF && cy <= height - hh;
  }
}
