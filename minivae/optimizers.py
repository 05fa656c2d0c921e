"""SGD with momentum, and Adam: state, and the call of one kernel over the flat parameter vector (lesson 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minivae.backend import Array
from minivae.validation import check_float

if TYPE_CHECKING:
    from minivae.vae import VAE


class Optimizer:
    """What SGD and Adam share: a learning rate, and state that belongs to one model.

    Parameters
    ----------
    learning_rate : float

    Attributes
    ----------
    state : dict of str -> array of shape (P,)
        Made at the first step, on the model's backend.
    t : int
        Steps taken.
    """

    state_names: tuple[str, ...] = ()

    def __init__(self, learning_rate: float):
        self.learning_rate = check_float(learning_rate, "learning_rate", positive=True)
        self.state: dict[str, Array] = {}
        self.t = 0
        self._vector: Array | None = None  # the parameters that the state belongs to

    def step(self, vae: VAE) -> None:
        """Update ``vae.parameters`` by ``vae.gradients``, and count the step on the model.

        Raises
        ------
        ValueError
            If this optimizer has been training another model.
        """
        if self._vector is not vae.store.vector:
            self._bind(vae)
        self.t += 1
        self.update(vae)
        vae.step += 1

    def _bind(self, vae: VAE) -> None:
        """Take up a model: with new state, or with the state that a copy or a pickle has brought along."""
        vector = vae.store.vector
        if self._vector is not None or any(len(array) != len(vector) for array in self.state.values()):
            raise ValueError(f"this {type(self).__name__} holds the state of another model: make a new one")
        if not self.state:
            self.state = {name: vae.kernels.zeros(len(vector), vae.dtype) for name in self.state_names}
        self._vector = vector

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_vector": None}

    def update(self, vae: VAE) -> None:
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

    def update(self, vae: VAE) -> None:
        """One step of :func:`kernels.reference.sgd_update`."""
        vae.kernels.sgd_update(
            vae.store.vector,
            vae.store.gradient,
            self.state["velocity"],
            learning_rate=self.learning_rate,
            momentum=self.momentum,
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
        self.beta1, self.beta2 = (check_float(beta, "each of betas", below=1) for beta in betas)
        self.epsilon = check_float(epsilon, "epsilon", positive=True)

    def update(self, vae: VAE) -> None:
        """One step of :func:`kernels.reference.adam_update`."""
        vae.kernels.adam_update(
            vae.store.vector,
            vae.store.gradient,
            self.state["m"],
            self.state["v"],
            self.t,
            learning_rate=self.learning_rate,
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=self.epsilon,
        )


OPTIMIZERS = {"adam": Adam, "sgd": SGD}
