"""The whole benchmark: verify, let the contenders take turns at a training step, and with ``full`` the rest."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from minivae.backend import uses_tf32
from minivae.benchmark import gpu, turns
from minivae.benchmark.calls import calls_of
from minivae.benchmark.contenders import EPOCH, PASSES, PEER_NAMES, PEERS
from minivae.benchmark.game import PREFIX
from minivae.benchmark.problem import SMALL, Problem
from minivae.benchmark.processes import PATIENCE, BenchmarkError, Child, Failed, Skipped
from minivae.benchmark.roofs import under_the_roof
from minivae.benchmark.turns import BLOCK, PAUSE, WARM_UP, say, show_rounds, spread, take_turns, time_epoch

OTHER_BATCHES = (20, 512)
DRAWS = 5  # of an IWAE
LARGE_BATCH, LARGE_EPOCH = 4096, 64  # so many steps that what is done once in an epoch counts little
ROUNDS_OF_EPOCHS = 3


@dataclass
class Suite:
    """The settings of a benchmark; ``skipped`` collects who could not take part, and why."""

    backends: Sequence[str]
    peers: Sequence[str] = ()
    problem: Problem = field(default_factory=Problem)
    rounds: int = 10
    full: bool = False
    patience: float = PATIENCE
    skipped: dict[str, str] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """Everything, as plain values for JSON.

        Raises
        ------
        BenchmarkError
            If a kernel is wrong, before anything is timed; if a contender fails, dies, hangs, or does not train.
        ValueError
            If no backend can be used here.
        """
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # processes that wanted a core lately
        verified = self.verify()
        steps = self.time_steps(self.problem)
        small = {name: self.time_briefly(problem, name) for name, problem in SMALL.items()}
        us = {
            name: {who: 1e3 * timing["median"] for who, timing in row["timings"].items()} for name, row in small.items()
        }
        game, iwae = self.time_game(), self.time_briefly(replace(self.problem, draws=DRAWS))
        result = {
            "batch_size": self.problem.batch_size,
            "training_step_ms": {name: timing["median"] for name, timing in steps["timings"].items()},
            "ratios": {name: ratio["median"] for name, ratio in steps["ratio_ranges"].items()},
            **steps,
            "overhead_us": us["overhead"],
            "table_step_us": us["table"],
            "small": small,
            "gan_step_ms": {name: timing["median"] for name, timing in game["timings"].items()},
            "gan": game,
            "iwae_step_ms": {name: timing["median"] for name, timing in iwae["timings"].items()},
            "iwae": iwae,
            "verified": verified,
            "protocol": self.protocol(),
            "problem": asdict(self.problem),
            "load_average": load,
        }
        if self.full:
            problems = {str(size): replace(self.problem, batch_size=size) for size in OTHER_BATCHES}
            result["batches"] = {size: self.time_briefly(problem) for size, problem in problems.items()}
            result |= self.time_kernels() | self.time_epochs()
        if self.has_gpu:
            result["gpu"] = {"epoch": self.time_epoch_on_gpu(), **self.time_large_batch()}
        return result | {"skipped": self.skipped}

    def protocol(self) -> str:
        """How the steps are timed."""
        p = self.problem
        return (
            f"A step of {p.input_dim}-{p.hidden_dim}-{p.latent_dim}, float32, is: a slice of {p.batch_size} examples, "
            "fresh noise, forward, backward, Adam. Every contender has a process of its own; they take turns for "
            f"{self.rounds} rounds, each with {PAUSE:g} s of rest, about {WARM_UP:g} s of steps that do not count, and "
            f"about {BLOCK:g} s of steps that do (jax scan and ours: whole epochs; ours gather shuffled rows, as fit "
            "does, and what it does once in an epoch is part of their steps). Compilation is in no timing. Ratios are "
            "taken pair by pair in each round. Overhead is a step of 8-8-2 at batch 4, table one of 13-50-4 at batch "
            "32. A step of a GAN is that of lesson 19 on its ring: 8-128-128-2 against 2-128-128-1, batch 256, "
            "relativistic loss, approximate R1; PyTorch's autograd agrees with our gradients. "
            f"That of an IWAE has {DRAWS} draws of each example, and the plain gradient of their bound."
        ) + (self.protocol_on_gpu() if self.has_gpu else "")

    def protocol_on_gpu(self) -> str:
        """What is different there."""
        steps = as_long_as_mnist(self.problem).batches
        peers = " Peers that are not on the GPU take part at this batch only." if self.peers else ""
        tf32 = " Products on the GPU are TF32's." if uses_tf32() else ""
        return f" Those on the GPU have the data of an epoch of {steps} steps there.{peers}{tf32}"

    # -- verification ----------------------------------------------------------------------------------------

    def verify(self) -> dict[str, int]:
        """The number of calls of each backend that agree with the reference: all of them, or BenchmarkError."""
        verified = {}
        for name in self.backends:
            with Child(name, self.problem, self.patience) as child:
                try:
                    mismatch = child.ask("verify")
                except Skipped as reason:
                    self.skip(name, reason)
                    continue
            if mismatch:
                raise BenchmarkError(mismatch)
            calls = calls_of(name)
            verified[name] = len(calls)
            kernels = len({call.function for call in calls})
            say(f"verify {name} ... {len(calls)} calls of {kernels} kernels agree in float32 and float64")
        if not verified:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in self.skipped.items())
            raise ValueError(f"there is no backend left to time ({reasons})")
        return verified

    def skip(self, name: str, reason: object) -> None:
        """Leave a contender out, and say so."""
        self.skipped[name] = str(reason)
        say(f"skipped {name}: {reason}")

    # -- training steps --------------------------------------------------------------------------------------

    def names(self, problem: Problem) -> list[str]:
        """The contenders that have not been skipped, for a problem; see :meth:`protocol_on_gpu`."""
        names = [*self.backends, *(name for group in self.groups().values() for name in group)]
        left_out = {*self.skipped, *(PEER_NAMES if self.has_gpu and problem != self.problem else ())}
        left_out |= {*gpu.CONTENDERS} if problem.draws > 1 else set()  # which have one
        return [name for name in names if name not in left_out]

    def groups(self) -> dict[str, tuple[str, ...]]:
        """The peers by framework, and those on the GPU where one of our backends is there."""
        groups = {peer: PEERS[peer] for peer in self.peers}
        return groups | ({"torch cuda": gpu.TORCH} if "torch" in groups and self.has_gpu else {})

    @property
    def has_gpu(self) -> bool:
        """True if the backend on the GPU takes part."""
        return "cupy" in self.backends and "cupy" not in self.skipped

    def start_all(self, problem: Problem, stack: ExitStack, what: str) -> tuple[dict[str, Child], dict[str, Any]]:
        """A process for each contender, ready to be timed, and what it said of its start."""
        children, answers = {}, {}
        for name in self.names(problem):
            its = as_long_as_mnist(problem) if name in gpu.CONTENDERS else problem
            child = stack.enter_context(Child(name, its, self.patience))
            try:
                answers[name] = turns.start(child)
            except Skipped as reason:
                self.skip(name, reason)
            except Failed as error:
                if name in self.backends:
                    raise
                self.skip(name, error)  # such as torch.compile without a C++ compiler
            else:
                children[name] = child
                say(f"{what}: {name} is ready (first step {answers[name]['first_step_seconds']:.2f} s)")
        return children, answers

    def time_steps(self, problem: Problem, what: str | None = None) -> dict[str, Any]:
        """Milliseconds per training step, contender by contender, and their ratios."""
        what = what or f"batch {problem.batch_size}" + f", {problem.draws} draws" * (problem.draws > 1)
        with ExitStack() as stack:
            children, starts = self.start_all(problem, stack, what)
            blocks = {name: turns.block_timer(child) for name, child in children.items()}
            timings = take_turns(blocks, show_rounds(self.rounds, f"timing {what}"))
            facts = {name: child.ask("facts") for name, child in children.items()}
            memory = {name: child.ask("memory") for name, child in children.items()}
        ranges = turns.ratios(timings, self.backends, self.groups())
        return {
            "timings": {name: spread(values) | {"rounds": values} for name, values in timings.items()},
            "ratio_ranges": {name: spread(values) for name, values in ranges.items()},
            "starts": starts,
            "peak_memory_mb": memory,
            "machine": facts,
        }

    def time_game(self) -> dict[str, Any]:
        """Milliseconds per step of a GAN on the processor, of our backends and of PyTorch eager."""
        ours = [name for name in self.backends if name not in (*self.skipped, *gpu.CONTENDERS)]
        eager = ["torch eager"] if "torch" in self.peers and "torch eager" not in self.skipped else []
        with ExitStack() as stack:
            blocks = {}
            for name in [*ours, *eager]:
                child = stack.enter_context(Child(PREFIX + name, self.problem, self.patience))
                child.ask("load")
                if name in eager and (mismatch := child.ask("verify")):
                    raise BenchmarkError(mismatch)
                child.ask("ready")
                blocks[name] = turns.block_timer(child)
            timings = take_turns(blocks, show_rounds(self.rounds, "timing a GAN"))
        ranges = turns.ratios(timings, ours, {})
        return {
            "timings": {name: spread(values) for name, values in timings.items()},
            "ratio_ranges": {name: spread(values) for name, values in ranges.items()},
        }

    def time_briefly(self, problem: Problem, what: str | None = None) -> dict[str, Any]:
        """The same of another problem, in short."""
        steps = self.time_steps(problem, what)
        return {name: steps[name] for name in ("timings", "ratio_ranges")}

    def time_epoch_on_gpu(self) -> dict[str, Any]:
        """Seconds for an epoch as long as MNIST's, of the backend on the GPU."""
        problem = as_long_as_mnist(self.problem)
        with Child("cupy", problem, self.patience) as child:
            turns.start(child)
            time_epoch(child)  # also compiles what no step has used
            seconds = spread([time_epoch(child) for _ in range(self.rounds)])
        return {"batch_size": problem.batch_size, "steps": problem.batches, **seconds}

    def time_large_batch(self) -> dict[str, Any]:
        """A step of the backend on the GPU at a batch so large that its products alone should matter."""
        problem = replace(self.problem, batch_size=LARGE_BATCH, examples=LARGE_EPOCH * LARGE_BATCH)
        with Child("cupy", problem, self.patience) as child:
            turns.start(child)
            ms = min(child.ask("run", steps=problem.batches) for _ in range(ROUNDS_OF_EPOCHS))
            peak, facts = child.ask("peak"), child.ask("device_facts")
        per_second = gpu.step_flops(problem) / (ms / 1e3)
        step = {"batch_size": LARGE_BATCH, "epoch_steps": problem.batches, "ms": ms}
        return facts | step | {"peak": peak, "fraction_of_peak": per_second / peak}

    # -- with full -------------------------------------------------------------------------------------------

    def time_kernels(self) -> dict[str, Any]:
        """Each kernel of each backend, and NumPy's matrix products, against the roofs of this machine."""
        say("timing the copy bandwidth, the peak of matrix products, and NumPy's products of a step")
        with Child("numpy", self.problem, self.patience) as child:
            answer = child.ask("roofs")
        rows = {"NumPy's products": answer["rows"]}
        for name in self.backends:
            if name not in (*self.skipped, *gpu.CONTENDERS):  # the roofs are those of the processor
                say(f"timing the kernels of {name}")
                with Child(name, self.problem, self.patience) as child:
                    rows[name] = child.ask("kernels")
        products, *kernels = [[under_the_roof(row, answer["roofs"]) for row in table] for table in rows.values()]
        return {"roofs": answer["roofs"], "products": products, "kernels": dict(zip([*rows][1:], kernels, strict=True))}

    def time_epochs(self) -> dict[str, Any]:
        """Epochs as long as MNIST's, and passes over a set as large as its test set."""
        problem = as_long_as_mnist(self.problem)
        with ExitStack() as stack:
            children, _ = self.start_all(problem, stack, "epoch")
            if self.has_gpu:
                time_epoch(children["cupy"])  # also compiles what no step has used
            epochs = {name: partial(time_epoch, child) for name, child in children.items()}
            seconds = take_turns(epochs, show_rounds(ROUNDS_OF_EPOCHS, "timing an epoch"))
            passes = {name: child.ask("passes") for name, child in children.items()}
        return {
            "epoch_seconds": {name: spread(values) for name, values in seconds.items()},
            "epoch_steps": problem.batches,
            "examples_per_second": {
                name: {what: PASSES[what] / seconds for what, seconds in answer.items()}
                for name, answer in passes.items()
                if answer
            },
        }


def as_long_as_mnist(problem: Problem) -> Problem:
    """The same with the data of an epoch of MNIST, in whole batches."""
    return replace(problem, examples=math.ceil(EPOCH / problem.batch_size) * problem.batch_size)
