"use strict";
// The run in this page, its model forwards, and its exact posterior on a grid. drawing.js and explorer.js, which follow, show them.

const RUN = JSON.parse(document.getElementById("run").textContent);

// ---- arrays ------------------------------------------------------------------------------------------------

function unpacked({ dtype, data }) {
  const text = atob(data), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  if (dtype === "uint8") return Float32Array.from(bytes, (level) => level / 255);
  if (dtype === "float16") return halves(new Uint16Array(bytes.buffer));
  return dtype === "float64" ? new Float64Array(bytes.buffer) : new Float32Array(bytes.buffer);
}

const POWERS = Array.from({ length: 32 }, (_, exponent) => 2 ** (exponent - 25));

function halves(words) { // of each, a sign, 5 bits of exponent, 10 of the fraction
  const numbers = new Float32Array(words.length);
  words.forEach((bits, i) => {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const size = exponent ? (1024 + fraction) * POWERS[exponent] : fraction * POWERS[1];
    numbers[i] = bits & 32768 ? -size : size;
  });
  return numbers;
}

function rowsOf(array, width) {
  return Array.from({ length: array.length / width }, (_, i) => array.subarray(i * width, (i + 1) * width));
}

// ---- the model: the formulas of kernels/reference.py, the names of model.safetensors ------------------------------

const { input_dim: D, latent_dim: K, hidden_dims: HIDDEN, likelihood: LIKELIHOOD } = RUN.model;
const PARAMETERS = Object.fromEntries(Object.entries(RUN.parameters).map(([name, array]) => [name, unpacked(array)]));
const SHIFT = RUN.scaling && unpacked(RUN.scaling.shift), SCALE = RUN.scaling && unpacked(RUN.scaling.scale);
const LOG_2PI = Math.log(2 * Math.PI);
const ACTIVATIONS = {
  relu: (a) => Math.max(a, 0), leaky_relu: (a) => Math.max(a, 0.2 * a), tanh: Math.tanh, sigmoid, softplus,
};

function softplus(a) { return Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))); }

function sigmoid(a) { return Math.exp(-softplus(-a)); }

function linear(x, layer, activation) { // act(x W + b), W row by row as it is stored
  const W = PARAMETERS[`${layer}.W`], y = new Float64Array(PARAMETERS[`${layer}.b`]), width = y.length;
  for (let i = 0, at = 0; i < x.length; i++) {
    const value = x[i];
    if (value === 0) at += width; // half of all hidden units are off
    else for (let j = 0; j < width; j++) y[j] += value * W[at++];
  }
  if (activation) for (let j = 0; j < width; j++) y[j] = activation(y[j]);
  return y;
}

function hidden(side, x) {
  HIDDEN.forEach((_, i) => { x = linear(x, `${side}.hidden.${i}`, ACTIVATIONS[RUN.model.activation]); });
  return x;
}

function scaled(x) { return SHIFT ? Float64Array.from(x, (value, d) => (value - SHIFT[d]) / SCALE[d]) : x; }

function encode(x) {
  const h = hidden("encoder", scaled(x));
  return { mu: linear(h, "encoder.mu"), logvar: linear(h, "encoder.logvar") };
}

function output(z) { return linear(hidden("decoder", z), "decoder.output"); } // logits, or the mean of a Gaussian

function decode(z) {
  const out = output(z);
  if (LIKELIHOOD.name === "bernoulli") return out.map(sigmoid);
  if (LIKELIHOOD.name === "categorical") return logSoftmax(out).map(Math.exp);
  return SHIFT ? out.map((value, d) => value * SCALE[d] + SHIFT[d]) : out;
}

function logSoftmax(logits) { // within each group of columns
  const result = new Float64Array(logits.length);
  let start = 0;
  for (const size of LIKELIHOOD.groups || [D]) {
    const normaliser = logSumExp(logits.subarray(start, start + size));
    for (let d = start; d < start + size; d++) result[d] = logits[d] - normaliser;
    start += size;
  }
  return result;
}

function logSumExp(values) {
  const largest = values.reduce((a, b) => Math.max(a, b), -Infinity);
  return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}

function logLikelihood(u, out) { // log p(x|z) in nats, in the units of the data; u is x after scaling
  let sum = 0;
  if (LIKELIHOOD.name === "bernoulli") for (let d = 0; d < D; d++) sum += u[d] * out[d] - softplus(out[d]);
  else if (LIKELIHOOD.name === "categorical") logSoftmax(out).forEach((value, d) => { sum += u[d] * value; });
  else {
    const logvar = PARAMETERS["decoder.output.logvar"];
    for (let d = 0; d < D; d++) {
      const v = logvar[d % logvar.length]; // one for all, or one each
      sum -= (LOG_2PI + v + (u[d] - out[d]) ** 2 / Math.exp(v)) / 2 + (SCALE ? Math.log(SCALE[d]) : 0);
    }
  }
  return sum;
}

function klOf({ mu, logvar }) { // from the prior, in nats
  return mu.reduce((sum, m, k) => sum + (m * m + Math.expm1(logvar[k]) - logvar[k]) / 2, 0);
}

// ---- the exact posterior, by Bayes on a grid (K = 1 and 2) ---------------------------------------------------------

const EDGE = 5; // the prior has 6e-7 of its mass beyond
const COST = HIDDEN.concat(D).reduce((sum, width, i) => sum + width * (i ? HIDDEN.concat(D)[i - 1] : K), 0);
const POINTS_ALONG = K === 1 ? 401 : Math.round(Math.min(65, Math.max(51, Math.sqrt(1e9 / COST))));
const STALE = new Error("another example was chosen");
let everywhere = null; // the decoder's outputs on the first grid, which is the same for all examples

function spaced(low, high, n) { return Array.from({ length: n }, (_, i) => low + (high - low) * i / (n - 1)); }

function product(axes) { return K === 1 ? axes[0].map((a) => [a]) : axes[0].flatMap((a) => axes[1].map((b) => [a, b])); }

async function outputsOn(axes, wanted) { // in slices, so that the page stays alive
  const points = product(axes), outputs = [];
  let since = performance.now();
  for (const z of points) {
    outputs.push(output(z));
    if (performance.now() - since > 12) {
      await new Promise((resume) => setTimeout(resume));
      if (!wanted()) throw STALE;
      since = performance.now();
    }
  }
  return { axes, points, outputs };
}

async function posterior(x, wanted = () => true) {
  if (K > 2) throw new Error(`the posterior on a grid needs 1 or 2 latent dimensions, and this model has ${K}`);
  const u = scaled(x), q = encode(x), ends = Array.from({ length: K }, () => [-EDGE, EDGE]);
  everywhere ??= await outputsOn(ends.map(([low, high]) => spaced(low, high, POINTS_ALONG)), wanted);
  let grid = everywhere, logs = logJoint(u, grid);
  for (const first of [true, false]) { // twice narrower, to where the posterior is, and at first to where q is
    const box = grid.axes.map((axis, k) => {
      const reach = 5 * Math.exp(q.logvar[k] / 2), [low, high] = within(grid, logs, k);
      return first ? [Math.min(low, q.mu[k] - reach), Math.max(high, q.mu[k] + reach)] : [low, high];
    });
    grid = await outputsOn(box.map(([low, high]) => spaced(low, high, POINTS_ALONG)), wanted);
    logs = logJoint(u, grid);
  }
  const cell = grid.axes.reduce((sum, axis) => sum + Math.log(axis[1] - axis[0]), 0), logPx = logSumExp(logs) + cell;
  return { axes: grid.axes, density: logs.map((value) => Math.exp(value - logPx)), logPx, elbo: elboOf(u, q), q };
}

function logJoint(u, { points, outputs }) {
  const prior = (z) => z.reduce((sum, value) => sum - (LOG_2PI + value * value) / 2, 0);
  return Float64Array.from(points, (z, i) => logLikelihood(u, outputs[i]) + prior(z));
}

function within({ axes, points }, logs, k) { // the part of axis k where the joint is above exp(-20) of its largest
  const least = logs.reduce((a, b) => Math.max(a, b)) - 20, step = axes[k][1] - axes[k][0];
  let low = Infinity, high = -Infinity;
  points.forEach((z, i) => { if (logs[i] > least) { low = Math.min(low, z[k]); high = Math.max(high, z[k]); } });
  return [low - step, high + step];
}

function elboOf(u, q) { // E_q[log p(x|z)] - KL, by sums over 41 points along each dimension, -5 to 5 deviations
  const points = product(Array.from({ length: K }, () => spaced(-5, 5, 41)));
  const weights = points.map((t) => Math.exp(-t.reduce((sum, value) => sum + value * value, 0) / 2));
  const total = weights.reduce((a, b) => a + b);
  const at = (t) => logLikelihood(u, output(t.map((value, k) => q.mu[k] + value * Math.exp(q.logvar[k] / 2))));
  return points.reduce((sum, t, i) => sum + weights[i] / total * at(t), 0) - klOf(q);
}

window.minivae = {
  decode: (z) => Array.from(decode(z)),
  encode: (x) => ({ mu: Array.from(encode(x).mu), logvar: Array.from(encode(x).logvar) }),
  // axes: the K axes of the grid; density: at [i] or [i][j] of them; log_px and elbo in nats
  posterior: async (x) => {
    const { axes, density, logPx, elbo } = await posterior(x);
    const nested = K === 1 ? Array.from(density) : rowsOf(density, axes[1].length).map((row) => Array.from(row));
    return { axes, density: nested, log_px: logPx, elbo };
  },
};

