"""A VAE that trains in a page: train.js asks for a few steps at a time, and draws what is printed."""

import json
from pathlib import Path

import numpy as np

from minivae import VAE, Adam

ROWS = np.frombuffer(Path(__file__).with_name("digits.bin").read_bytes(), np.uint8).reshape(-1, 65)
TRAIN, TEST = ROWS[:-360], ROWS[-360:]
SIDE = np.linspace(-2.1, 2.1, 8)
GRID = np.stack(np.meshgrid(SIDE, -SIDE), axis=-1).reshape(-1, 2)  # z1 to the right, z2 upwards
BATCH = 128

vae, optimizer = VAE(64, (64,), 2), Adam(5e-3)


def start() -> None:
    """Forget all that was learned."""
    global vae, optimizer
    vae, optimizer = VAE(64, (64,), 2), Adam(5e-3)


def steps(n: int, beta: float) -> None:
    """Make ``n`` steps, and print the losses, the latent means of the test digits, and what the grid decodes to."""
    vae.beta = beta
    losses = []
    for _ in range(n):
        epoch, batch = divmod(vae.step, len(TRAIN) // BATCH)
        rows = np.random.default_rng(epoch).permutation(len(TRAIN))[batch * BATCH : (batch + 1) * BATCH]
        terms = vae.loss_and_gradients(TRAIN[rows, :64] > 8)
        optimizer.step(vae)
        losses.append([vae.step, terms.loss, terms.recon_nll, terms.kl])
    mu = vae.encode(TEST[:, :64] > 8)[0]
    pixels = (255 * vae.decode(GRID)).astype(int)
    print(
        json.dumps(
            {"losses": losses, "mu": mu.round(3).tolist(), "digits": TEST[:, 64].tolist(), "pixels": pixels.tolist()}
        )
    )
