"""The errors of minivae: one sentence each, saying what was expected, what came, and what to do."""

from __future__ import annotations


class MinivaeError(Exception):
    """Base of every error that is minivae's own."""


class BackendError(MinivaeError, ValueError):
    """A backend that does not exist or cannot be used here; the message names what to install."""


class DataError(MinivaeError, ValueError):
    """Data that the model, the likelihood or a loader cannot take."""


class CheckpointError(MinivaeError, ValueError):
    """A weights file that is damaged, foreign, or not there."""


class TrainingDiverged(MinivaeError, ArithmeticError):
    """The loss stopped being finite; the parameters of the last finished epoch are kept."""


class GreyDataWarning(UserWarning):
    """Bernoulli likelihood on values between 0 and 1: the loss is a cross-entropy, not -log p(x)."""


class RunawayVarianceWarning(UserWarning):
    """A log variance has left the range in which numbers mean something; the message says what to do."""


class PoorFitWarning(UserWarning):
    """A trained model explains its training data far worse than their mean does; the message says what to do."""


class UntrustedEstimateWarning(UserWarning):
    """log p(x) of some rows could not be estimated well: they are unlike all that the model was trained on."""
