"""``minivae bench``: which backend is how fast, against each other and against PyTorch and JAX.

    problem.py      what is trained: sizes, data, start     contenders.py   every contender by its name
    arguments.py    the arrays that kernels are given       peers.py        the model in PyTorch and in JAX
    calls.py        every kernel, its bytes and its flops   child.py        the process of one contender
    verify.py       kernels against the reference           processes.py    the other end of the wire
    roofs.py        kernels against the machine             facts.py        what a process knows of itself
    interleave.py   turns, medians, ratios pair by pair     suite.py        all of it in order
    report.py       the result in lines                     pictures.py     the result as a figure

Nothing else imports this package but the command.
"""
