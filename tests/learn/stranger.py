"""A second set of wrong answers, made up by somebody who had not seen the first.

Its rows are as in answers.py; the causes are what is wrong, in any words. When it was run for the first time, 56 of the 64
causes were named (87.5 %) and 3 differed from what stands here: one was false (the second of 01), one was true in another
line (the first of 07), one true but vague (the second of 04). Of the 64, none passed, and none of the right answers failed.
"""

# ruff: noqa: E501

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "01": [
        (
            None,
            "x[index] += h\nup = f(x)\nx[index] -= h  # here\ndown = f(x)\ngradient[index] = (up - down) / (2 * h)",
            r"one.sided|forward|factor|number|operator",
        ),
        ("f(x + step) - f(x - step)", "f(x + h) - f(x - h)", r"name|index|every entry"),
    ],
    "02": [
        ("np.linalg.norm((a - n).ravel())", "np.abs(a - n).max()", r"max|norm|function|largest"),
        (
            "np.linalg.norm(a.ravel()) + np.linalg.norm(n.ravel())",
            "np.linalg.norm((a + n).ravel())",
            r"bracket|norm of|of the sum",
        ),
    ],
    "03": [
        ("dW = x.T @ dy", "dW = dy.T @ x", r"transpos|\.T|order"),
        ("np.sum(dy, axis=0)", "dy.mean(axis=0)", r"mean|average|function|1/B|batch"),
        ("dy @ W.T", "dy @ W", r"transpos|\.T"),
    ],
    "04": [
        ("1 - y**2", "1 - y", r"power|square|factor|operator"),
        ("np.where(y > 0, 1.0, 0.0)", "y", r"comparison|y > 0|slope|number"),
    ],
    "05": [
        ("np.exp(-np.abs(logits))", "np.exp(np.abs(logits))", r"sign|minus"),
        ("np.exp(-np.abs(logits))", "np.exp(-logits)", r"abs|function"),
        (None, "return np.sum(np.log(1 + np.exp(logits)) - x * logits, axis=1)  # here", r"overflow|709|exp as"),
    ],
    "06": [
        ("(expit(logits) - x)", "(expit(x) - logits)", r"exchanged|name|order"),
        (
            "return dnll[:, None] * (expit(logits) - x)",
            "return dnll[:, None] * (expit(logits) - x) / len(x)",
            r"factor|B\b|batch|mean|average",
        ),
    ],
    "07": [
        (
            None,
            "precision = 1 / np.exp(logvar)\nr = x - mean  # here\ndmean = dnll[:, None] * r * precision\n"
            "dlogvar = np.sum(dnll[:, None] * (1 - r**2 * precision) / 2).reshape(1)",
            r"sign|minus|order",
        ),
        (
            None,
            "r = (x - mean) ** 2 / np.exp(logvar)\ndmean = dnll[:, None] * (mean - x) / np.exp(logvar)\n"
            "dlogvar = np.array([0.5 * np.sum(dnll * (1 - np.sum(r, axis=1)))])  # here",
            r"once|D times|bracket|inside the sum|factor",
        ),
    ],
    "08": [
        ("p = e / e.sum(axis=1, keepdims=True)", "p = e / e.sum(axis=0)", r"axis"),
        ("p = e / e.sum(axis=1, keepdims=True)", "p = e / e.sum()", r"axis"),
        ("(p - x)", "p * (1 - p)", r"p - x|x is missing|the name|term|1 - p"),
    ],
    "09": [
        ("largest[:, 0] + np.log", "largest + np.log", r"index|shape|\[:, 0\]"),
        (", axis=1) * dz)", ", axis=1)) * dz", r"bracket"),
    ],
    "10": [
        ("q * (log_joint - np.log(q))", "q * log_joint", r"term|entropy|log q"),
        (
            "gap = np.sum(q * (np.log(q) - log_posterior)",
            "gap = np.sum(np.exp(log_posterior) * (log_posterior - np.log(q))",
            r"reverse|exchanged|posterior|other way|name",
        ),
    ],
    "11": [
        (
            None,
            "return np.sum(mu**2 + np.exp(logvar) - logvar, axis=1) / 2 - 0.5  # here",
            r"once|K times|bracket|inside the sum",
        ),
        (None, "return -0.5 * np.sum(1 + logvar - mu**2 + np.exp(logvar), axis=1)  # here", r"sign|operator"),
        (
            None,
            "var = np.exp(logvar) ** 2  # here\nreturn 0.5 * (mu**2 + var - 1 - logvar).sum(axis=1)",
            r"power|square",
        ),
    ],
    "12": [
        ("dkl[:, None] * mu", "dkl * mu", r"\[:, None\]|index|shape"),
        ("0.5 * (np.exp(logvar) - 1)", "0.5 * np.exp(logvar) - 1", r"bracket"),
        ("dkl[:, None] * 0.5 * (np.exp(logvar) - 1)", "dkl[:, None] * (np.exp(logvar) - 1)", r"factor|half|1/2"),
    ],
    "13": [
        (None, "return mu + np.sqrt(logvar) * eps  # here", r"function|exp|sqrt"),
        (None, "return mu + 0.5 * np.exp(logvar) * eps  # here", r"bracket|inside"),
    ],
    "14": [
        ("np.exp(logvar / 2) / 2", "np.exp(logvar) / 2", r"half|factor|sigma|variance|operator|number|function"),
        ("dmu = dz\n", "dmu = dz * eps\n", r"factor|eps"),
    ],
    "15": [
        ("df * (z - mu) / 2", "df * (z - mu) * np.exp(logvar / 2) / 2", r"factor|sigma"),
        ("np.exp(logvar) - 1) / 2", "np.exp(logvar)) / 2", r"term|- 1|1 is missing"),
    ],
    "16": [
        ("dmu = dz + beta / B * mu", "dmu = dz + beta * mu", r"factor|B\b|batch"),
        ("/ 2 + beta / B *", "/ 2 - beta / B *", r"sign"),
    ],
    "17": [
        ("(1 / (1 + np.exp(-logits)) - x) / B", "1 / (1 + np.exp(-logits)) - x", r"factor|B\b|batch"),
        ("x.T @ dmu, x.T @ dlogvar", "x.T @ dz, x.T @ dlogvar", r"name|dz|dmu"),
    ],
    "18": [
        ("(np.sqrt(v_hat) + epsilon)", "np.sqrt(v_hat + epsilon)", r"bracket|epsilon"),
        ("beta2 * v + (1 - beta2) * g**2", "beta2 * v + (1 - beta1) * g**2", r"name|beta"),
        (
            None,
            "m = beta1 * m + (1 - beta1) * g\nv = beta2 * v + (1 - beta2) * g**2\nw = w - learning_rate * m / (np.sqrt(v) + epsilon)  # here",
            r"bias|hat|correct|factor",
        ),
    ],
    "20": [("dkl = beta / len(h)", "dkl = beta", r"factor|B\b|batch|mean")],
    "21": [
        ("C = W.T @ W", "C = W @ W.T", r"transpos|\.T|order"),
        ("(len(b) * np.log(2 * np.pi)", "(np.log(2 * np.pi)", r"factor|D\b"),
    ],
    "23": [
        ("np.log(w.mean(axis=0))", "np.log(w.sum(axis=0))", r"mean|sum|function|S\b"),
        (
            "w.sum(axis=0) ** 2 / (w**2).sum(axis=0)",
            "(w**2).sum(axis=0) / w.sum(axis=0) ** 2",
            r"order|exchanged|inverse|upside",
        ),
    ],
    "24": [
        ("- log_q", "+ log_q", r"sign"),
        (
            "/ np.exp(logvar), axis=1)",
            "/ np.exp(logvar / 2), axis=1)",
            r"number|factor|sigma|operator|function|half|variance",
        ),
    ],
    "25": [
        ("np.exp(log_joint - log_px[:, None])", "np.exp(log_px_y - log_px[:, None])", r"name|prior|log_px_y"),
        ("log_px_y + np.log(prior)", "log_px_y + prior", r"function|log"),
    ],
    "26": [("x if denoise else noisy", "noisy if denoise else x", r"order|exchanged|swapped")],
    "28": [('v = a if activation == "softplus" else -a', "v = a", r"sign|minus|line")],
    "29": [("-np.expm1(-y)", "np.expm1(-y)", r"sign|minus")],
    "30": [
        (
            None,
            "r = (x - mean) ** 2 / np.exp(logvar)\nreturn 0.5 * (x.shape[1] * np.log(2 * np.pi) + np.sum(logvar) + np.sum(r, axis=1))  # here",
            r"once|D times|bracket|each",
        ),
        (
            None,
            "return 0.5 * np.sum(np.log(np.pi) + logvar + (x - mean) ** 2 / np.exp(logvar), axis=1)  # here",
            r"factor|2",
        ),
    ],
    "31": [
        (
            None,
            "p = np.exp(logits) / np.sum(np.exp(logits), axis=1, keepdims=True)  # here\nreturn -np.sum(x * np.log(p), axis=1)",
            r"overflow|709|largest",
        )
    ],
    "32": [
        ("(1 - h_real**2)", "(1 - h_real)", r"power|square|factor|operator"),
        ("+ h_fake.T @ dfake", "- h_fake.T @ dfake", r"sign"),
    ],
    "33": [("(1 / (1 + np.exp(-logits)) - 1) / B", "-1 / (1 + np.exp(-logits)) / B", r"sign|minus|term|bracket")],
    "34": [("* dx / 2", "* dx", r"factor|half|1/2"), ("np.log(p / q)", "np.log(q / p)", r"order|exchanged|sign")],
    "35": [
        ("(dW_plus - dW_minus) / (2 * h)", "(dW_plus - dW_minus) / h", r"factor|half|2"),
        ("u = gamma / len(x) * g", "u = gamma * g", r"factor|B\b|len"),
    ],
}
RIGHT = {
    "04": ['return dy * np.sign(y) if activation == "relu" else dy - dy * y * y'],
    "05": ["return (np.logaddexp(0, logits) - x * logits).sum(1)"],
    "06": [
        "e = np.exp(-np.abs(logits))\np = np.where(logits > 0, 1 / (1 + e), e / (1 + e))\nreturn (p - x) * dnll.reshape(-1, 1)"
    ],
    "08": [
        "s = logits - logits.max(axis=1)[:, None]\np = np.exp(s - np.log(np.exp(s).sum(axis=1))[:, None])\nreturn np.einsum('b,bd->bd', dnll, p - x)"
    ],
    "13": ["return np.sqrt(np.exp(logvar)) * eps + mu"],
    "21": [
        "C = s2 * np.identity(x.shape[1]) + np.dot(W.T, W)\nd = x - b\nq = np.einsum('ni,ij,nj->n', d, np.linalg.inv(C), d)\nreturn -(q + np.log(np.linalg.det(C)) + x.shape[1] * np.log(2 * np.pi)) / 2"
    ],
    "23": [
        "top = log_w.max(0)\nw = np.exp(log_w - top)\nreturn top + np.log(w.sum(0)) - np.log(len(w)), w.sum(0) ** 2 / np.sum(w * w, 0)"
    ],
    "26": [
        "noisy = x.copy()\nnoisy[u < rate / 2] = 0\nnoisy[u >= 1 - rate / 2] = 1\ntarget = noisy if not denoise else x.copy()"
    ],
}
