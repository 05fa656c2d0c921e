"""Wrong answers that no list knows, each with its true cause, and right answers that go another way.

A wrong answer is the solution, or the answer in ``OTHER``, with ``old`` replaced by ``new``, or, where ``old`` is None, with ``new`` in the place of
the learner's lines; there, ``# here`` marks the wrong line. ``cause`` is a regular expression that a true diagnosis
matches; the line that it names has to be the one that was changed. Written before the search that they judge.
"""

# ruff: noqa: E501
from minivae.learn.catalogue import with_stub

SIGN = r"sign|minus"
ORDER = r"order|exchanged|swapped|right values of"
OPERATOR = r"operator|sign|power"
BRACKETS = r"bracket"
FACTOR = r"factor"
TERM = r"term"
POWER = r"power|operator|factor|square"
FUNCTION = r"function"
NAME = r"name"
AXIS = r"axis"
CONSTANT = r"constant|factor|number"
INDEX = r"index|axis|\[:, None\]"
TRANSPOSED = r"transpos|\.T|order"
UPSTREAM = r"upstream|factor"
COMPARISON = r"comparison"

# Right answers that go another way than the solutions: the wrong ones below are made from these.
OTHER = {
    "05": (
        "softplus = np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits)))\n"
        "return np.sum(softplus - x * logits, axis=1)\n"
    ),
    "06": ("return dnll[:, None] * (expit(logits) - x)\n"),
    "07": (
        "error = mean - x\n"
        "dmean = dnll[:, None] * error / np.exp(logvar)\n"
        "dlogvar = np.sum(dnll[:, None] * 0.5 * (1 - error**2 / np.exp(logvar)), keepdims=True)[0]\n"
    ),
    "08": (
        "e = np.exp(logits - logits.max(axis=1, keepdims=True))\n"
        "p = e / e.sum(axis=1, keepdims=True)\n"
        "return dnll[:, None] * (p - x)\n"
    ),
    "11": ("return 0.5 * np.sum(mu**2 + np.exp(logvar) - 1 - logvar, axis=1)\n"),
    "12": ("dmu = dkl[:, None] * mu\ndlogvar = dkl[:, None] * 0.5 * (np.exp(logvar) - 1)\n"),
    "14": ("dmu = dz\ndlogvar = dz * eps * np.exp(logvar / 2) / 2\n"),
    "16": (
        "dmu = dz + beta / B * mu\ndlogvar = dz * eps * np.exp(logvar / 2) / 2 + beta / B * (np.exp(logvar) - 1) / 2\n"
    ),
    "18": (
        "m = beta1 * m + (1 - beta1) * g\n"
        "v = beta2 * v + (1 - beta2) * g**2\n"
        "m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)\n"
        "w = w - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)\n"
    ),
    "30": ("r = (mean - x) ** 2 * np.exp(-logvar)\nreturn np.sum(0.5 * (np.log(2 * np.pi) + logvar + r), axis=1)\n"),
}

WRONG = {
    "01": [
        ("(f(x + step) - f(x - step))", "(f(x - step) - f(x + step))", f"{SIGN}|{ORDER}"),
        ("(2 * h)", "(2 + h)", OPERATOR),
        ("step[index] = h", "step[index] = 2 * h", FACTOR),
        ("step = np.zeros_like(x)", "step = np.ones_like(x)", FUNCTION),
        ("step[index] = h", "step[0] = h", INDEX),
        ("step = np.zeros_like(x)", "step = np.zeros(x.shape, dtype=int)", "whole numbers|dtype|int"),
        ("gradient = np.zeros_like(x)", "gradient = np.zeros(x.shape, int)", "whole numbers|dtype|int"),
        (
            None,
            "before = x[index]\nx[index] = before + h\nabove = f(x)\nx[index] = before - h\nbelow = f(x)\n"
            "x[index] = before + h  # here\ngradient[index] = (above - below) / (2 * h)",
            f"{TERM}|in place",
        ),
        ("2 * h", "h * h", f"{NAME}|{CONSTANT}|{OPERATOR}"),
        ("f(x + step) - f(x - step)", "f(x + step) + f(x - step)", SIGN),
        ("(f(x + step)", "abs(f(x + step)", FUNCTION),
    ],
    "02": [
        ("a - n", "a + n", SIGN),
        ("max(", "min(", FUNCTION),
        ("1e-8)\n", "1e-6)\n", CONSTANT),
        ("+ np.linalg.norm(n.ravel())", "* np.linalg.norm(n.ravel())", OPERATOR),
        ("+ np.linalg.norm(n.ravel())", "+ np.linalg.norm(a.ravel())", NAME),
        ("(a - n).ravel())", "(a - n).ravel(), 1)", r"argument|norm"),
        (
            None,
            "gap = np.sum((a - n) ** 2) ** 0.5\n"
            "return gap / max(np.sum(a**2) ** 0.5 + np.sum(n**2) ** 0.5, 1e-8) ** 2  # here",
            POWER,
        ),
        (
            None,
            "return np.linalg.norm(a - n, axis=0) / max(np.linalg.norm(a) + np.linalg.norm(n), 1e-8)  # here",
            AXIS,
        ),
        (
            "np.linalg.norm(a.ravel()) + np.linalg.norm(n.ravel())",
            "np.linalg.norm((a + n).ravel())",
            f"{BRACKETS}|norm|{TERM}",
        ),
    ],
    "03": [
        ("dx = dy @ W.T", "dx = dy @ W", TRANSPOSED),
        ("dW = x.T @ dy", "dW = dy.T @ x", TRANSPOSED),
        ("dx = dy @ W.T", "dx = dy * W.T", OPERATOR),
        ("np.sum(dy, axis=0)", "np.sum(dy)", AXIS),
        ("np.sum(dy, axis=0)", "np.sum(dy, axis=0, keepdims=True)", "keepdims"),
        ("np.sum(dy, axis=0)", "np.sum(x, axis=0)", NAME),
        ("return dx, dW, db", "return dx, db, dW", ORDER),
        ("dx = dy @ W.T", "dx = -dy @ W.T", SIGN),
        ("np.sum(dy, axis=0)", "np.max(dy, axis=0)", FUNCTION),
        (
            None,
            "dx, dW, db = np.zeros_like(x), np.zeros_like(W), np.zeros(W.shape[1])\nfor b in range(len(x)):\n"
            "    for o in range(W.shape[1]):\n        dx[b] = dy[b, o] * W[:, o]  # here\n"
            "        dW[:, o] += x[b] * dy[b, o]\n        db[o] += dy[b, o]",
            r"\+=",
        ),
        (None, 'dx = dy @ W.T\ndW = np.einsum("bi,bo->oi", x, dy)  # here\ndb = dy.sum(0)', TRANSPOSED),
    ],
    "04": [
        ("y > 0", "y < 0", COMPARISON),
        ("1 - y**2", "1 + y**2", SIGN),
        ("1 - y**2", "1 - y**3", f"{CONSTANT}|{POWER}"),
        ("dy * derivative", "dy + derivative", OPERATOR),
        ('"relu" else', '"ReLU" else', r"text|string|relu"),
        ("1 - y**2", "(1 - y)**2", BRACKETS),
        ("dy * derivative", "dy / derivative", OPERATOR),
        ("dy * derivative", "derivative", UPSTREAM),
        (None, 'if activation == "relu":\n    return dy * (y > 0)\nreturn dy * (1 - y) * (1 - y)  # here', SIGN),
        (None, 'return dy * (y > 0) if activation == "relu" else dy * 1 - y**2  # here', BRACKETS),
        ("y > 0", "y > 1", CONSTANT),
        ("if activation ==", "if activation !=", COMPARISON),
    ],
    "05": [
        ("-np.abs(logits)", "np.abs(logits)", SIGN),
        ("np.log1p(np.exp(", "np.log(np.exp(", FUNCTION),
        ("np.maximum(", "np.minimum(", FUNCTION),
        ("- x * logits", "+ x * logits", SIGN),
        ("axis=1", "axis=0", AXIS),
        (", axis=1)", ")", AXIS),
        ("- x * logits", "- x", FACTOR),
        (None, "softplus = np.logaddexp(0, logits)\nreturn np.sum(softplus, axis=1) - x * logits  # here", BRACKETS),
        ("np.exp(-np.abs(logits))", "(-np.abs(logits))", FUNCTION),
        ("np.maximum(logits, 0)", "np.maximum(logits, 1)", CONSTANT),
        ("x * logits", "x * softplus", NAME),
        ("np.log1p(np.exp(-np.abs(logits)))", "np.log2(1 + np.exp(-np.abs(logits)))", FUNCTION),
        ("np.exp(-np.abs(logits))", "np.exp(-logits)", f"{FUNCTION}|overflow|infinite"),
    ],
    "06": [
        ("dnll[:, None]", "dnll[None, :]", INDEX),
        ("expit(logits)", "expit(-logits)", SIGN),
        ("- x)", "+ x)", SIGN),
        ("dnll[:, None] * (expit(logits) - x)", "dnll[:, None] * expit(logits) - x", BRACKETS),
        ("dnll[:, None] *", "dnll *", INDEX),
        ("dnll[:, None] * ", "", UPSTREAM),
        ("expit(logits) - x", "expit(logits - x)", BRACKETS),
        ("expit(logits) - x", "expit(logits) * x", OPERATOR),
        (None, "import numpy as np\np = 1 / (1 - np.exp(-logits))  # here\nreturn dnll[:, None] * (p - x)", SIGN),
        ("dnll[:, None]", "dnll.sum()", f"{INDEX}|{FUNCTION}|sum"),
        ("- x)", "- x) / len(x)", f"batch|{FACTOR}"),
    ],
    "07": [
        ("mean - x", "mean + x", SIGN),
        ("* error / np.exp(logvar)", "* error * np.exp(logvar)", OPERATOR),
        ("* error / np.exp(logvar)", "* error / np.exp(-logvar)", SIGN),
        ("error**2", "error", POWER),
        ("(1 - error**2 / np.exp(logvar))", "((1 - error**2) / np.exp(logvar))", BRACKETS),
        ("keepdims=True)[0]", "keepdims=True)", INDEX),
        ("keepdims=True)[0]", "axis=0)", f"{AXIS}|{FUNCTION}"),
        ("np.sum(dnll[:, None] * 0.5", "np.sum(0.5", UPSTREAM),
        ("dnll[:, None] * error", "dnll[:, None] + error", OPERATOR),
        ("0.5 * (1 ", "0.5 * (2 ", CONSTANT),
        (
            None,
            "variance = np.exp(logvar) ** 2  # here\ndmean = dnll[:, None] * (mean - x) / variance\n"
            "dlogvar = np.array([np.sum(dnll[:, None] * (1 - (mean - x) ** 2 / variance) / 2)])",
            POWER,
        ),
        ("return dmean, dlogvar", "return dlogvar, dmean", ORDER),
        ("np.sum(dnll", "np.mean(dnll", FUNCTION),
    ],
    "08": [
        ("(p - x)", "(p + x)", SIGN),
        ("e / e.sum(axis=1, keepdims=True)", "e / e.sum(axis=1)", "keepdims"),
        ("e.sum(axis=1", "e.max(axis=1", FUNCTION),
        ("logits - logits.max", "logits + logits.max", SIGN),
        ("e.sum(axis=1, keepdims=True)", "e.sum()", AXIS),
        ("logits.max(axis=1", "logits.max(axis=0", AXIS),
        ("dnll[:, None] * (p - x)", "dnll[:, None] * p - x", BRACKETS),
        (
            "np.exp(logits - logits.max(axis=1, keepdims=True))",
            "np.exp(logits.max(axis=1, keepdims=True) - logits)",
            f"{ORDER}|{SIGN}",
        ),
        ("(p - x)", "(p - x) * p", FACTOR),
        ("e.sum(axis=1", "e.mean(axis=1", FUNCTION),
        ("dnll[:, None] * (p - x)", "p - x", UPSTREAM),
        ("p = e / e.sum(axis=1, keepdims=True)", "p = np.log(e / e.sum(axis=1, keepdims=True))", FUNCTION),
    ],
    "09": [
        ("largest[:, 0] + np.log", "largest[:, 0] - np.log", SIGN),
        ("largest[:, 0] + np.log", "largest[:, 0] * np.log", OPERATOR),
        ("largest[:, 0]", "largest", INDEX),
        ("np.max(log_joint, axis=1", "np.max(log_joint, axis=0", AXIS),
        ("* dz", "/ dz", OPERATOR),
        ("* dz", "+ dz", OPERATOR),
        ("largest), axis=1)", "largest), axis=0)", AXIS),
        ("axis=1) * dz)", "axis=1)) * dz", BRACKETS),
        (
            None,
            "largest = np.max(log_joint, axis=1, keepdims=True)\nw = np.sum(np.exp(log_joint - largest), axis=1)\n"
            "return np.log(np.exp(largest[:, 0]) * w * dz)  # here",
            r"exp.* 0\b|too small",
        ),
        ("np.log(np.sum", "np.log10(np.sum", FUNCTION),
        ("np.max(", "np.min(", f"{FUNCTION}|overflow|infinite"),
        ("log_joint - largest)", "log_joint + largest)", SIGN),
    ],
    "10": [
        ("(log_joint - np.log(q))", "(log_joint + np.log(q))", SIGN),
        ("q * (log_joint - np.log(q))", "q * log_joint - np.log(q)", BRACKETS),
        ("(log_joint - np.log(q))", "(log_joint - q)", FUNCTION),
        ("log_joint - np.log(np.sum", "log_joint / np.log(np.sum", OPERATOR),
        (
            "np.log(np.sum(np.exp(log_joint), axis=1, keepdims=True))",
            "np.sum(np.exp(log_joint), axis=1, keepdims=True)",
            FUNCTION,
        ),
        ("(np.log(q) - log_posterior)", "(log_posterior - np.log(q))", f"{ORDER}|{SIGN}"),
        ("(log_joint - np.log(q)), axis=1", "(log_joint - np.log(q)), axis=0", AXIS),
        ("return elbo, gap", "return gap, elbo", ORDER),
        (", keepdims=True", "", "keepdims"),
        ("q * (np.log(q) - log_posterior)", "(np.log(q) - log_posterior)", FACTOR),
        ("(log_joint - np.log(q))", "(log_posterior - np.log(q))", NAME),
        (
            None,
            "log_px = np.logaddexp.reduce(log_joint, axis=1)\nelbo = np.sum(q * (log_joint - np.log(q)), axis=1)\n"
            "gap = elbo - log_px  # here",
            f"{ORDER}|{SIGN}",
        ),
    ],
    "11": [
        ("- 1 - logvar", "- 1 + logvar", SIGN),
        ("mu**2", "mu", POWER),
        ("- 1 - logvar", "+ 1 - logvar", SIGN),
        ("axis=1", "axis=0", AXIS),
        (", axis=1", "", AXIS),
        ("np.exp(logvar)", "np.exp(mu)", NAME),
        ("np.exp(logvar)", "logvar**2", f"{FUNCTION}|{POWER}"),
        ("mu**2", "mu * 2", f"{OPERATOR}|{POWER}"),
        (
            None,
            "kl = np.zeros(len(mu), dtype=int)  # here\nfor b in range(len(mu)):\n"
            "    kl[b] = 0.5 * np.sum(mu[b] ** 2 + np.exp(logvar[b]) - 1 - logvar[b])\nreturn kl",
            "whole numbers|dtype|int",
        ),
        (
            None,
            "kl = np.zeros(len(mu))\nfor k in range(1, mu.shape[1]):  # here\n"
            "    kl += 0.5 * (mu[:, k] ** 2 + np.exp(logvar[:, k]) - 1 - logvar[:, k])\nreturn kl",
            "constant|range|argument|number",
        ),
        (None, "return 0.5 * np.sum(mu**2 + np.exp(logvar) - 1, axis=1) - logvar  # here", BRACKETS),
        (" - 1 - logvar", " - 1", TERM),
        ("mu**2 + ", "", TERM),
    ],
    "12": [
        ("* mu\n", "* mu**2\n", POWER),
        ("np.exp(logvar) - 1)", "np.exp(logvar) + 1)", SIGN),
        ("dkl[:, None] * 0.5 *", "0.5 *", UPSTREAM),
        ("(np.exp(logvar) - 1)", "np.exp(logvar) - 1", BRACKETS),
        ("np.exp(logvar) - 1)", "logvar - 1)", FUNCTION),
        ("(np.exp(logvar) - 1)", "np.exp(logvar - 1)", BRACKETS),
        ("dmu = dkl[:, None] * mu", "dmu = dkl * mu", INDEX),
        ("dmu = dkl[:, None] * mu", "dmu = mu", UPSTREAM),
        ("return dmu, dlogvar", "return dlogvar, dmu", ORDER),
        ("* mu\n", "* 2 * mu\n", FACTOR),
        ("(np.exp(logvar) - 1)", "(1 - np.exp(logvar))", f"{ORDER}|{SIGN}"),
        ("dmu = dkl[:, None] * mu", "dmu = np.sum(dkl[:, None] * mu, axis=0)", f"{FUNCTION}|{AXIS}"),
    ],
    "13": [
        ("mu + std", "mu - std", SIGN),
        ("mu + std * eps", "(mu + std) * eps", BRACKETS),
        ("logvar / 2", "logvar * 2", OPERATOR),
        ("std * eps", "std + eps", OPERATOR),
        ("np.exp(", "np.exp2(", FUNCTION),
        ("np.exp(logvar / 2)", "np.exp(np.clip(logvar, -10, 10) / 2)", FUNCTION),
        ("    std =", "    eps = np.random.standard_normal(mu.shape)\n    std =", r"statement|line too many|random"),
        ("* eps\n", "* eps.mean()\n", FUNCTION),
        ("np.exp(logvar / 2)", "np.exp(np.abs(logvar) / 2)", FUNCTION),
        ("mu + std", "mu * std", OPERATOR),
        ("mu + std * eps", "eps + std * mu", f"{NAME}|{ORDER}"),
        ("logvar / 2", "logvar / 3", CONSTANT),
    ],
    "14": [
        ("dmu = dz", "dmu = -dz", SIGN),
        ("/ 2\n", "/ 4\n", CONSTANT),
        ("np.exp(logvar / 2) / 2", "np.exp(logvar) / 2 / 2", f"{BRACKETS}|{FACTOR}"),
        ("dz * eps", "dz + eps", OPERATOR),
        ("dz * eps", "eps", UPSTREAM),
        ("dmu = dz", "dmu = np.ones_like(dz)", f"{UPSTREAM}|{FUNCTION}"),
        ("np.exp(logvar / 2)", "(logvar / 2)", FUNCTION),
        ("np.exp(logvar / 2) / 2", "np.exp(logvar / 2 / 2)", BRACKETS),
        ("dmu = dz", "dmu = dz.sum(axis=0)", FUNCTION),
        ("return dmu, dlogvar", "return dlogvar, dmu", ORDER),
        ("* eps *", "* eps**2 *", POWER),
        ("* np.exp(logvar / 2) / 2", "* (np.exp(logvar / 2) / 2 + 1)", TERM),
    ],
    "15": [
        ("score_dmu = f * (z - mu)", "score_dmu = f * (mu - z)", f"{SIGN}|{ORDER}"),
        ("- 1) / 2", "- 1)", FACTOR),
        ("(z - mu) ** 2", "(z - mu)", POWER),
        ("path_dmu = df", "path_dmu = np.ones_like(df)", f"{FACTOR}|{FUNCTION}"),
        ("path_dlogvar = df * (z - mu) / 2", "path_dlogvar = df * (z - mu)", FACTOR),
        ("path_dlogvar = df", "path_dlogvar = f", NAME),
        ("/ np.exp(logvar) - 1)", "/ (np.exp(logvar) - 1))", BRACKETS),
        ("score_dmu = f * (z - mu) / np.exp(logvar)", "score_dmu = f * (z - mu) / logvar", FUNCTION),
        ("score_dmu = f * (z - mu) / np.exp(logvar)", "score_dmu = np.mean(f * (z - mu) / np.exp(logvar))", FUNCTION),
        (
            "return score_dmu, score_dlogvar, path_dmu, path_dlogvar",
            "return path_dmu, path_dlogvar, score_dmu, score_dlogvar",
            ORDER,
        ),
        ("score_dmu = f * (z - mu) /", "score_dmu = f * (z - mu) *", OPERATOR),
        ("score_dlogvar = f * (", "score_dlogvar = (", FACTOR),
        ("df * (z - mu) / 2", "df * (z - mu) / np.exp(logvar) / 2", FACTOR),
    ],
    "16": [
        ("beta / B * mu", "beta / B * mu**2", POWER),
        ("dz + beta", "dz - beta", SIGN),
        ("dz + beta", "dz * beta", OPERATOR),
        ("- 1) / 2", "+ 1) / 2", SIGN),
        ("dz * eps *", "dz *", FACTOR),
        ("np.exp(logvar / 2) / 2", "np.exp(logvar) / 2", f"{BRACKETS}|{FACTOR}|{FUNCTION}"),
        ("dz + beta / B", "dz + B / beta", ORDER),
        ("B = len(mu)", "B = mu.size", f"{NAME}|{FUNCTION}|size|index"),
        ("(np.exp(logvar) - 1) / 2", "np.exp(logvar) - 1 / 2", BRACKETS),
        ("dmu = dz +", "dmu = dz * eps +", FACTOR),
        ("(np.exp(logvar) - 1)", "(logvar - 1)", FUNCTION),
        ("beta / B * mu", "beta / B * eps", NAME),
        ("(np.exp(logvar) - 1)", "np.exp(logvar)", TERM),
    ],
    "17": [
        ("- x) / B", "- x)", f"{FACTOR}|batch mean"),
        ("z.T @ dlogits", "dlogits.T @ z", TRANSPOSED),
        ("dlogits @ W_dec.T", "dlogits @ W_dec", TRANSPOSED),
        ("np.exp(-logits)", "np.exp(logits)", SIGN),
        ("dz + beta", "dz - beta", SIGN),
        ("dz * eps *", "dz *", FACTOR),
        ("x.T @ dmu", "x.T @ dz", NAME),
        ("x.T @ dlogvar", "x.T @ dmu", NAME),
        ("x.T @ dmu, x.T @ dlogvar", "x.T @ dlogvar, x.T @ dmu", ORDER),
        ("x.T @ dmu,", "x.T @ dmu / B,", f"{FACTOR}|batch"),
        ("z.T @ dlogits", "x.T @ dlogits", NAME),
        ("dlogits @ W_dec.T", "W_dec @ dlogits.T", TRANSPOSED),
        ("(np.exp(logvar) - 1)", "np.exp(logvar)", TERM),
        ("1 / (1 + np.exp(-logits))", "(1 / 1 + np.exp(-logits))", BRACKETS),
        ("dz + beta / B", "dz + 1 / B", f"{FACTOR}|{CONSTANT}"),
    ],
    "18": [
        ("(1 - beta1) * g", "(1 + beta1) * g", SIGN),
        ("g**2", "g * 2", OPERATOR),
        ("learning_rate * m_hat", "m_hat", FACTOR),
        ("(np.sqrt(v_hat) + epsilon)", "np.sqrt(v_hat)", TERM),
        ("m / (1 - beta1**t)", "m / (1 - beta1 * t)", OPERATOR),
        ("v / (1 - beta2**t)", "v / (1 - beta1**t)", NAME),
        ("(np.sqrt(v_hat) + epsilon)", "(v_hat + epsilon)", FUNCTION),
        ("(np.sqrt(v_hat) + epsilon)", "np.sqrt(v_hat) + epsilon", BRACKETS),
        ("* m_hat", "* m", NAME),
        ("return w, m, v", "return w, v, m", ORDER),
        ("(1 - beta1) * g", "g", FACTOR),
        ("beta2 * v", "beta2 * m", NAME),
        (
            "w = w - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)",
            "w -= learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)",
            "in place",
        ),
        ("* m_hat", "* g", NAME),
        ("(1 - beta1**t)", "(beta1**t - 1)", f"{ORDER}|{SIGN}"),
    ],
    "19": [
        ('without dy": {"random"}', 'without dy": {"ones", "random"}', '"ones" goes red, but it stays green'),
        ('sampler": {"ones", "random"}', 'sampler": {"ones"}', "1 more goes red"),
        ('{"sampler"}', '{"random"}', '"random" goes red, but it stays green'),
        ('{"at 800"}', '{"sums to one"}', '"sums to one" goes red, but it stays green'),
        ('{"monte carlo"}', '{"montecarlo"}', "averaged over the latents.*set of names of proofs"),
    ],
    "20": [
        ("std / 2 +", "std +", f"{FACTOR}|{BRACKETS}"),
        ("dz + dkl * mu", "dz * dkl * mu", OPERATOR),
        ("[dmu, dlogvar]", "[dlogvar, dmu]", ORDER),
        ("dheads @ W.T", "dheads @ W", TRANSPOSED),
        ("axis=0", "axis=1", AXIS),
        ("beta / len(h)", "beta", FACTOR),
        ("std**2 - 1", "std**2 + 1", SIGN),
        ("h.T @ dheads", "dheads.T @ h", TRANSPOSED),
        ("np.hstack", "np.vstack", FUNCTION),
        ("dz * eps *", "dz *", FACTOR),
        ("np.exp(logvar / 2)", "np.exp(logvar)", f"{FACTOR}|{FUNCTION}"),
    ],
    "21": [
        ("W.T @ W", "W @ W.T", TRANSPOSED),
        ("+ s2 *", "- s2 *", SIGN),
        ("-0.5 *", "0.5 *", SIGN),
        ("+ distance", "- distance", SIGN),
        ("(C)[1]", "(C)[0]", INDEX),
        ("len(b) * np.log", "len(x) * np.log", NAME),
        ("difference.T).T", "difference.T)", TRANSPOSED),
        ("axis=1", "axis=0", AXIS),
        ("2 * np.pi", "np.pi", FACTOR),
        ("x - b", "x + b", SIGN),
        ("np.eye(len(b))", "np.ones((len(b), len(b)))", f"{FUNCTION}|{FACTOR}"),
        ("s2 *", "np.sqrt(s2) *", FUNCTION),
        (
            "-0.5 * (len(b) * np.log(2 * np.pi) + np.linalg.slogdet(C)[1] + distance)",
            "-0.5 * len(b) * np.log(2 * np.pi) + np.linalg.slogdet(C)[1] + distance",
            BRACKETS,
        ),
    ],
    "22": [
        ("- logvar[b, k])", "+ logvar[b, k])", SIGN),
        ("m * m", "m + m", OPERATOR),
        ("range(K)", "range(K - 1)", f"{TERM}|range"),
        ("dmu[b, k] = dkl[b]", "dmu[b, k] = dkl[k]", INDEX),
        ("math.exp(logvar[b, k])", "math.exp(mu[b, k])", NAME),
        ("= dkl[b] * m\n", "= m\n", UPSTREAM),
        ("(v - 1)", "(v + 1)", SIGN),
        ("dkl[b] * 0.5", "dkl[b] * 2", CONSTANT),
        ("kl[b] +=", "kl[k] +=", INDEX),
        ("+ v - 1 -", "+ v -", TERM),
        ("return kl, dmu, dlogvar", "return kl, dlogvar, dmu", ORDER),
        ("math.exp(logvar[b, k])", "math.exp(logvar[b, k] / 2)", FACTOR),
    ],
    "23": [
        ("max(axis=0)", "max(axis=1)", AXIS),
        ("largest + np.log", "largest - np.log", SIGN),
        ("w.mean(axis=0)", "w.mean()", AXIS),
        ("(w**2).sum(axis=0)", "w.sum(axis=0)", POWER),
        ("** 2 / (w", "** 2 * (w", OPERATOR),
        ("np.log(w.mean(axis=0))", "w.mean(axis=0)", FUNCTION),
        ("log_w - largest", "log_w + largest", SIGN),
        ("(w**2).sum(axis=0)", "(w**2).mean(axis=0)", FUNCTION),
        ("w.sum(axis=0) ** 2 /", "(w**2).sum(axis=0) /", f"{BRACKETS}|{POWER}|{ORDER}"),
        ("return log_px, ess", "return ess, log_px", ORDER),
        (
            "largest + np.log(w.mean(axis=0))",
            "np.log(np.exp(largest) * w.mean(axis=0))",
            r"exp.* 0\b|too small",
        ),
        ("w.sum(axis=0) ** 2", "w.sum() ** 2", AXIS),
    ],
    "24": [
        ("+ z**2", "+ z", POWER),
        ("np.sum(np.log(2 * np.pi) + logvar", "np.sum(logvar", TERM),
        ("z**2, axis=1", "z**2, axis=0", AXIS),
        ("(z - mu)", "(z + mu)", SIGN),
        ("+ logvar +", "- logvar +", SIGN),
        ("+ z**2", "+ mu**2", NAME),
        ("log_q = -0.5 * np.sum", "log_q = -np.sum", FACTOR),
        ("log_prior = -0.5 * np.sum(np.log(2 * np.pi)", "log_prior = -0.5 * np.sum(np.log(np.pi)", FACTOR),
        ("(z - mu) ** 2 / np.exp(logvar)", "((z - mu) / np.exp(logvar)) ** 2", f"{BRACKETS}|{FUNCTION}|{FACTOR}"),
        ("+ logvar +", "+ np.exp(logvar) +", FUNCTION),
        ("-recon_nll + log_prior - log_q", "-(recon_nll + log_prior - log_q)", BRACKETS),
        ("np.sum(np.log(2 * np.pi) + z**2, axis=1)", "(np.log(2 * np.pi) + np.sum(z**2, axis=1))", BRACKETS),
    ],
    "25": [
        ("+ np.log(prior)", "- np.log(prior)", SIGN),
        ("+ np.log(prior)", "* np.log(prior)", OPERATOR),
        ("log_joint - log_px", "log_joint + log_px", SIGN),
        ("log_px[:, None]", "log_px", INDEX),
        ("log_joint - log_px[:, None]", "log_joint", TERM),
        ("np.exp(log_joint -", "np.exp(log_px_y -", NAME),
        (", axis=1", "", AXIS),
        ("np.logaddexp.reduce(", "np.sum(", FUNCTION),
        ("return posterior, log_px", "return log_px, posterior", ORDER),
        ("np.log(prior)", "np.log10(prior)", FUNCTION),
        (
            "np.exp(log_joint - log_px[:, None])",
            "np.exp(log_joint) / np.exp(log_px)[:, None]",
            r"exp|overflow|infinite|bracket",
        ),
        ("log_joint - log_px", "log_joint / log_px", OPERATOR),
    ],
    "26": [
        ("u < rate", "u > rate", COMPARISON),
        ("1 - rate / 2", "1 - rate", FACTOR),
        ("np.where(pepper, 0.0, np.where(salt, 1.0, x))", "np.where(pepper, np.where(salt, 1.0, x), 0.0)", ORDER),
        ("1.0, x", "255.0, x", CONSTANT),
        ("target = x if", "target = u if", NAME),
        (
            None,
            "noisy = x  # here\nnoisy[u < rate / 2] = 0\nnoisy[u >= 1 - rate / 2] = 1\ntarget = x if denoise else noisy",
            "in place|copy",
        ),
        ("return noisy, target", "return target, noisy", ORDER),
        ("= u < rate", "= x < rate", NAME),
        ("u < rate / 2", "u < rate * 2", OPERATOR),
        ("u < rate / 2", "u <= rate / 2", COMPARISON),
        ("u >= 1 - rate / 2", "u > 1 - rate / 2", COMPARISON),
        ("u >= 1 - rate / 2", "u >= (1 - rate) / 2", f"{BRACKETS}|{CONSTANT}"),
    ],
}

# Written after the search. The first count was 23 of 30; three more were true in other words, one was false.
HELD_OUT = {
    "01": [
        (
            None,
            "up, down = x.copy(), x.copy()\nup[index] += h\ndown[index] -= h / 2  # here\n"
            "gradient[index] = (f(up) - f(down)) / (2 * h)",
            f"{FACTOR}|{CONSTANT}",
        ),
        (
            None,
            "step = h * np.eye(x.size)[0].reshape(x.shape)  # here\ngradient[index] = (f(x + step) - f(x - step)) / (2 * h)",
            INDEX,
        ),
    ],
    "02": [
        (
            None,
            "top = np.sqrt(np.sum((a - n) ** 2))\nreturn top / max(np.sqrt(np.sum(a**2)) + np.sum(n**2), 1e-8)  # here",
            FUNCTION,
        )
    ],
    "03": [
        (None, "dx = np.dot(dy, W.T)\ndW = np.dot(x.T, dy)\ndb = dy.sum(axis=-1)  # here", AXIS),
        (
            None,
            'dx = np.einsum("bo,io->bi", dy, W)\ndW = x.T @ dy\ndb = np.ones(len(x)) * dy.sum()  # here',
            r"axis|line",
        ),
    ],
    "04": [
        (
            None,
            'if activation == "relu":\n    return np.where(y < 0, 0, dy)  # here\nreturn dy * (1 - y * y)',
            COMPARISON,
        )
    ],
    "05": [
        (
            None,
            "t = np.exp(-np.abs(logits))\nreturn (np.maximum(0, logits) - np.log1p(t) - x * logits).sum(axis=1)  # here",
            SIGN,
        ),
        (None, "sign = 2 * x + 1  # here\nreturn np.sum(np.logaddexp(0, -sign * logits), axis=1)", SIGN),
    ],
    "06": [
        (None, "p = expit(logits)\nerror = p - x\nreturn (dnll @ error)  # here", f"{OPERATOR}|{INDEX}|{TRANSPOSED}")
    ],
    "07": [
        (
            None,
            "r = (mean - x) / np.exp(logvar / 2)  # here\ndmean = dnll[:, None] * r\n"
            "dlogvar = np.array([0.5 * np.sum(dnll[:, None] * (1 - (mean - x) ** 2 * np.exp(-logvar)))])",
            f"{FACTOR}|{BRACKETS}",
        ),
        (
            None,
            "v = np.exp(logvar)\ndmean = dnll[:, None] * (mean - x) / v\ndlogvar = 0.5 * np.sum(dnll[:, None] * (1 - (mean - x) ** 2 / v), axis=1)[:1]  # here",
            AXIS,
        ),
    ],
    "08": [
        (
            None,
            "m = np.max(logits, axis=1)\ne = np.exp(logits - m[:, None])\nreturn dnll[:, None] * (e / np.sum(e, axis=0) - x)  # here",
            f"{AXIS}|keepdims",
        )
    ],
    "09": [
        (
            None,
            "m = log_joint.max(axis=1)\nw = np.exp(log_joint - m[:, None]) * dz\nreturn m + np.log(w.sum(axis=1) * dz)  # here",
            FACTOR,
        )
    ],
    "10": [
        (
            None,
            "p = np.exp(log_joint)\nelbo = (q * np.log(p / q)).sum(axis=1)\n"
            "gap = (q * np.log(q * p.sum(axis=1, keepdims=True) * p)).sum(axis=1)  # here",
            OPERATOR,
        )
    ],
    "11": [
        (None, "var = np.exp(logvar)\nreturn 0.5 * np.sum(mu**2 + var - 1 - np.log(mu), axis=1)  # here", NAME),
        (
            None,
            "kl = 0\nfor k in range(mu.shape[1]):\n    kl = mu[:, k] ** 2 + np.exp(logvar[:, k]) - 1 - logvar[:, k]  # here\nreturn kl / 2",
            r"\+=",
        ),
    ],
    "12": [
        (
            None,
            "d = dkl[:, None]\ndmu = d * mu\ndlogvar = d * (0.5 * np.exp(logvar) - 1)  # here",
            f"{BRACKETS}|{CONSTANT}",
        )
    ],
    "13": [(None, "variance = np.exp(logvar)\nreturn mu + variance**2 * eps  # here", f"{POWER}|{CONSTANT}")],
    "14": [
        (
            None,
            "sigma = np.exp(logvar * 2)  # here\ndmu = dz\ndlogvar = dz * eps * sigma * 0.5",
            f"{OPERATOR}|{CONSTANT}",
        )
    ],
    "15": [
        (
            None,
            "var = np.exp(logvar)\nscore_dmu = f * (z - mu) / var\nscore_dlogvar = f * ((z - mu) ** 2 / var + 1) / 2  # here\n"
            "path_dmu = df\npath_dlogvar = df * (z - mu) / 2",
            SIGN,
        )
    ],
    "16": [
        (
            None,
            "dkl = beta / mu.shape[1]  # here\ndmu = dz + dkl * mu\ndlogvar = 0.5 * (dz * eps * np.exp(logvar / 2) + dkl * (np.exp(logvar) - 1))",
            f"{CONSTANT}|{INDEX}",
        )
    ],
    "17": [
        (
            None,
            "dlogits = (1 / (1 + np.exp(-logits)) - x) / B\ndz = dlogits @ W_dec.T\ndW_dec = mu.T @ dlogits * B / B  # here\n"
            "dmu = dz + beta * mu / B\ndlogvar = dz * eps * np.exp(logvar / 2) / 2 + beta / B * np.expm1(logvar) / 2\n"
            "dW_mu = x.T @ dmu\ndW_logvar = x.T @ dlogvar",
            NAME,
        ),
        (
            None,
            "p = 1 / (1 + np.exp(-logits))\ndlogits = (p - x) * p * (1 - p) / B  # here\ndW_dec, dz = z.T @ dlogits, dlogits @ W_dec.T\n"
            "dmu = dz + beta / B * mu\ndlogvar = dz * eps * np.exp(logvar / 2) / 2 + beta / B * (np.exp(logvar) - 1) / 2\n"
            "dW_mu, dW_logvar = x.T @ dmu, x.T @ dlogvar",
            FACTOR,
        ),
    ],
    "18": [
        (
            None,
            "m = beta1 * m + (1 - beta1) * g\nv = beta2 * v + (1 - beta2) * g**2\nw = w - learning_rate * m / (1 - beta1**t) / (np.sqrt(v / 1 - beta2**t) + epsilon)  # here",
            BRACKETS,
        )
    ],
    "21": [
        (
            None,
            "C = W.T @ W + s2 * np.eye(len(b))\nd = x - b\nu = np.linalg.inv(C) @ d.T\nreturn -0.5 * (len(b) * np.log(2 * np.pi) + np.log(np.linalg.det(C)) - np.sum(d * u.T, axis=1))  # here",
            SIGN,
        )
    ],
    "22": [
        (
            None,
            "for k in range(K):\n    v = math.exp(logvar[b, k])\n    kl[b] += 0.5 * (mu[b, k] * logvar[b, k] + v - 1 - logvar[b, k])  # here\n    dmu[b, k] = dkl[b] * mu[b, k]\n    dlogvar[b, k] = dkl[b] * 0.5 * (v - 1)",
            NAME,
        )
    ],
    "23": [
        (
            None,
            "m = log_w.max(axis=0)\nw = np.exp(log_w - m)\nlog_px = m + np.log(w.sum(axis=0)) / len(log_w)  # here\ness = w.sum(axis=0) ** 2 / (w**2).sum(axis=0)",
            BRACKETS,
        )
    ],
    "24": [
        (
            None,
            "s = np.exp(logvar / 2)\nlog_prior = -0.5 * np.sum(z**2, axis=1)\nlog_q = -0.5 * np.sum(((z - mu) / s) ** 2, axis=1) + logvar.sum(axis=1)  # here\nreturn log_prior - log_q - recon_nll",
            f"{FACTOR}|{SIGN}|{BRACKETS}",
        )
    ],
    "25": [
        (
            None,
            "log_joint = log_px_y + np.log(prior)\nlog_px = np.logaddexp.reduce(log_joint, axis=1)\nposterior = np.exp(log_joint - log_px[:, None]) * prior  # here",
            f"{FACTOR}|{NAME}",
        )
    ],
    "26": [
        (
            None,
            "noisy = np.where(u < rate, 0.0, x)  # here\nnoisy = np.where(u >= 1 - rate / 2, 1.0, noisy)\ntarget = noisy\nif denoise:\n    target = x",
            FACTOR,
        )
    ],
}

# Whole right answers, in the place of the learner's lines.
RIGHT = {
    "01": [
        "before = x[index]\nx[index] = before + h\nabove = f(x)\nx[index] = before - h\nbelow = f(x)\nx[index] = before\n"
        "gradient[index] = (above - below) / 2 / h",
        "up, down = x.copy(), x.copy()\nup[index] += h\ndown[index] -= h\ngradient[index] = 0.5 / h * (f(up) - f(down))",
    ],
    "02": [
        "return np.sqrt(np.sum((a - n) ** 2)) / np.maximum(np.sqrt(np.sum(a**2)) + np.sqrt(np.sum(n**2)), 1e-8)",
        "size = lambda v: float(v.ravel() @ v.ravel()) ** 0.5\ntotal = size(a) + size(n)\n"
        "return size(n - a) / (total if total > 1e-8 else 1e-8)",
    ],
    "03": [
        'dx = np.einsum("bo,io->bi", dy, W)\ndW = np.einsum("bi,bo->io", x, dy)\ndb = np.ones(len(dy)) @ dy',
        "dx = (W @ dy.T).T\ndW = (dy.T @ x).T\ndb = sum(dy)",
    ],
    "04": [
        'if activation == "relu":\n    return dy * (y != 0)\nreturn dy - dy * y * y',
        'if activation == "tanh":\n    return dy * (1 - y) * (1 + y)\nda = dy.copy()\nda[y <= 0] = 0\nreturn da',
    ],
    "05": [
        "return (np.logaddexp(0, logits) - x * logits).sum(1)",
        "signed = np.where(x == 1, logits, -logits)\n"
        "return (np.maximum(-signed, 0) + np.log1p(np.exp(-np.abs(signed)))).sum(axis=-1)",
    ],
    "06": [
        "return (expit(logits) - x) * dnll.reshape(-1, 1)",
        "return (dnll * (expit(logits) - x).T).T",
        "import numpy as np\np = np.where(logits > 0, 1 / (1 + np.exp(-np.abs(logits))), 1 - 1 / (1 + np.exp(-np.abs(logits))))\n"
        "return np.multiply(dnll[:, None], p - x)",
    ],
    "07": [
        "precision = np.exp(-logvar)\ndmean = dnll[:, None] * precision * (mean - x)\n"
        "dlogvar = np.atleast_1d(0.5 * np.sum(dnll * np.sum(1 - precision * (x - mean) ** 2, axis=1)))",
        "v = np.exp(logvar[0])\nr = (x - mean) / v\ndmean = -dnll[:, None] * r\n"
        "dlogvar = np.array([0.5 * dnll @ (x.shape[1] - v * (r**2).sum(1))])",
    ],
    "08": [
        "shifted = (logits.T - logits.max(1)).T\ne = np.exp(shifted)\nreturn ((e.T / e.sum(1)).T - x) * dnll[:, None]",
        "p = np.exp(logits - np.logaddexp.reduce(logits, axis=1)[:, None])\nreturn dnll[:, None] * p - dnll[:, None] * x",
    ],
    "09": [
        "return np.logaddexp.reduce(log_joint, axis=1) + np.log(dz)",
        "m = log_joint.max(1)\nreturn m + np.log(dz) + np.log(np.exp(log_joint.T - m).sum(0))",
    ],
    "10": [
        "log_px = np.log(np.exp(log_joint).sum(1))\nelbo = (q * log_joint).sum(1) - (q * np.log(q)).sum(1)\ngap = log_px - elbo",
        "p = np.exp(log_joint)\nposterior = p / p.sum(axis=1, keepdims=True)\nelbo = (q * np.log(p / q)).sum(axis=1)\n"
        "gap = (q * np.log(q / posterior)).sum(axis=1)",
    ],
    "11": [
        "kl = np.zeros(len(mu))\nfor k in range(mu.shape[1]):\n    m, v = mu[:, k], logvar[:, k]\n"
        "    kl += (m * m + np.exp(v) - v - 1) / 2\nreturn kl",
        "sigma = np.exp(logvar / 2)\nreturn -0.5 * np.sum(1 + 2 * np.log(sigma) - np.square(mu) - sigma**2, axis=-1)",
    ],
    "12": [
        "dkl = dkl.reshape(-1, 1)\ndmu, dlogvar = dkl * mu, dkl * np.expm1(logvar) / 2",
        "dmu = (mu.T * dkl).T\ndlogvar = ((np.exp(logvar) - 1).T * dkl / 2).T",
    ],
    "13": [
        "return mu + np.sqrt(np.exp(logvar)) * eps",
        "return eps * np.exp(0.5 * logvar) + mu",
    ],
    "14": [
        "dmu = dz.copy()\nsigma = np.sqrt(np.exp(logvar))\ndlogvar = 0.5 * sigma * eps * dz",
        "dmu = dz * 1.0\ndlogvar = dmu * eps * 0.5 * np.exp(0.5 * logvar)",
    ],
    "15": [
        "var = np.exp(logvar)\nscore_dmu = f / var * (z - mu)\nscore_dlogvar = -0.5 * f * (1 - (z - mu) ** 2 / var)\n"
        "path_dmu = 1 * df\npath_dlogvar = 0.5 * (df * z - df * mu)",
        "sd = np.exp(logvar / 2)\neps = (z - mu) / sd\nscore_dmu, score_dlogvar = f * eps / sd, f * (eps * eps - 1) / 2\n"
        "path_dmu, path_dlogvar = df, df * sd * eps / 2",
    ],
    "16": [
        "dkl = beta / B\nsigma = np.exp(0.5 * logvar)\ndmu = dz.copy()\ndmu += dkl * mu\n"
        "dlogvar = 0.5 * (dz * eps * sigma + dkl * (sigma**2 - 1))",
        "dmu = (B * dz + beta * mu) / B\ndlogvar = dz * eps * np.exp(logvar / 2) / 2\n"
        "dlogvar = dlogvar + beta * np.expm1(logvar) / (2 * B)",
    ],
    "17": [
        "p = np.exp(-np.logaddexp(0, -logits))\ndlogits = (p - x) / B\ndW_dec = (dlogits.T @ z).T\ndz = (W_dec @ dlogits.T).T\n"
        "sigma, dkl = np.exp(logvar / 2), beta / B\ndmu = dz + dkl * mu\n"
        "dlogvar = 0.5 * (dz * (z - mu) + dkl * (sigma * sigma - 1))\ndW_mu = x.T @ dmu\ndW_logvar = x.T @ dlogvar",
        "dlogits = 1 / (B * (1 + np.exp(-logits))) - x / B\ndz = dlogits @ np.transpose(W_dec)\ndW_dec = np.dot(z.T, dlogits)\n"
        "dmu = dz.copy()\ndmu += beta * mu / B\ndlogvar = dz * eps * np.sqrt(np.exp(logvar)) / 2\n"
        "dlogvar += beta * np.expm1(logvar) / 2 / B\ndW_mu, dW_logvar = np.hsplit(x.T @ np.hstack([dmu, dlogvar]), 2)",
    ],
    "18": [
        "m = m + (1 - beta1) * (g - m)\nv = v + (1 - beta2) * (g * g - v)\nrate = learning_rate / (1 - beta1**t)\n"
        "w = w - rate * m / (np.sqrt(v / (1 - beta2**t)) + epsilon)",
        "m, v = g - beta1 * (g - m), g**2 - beta2 * (g**2 - v)\nfirst = m / (1 - beta1 ** t)\n"
        "w = w + (-learning_rate) * first / (epsilon + (v / (1 - beta2**t)) ** 0.5)",
    ],
    "20": [
        "sigma = np.exp(logvar / 2)\nB, dkl = len(mu), beta / len(mu)\n"
        "dheads = np.concatenate([dz + dkl * mu, 0.5 * (dz * eps * sigma + dkl * np.expm1(logvar))], axis=1)\n"
        "return dheads @ W.T, (dheads.T @ h).T, np.sum(dheads, 0)",
    ],
    "21": [
        "C = s2 * np.eye(W.shape[1]) + sum(np.outer(w, w) for w in W)\nL = np.linalg.cholesky(C)\n"
        "u = np.linalg.solve(L, (x - b).T)\nD = len(b)\n"
        "return -0.5 * D * np.log(2 * np.pi) - np.log(np.diag(L)).sum() - 0.5 * np.sum(u * u, axis=0)",
        "C = W.T @ W\nC[np.diag_indices(len(b))] += s2\ninverse = np.linalg.inv(C)\nd = x - b\n"
        'return -(np.einsum("bi,ij,bj->b", d, inverse, d) + np.log(np.linalg.det(2 * np.pi * C))) / 2',
    ],
    "22": [
        "g = dkl[b]\nfor k in range(K):\n    v = math.exp(logvar[b, k])\n    kl[b] += (mu[b, k] ** 2 + v - 1 - logvar[b, k]) / 2\n"
        "    dmu[b, k] = g * mu[b, k]\n    dlogvar[b, k] = g * (v - 1) / 2",
        "total = 0.0\nfor k in range(K):\n    v = np.expm1(logvar[b, k])\n    total += mu[b, k] ** 2 + v - logvar[b, k]\n"
        "    dmu[b, k], dlogvar[b, k] = dkl[b] * mu[b, k], dkl[b] * v / 2\nkl[b] = total / 2",
    ],
    "23": [
        "log_px = np.logaddexp.reduce(log_w, axis=0) - np.log(len(log_w))\n"
        "ess = np.exp(2 * np.logaddexp.reduce(log_w, axis=0) - np.logaddexp.reduce(2 * log_w, axis=0))",
        "m = log_w.min(axis=0)\nw = np.exp(log_w - m)\nlog_px = m + np.log(w.mean(0))\nw = w / w.sum(0)\ness = 1 / (w * w).sum(0)",
    ],
    "24": [
        "def log_normal(v, m, s):\n    return -0.5 * np.sum(np.log(2 * np.pi) + s + (v - m) ** 2 * np.exp(-s), axis=1)\n"
        "return log_normal(z, 0.0, 0 * logvar) - log_normal(z, mu, logvar) - recon_nll",
        "return 0.5 * np.sum((z - mu) ** 2 / np.exp(logvar) + logvar - z**2, axis=1) - recon_nll",
    ],
    "25": [
        "log_joint = log_px_y + np.log(prior)\nm = log_joint.max(axis=1, keepdims=True)\np = np.exp(log_joint - m)\n"
        "total = p.sum(axis=1, keepdims=True)\nposterior, log_px = p / total, (m + np.log(total))[:, 0]",
        "m = log_px_y.max(axis=1)\np = np.exp(log_px_y - m[:, None]) * prior\nlog_px = m + np.log(p.sum(axis=1))\n"
        "posterior = p / p.sum(axis=1)[:, None]",
    ],
    "26": [
        "noisy = x.copy()\nnoisy[u < rate / 2] = 0\nnoisy[u >= 1 - rate / 2] = 1\ntarget = x if denoise else noisy",
        "hit = (2 * u < rate) | (2 * u >= 2 - rate)\nnoisy = np.where(hit, np.round(u), x)\n"
        "if denoise:\n    target = x.copy()\nelse:\n    target = noisy.copy()",
    ],
}


def with_answer(number: str, solution: str, old: str | None, new: str) -> tuple[str, int]:
    """The text of a file with this answer, and the number of the line that is wrong in it."""
    solution = with_stub(solution, OTHER[number]) if number in OTHER else solution
    if old is None:
        text = with_stub(solution, new)
        return text, next((i for i, line in enumerate(text.splitlines(), 1) if "# here" in line), 0)
    head, code = solution.split("\ndef ", 1)
    assert old in code, old
    text = f"{head}\ndef {code.replace(old, new, 1)}"
    lines = zip(solution.splitlines(), text.splitlines(), strict=False)
    return text, next(i for i, (a, b) in enumerate(lines, 1) if a != b)
