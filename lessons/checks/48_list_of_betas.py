"""Exercise 48: judged by a loop that counts steps, in whole numbers, with no remainder of a division by a part."""

import numpy as np

from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    cycles, length = (3, 2) if sizes.K == 3 else (2, 4)  # of a cycle, in epochs
    return {"epochs": cycles * length, "steps": 4, "cycles": cycles, "ramp": 0.75 if sizes.K == 3 else 0.5}


def by_counting(epochs, steps, cycles, ramp):
    rising = round(ramp * epochs * steps / cycles)
    found, step_of_cycle = [], 0
    for _ in range(epochs * steps):
        found.append(step_of_cycle / rising if step_of_cycle < rising else 1.0)
        step_of_cycle = step_of_cycle + 1 if step_of_cycle + 1 < epochs * steps // cycles else 0
    return np.array(found)


def mistake(first=0, by_epoch=False, length=lambda epochs, cycles: epochs / cycles, of=lambda ramp: ramp, limit=1.0):
    def outcome(epochs, steps, cycles, ramp):
        done = (np.arange(epochs * steps) + first) / steps
        done = np.floor(done) if by_epoch else done
        return np.minimum(done / length(epochs, cycles) % 1 / of(ramp), limit)

    return outcome


def one_cycle(epochs, steps, cycles, ramp):
    return np.minimum(np.arange(epochs * steps) / steps / (ramp * epochs / cycles), 1)


exercise = Exercise(
    title="The list of betas",
    lesson=22,
    function="betas",
    returns=("beta",),
    draw=draw,
    oracle=by_counting,
    hints=(
        "How many cycles are done before step s? That is a number with a fraction. What does its fraction say?",
        "done = s / steps * cycles / epochs. Its fraction, done % 1, runs from 0 to 1 in each cycle.",
        "np.minimum(done % 1 / ..., 1)",
    ),
    why="A function of the step alone, without a counter: so a run that was killed goes on with the right beta. The "
    "list is also the best test: bugs in warm-ups, such as a reset at the wrong place, hide in the loop.",
    wrong=(
        Wrong("beta", "it begins at one step's growth: in the first step of a cycle beta is 0", mistake(first=1)),
        Wrong("beta", "it grows from epoch to epoch; it has to grow from step to step", mistake(by_epoch=True)),
        Wrong("beta", "there is one warm-up, and no second cycle", one_cycle),
        Wrong("beta", "it starts anew in each epoch, not in each cycle", mistake(length=lambda epochs, cycles: 1)),
        Wrong("beta", "it grows through the whole cycle: the ramp is missing", mistake(of=lambda ramp: 1)),
        Wrong("beta", "it goes on growing after the ramp: beta ends at 1", mistake(limit=np.inf)),
    ),
)
