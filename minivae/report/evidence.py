"""What a report looks at: a run's rows, its history, and what its model makes of them."""

from __future__ import annotations

import copy

import numpy as np

from minivae import evaluation, marks
from minivae.errors import MinivaeError, TrainingDiverged
from minivae.model import importance
from minivae.runs.folder import Run, RunFolder
from minivae.runs.plan import build_recipe
from minivae.runs.rows import examples_for, training_rows_of
from minivae.training.examples import held_out_rows
from minivae.training.loop import fit
from minivae.training.optimizers import OPTIMIZERS
from minivae.training.recipe import Recipe
from minivae.workers.group import Alone

ROWS, ESTIMATED, SAMPLES, STEPS = 2000, 100, 200, 400


class Evidence:
    """A run, at most ``ROWS`` of its rows on either side, ``train`` (N, D) and ``test`` (M, D), scaled, and codes.

    Rows of a conditional run are [x | c]; ``x`` and ``decoded`` (N, D) are not.
    """

    def __init__(self, run: Run):
        if run.settings is None:
            raise MinivaeError(f"{run.path} does not say how it was trained: expected a run folder, with config.json")
        self.run, self.vae, self.settings = run, run.vae, run.settings
        examples = examples_for(run, None, None)
        rows = training_rows_of(run, examples)
        if rows is None or run.data is None:
            raise MinivaeError(f"the data of {run.path} are not to be read as they were: put them back to their place")
        self.rows, self.test_rows, self.image_shape = rows, examples.x, run.data["image_shape"]
        self.some_rows, recipe = self.rows[:: -(-len(self.rows) // ROWS)], Recipe(binarize=run.binarize)
        self.train = held_out_rows(self.vae, self.some_rows, recipe)
        self.test = held_out_rows(self.vae, examples.x[:: -(-len(examples.x) // ROWS)], recipe)
        self.curve = np.array(RunFolder(run.path).read_history()["val_loss"])
        self.drop = np.ptp(self.curve) or 1.0  # all that training has gained, which says what is much
        self.mu, self.logvar = self.vae.encode_scaled(self.train)
        self.active = evaluation.activity(self.mu, evaluation.ACTIVE).active
        costs = marks.bounds(self.vae, self.test)
        train = held_out_rows(self.vae, marks.some_of(self.rows), recipe)
        self.scale = marks.scale_of(self.vae, train, self.test, float(costs.mean()))
        self.error = marks.error_of(costs)
        self.estimate = importance.log_likelihood(self.vae, self.test[:ESTIMATED], SAMPLES, 0)
        self.noise = np.random.default_rng(0).standard_normal(self.mu.shape)
        self.decoded = self.means(self.mu + np.exp(self.logvar / 2) * self.noise)
        x = self.train[:, : self.vae.input_dim]
        self.x = np.where(np.isnan(x), self.decoded, x)  # holes say nothing

    def means(self, z: np.ndarray) -> np.ndarray:
        """The means of p(x|z), scaled, under the conditions of the first training rows: (n, K) -> (n, D)."""
        given = self.train[: len(z), self.vae.input_dim :]
        return self.vae.scaling.apply(self.vae.decode(np.hstack([z, given])))

    @property
    def variance(self) -> np.ndarray:
        """What the model claims about x - decoded: of a Gaussian (1,) or (D,), else that of probabilities (N, D)."""
        if self.vae.likelihood.name == "gaussian":
            return np.exp(self.vae.parameters["decoder.output.logvar"])
        return np.maximum(self.decoded * (1 - self.decoded), 1e-6)

    def live(self, beta: float) -> int:
        """How many dimensions a linear model of this beta keeps: eigenvalues of the covariance above beta sigma^2."""
        given, x = self.train[:, self.vae.input_dim :], self.x
        if self.vae.condition_dim:  # what the condition explains needs no latents
            x = x - given @ np.linalg.lstsq(given, x)[0]
        return marks.live_dimensions(x, self.vae.latent_dim, beta * float(self.variance.mean()))

    def gain_at(self, factor: float) -> float:
        """How much lower the same model ends, trained anew as it was, for a few steps at ``factor`` times its rate.

        In nats, on the training rows or on the test rows, whichever gain is less.
        """
        twin, settings = copy.deepcopy(self.vae), self.settings
        twin.store.initialise(twin.init, twin.seed)
        twin.step = twin.epoch = 0
        if settings.output_bias == "data":
            twin.set_output_bias(self.some_rows[:, : twin.input_dim])
        epochs = max(1, min(len(self.curve), STEPS * settings.batch_size // len(self.train)))
        optimizer = OPTIMIZERS[settings.optimizer](settings.rate * factor)
        try:
            fit(
                twin,
                self.some_rows,
                epochs,
                optimizer=optimizer,
                progress=False,
                **vars(build_recipe(settings, Alone())),
            )
        except TrainingDiverged:
            return -np.inf
        return min(self.vae.loss_of_scaled(x).loss - twin.loss_of_scaled(x).loss for x in (self.train, self.test))
