// The page: its parts, and what they do when touched. Texts of the run (its name, columns, classes) get in as textContent only.

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
