"""The same training by PyTorch's autograd and Adam: what our backward passes are held against (reproduce.py --twin).

It takes over the model's own memory: its tensors are views of the parameter vector, its moments views of those of the
model's optimizer. So evaluation and checkpoints are those of any other model, and only the training is PyTorch's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from tqdm import tqdm

from minivae import VAE

try:
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
except ModuleNotFoundError as error:
    raise SystemExit(f'{error}: python -m pip install --editable ".[peers]"') from None


def loss(w: dict[str, torch.Tensor], x: torch.Tensor, eps: torch.Tensor, objective: str) -> torch.Tensor:
    """Minus the bound of x (B, D), its mean over the batch, for noise eps (B, S, K); w are the model's parameters."""

    def hidden(v: torch.Tensor, part: str) -> torch.Tensor:
        for i in range(sum(name.startswith(f"{part}.hidden.") for name in w) // 2):
            v = torch.tanh(v @ w[f"{part}.hidden.{i}.W"] + w[f"{part}.hidden.{i}.b"])
        return v

    h = hidden(x, "encoder")
    mu, logvar = ((h @ w[f"encoder.{name}.W"] + w[f"encoder.{name}.b"])[:, None] for name in ("mu", "logvar"))
    z = mu + torch.exp(logvar / 2) * eps
    logits = hidden(z, "decoder") @ w["decoder.output.W"] + w["decoder.output.b"]
    recon_nll = cross_entropy(logits, x[:, None].expand_as(logits), reduction="none").sum(-1)
    if objective == "elbo":
        return (recon_nll + 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(-1)).mean()
    log_w = -recon_nll + 0.5 * (eps**2 + logvar - z**2).sum(-1)
    return -(torch.logsumexp(log_w, 1) - torch.log(torch.tensor(float(log_w.shape[1])))).mean()


def tensors_of(vae: VAE) -> tuple[dict[str, torch.Tensor], torch.optim.Adam]:
    """The model's parameters and its Adam as PyTorch's, in the same memory."""
    w = {name: torch.from_numpy(array).requires_grad_() for name, array in vae.parameters.items()}
    adam, state = vae.optimizer, vae.optimizer.state_of(vae)
    optimizer = torch.optim.Adam(w.values(), adam.learning_rate, adam.betas, adam.epsilon)
    m, v = (vae.store.views(state.arrays[name])[1] for name in ("m", "v"))
    for name, tensor in w.items():
        moments = {"exp_avg": torch.from_numpy(m[name]), "exp_avg_sq": torch.from_numpy(v[name])}
        optimizer.state[tensor] = {"step": torch.tensor(float(state.t)), **moments}
    return w, optimizer


def fit_by_torch(vae: VAE, x, epochs: int, batch_size: int, seed: int, schedule: Callable, callbacks, row) -> None:
    """As ``fit``; order, pixels and noise are a function of (seed, epoch), so that it can be cut and goes on."""
    w, optimizer = tensors_of(vae)
    pixels, rate = torch.from_numpy(x), vae.optimizer.learning_rate
    for epoch in tqdm(range(vae.epoch, vae.epoch + epochs), ascii=True, file=sys.stderr, desc="epochs by PyTorch"):
        chance = torch.Generator().manual_seed(1_000_000 * seed + epoch)
        optimizer.param_groups[0]["lr"] = rate * schedule(epoch)
        total = 0.0
        for rows in torch.randperm(len(x), generator=chance).split(batch_size):
            binary = torch.bernoulli(pixels[rows], generator=chance)
            eps = torch.randn(len(rows), row.draws, vae.latent_dim, generator=chance)
            optimizer.zero_grad()
            of_batch = loss(w, binary, eps, row.objective)
            of_batch.backward()
            optimizer.step()
            total += of_batch.item() * len(rows)
            vae.step += 1
        vae.epoch, vae.optimizer.state_of(vae).t = epoch + 1, vae.step
        for callback in callbacks:
            callback(vae, vae.epoch, {"loss": total / len(x)})
