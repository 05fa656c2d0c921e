"""Progress on standard error: a bar on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Timer
from time import perf_counter

from minivae.system.streams import print_line

History = dict[str, list[float]]
Advance = Callable[[int], object]


def summary(history: History, is_sum: bool = True) -> str:
    """The last epoch in one line; the loss need not be the two terms' sum."""
    last = {name: values[-1] for name, values in history.items()}
    parts = f"reconstruction {last['recon_nll']:.3f} + {'beta * ' * is_sum}KL {last['kl']:.3f}"
    text = f"loss {last['loss']:.3f}" + f", -ELBO {-last['elbo']:.3f}" * (not is_sum) + f" = {parts}"
    return text + (f", validation {last['val_loss']:.3f}" if "val_loss" in last else "")


def epochs_shown(
    epochs: range, history: History, progress: bool, unit: str = "epoch", summarise: Callable[[History], str] = summary
) -> Iterator[int]:
    """The epochs, with a bar or about twenty lines."""
    if not progress or sys.stderr is None:
        yield from epochs
        return
    if not sys.stderr.isatty():
        every = max(1, len(epochs) // 20)
        for epoch in epochs:
            yield epoch
            if epoch % every == 0 or epoch == epochs[-1]:
                print_line(f"{unit} {epoch}/{epochs[-1]}  {summarise(history)}", to_stderr=True)
        return
    from tqdm import tqdm

    with tqdm(epochs, unit=unit, ascii=True, dynamic_ncols=True) as bar:
        for epoch in bar:
            yield epoch
            bar.set_postfix_str(summarise(history))


@contextmanager
def said_if_slow(what: str, progress: bool) -> Iterator[None]:
    """Report what takes longer than a second, and at the end how long it took."""
    if not progress or sys.stderr is None:
        yield
        return

    say = partial(print_line, to_stderr=True)
    timer, start = Timer(1.0, say, (f"{what} (only the first time) ...",)), perf_counter()
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if perf_counter() - start > 1:
        say(f"{what} took {perf_counter() - start:.1f} s")


@contextmanager
def samples_shown(total: int, progress: bool) -> Iterator[Advance]:
    """A function to call with the number of samples done, which shows them."""
    if not progress or sys.stderr is None:
        yield lambda n: None
    elif sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(total=total, desc="log p(x)", unit="sample", unit_scale=True, ascii=True, dynamic_ncols=True) as bar:
            yield bar.update
    else:
        done = 0

        def advance(n: int) -> None:
            nonlocal done
            before, done = done, done + n
            if done * 10 // total > before * 10 // total:
                print_line(f"log p(x): {done:,} of {total:,} samples", to_stderr=True)

        yield advance
