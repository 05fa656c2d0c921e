"""Is a gradient right, and if not, why. differences.py measures, check.py judges, cases.py is what minivae checks."""

from minivae.gradcheck.check import (
    RATIO_MEANS,
    SIZES,
    TOLERANCE,
    Arrays,
    B,
    Check,
    D,
    H,
    K,
    check_backward,
    check_model,
    diagnose,
    diagnose_shape,
    loss_as_a_function_of,
    named_ratios,
    verdict,
)
from minivae.gradcheck.differences import (
    complex_step_gradient,
    directional_error,
    numerical_gradient,
    relative_error,
)

__all__ = [
    "RATIO_MEANS",
    "SIZES",
    "TOLERANCE",
    "Arrays",
    "B",
    "Check",
    "D",
    "H",
    "K",
    "check_backward",
    "check_model",
    "complex_step_gradient",
    "diagnose",
    "diagnose_shape",
    "directional_error",
    "loss_as_a_function_of",
    "named_ratios",
    "numerical_gradient",
    "relative_error",
    "verdict",
]
