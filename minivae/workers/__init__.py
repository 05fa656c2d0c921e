"""Many workers, one gradient (lesson 18): group.py who they are, mpi.py those of MPI, tree.py the order of a sum."""

from minivae.workers.group import Alone, Group, Pretend
from minivae.workers.mpi import Mpi

__all__ = ["Alone", "Group", "Mpi", "Pretend"]
