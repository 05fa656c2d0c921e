"use strict";
// Lesson 9 with every size 1: one example, one pixel, one hidden unit, one latent dimension, no biases. The way there and back.

const START = { x: 1, eps: -0.7, beta: 0.5, W_enc: 0.9, W_mu: 1.5, W_logvar: -0.5, W_dec: 1.5, W_out: 1.5 };
const KNOBS = ["x", "eps", "beta", "W_enc", "W_mu", "W_logvar", "W_dec", "W_out"];
const PLACES = {
  x: [4, 50], h: [17, 50], mu: [32, 22], logvar: [32, 78], eps: [42, 5], z: [49, 22], kl: [49, 78],
  g: [62, 22], logits: [75, 22], recon_nll: [90, 22], loss: [90, 78],
};
const WAYS = "x h, h mu, h logvar, mu z, logvar z, eps z, mu kl, logvar kl, z g, g logits, logits recon_nll, recon_nll loss, kl loss".split(", ").map((way) => way.split(" "));

function numbers(v) {
  const h = Math.tanh(v.W_enc * v.x), mu = v.W_mu * h, logvar = v.W_logvar * h, sigma = Math.exp(logvar / 2), z = mu + sigma * v.eps;
  const g = Math.tanh(v.W_dec * z), logits = v.W_out * g, recon_nll = softplus(logits) - v.x * logits;
  const kl = (mu * mu + Math.expm1(logvar) - logvar) / 2, loss = recon_nll + v.beta * kl;
  const drecon_nll = 1, dkl = v.beta, dlogits = drecon_nll * (sigmoid(logits) - v.x), dg = dlogits * v.W_out;
  const dz = dg * (1 - g * g) * v.W_dec, dmu_z = dz, dlogvar_z = dz * v.eps * sigma / 2;
  const dmu_kl = dkl * mu, dlogvar_kl = dkl * Math.expm1(logvar) / 2, dmu = dmu_z + dmu_kl, dlogvar = dlogvar_z + dlogvar_kl;
  const dh = dmu * v.W_mu + dlogvar * v.W_logvar, da = dh * (1 - h * h);
  const weights = { W_enc: v.x * da, W_mu: h * dmu, W_logvar: h * dlogvar, W_dec: z * dg * (1 - g * g), W_out: g * dlogits };
  return { ...v, h, mu, logvar, sigma, z, g, logits, recon_nll, kl, loss, drecon_nll, dkl, dlogits, dg, dz, dmu_z, dlogvar_z, dmu_kl, dlogvar_kl, dmu, dlogvar, dh, weights };
}

const few = (value) => value.toFixed(3);
const STEPS = [ // the boxes that light up, and what happens there
  [["x"], (v) => `Forwards. The pixel: x = ${few(v.x)}.`],
  [["h"], (v) => `h = tanh(W_enc x) = tanh(${v.W_enc} * ${few(v.x)}) = ${few(v.h)}`],
  [["mu", "logvar"], (v) => `Two heads: mu = W_mu h = ${few(v.mu)}, logvar = W_logvar h = ${few(v.logvar)}`],
  [["eps", "z"], (v) => `z = mu + exp(logvar / 2) eps = ${few(v.mu)} + ${few(v.sigma)} * ${v.eps} = ${few(v.z)}`],
  [["kl"], (v) => `mu and logvar are used a second time: kl = (mu^2 + exp(logvar) - 1 - logvar) / 2 = ${few(v.kl)}`],
  [["g", "logits"], (v) => `The decoder: g = tanh(W_dec z) = ${few(v.g)}, logits = W_out g = ${few(v.logits)}`],
  [["recon_nll"], (v) => `recon_nll = softplus(logits) - x logits = ${few(v.recon_nll)}`],
  [["loss"], (v) => `loss = recon_nll + beta kl = ${few(v.recon_nll)} + ${v.beta} * ${few(v.kl)} = ${few(v.loss)}`],
  [["recon_nll", "kl"], (v) => `And back. The loss grows with recon_nll by 1, with kl by beta: drecon_nll = 1, dkl = ${few(v.dkl)}`],
  [["logits"], (v) => `dlogits = drecon_nll (sigmoid(logits) - x) = ${few(v.dlogits)}`],
  [["g"], (v) => `dg = dlogits W_out = ${few(v.dg)}`],
  [["z"], (v) => `dz = dg (1 - g^2) W_dec = ${few(v.dz)}`],
  [["mu"], (v) => `Here two ways meet, and what comes back is added: dmu = dz + dkl mu = ${few(v.dmu_z)} + ${few(v.dmu_kl)} = ${few(v.dmu)}`],
  [["logvar"], (v) => `Here too: dlogvar = dz eps sigma / 2 + dkl (sigma^2 - 1) / 2 = ${few(v.dlogvar_z)} + ${few(v.dlogvar_kl)} = ${few(v.dlogvar)}`],
  [["h"], (v) => `h went to two heads: dh = dmu W_mu + dlogvar W_logvar = ${few(v.dh)}`],
  [["x"], (v) => `The gradients of the weights: ${Object.entries(v.weights).map(([name, slope]) => `d${name} = ${few(slope)}`).join(", ")}`],
];
const BACK = 8; // the first step of the way back
const reached = (name, step) => STEPS.findIndex(([boxes], s) => s >= (step < BACK ? 0 : BACK) && s <= step && boxes.includes(name)) >= 0;
let step = 3;

function draw(...knobs) {
  const v = numbers(Object.fromEntries(KNOBS.map((name, i) => [name, knobs[i]]))), back = step >= BACK;
  const view = axes($("plot"), [-1, 96], [100, 0], { ticks: false }), { c, X, Y } = view, name = back ? "orange" : "blue";
  const half = limited(0.06 * (X(96) - X(0)), 20, 33);
  if (half < 30) c.font = "10px system-ui, sans-serif";
  for (const [from, to] of WAYS) {
    const [a, b] = back ? [PLACES[to], PLACES[from]] : [PLACES[from], PLACES[to]];
    const done = back ? reached(from, step) && reached(to, step) || (from === "x" && step === STEPS.length - 1) : reached(to, step);
    line(view, [a[0], b[0]], [a[1], b[1]], done ? name : "line", { width: done ? 2.5 : 1.5, dash: back ? [6, 4] : [] });
  }
  for (const [box, [x, y]] of Object.entries(PLACES)) {
    const lit = STEPS[step][0].includes(box), gradient = back && `d${box}` in v && reached(box, step);
    c.fillStyle = colour("page");
    c.strokeStyle = lit ? colour(name) : colour("line");
    c.lineWidth = lit ? 3 : 1.5;
    c.beginPath();
    c.roundRect(X(x) - half, Y(y) - 21, 2 * half, 42, 6);
    c.fill();
    c.stroke();
    text(view, x, y, gradient ? `d${box}` : box, "text", "center");
    c.fillText(gradient ? few(v[`d${box}`]) : back || reached(box, step) ? few(v[box]) : "?", X(x), Y(y) + 15);
  }
  $("numbers").textContent = `${step + 1} of ${STEPS.length}. ${STEPS[step][1](v)}`;
  [$("before").disabled, $("after").disabled] = [step === 0, step === STEPS.length - 1];
}

$("knobs").append(...KNOBS.map((name) => {
  const label = document.createElement("label"), input = document.createElement("input");
  Object.assign(input, { id: name, type: "range", min: name === "x" || name === "beta" ? 0 : -3, max: name === "x" ? 1 : 3, step: 0.1 });
  input.value = START[name];
  label.append(name, input, document.createElement("output"));
  return label;
}));
const redraw = sliders(KNOBS, draw);
const go = (by) => { step = limited(step + by, 0, STEPS.length - 1); redraw(); };
$("before").onclick = () => go(-1);
$("after").onclick = () => go(1);
