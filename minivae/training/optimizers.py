"""SGD with momentum, Adagrad and Adam: their state, and one kernel over the flat parameter vector (lesson 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from minivae.backend import Array
from minivae.model.parameters import Parameters, Trainable
from minivae.validation import check_float


@dataclass
class State:
    """An optimizer's memory of one model: ``arrays`` of shape (P,) by name, and ``t``, the number of steps."""

    arrays: dict[str, Array]
    t: int = 0

    def copy(self) -> State:
        """A copy with arrays of its own."""
        return State({name: array.copy() for name, array in self.arrays.items()}, self.t)


class Optimizer:
    """Base class: a learning rate, and a state for each model."""

    state_names: tuple[str, ...] = ()

    def __init__(self, learning_rate: float):
        self.learning_rate = check_float(learning_rate, "learning_rate", positive=True)
        self._states: WeakKeyDictionary[Parameters, State] = WeakKeyDictionary()

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self._settings().items())
        return f"{type(self).__name__}({settings})"

    def _settings(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name[0] != "_"}

    def config(self) -> dict[str, Any]:
        """Name and settings for :func:`from_config`, without the states."""
        return {"name": type(self).__name__.lower(), **self._settings()}

    def __getstate__(self) -> dict[str, Any]:
        return self._settings()

    def __setstate__(self, settings: dict[str, Any]) -> None:
        vars(self).update(settings, _states=WeakKeyDictionary())

    def state_of(self, vae: Trainable) -> State:
        """The state for this model; all zeros before its first step."""
        if vae.store not in self._states:
            zeros = {name: vae.kernels.zeros(len(vae.store.vector), vae.dtype) for name in self.state_names}
            self._states[vae.store] = State(zeros)
        return self._states[vae.store]

    def set_state(self, vae: Trainable, state: State) -> None:
        """Replace the state for this model."""
        self._states[vae.store] = state

    def step(self, vae: Trainable, factor: float = 1.0) -> None:
        """Update ``vae.parameters`` by ``vae.gradients`` with ``factor * learning_rate``, and count the step."""
        state = self.state_of(vae)
        state.t += 1
        self.update(vae, state, factor * self.learning_rate)
        vae.step += 1

    def update(self, vae: Trainable, state: State, learning_rate: float) -> None:
        """Call the kernel of kernels/reference.py."""
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent with momentum: u <- momentum * u + g; w <- w - learning_rate * u.

    ``momentum`` is in [0, 1); 0 is plain gradient descent.
    """

    state_names = ("velocity",)

    def __init__(self, learning_rate: float = 1e-3, momentum: float = 0.9):
        super().__init__(learning_rate)
        self.momentum = check_float(momentum, "momentum", below=1)

    def update(self, vae: Trainable, state: State, learning_rate: float) -> None:
        w, g, velocity = vae.store.vector, vae.store.gradient, state.arrays["velocity"]
        vae.kernels.sgd_update(w, g, velocity, learning_rate=learning_rate, momentum=self.momentum)


class Adagrad(Optimizer):
    """Adagrad: each coordinate's step shrinks with the root of the sum of its squared gradients so far.

    References
    ----------
    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization",
    JMLR 12 (2011); the optimizer of Kingma and Welling, arXiv:1312.6114, section 5.
    """

    state_names = ("sum_of_squares",)

    def __init__(self, learning_rate: float = 0.01, epsilon: float = 1e-10):
        super().__init__(learning_rate)
        self.epsilon = check_float(epsilon, "epsilon", positive=True)

    def update(self, vae: Trainable, state: State, learning_rate: float) -> None:
        w, g, sum_of_squares = vae.store.vector, vae.store.gradient, state.arrays["sum_of_squares"]
        vae.kernels.adagrad_update(w, g, sum_of_squares, learning_rate=learning_rate, epsilon=self.epsilon)


class Adam(Optimizer):
    """Adam: steps of about ``learning_rate`` in each coordinate, whatever the scale of its gradient.

    ``betas``, each in [0, 1), are the decay of the running means of the gradient and of its square.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", arXiv:1412.6980.
    """

    state_names = ("m", "v")

    def __init__(self, learning_rate: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8):
        super().__init__(learning_rate)
        if not hasattr(betas, "__len__") or len(betas) != 2:
            raise ValueError(f"betas must be two numbers such as (0.9, 0.999), got {betas!r}")
        self.betas = tuple(check_float(beta, "each of betas", below=1) for beta in betas)
        self.epsilon = check_float(epsilon, "epsilon", positive=True)

    def update(self, vae: Trainable, state: State, learning_rate: float) -> None:
        w, g, m, v = vae.store.vector, vae.store.gradient, state.arrays["m"], state.arrays["v"]
        beta1, beta2 = self.betas
        vae.kernels.adam_update(
            w, g, m, v, state.t, learning_rate=learning_rate, beta1=beta1, beta2=beta2, epsilon=self.epsilon
        )


OPTIMIZERS: dict[str, type[Optimizer]] = {"adam": Adam, "adagrad": Adagrad, "sgd": SGD}


def from_config(config: dict[str, Any]) -> Optimizer:
    """The optimizer of :meth:`Optimizer.config`."""
    settings = {name: value for name, value in config.items() if name != "name"}
    return OPTIMIZERS[config["name"]](**settings)
