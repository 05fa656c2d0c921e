"""The training step written out in plain NumPy: two ways to the gradients, and Adam as in its paper.

They are the first two rungs of the speed ladder. Layers are a mapping of names to (W, b), as ``Problem.layers`` gives.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minivae.benchmark.problem import BETAS, EPSILON, LEARNING_RATE, Layers, Problem, Run

Gradient = Callable[[Layers, np.ndarray, np.ndarray], tuple[float, Layers]]


def by_outer_products(layers: Layers, x: np.ndarray, eps: np.ndarray) -> tuple[float, Layers]:
    """The loss and its gradients, example by example.

    Parameters
    ----------
    layers : mapping of str to (W, b)
    x, eps : ndarrays of shape (B, D) and (B, K)
    """
    gradients = {name: (np.zeros_like(W), np.zeros_like(b)) for name, (W, b) in layers.items()}
    loss = 0.0
    for example, noise in zip(x, eps, strict=True):
        part, gradient = by_matrix_products(layers, example[None], noise[None], outer=True)
        loss += part / len(x)
        for name, (dW, db) in gradient.items():
            gradients[name][0][...] += dW / len(x)
            gradients[name][1][...] += db / len(x)
    return loss, gradients


def by_matrix_products(layers: Layers, x: np.ndarray, eps: np.ndarray, outer: bool = False) -> tuple[float, Layers]:
    """The loss and its gradients, for all examples at once, each line as it stands on paper.

    Parameters
    ----------
    layers : mapping of str to (W, b)
    x, eps : ndarrays of shape (B, D) and (B, K)
    outer : bool, default False
        For a single example: its gradients by ``np.outer``.
    """
    (W1, b1), (W2, b2), (W3, b3), (W4, b4) = (layers[name] for name in ("encoder", "heads", "decoder", "output"))
    h = np.maximum(x @ W1 + b1, 0)
    mu, logvar = np.split(h @ W2 + b2, 2, axis=1)
    std = np.exp(logvar / 2)
    z = mu + std * eps
    g = np.maximum(z @ W3 + b3, 0)
    logits = g @ W4 + b4
    recon_nll = np.logaddexp(0, logits) - x * logits
    kl = (mu**2 + std**2 - 1 - logvar) / 2
    loss = float(recon_nll.sum() + kl.sum()) / len(x)

    dlogits = (1 / (1 + np.exp(-logits)) - x) / len(x)
    dg = dlogits @ W4.T * (g > 0)
    dz = dg @ W3.T
    dmu = dz + mu / len(x)
    dlogvar = dz * eps * std / 2 + (std**2 - 1) / 2 / len(x)
    dheads = np.hstack([dmu, dlogvar])
    dh = dheads @ W2.T * (h > 0)

    def of_layer(inputs: np.ndarray, da: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.outer(inputs, da) if outer else inputs.T @ da, da.sum(axis=0)

    pairs = {"encoder": (x, dh), "heads": (h, dheads), "decoder": (z, dg), "output": (g, dlogits)}
    return loss, {name: of_layer(*pair) for name, pair in pairs.items()}


PLAIN: dict[str, Gradient] = {"outer products": by_outer_products, "matrix products": by_matrix_products}


def adam_step(w: np.ndarray, dw: np.ndarray, m: np.ndarray, v: np.ndarray, t: int) -> None:
    """Adam as in its paper, for one array.

    Parameters
    ----------
    w, dw, m, v : ndarray of any shape
    t : int
    """
    m[...] = BETAS[0] * m + (1 - BETAS[0]) * dw
    v[...] = BETAS[1] * v + (1 - BETAS[1]) * dw**2
    w -= LEARNING_RATE * (m / (1 - BETAS[0] ** t)) / (np.sqrt(v / (1 - BETAS[1] ** t)) + EPSILON)


def plain_run(problem: Problem, gradient: Gradient) -> Run:
    """Training steps with one of the gradients above."""
    layers, data, size = problem.layers(), problem.data(), problem.batch_size
    state = {name: [(np.zeros_like(w), np.zeros_like(w)) for w in layer] for name, layer in layers.items()}
    rng, t = np.random.default_rng(0), 0

    def train() -> float:
        nonlocal t
        start, t = t % problem.batches * size, t + 1
        eps = rng.standard_normal((size, problem.latent_dim), dtype=np.float32)
        loss, gradients = gradient(layers, data[start : start + size], eps)
        for layer, pair in gradients.items():
            for w, dw, (m, v) in zip(layers[layer], pair, state[layer], strict=True):
                adam_step(w, dw, m, v, t)
        return loss

    def run(n: int) -> tuple[float, float]:
        losses = [train() for _ in range(n)]
        return losses[0], losses[-1]

    return run
