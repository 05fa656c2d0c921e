// What is shown, and how it is drawn: images and rows, the map, the exact posterior. After model.js, before explorer.js.

const $ = (id) => document.getElementById(id);
const SHAPE = RUN.image_shape, LOW = unpacked(RUN.low), HIGH = unpacked(RUN.high);
const POINTS = rowsOf(unpacked(RUN.points), K), EXAMPLES = rowsOf(unpacked(RUN.examples), D);
const CLASSES = RUN.classes && RUN.classes.length > 1 && RUN.classes.length <= 10 ? RUN.classes : null;
const COLOURS = { // Okabe and Ito's as far as they can be seen on the page; classes differ in shape too
  light: ["#0072B2", "#D55E00", "#007f5f", "#1d1e20", "#b3568c", "#3f9bd0", "#b97a00", "#7d7d7d", "#7A4A1E", "#5B2A86"],
  dark: ["#4aa8e0", "#f08040", "#2cc49a", "#f4f3ee", "#e29cc3", "#a5dcff", "#f3c04b", "#9a9ea4", "#c98e5a", "#b794f0"],
};
const BY_KL = RUN.kl.map((_, k) => k).sort((a, b) => RUN.kl[b] - RUN.kl[a]);
const SPREAD = POINTS.flatMap((mu) => Array.from(mu, Math.abs)).sort((a, b) => a - b);
const REACH = Math.max(3.3, 1.08 * (SPREAD[Math.floor(0.998 * SPREAD.length)] || 0));
const state = {
  z: new Float64Array(K), plane: BY_KL.slice(0, 2).sort((a, b) => a - b), example: 0, x: null, q: null, exact: null,
  path: [null, null], placing: -1, only: -1, pen: [0, 0], seed: 1, changes: 0, field: {},
};
let theme = {}, waiting = false, speak = 0;

function readTheme() {
  const style = getComputedStyle(document.documentElement), dark = matchMedia("(prefers-color-scheme: dark)").matches;
  for (const name of ["page", "text", "soft", "line", "accent", "warm", "paper", "ink", "fill", "shade", "panel"]) {
    theme[name] = style.getPropertyValue(`--${name}`).trim();
  }
  theme.classes = dark ? COLOURS.dark : COLOURS.light;
  theme.ends = [theme.paper, theme.ink].map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
}

function pen(canvas) { // a context in CSS pixels, cleared
  const ratio = window.devicePixelRatio || 1, { width, height } = canvas.getBoundingClientRect();
  const context = canvas.getContext("2d"), [wide, tall] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== tall) [canvas.width, canvas.height] = [wide, tall];
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, wide, tall);
  context.scale(ratio, ratio);
  context.font = "12px system-ui, sans-serif";
  return [context, width, height];
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function share(value, d) { return HIGH[d] > LOW[d] ? Math.min(1, Math.max(0, (value - LOW[d]) / (HIGH[d] - LOW[d]))) : 0.5; }

function show(canvas, x, cursor = -1) { // an image in its own pixels, or a bar for each column of a row
  if (!SHAPE) {
    const [c, width, height] = pen(canvas), step = width / D;
    c.fillStyle = theme.fill;
    for (let d = 0; d < D; d++) c.fillRect(d * step, height * (1 - share(x[d], d)), Math.max(1, 0.8 * step), height);
    return;
  }
  [canvas.height, canvas.width] = SHAPE;
  canvas.style.aspectRatio = `${SHAPE[1]} / ${SHAPE[0]}`;
  const context = canvas.getContext("2d"), image = context.createImageData(SHAPE[1], SHAPE[0]), [paper, ink] = theme.ends;
  for (let d = 0; d < D; d++) {
    const t = Math.min(1, Math.max(0, (x[d] - RUN.range[0]) / (RUN.range[1] - RUN.range[0])));
    for (let i = 0; i < 3; i++) image.data[4 * d + i] = paper[i] + t * (ink[i] - paper[i]);
    image.data[4 * d + 3] = d === cursor ? 110 : 255;
  }
  context.putImageData(image, 0, 0);
}

function mark(c, klass, x, y, size) { // five shapes, full and hollow
  const corners = [0, 4, 3, 4, 3][klass % 5], turn = [0, Math.PI / 4, -Math.PI / 2, 0, Math.PI / 2][klass % 5];
  c.beginPath();
  if (!corners) c.arc(x, y, 0.86 * size, 0, 2 * Math.PI);
  for (let i = 0; i < corners; i++) {
    const angle = turn + 2 * Math.PI * i / corners;
    c.lineTo(x + 1.15 * size * Math.cos(angle), y + 1.15 * size * Math.sin(angle));
  }
  c.closePath();
  c.fillStyle = c.strokeStyle = theme.classes[klass];
  if (klass < 5) c.fill(); else c.stroke();
}

const SIDE = 36; // for the numbers beside the map

function place(v, low, high, from, to) { return from + (v - low) / (high - low) * (to - from); }

function axesOf(width, height) {
  return [(v) => place(v, -REACH, REACH, SIDE, width - 4), (v) => place(v, -REACH, REACH, height - SIDE, 4)];
}

function clipped(c, width, height) {
  c.save();
  c.beginPath();
  c.rect(SIDE, 4, width - SIDE - 4, height - SIDE - 4);
  c.clip();
}

function drawField(canvas) { // what stays as it is while z moves
  const [c, width, height] = pen(canvas), [X, Y] = axesOf(width, height), [i, j] = state.plane;
  const lanes = CLASSES ? CLASSES.length : 1, lane = (klass) => place(klass + 0.5, 0, lanes, height * 0.55, height - SIDE - 6);
  c.strokeStyle = theme.line;
  c.strokeRect(SIDE, 4, width - SIDE - 4, height - SIDE - 4);
  c.fillStyle = theme.soft;
  for (let v = -Math.floor(REACH); v <= REACH; v += REACH > 7 ? 2 : 1) {
    c.textAlign = "center";
    c.fillText(v, X(v), height - SIDE + 16);
    c.textAlign = "right";
    if (K > 1) c.fillText(v, SIDE - 6, Y(v) + 4);
  }
  clipped(c, width, height);
  c.textAlign = "center";
  if (K > 1) for (const radius of [1, 2, 3]) { // the prior
    c.beginPath();
    c.arc(X(0), Y(0), X(radius) - X(0), 0, 2 * Math.PI);
    c.stroke();
  } else curve(c, (v) => Math.exp(-v * v / 2), -REACH, REACH, X, (v) => place(v, 0, 1, height * 0.5, 20), theme.soft);
  POINTS.forEach((mu, n) => {
    const klass = CLASSES ? RUN.point_classes[n] : 0;
    c.globalAlpha = state.only < 0 ? 0.62 : klass === state.only ? 0.95 : 0.07;
    mark(c, klass, X(mu[i]), K > 1 ? Y(mu[j]) : lane(klass) + ((n * 0.618) % 1 - 0.5) * 14, 3);
  });
  Object.assign(c, { globalAlpha: 1, strokeStyle: theme.panel, fillStyle: theme.soft, lineWidth: 4, lineJoin: "round" });
  if (K > 1) for (const radius of [1, 2, 3]) {
    c.strokeText(`${radius} sd`, X(0), Y(radius) - 4);
    c.fillText(`${radius} sd`, X(0), Y(radius) - 4);
  }
  c.restore();
}

function drawMap() {
  const map = $("map"), { width, height } = map.getBoundingClientRect(), [i, j] = state.plane;
  if (width < 2 * SIDE) return; // a page that is not shown
  const key = [width, devicePixelRatio, state.plane, state.only, theme.page].join();
  if (key !== state.field.key) {
    drawField(map);
    const copy = element("canvas", { width: map.width, height: map.height });
    copy.getContext("2d").drawImage(map, 0, 0);
    state.field = { key, copy };
  }
  const [c] = pen(map), [X, Y] = axesOf(width, height), middle = height * 0.5;
  c.drawImage(state.field.copy, 0, 0, width, height);
  clipped(c, width, height);
  drawPath(c, X, K > 1 ? (z) => Y(z[j]) : () => middle);
  if (state.q) drawQ(c, state.q, state.plane, X, K > 1 ? Y : null, height);
  const x = X(state.z[i]), y = K > 1 ? Y(state.z[j]) : middle;
  for (const [colour, line] of [[theme.panel, 6], [theme.text, 2.5]]) {
    Object.assign(c, { strokeStyle: colour, lineWidth: line });
    c.beginPath();
    c.arc(x, y, 9, 0, 2 * Math.PI);
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      c.moveTo(x + 5 * dx, y + 5 * dy);
      c.lineTo(x + 14 * dx, y + 14 * dy);
    }
    c.stroke();
  }
  c.restore();
}

function drawPath(c, X, Y) {
  const [a, b] = state.path, i = state.plane[0];
  if (!a || !b) return;
  Object.assign(c, { strokeStyle: theme.accent, fillStyle: theme.accent, lineWidth: 2 });
  c.setLineDash([6, 5]);
  c.beginPath();
  c.moveTo(X(a[i]), Y(a));
  c.lineTo(X(b[i]), Y(b));
  c.stroke();
  c.setLineDash([]);
  [a, b].forEach((z, end) => {
    c.beginPath();
    c.arc(X(z[i]), Y(z), 9, 0, 2 * Math.PI);
    c.fill();
    Object.assign(c, { fillStyle: theme.panel, textAlign: "center" });
    c.fillText("AB"[end], X(z[i]), Y(z) + 4.5);
    c.fillStyle = theme.accent;
  });
}

function drawQ(c, q, [i, j], X, Y, height) { // one and two standard deviations; in one dimension a curve
  const sd = q.logvar.map((value) => Math.exp(value / 2));
  Object.assign(c, { strokeStyle: theme.warm, lineWidth: 2.5 });
  if (!Y) {
    const [low, high] = [q.mu[i] - 5 * sd[i], q.mu[i] + 5 * sd[i]];
    return curve(c, (v) => Math.exp(-(((v - q.mu[i]) / sd[i]) ** 2) / 2), low, high, X, (v) => place(v, 0, 1, height * 0.5, 20), theme.warm);
  }
  for (const times of [1, 2]) {
    const [rx, ry] = [X(times * sd[i]) - X(0), Y(0) - Y(times * sd[j])];
    c.beginPath();
    c.ellipse(X(q.mu[i]), Y(q.mu[j]), Math.max(rx, 2), Math.max(ry, 2), 0, 0, 2 * Math.PI);
    c.stroke();
  }
}

function curve(c, f, low, high, X, Y, colour) {
  Object.assign(c, { strokeStyle: colour, lineWidth: 2 });
  c.beginPath();
  for (const v of spaced(low, high, 201)) c.lineTo(X(v), Y(f(v)));
  c.stroke();
}

function bulkOf({ axes, density, q }, largest) { // what is worth a look: the bulk of the posterior, and of q; one scale
  const middles = [], halves = axes.map((axis, k) => {
    const sd = Math.exp(q.logvar[k] / 2), n = axes[axes.length - 1].length;
    let [low, high] = [q.mu[k] - 2.4 * sd, q.mu[k] + 2.4 * sd];
    density.forEach((value, at) => {
      const v = K === 1 ? axis[at] : axis[k ? at % n : Math.floor(at / n)];
      if (value > 0.01 * largest) [low, high] = [Math.min(low, v), Math.max(high, v)];
    });
    middles.push((low + high) / 2);
    return 0.55 * (high - low);
  });
  return middles.map((middle) => [middle - Math.max(...halves), middle + Math.max(...halves)]);
}

function drawPosterior() {
  const [c, width, height] = pen($("posterior")), exact = state.exact;
  c.fillStyle = theme.soft;
  c.textAlign = "center";
  if (!exact) return c.fillText("computing ...", width / 2, height / 2);
  const { axes, density, q } = exact, largest = density.reduce((a, b) => Math.max(a, b));
  const ends = bulkOf(exact, largest), n = axes[0].length;
  const X = (v) => place(v, ...ends[0], SIDE, width), Y = (v) => place(v, ...(ends[1] || [0, 1]), height - SIDE, 0);
  c.fillText(ends[0][0].toFixed(2), SIDE + 14, height - SIDE + 16);
  c.fillText(sub(0), (SIDE + width) / 2, height - SIDE + 16);
  c.fillText(ends[0][1].toFixed(2), width - 16, height - SIDE + 16);
  c.save();
  c.beginPath();
  c.rect(SIDE, 0, width - SIDE, height - SIDE);
  c.clip();
  if (K === 1) {
    const sd = Math.exp(q.logvar[0] / 2), peak = 1 / (sd * Math.sqrt(2 * Math.PI)), top = 1.05 * Math.max(largest, peak);
    c.beginPath();
    c.moveTo(X(ends[0][0]), Y(0));
    axes[0].forEach((v, i) => c.lineTo(X(v), Y(density[i] / top)));
    c.lineTo(X(ends[0][1]), Y(0));
    c.fillStyle = `rgba(${theme.shade}, 0.6)`;
    c.fill();
    curve(c, (v) => peak * Math.exp(-(((v - q.mu[0]) / sd) ** 2) / 2) / top, ...ends[0], X, Y, theme.warm);
    return c.restore();
  }
  const small = element("canvas", { width: n, height: n }), image = new ImageData(n, n), rgb = theme.shade.split(",");
  density.forEach((value, at) => {
    const i = Math.floor(at / n), to = 4 * ((n - 1 - at % n) * n + i);
    rgb.forEach((part, k) => { image.data[to + k] = Number(part); });
    image.data[to + 3] = 255 * value / largest;
  });
  small.getContext("2d").putImageData(image, 0, 0);
  const [left, top] = [X(axes[0][0]), Y(axes[1][n - 1])], [right, bottom] = [X(axes[0][n - 1]), Y(axes[1][0])];
  const [w, h] = [(right - left) / (n - 1), (bottom - top) / (n - 1)]; // of a cell: a value stands in its middle
  c.drawImage(small, left - w / 2, top - h / 2, n * w, n * h);
  c.strokeStyle = theme.line;
  c.strokeRect(SIDE, 0, width - SIDE - 1, height - SIDE);
  drawQ(c, q, [0, 1], X, Y, height);
  c.restore();
  c.textAlign = "right";
  c.fillText(ends[1][1].toFixed(2), SIDE - 4, 12);
  c.fillText(sub(1), SIDE - 4, (height - SIDE) / 2);
  c.fillText(ends[1][0].toFixed(2), SIDE - 4, height - SIDE - 2);
}

