"""``minivae bench``: which backend is how fast, against each other and against PyTorch and JAX.

    problem.py      what is trained: sizes, data, start     plain.py        a training step in plain NumPy
    arguments.py    the arrays that kernels are given       peers.py        the model in PyTorch and in JAX
    calls.py        every kernel, its bytes and its flops   gpu.py          contenders on an NVIDIA GPU
    verify.py       kernels against the reference           contenders.py   every contender by its name
    roofs.py        kernels against the machine             worker.py       the process of one contender
    facts.py        what a process knows of itself          processes.py    those processes, as the parent sees them
    turns.py        the clock: turns, medians, ratios       suite.py        all of it in order
    report.py       the result in lines                     chart.py        the result as a figure
    ladder.py       the speed ladder: from plain NumPy to the Numba backend

Nothing else imports this package but the command.
"""
