"""Random networks: a specification and, drawn in the same breath, what it means in autograd's NumPy.

The two sides share nothing but the choice.  No part of ``derive`` reads the specification for the oracle:
every construction below is written twice, once in the language and once as array code, so that a mistake in reading,
lowering, differentiating or tidying shows as a difference.
"""

from .checks import agree, automatic, check, check_trainer
from .notes import check_cells, check_notes, check_slides, looks, with_numbers
from .training import Training, check_fit, check_updates, trainings
from .whole import Made, networks

__all__ = [
    "Made",
    "Training",
    "agree",
    "automatic",
    "check",
    "check_cells",
    "check_fit",
    "check_notes",
    "check_slides",
    "check_trainer",
    "check_updates",
    "looks",
    "networks",
    "trainings",
    "with_numbers",
]
