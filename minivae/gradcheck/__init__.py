"""Is a gradient right, and if not, why: differences.py measures, check.py judges, cases.py lists what is checked."""

from minivae.gradcheck.check import *  # noqa: F403
from minivae.gradcheck.differences import *  # noqa: F403
