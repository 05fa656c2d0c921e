"use strict";
// Lesson 6: log p(x) = ELBO + KL(q || posterior), for the detector that shows x = 1.5, and any Gaussian q.

const X_SEEN = 1.5;
const LOG_PRIOR = GRID.map((z) => logNormal(z, 0, 1)), LOG_LIKELIHOOD = GRID.map((z) => logNormal(X_SEEN, z * z, 0.5));
const LOG_PX = Math.log(integral(GRID.map((z, i) => Math.exp(LOG_PRIOR[i] + LOG_LIKELIHOOD[i]))));
const LOG_POSTERIOR = GRID.map((z, i) => LOG_PRIOR[i] + LOG_LIKELIHOOD[i] - LOG_PX);

function numbers(mu, std) { // the four terms by quadrature, each on its own
  const logQ = GRID.map((z) => logNormal(z, mu, std)), average = (values) => integral(values.map((value, i) => Math.exp(logQ[i]) * value));
  const reconNll = -average(LOG_LIKELIHOOD), kl = average(logQ.map((value, i) => value - LOG_PRIOR[i]));
  const gap = average(logQ.map((value, i) => value - LOG_POSTERIOR[i]));
  return { logPx: LOG_PX, reconNll, kl, elbo: -(reconNll + kl), gap };
}

function drawBar({ elbo, gap }) { // from -8 nats to 0; below that the ELBO leaves the picture
  const view = axes($("bar"), [-8, 0], [0, 1], { across: "nats" }), { c, X, Y } = view;
  const bar = (from, to, name) => {
    c.fillStyle = colour(name);
    c.fillRect(X(from), Y(0.85), Math.max(0, X(to) - X(from)), Y(0.2) - Y(0.85));
  };
  bar(-8, Math.max(-8, elbo), "blue");
  bar(Math.max(-8, elbo), LOG_PX, "orange");
  line(view, [LOG_PX, LOG_PX], [0, 1], "text", { width: 2 });
  text(view, LOG_PX + 0.08, 0.42, `log p(x) = ${LOG_PX.toFixed(3)}`);
  Object.assign(c, { fillStyle: colour("page"), textAlign: "left" });
  if (elbo > -6.8) c.fillText(`ELBO ${elbo.toFixed(2)}`, X(-7.9), Y(0.42));
  c.textAlign = "right";
  if (gap > 0.9) c.fillText(`gap ${gap.toFixed(2)}`, X(LOG_PX) - 8, Y(0.42));
}

function draw(mu, std) {
  const found = numbers(mu, std), view = axes($("plot"), [-3, 3], [0, 2.2], { across: "z", up: "density" });
  const at = [...GRID.keys()].filter((i) => Math.abs(GRID[i]) <= 3), zs = at.map((i) => GRID[i]);
  line(view, zs, at.map((i) => Math.exp(LOG_POSTERIOR[i])), "soft", { fill: true });
  line(view, zs, zs.map((z) => normal(z, mu, std)), "blue");
  dot(view, mu, normal(mu, mu, std), "blue", 8);
  text(view, -2.95, 2.04, "shaded: the posterior p(z|x = 1.5)", "soft");
  text(view, -2.95, 1.9, `q, mean ${mu.toFixed(2)}, std ${std.toFixed(2)}: drag it`, "blue");
  drawBar(found);
  $("numbers").textContent = `recon_nll ${found.reconNll.toFixed(2)} + KL to the prior ${found.kl.toFixed(2)}: ELBO ` +
    `${found.elbo.toFixed(3)}; gap, the KL to the posterior, ${found.gap.toFixed(3)}; ELBO + gap = ${(found.elbo + found.gap).toFixed(3)}.`;
}

const redraw = sliders(["mu", "std"], draw);
const set = (mu, std) => { [$("mu").value, $("std").value] = [mu, std]; redraw(); };
dragged($("plot"), (mu, peak) => set(mu, 1 / (Math.sqrt(2 * Math.PI) * Math.max(peak, 0.1))),
  (right, up) => set(Number($("mu").value) + 0.05 * right, Number($("std").value) - 0.02 * up));
