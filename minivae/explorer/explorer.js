// The page: what is shown, how it is drawn, and what it does when touched. The model is in model.js, which comes before.
// Texts of the run (its name, columns, classes) get in as textContent only.

const $ = (id) => document.getElementById(id);
// ---- what is shown, and drawing it -----------------------------------------------------------------------------

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
    c.fillText(`${radius} sd`, X(0), Y(radius) - 4);
  } else curve(c, (v) => Math.exp(-v * v / 2), -REACH, REACH, X, (v) => place(v, 0, 1, height * 0.5, 20), theme.soft);
  POINTS.forEach((mu, n) => {
    const klass = CLASSES ? RUN.point_classes[n] : 0;
    c.globalAlpha = state.only < 0 ? 0.62 : klass === state.only ? 0.95 : 0.07;
    mark(c, klass, X(mu[i]), K > 1 ? Y(mu[j]) : lane(klass) + ((n * 0.618) % 1 - 0.5) * 14, 3);
  });
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

function drawPosterior() {
  const [c, width, height] = pen($("posterior")), exact = state.exact;
  c.fillStyle = theme.soft;
  c.textAlign = "center";
  if (!exact) return c.fillText("computing ...", width / 2, height / 2);
  const { axes, density, q } = exact, largest = density.reduce((a, b) => Math.max(a, b));
  const ends = axes.map((axis) => [axis[0], axis[axis.length - 1]]), n = axes[0].length;
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
  c.drawImage(small, SIDE, 0, width - SIDE, height - SIDE);
  c.strokeStyle = theme.line;
  c.strokeRect(SIDE, 0, width - SIDE - 1, height - SIDE);
  drawQ(c, q, [0, 1], X, Y, height);
  c.restore();
  c.textAlign = "right";
  c.fillText(ends[1][1].toFixed(2), SIDE - 4, 12);
  c.fillText(sub(1), SIDE - 4, (height - SIDE) / 2);
  c.fillText(ends[1][0].toFixed(2), SIDE - 4, height - SIDE - 2);
}

// ---- the parts of the page -------------------------------------------------------------------------------------

const sub = (k) => `z${Array.from(String(k), (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]).join("")}`;
const few = (value) => String(Number(value.toPrecision(4))), nats = (value) => `${value.toFixed(2)} nats`;
const COLUMNS = RUN.columns.slice(0, 60); // of a table; what more there are is computed, not listed
const bars = [], sliders = [];

function draw() {
  waiting = false;
  const x = decode(state.z);
  if (SHAPE) show($("picture"), x);
  bars.forEach(({ fill, tick, text }, d) => {
    fill.style.transform = `scaleX(${share(x[d], d)})`;
    tick.style.left = `${100 * share(state.x[d], d)}%`;
    text.textContent = few(x[d]);
  });
  sliders.forEach(({ slider, number }, k) => {
    slider.value = state.z[k];
    number.textContent = state.z[k].toFixed(2);
  });
  drawMap();
  clearTimeout(speak);
  speak = setTimeout(() => say(x), 400);
}

function redraw() {
  if (!waiting) requestAnimationFrame(draw);
  waiting = true;
}

function say(x) { // for those who hear the page
  const where = state.plane.map((k) => `${sub(k)} = ${state.z[k].toFixed(2)}`).join(", ");
  const far = (mu) => mu.reduce((sum, value, k) => sum + (value - state.z[k]) ** 2, 0);
  const nearest = POINTS.reduce((best, mu, n) => (far(mu) < far(POINTS[best]) ? n : best), 0);
  const row = SHAPE ? "" : ` Decoded: ${COLUMNS.slice(0, 5).map((name, d) => `${name} ${few(x[d])}`).join(", ")}.`;
  $("said").textContent = `${where}.${CLASSES ? ` Nearest training mean: ${CLASSES[RUN.point_classes[nearest]]}.` : ""}${row}`;
}

function moveTo(z) {
  state.z = Float64Array.from(z);
  redraw();
}

function choose(n) {
  state.example = (n + EXAMPLES.length) % EXAMPLES.length;
  state.x = Float64Array.from(EXAMPLES[state.example]);
  const klass = RUN.classes ? `: ${RUN.classes[RUN.example_classes[state.example]]}` : "";
  $("which").textContent = `example ${state.example + 1} of ${EXAMPLES.length}${klass}`;
  bars.forEach(({ input }, d) => { input.value = few(state.x[d]); });
  exampleChanged();
  moveTo(state.q.mu);
}

function exampleChanged(cursor = -1) {
  state.q = encode(state.x);
  const again = decode(state.q.mu), kl = klOf(state.q);
  if (SHAPE) {
    show($("original"), state.x, cursor);
    show($("again"), again);
  }
  const fit = -logLikelihood(scaled(state.x), output(state.q.mu));
  const cost = RUN.is_grey ? "cross-entropy" : "-log p(x|z)";
  $("terms").textContent = `KL(q || prior) ${nats(kl)}; at the mean of q, ${cost} ${nats(fit)}.`;
  redraw();
  if (K > 2) return;
  drawPosterior();
  const x = state.x, changes = ++state.changes;
  posterior(x, () => changes === state.changes).then((exact) => {
    if (changes !== state.changes) return;
    state.exact = exact;
    const name = RUN.is_grey ? "bound of grey pixels, whose cross-entropy is no -log p(x|z)," : "log p(x)";
    $("gap-text").textContent = `${name} ${exact.logPx.toFixed(2)} = ELBO ${exact.elbo.toFixed(2)} + gap ${nats(exact.logPx - exact.elbo)}.`;
    drawPosterior();
  }, (error) => { if (error !== STALE) throw error; });
}

function setEnd(end, z) {
  state.path[end] = Float64Array.from(z);
  drawSteps();
  redraw();
}

function onPath(t) { return state.path[0].map((a, k) => (1 - t) * a + t * state.path[1][k]); }

function drawSteps() {
  [...$("steps").children].forEach((button, s) => show(button.firstChild, decode(onPath(s / 8))));
}

function drawSamples() { // mulberry32, then Box and Muller: the same pictures at every visit
  let seed = state.seed++;
  const uniform = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const drawn = [...$("drawn").children].map((button) => {
    button.z = Float64Array.from({ length: K }, normal);
    show(button.firstChild, decode(button.z));
    return button.z;
  });
  return drawn[0];
}

function buttonsOf(id, n, name, z) {
  for (let s = 0; s < n; s++) {
    const canvas = element("canvas", { className: "square image" });
    const button = element("button", { ariaLabel: `${name} ${s + 1}` }, canvas);
    button.onclick = () => moveTo(z(button, s));
    $(id).append(button);
  }
}

function fromPointer(event) {
  const { left, top, width, height } = $("map").getBoundingClientRect(), z = Float64Array.from(state.z);
  z[state.plane[0]] = place(event.clientX - left, SIDE, width - 4, -REACH, REACH);
  if (K > 1) z[state.plane[1]] = place(event.clientY - top, height - SIDE, 4, -REACH, REACH);
  return z.map((value, k) => (state.plane.includes(k) ? Math.min(REACH, Math.max(-REACH, value)) : value));
}

function step(event, move) { // what an arrow key asks for
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  if (!arrows[event.key]) return false;
  event.preventDefault();
  move(...arrows[event.key]);
  return true;
}

function buildTexts() {
  const widths = [D, ...HIDDEN, K].join("-"), { beta, activation } = RUN.model;
  $("name").textContent = RUN.name;
  $("facts").textContent = `A variational autoencoder trained on ${RUN.rows} rows of ${RUN.data}: ${widths}, ` +
    `${HIDDEN.length ? `${activation}, ` : ""}${LIKELIHOOD.name} likelihood${beta === 1 ? "" : `, beta ${beta}`}. ` +
    `The points are posterior means of ${POINTS.length} training rows.`;
  const expected = Object.fromEntries(Object.entries(RUN.expected).map(([key, array]) => [key, unpacked(array)]));
  const worst = (found, name, spread) => Math.max(...found.flatMap((row, n) =>
    Array.from(row, (value, d) => Math.abs(value - expected[name][n * row.length + d]) / spread(d))));
  const encoded = EXAMPLES.slice(0, expected.mu.length / K).map(encode), size = (d) => (HIGH[d] - LOW[d]) || 1;
  const decoded = worst(rowsOf(expected.mu, K).map(decode), "decoded", SHAPE ? () => RUN.range[1] - RUN.range[0] : size);
  const heads = Math.max(worst(encoded.map((q) => q.mu), "mu", () => 1), worst(encoded.map((q) => q.logvar), "logvar", () => 1));
  $("truth").textContent = `minivae ${RUN.version}. The parameters are in this page as ` +
    `${RUN.parameters["decoder.output.b"].dtype}, and nothing is loaded from elsewhere. Computed here and by the run, for ` +
    `${encoded.length} training rows, outputs differ by at most ${decoded.toExponential(1)} of their range, mu and logvar by ` +
    `${heads.toExponential(1)}.`;
}

function buildControls() {
  const most = Math.max(...RUN.kl, 1e-9), reach = Math.max(4, REACH);
  for (const k of K > 2 ? BY_KL : RUN.kl.keys()) {
    const slider = element("input", { type: "range", min: -reach, max: reach, step: 0.01, ariaLabel: `z ${k}` });
    const number = element("output"), kl = element("span", { className: "kl", textContent: `KL ${nats(RUN.kl[k])}` });
    kl.title = "mean KL of this dimension from the prior, over training rows";
    kl.style.backgroundSize = `${100 * RUN.kl[k] / most}% 3px`;
    slider.oninput = () => { state.z[k] = Number(slider.value); redraw(); };
    $("latents").append(element("label", {}, sub(k), slider, number, kl));
    sliders[k] = { slider, number };
  }
  $("plane").hidden = K < 3;
  [$("across"), $("up")].forEach((select, side) => {
    for (const k of BY_KL) select.append(new Option(`${sub(k)}, KL ${nats(RUN.kl[k])}`, k, false, k === state.plane[side]));
    select.onchange = () => { state.plane[side] = Number(select.value); redraw(); };
  });
  for (const [klass, name] of (CLASSES || []).entries()) {
    const icon = element("canvas"), button = element("button", { ariaPressed: "false" }, icon, name);
    button.onclick = () => {
      state.only = state.only === klass ? -1 : klass;
      [...$("classes").children].forEach((one, n) => { one.ariaPressed = String(n === state.only); });
      redraw();
    };
    $("classes").append(button);
  }
  for (const [d, name] of (SHAPE ? [] : COLUMNS).entries()) {
    const fill = element("span"), tick = element("i"), text = element("td");
    const input = element("input", { type: "number", step: "any", ariaLabel: `${name}, of the example` });
    input.oninput = () => {
      if (input.value !== "") state.x[d] = Number(input.value);
      exampleChanged();
    };
    const bar = element("span", { className: "bar" }, fill, tick);
    $("bars").tBodies[0].append(element("tr", {}, element("th", { scope: "row", textContent: name }),
      element("td", {}, bar), text, element("td", {}, input)));
    bars.push({ fill, tick, text, input });
  }
}

function listenToMap() {
  const map = $("map");
  let held = false;
  map.onpointerdown = (event) => {
    const z = fromPointer(event);
    if (state.placing < 0) held = true;
    else {
      setEnd(state.placing, z);
      state.placing = state.placing === 0 ? 1 : -1;
      $("two").ariaPressed = String(state.placing >= 0);
    }
    map.setPointerCapture(event.pointerId);
    moveTo(z);
  };
  map.onpointermove = (event) => { if (held) moveTo(fromPointer(event)); };
  map.onpointerup = map.onpointercancel = () => { held = false; };
  map.onkeydown = (event) => {
    const size = event.shiftKey ? 0.5 : 0.1, end = "ab".indexOf(event.key.toLowerCase());
    if (end >= 0 && !event.ctrlKey && !event.metaKey) setEnd(end, state.z);
    step(event, (right, up) => {
      const z = state.z.slice();
      z[state.plane[0]] += right * size;
      if (K > 1) z[state.plane[1]] += up * size;
      moveTo(z);
    });
  };
}

function listenToDrawing() {
  const canvas = $("original"), [rows, columns] = SHAPE, radius = Math.max(0.8, columns / 20);
  const cursor = () => state.pen[0] * columns + state.pen[1];
  const ink = (row, column, erase) => {
    for (let r = 0; r < rows; r++) for (let k = 0; k < columns; k++) {
      const t = Math.min(1, Math.max(0, 1.6 - Math.hypot(r - row, k - column) / radius)), d = r * columns + k;
      const value = RUN.range[0] + t * (RUN.range[1] - RUN.range[0]);
      state.x[d] = erase ? (t > 0.5 ? RUN.range[0] : state.x[d]) : Math.max(state.x[d], value);
    }
  };
  const touch = (event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    ink(place(event.clientY - top, 0, height, -0.5, rows - 0.5), place(event.clientX - left, 0, width, -0.5, columns - 0.5), event.shiftKey);
    exampleChanged();
    moveTo(state.q.mu);
  };
  canvas.onpointerdown = (event) => { canvas.setPointerCapture(event.pointerId); touch(event); };
  canvas.onpointermove = (event) => { if (event.buttons) touch(event); };
  canvas.onkeydown = (event) => {
    step(event, (right, up) => {
      state.pen = [(state.pen[0] - up + rows) % rows, (state.pen[1] + right + columns) % columns];
      exampleChanged(cursor());
    });
    if (event.key !== " ") return;
    event.preventDefault();
    state.x[cursor()] = state.x[cursor()] > (RUN.range[0] + RUN.range[1]) / 2 ? RUN.range[0] : RUN.range[1];
    exampleChanged(cursor());
    moveTo(state.q.mu);
  };
  $("blank").onclick = () => { state.x.fill(RUN.range[0]); exampleChanged(); };
}

function drawAll() { // what does not change with z too
  readTheme();
  [...$("classes").children].forEach((button, klass) => mark(pen(button.firstChild)[0], klass, 7, 7, 5));
  if (state.path[0]) drawSteps();
  if (state.seed > 1) state.seed -= 1;
  drawSamples();
  exampleChanged();
}

function start() {
  buildTexts();
  for (const id of ["picture", "blank", "pair", "pen"]) $(id).hidden = !SHAPE;
  for (const id of ["scroll-bars", "edit", "each-bar"]) $(id).hidden = Boolean(SHAPE);
  $("bayes").hidden = K > 2;
  if (K > 2) $("example").classList.add("wide");
  buildControls();
  buttonsOf("steps", 9, "Step", (_, s) => { $("t").value = s / 8; return onPath(s / 8); });
  buttonsOf("drawn", 18, "Sample", (button) => button.z);
  $("t").oninput = () => moveTo(onPath(Number($("t").value)));
  $("two").onclick = () => {
    state.placing = state.placing < 0 ? 0 : -1;
    $("two").ariaPressed = String(state.placing >= 0);
    if (state.placing === 0) $("map").focus();
  };
  $("draw").onclick = () => moveTo(drawSamples());
  $("more").onclick = drawSamples;
  $("origin").onclick = () => moveTo(new Float64Array(K));
  $("previous").onclick = () => choose(state.example - 1);
  $("next").onclick = () => choose(state.example + 1);
  listenToMap();
  if (SHAPE) listenToDrawing();
  readTheme();
  const other = CLASSES ? RUN.example_classes.findIndex((klass) => klass !== RUN.example_classes[0]) : EXAMPLES.length - 1;
  choose(0);
  state.path = [state.q.mu, encode(EXAMPLES[Math.max(other, 0)]).mu];
  drawAll();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  addEventListener("resize", drawAll);
}

start();
