"""SGD with momentum, Adagrad and Adam: state, and the call of one kernel over the flat parameter vector (lesson 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from minivae.backend import Array
from minivae.model.parameters import Parameters, Trainable
from minivae.validation import check_float


@dataclass
class State:
    """What an optimizer remembers of one model: ``arrays`` of shape (P,) by name, and ``t``, the steps taken."""

    arrays: dict[str, Array]
    t: int = 0

    def copy(self) -> State:
        """A state of its own."""
        return State({name: array.copy() for name, array in self.arrays.items()}, self.t)


class Optimizer:
    """What they share: a learning rate, and a state for each model that they train.

    Parameters
    ----------
    learning_rate : float
    """

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
        """Name and settings, from which :func:`from_config` makes this object again; without its states."""
        return {"name": type(self).__name__.lower(), **self._settings()}

    def __getstate__(self) -> dict[str, Any]:
        return self._settings()

    def __setstate__(self, settings: dict[str, Any]) -> None:
        vars(self).update(settings, _states=WeakKeyDictionary())

    def state_of(self, vae: Trainable) -> State:
        """The state that belongs to this model; a new one, all zeros, before its first step."""
        if vae.store not in self._states:
            zeros = {name: vae.kernels.zeros(len(vae.store.vector), vae.dtype) for name in self.state_names}
            self._states[vae.store] = State(zeros)
        return self._states[vae.store]

    def set_state(self, vae: Trainable, state: State) -> None:
        """Go on from ``state``, such as the one that belonged to a copy of this model."""
        self._states[vae.store] = state

    def step(self, vae: Trainable, factor: float = 1.0) -> None:
        """Update ``vae.parameters`` by ``vae.gradients``, and count the step on the model.

        ``factor`` is the schedule's: the step is taken with ``factor * learning_rate``.
        """
        state = self.state_of(vae)
        state.t += 1
        self.update(vae, state, factor * self.learning_rate)
        vae.step += 1

    def update(self, vae: Trainable, state: State, learning_rate: float) -> None:
        """Call the kernel."""
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent with momentum: u <- momentum * u + g; w <- w - learning_rate * u.

    Parameters
    ----------
    learning_rate : float, default 1e-3
    momentum : float, default 0.9
        In [0, 1); 0 is plain gradient descent.
    """

    state_names = ("velocity",)

    def __init__(self, learning_rate: float = 1e-3, momentum: float = 0.9):
        super().__init__(learning_rate)
        self.momentum = check_float(momentum, "momentum", below=1)

    def update(self, vae: Trainable, state: State, learning_rate: float) -> None:
        """One step of :func:`kernels.reference.sgd_update`."""
        vae.kernels.sgd_update(
            vae.store.vector,
            vae.store.gradient,
            state.arrays["velocity"],
            learning_rate=learning_rate,
            momentum=self.momentum,
        )


class Adagrad(Optimizer):
    """Adagrad: each coordinate's step shrinks with the root of the sum of its squared gradients so far.

    Parameters
    ----------
    learning_rate : float, default 0.01
    epsilon : float, default 1e-10

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
        """One step of :func:`kernels.reference.adagrad_update`."""
        vae.kernels.adagrad_update(
            vae.store.vector,
            vae.store.gradient,
            state.arrays["sum_of_squares"],
            learning_rate=learning_rate,
            epsilon=self.epsilon,
        )


class Adam(Optimizer):
    """Adam: steps of about ``learning_rate`` in each coordinate, whatever the scale of its gradient.

    Parameters
    ----------
    learning_rate : float, default 1e-3
    betas : (float, float), default (0.9, 0.999)
        Memory of the running means of the gradient and of its square; each in [0, 1).
    epsilon : float, default 1e-8

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
        """One step of :func:`kernels.reference.adam_update`."""
        vae.kernels.adam_update(
            vae.store.vector,
            vae.store.gradient,
            state.arrays["m"],
            state.arrays["v"],
            state.t,
            learning_rate=learning_rate,
            beta1=self.betas[0],
            beta2=self.betas[1],
            epsilon=self.epsilon,
        )


OPTIMIZERS: dict[str, type[Optimizer]] = {"adam": Adam, "adagrad": Adagrad, "sgd": SGD}


def from_config(config: dict[str, Any]) -> Optimizer:
    """The optimizer that :meth:`Optimizer.config` described."""
    settings = {name: value for name, value in config.items() if name != "name"}
    return OPTIMIZERS[config["name"]](**settings)
