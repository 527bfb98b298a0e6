"""What holds for every network: the gradients are those of automatic differentiation, wherever they are computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
from autograd import grad
from hypothesis import assume
from oracles import Data, derived, trainer_of

from .whole import Made


def check(made: Made) -> None:
    """Loss and gradients of the derived equations are those of automatic differentiation."""
    expected = automatic(made, made.basis)
    agree(derived(made.spec, made.numbers), expected)


def check_trainer(made: Made, folder: Path) -> None:
    """Those of the generated trainer in float64 are, too, for all samples together and for some."""
    module = trainer_of(made.spec, folder)
    for samples in (made.samples, made.samples[:1]):
        expected = automatic(made, samples)
        x, y, masks = (stacked(made, samples, role) for role in ("input", "target", "mask"))
        given = {"masks": masks} if masks else {}
        found = [f(made.weights, x, y or None, **given) for f in (module.loss, module.gradient)]
        agree((found[0], found[1]), expected)


def stacked(made: Made, samples: tuple[Data, ...], role: str) -> Data:
    """The data of a role, the samples along the first axis."""
    return {n: numpy.stack([s[n] for s in samples]) for n, datum in made.data.items() if datum.role == role}


def automatic(made: Made, samples: tuple[Data, ...], weights: Data | None = None) -> tuple[float, Data]:
    """Loss and gradients of the array code; what is not finite, or far too large for float64, says nothing."""
    weights = made.weights if weights is None else weights
    with numpy.errstate(all="ignore"):
        loss = float(made.loss(weights, samples))
        slopes = grad(lambda w: made.loss(w, samples))(weights)
    sizes = [float(numpy.max(numpy.abs(slope))) for slope in slopes.values()]
    assume(numpy.isfinite(loss) and all(numpy.isfinite(sizes)) and max(map(abs, [loss, *sizes])) < 1e12)
    return loss, slopes


def agree(found: tuple[Any, Data], expected: tuple[float, Data]) -> None:
    """Equal to 1e-9: the loss, and of each array the largest difference relative to the largest derivative."""
    (loss, gradients), (wanted, slopes) = found, expected
    sizes = [float(numpy.max(numpy.abs(slope))) for slope in slopes.values()]
    assert abs(loss - wanted) <= 1e-9 * max(1, abs(wanted)), f"the loss is {loss}, and should be {wanted}"
    for name, slope in slopes.items():
        scale = max(float(numpy.max(numpy.abs(slope))), 1e-3 * max(sizes), 1e-6)
        error = float(numpy.max(numpy.abs(gradients[name] - slope))) / scale
        assert error <= 1e-9, f"∂L/∂{name} is\n{gradients[name]}\nand should be\n{slope}"
