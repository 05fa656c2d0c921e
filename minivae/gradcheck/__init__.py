"""Is a gradient right, and if not, why. differences.py measures, check.py judges, cases.py is what minivae checks."""

from minivae.gradcheck.check import *  # noqa: F403
from minivae.gradcheck.differences import *  # noqa: F403
