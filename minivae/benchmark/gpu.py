"""Contenders on an NVIDIA GPU: our captured graph, and PyTorch in its three ways. Not yet run on a GPU.

Float32 without TF32, unless ``MINIVAE_TF32=1`` asks all of them for it. No step waits for its loss: whoever times a
series of steps waits for the device at its end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from minivae.backend import load, uses_tf32
from minivae.benchmark import peers
from minivae.benchmark.problem import BETAS, EPSILON, LEARNING_RATE, Problem, Run
from minivae.benchmark.roofs import seconds_of

if TYPE_CHECKING:
    import torch

EAGER, COMPILED, GRAPH = "torch eager cuda", "torch compile cuda", "torch graph cuda"
TORCH = (EAGER, COMPILED, GRAPH)
CONTENDERS = ("cupy", *TORCH)
WARM_UP = 3  # steps on a side stream before PyTorch captures one, as its manual asks
LARGE = 8192  # the side of the matrices whose product counts as the peak


# ---------------------------------------------------------------------------------------------------------
# Ours


def peak() -> float:
    """Flops per second of the fastest cuBLAS product of large float32 matrices."""
    kernels = load("cupy")
    a, b, out = (kernels.zeros((LARGE, LARGE), "float32") for _ in range(3))
    for step, factor in enumerate((a, b)):  # a chip that multiplies constants runs faster than it does in earnest
        kernels.standard_normal(0, 0, step, np.arange(LARGE), out=factor)
    one = kernels.zeros(1, "float32")
    seconds = seconds_of(lambda: kernels.graph.matmul(a, b, out), wait=lambda: kernels.to_numpy(one))
    return 2 * LARGE**3 / seconds


def step_flops(problem: Problem) -> int:
    """Those of the products of a training step: x W, x^T da, and da W^T for all layers but the first."""
    D, H, K = problem.input_dim, problem.hidden_dim, problem.latent_dim
    forwards = D * H + H * 2 * K + K * H + H * D
    return 2 * problem.batch_size * (3 * forwards - D * H)


def device_facts() -> dict[str, Any]:
    """The GPU, the driver and the libraries, as CuPy tells of them."""
    import cupy

    properties, runtime = cupy.cuda.runtime.getDeviceProperties(0), cupy.cuda.runtime
    return {
        "device": properties["name"].decode(),
        "driver": runtime.driverGetVersion(),
        "cuda": runtime.runtimeGetVersion(),
        "tf32": uses_tf32(),
    }


# ---------------------------------------------------------------------------------------------------------
# PyTorch


def torch_run(problem: Problem, name: str) -> Run:
    """Training steps in PyTorch on the GPU: eager, torch.compile(mode="reduce-overhead"), or a captured CUDA graph."""
    import torch

    if not torch.cuda.is_available():
        raise ImportError("PyTorch finds no GPU: torch.cuda.is_available() is False")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = uses_tf32()
    torch.manual_seed(0)
    model = peers.torch_model(problem.layers()).cuda()
    data = torch.from_numpy(problem.data()).cuda().split(problem.batch_size)
    adam = torch.optim.Adam(
        model.parameters(), lr=LEARNING_RATE, betas=BETAS, eps=EPSILON, fused=True, capturable=name == GRAPH
    )
    if name == GRAPH:
        train = captured(model, adam, data[0])
    else:
        loss_of = torch.compile(model, mode="reduce-overhead", fullgraph=True) if name == COMPILED else model
        train = peers.torch_step(loss_of, adam)
    return in_series(train, data)


def captured(
    model: torch.nn.Module, adam: torch.optim.Optimizer, x: torch.Tensor
) -> Callable[[torch.Tensor], torch.Tensor]:
    """The same step as one CUDA graph, by hand: a batch is copied to where the graph looks for it."""
    import torch

    place, train, side = x.clone(), peers.torch_step(model, adam), torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            train(place)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    adam.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        loss = train(place)

    def replay(x: torch.Tensor) -> torch.Tensor:
        place.copy_(x)
        graph.replay()
        return loss

    return replay


def in_series(train: Callable[[torch.Tensor], torch.Tensor], data: Any) -> Run:
    """So many steps, from where the last call ended; only the first loss and the last are looked at, at the end."""
    step = 0

    def run(n: int) -> tuple[float, float]:
        nonlocal step
        first = train(data[step % len(data)]).clone()
        loss = first
        for i in range(step + 1, step + n):
            loss = train(data[i % len(data)])
        step += n
        return float(first), float(loss)

    return run
