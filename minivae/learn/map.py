"""A VAE as a map in text: which of its functions the learner has written."""

from __future__ import annotations

import re
from collections.abc import Container

MAP = """\
       forward                            backward
x
|      layer, activation   {27} {28}      ^   {04} {03}
h                                         |
|      two layers          {27}           |   {03}
mu, logvar                                |
|      KL                  {11}           |   {16}: what comes back from
|      draw                {13}           |   KL {12} and draw {14}, added
z                                         |
|      layer, activation   {27} {28}      |   {04} {03}
h                                         |
|      layer               {27}           |   {03}
logits                                    |
V      Bernoulli           {05}           |   {06}
loss                                      |

update: Adam {18}       samples: sigmoid {28}       sigmoid and softplus backwards: {29}
instead of Bernoulli: Gaussian {30}, backwards {07}; categorical {31}, backwards {08}
the project's for everybody: noise, SGD, Adagrad, penalties"""
FUNCTIONS = sorted(set(re.findall(r"\{(\d\d)\}", MAP)))


def draw(solved: Container[str]) -> str:
    """The map, with a line above it; ``solved`` are the numbers of exercises."""
    mine = sum(number in solved for number in FUNCTIONS)
    picture = re.sub(r"\{(\d\d)\}", lambda match: f"[{match[1]}]" if match[1] in solved else f"({match[1]})", MAP)
    yours = f"{mine} of {len(FUNCTIONS)} functions are yours, in [brackets]"
    return f"Your VAE: {yours}; those in (parentheses) are the project's:\n\n{picture}"
