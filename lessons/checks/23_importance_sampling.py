"""Exercise 23: judged in decimal arithmetic with a range that exp(-2000) does not leave."""

from decimal import Context, Decimal

import numpy as np

from minivae.learn import Exercise, Wrong

EXACT = Context(prec=40)


def draw(rng, sizes):
    spread = 2 * rng.standard_normal((10 * sizes.H, sizes.B))
    return {"log_w": spread - 300 * np.arange(sizes.B) - (700 if sizes.B == 6 else 0)}


def in_decimals(log_w):
    columns = [[EXACT.exp(Decimal(value)) for value in column] for column in log_w.T.tolist()]
    log_px = [float(EXACT.ln(EXACT.divide(sum(w), Decimal(len(w))))) for w in columns]
    ess = [float(EXACT.divide(sum(w) ** 2, sum(value * value for value in w))) for w in columns]
    return np.array(log_px), np.array(ess)


def weights(log_w):
    return np.exp(log_w - log_w.max(axis=0))


def is_right_for_equal_weights(function):
    """S equal weights are worth S draws, and their mean is what they all are."""
    log_px, ess = function(np.full((50, 2), -2000.0))
    if np.allclose(log_px, -2000) and np.allclose(ess, 50):
        return ""
    return f"50 equal weights of exp(-2000) give log_px {log_px[0]:.4g} and ess {ess[0]:.4g}, not -2000 and 50"


exercise = Exercise(
    title="log p(x) from log weights, and how many draws did the work",
    lesson=14,
    function="importance_sampling",
    returns=("log_px", "ess"),
    draw=draw,
    oracle=in_decimals,
    laws=(is_right_for_equal_weights,),
    hints=(
        "What becomes of log(mean(w)) if every weight is multiplied by the same number? And of ess?",
        "log_px = m + log(mean(exp(log_w - m))), with m the largest of the column; in ess that factor cancels.",
        "m = log_w.max(axis=0);  w = np.exp(log_w - m);  log_px = ... + np.log(...);  ess = w.sum(axis=0) ** 2 / ...",
    ),
    why="With S = 1 it is the ELBO's single draw; with more it only gets better, on average. Report the ess beside it.",
    wrong=(
        Wrong(
            "log_px",
            "it is the mean of the logarithms, and not the logarithm of the mean: that is the ELBO",
            lambda log_w: log_w.mean(axis=0),
        ),
        Wrong(
            "ess",
            "means stand where sums belong: that is the share of the draws, ess / S",
            lambda log_w: in_decimals(log_w)[1] / len(log_w),
        ),
    ),
)
