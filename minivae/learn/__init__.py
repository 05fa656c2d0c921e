"""The exercises' checker: it runs a learner's file in a process of its own, judges it, and says which term is wrong.

It judges by finite differences or by an exact answer that is computed another way, never by the solution. What
an exercise asks, how it is judged, and which mistakes are known by name is in ``lessons/checks/``.
"""

from minivae.learn.exercise import Exercise, Sizes, Wrong, finite_differences

__all__ = ["Exercise", "Sizes", "Wrong", "finite_differences"]
