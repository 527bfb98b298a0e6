"""Convolution and pooling, in one dimension and in two, with stride, zeros around, and channels."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import autograd.numpy as np
from oracles import Data

from .draft import Draft, Shape


def convolution(n: Draft) -> None:
    """Of a vector, an image, or an image with channels; to one image, or to several."""
    x = n.node((1, 2, 3))
    if x is None:
        return
    channels, extent = _parts(n.shapes[x])
    border = tuple(n.one(0, 0, 1, 2) for _ in extent)
    stride = tuple(n.one(1, 1, 2, 3) for _ in extent)
    size = tuple(n.size(1, min(length + 2 * b, 3)) for length, b in zip(extent, border, strict=True))
    out = n.one((), (n.size(1, 3),))
    w = n.weight(*out, *channels, *size)
    read = x
    if any(border):
        widths = ", ".join(map(str, (*(0 for _ in channels), *border)))
        read = n.helper(f"pad({x}, {widths})")
    ours, theirs, at = ("i", "j")[: len(extent)], ("u", "v")[: len(extent)], []
    for i, u, s, b in zip(ours, theirs, stride, border, strict=True):
        at.append(f"{'' if s == 1 else f'{s}*'}{i}+{u}-{s + b}")
    c, o = ["c"] * len(channels), ["o"] * len(out)
    text = f"sum({', '.join([*c, *theirs])}: {w}[{','.join([*o, *c, *theirs])}] * {read}[{','.join([*c, *at])}])"

    def step(d: Data) -> Any:
        image = np.pad(d[x], [(0, 0)] * len(channels) + [(b, b) for b in border], "constant") if any(border) else d[x]
        kernels = d[w] if out else d[w][None]
        made = [windows(image, size, stride, lambda part, k=k: np.sum(k * part), len(channels)) for k in kernels]
        return np.array(made) if out else made[0]

    shape = (*out, *_places(extent, size, stride, border))
    n.equation(shape, text, step, f"[{','.join([*o, *ours])}]")


def pooling(n: Draft) -> None:
    """The largest, the smallest, the mean or the sum of each window."""
    x = n.node((1, 2, 3))
    if x is None:
        return
    channels, extent = _parts(n.shapes[x])
    size = tuple(n.size(1, min(length, 3)) for length in extent)
    stride = n.one(size, tuple(1 for _ in size))
    kind, reduce = n.one(("max", np.max), ("min", np.min), ("mean", np.mean), ("sum", np.sum))
    ours, theirs, at = ("i", "j")[: len(extent)], ("u", "v")[: len(extent)], []
    for i, u, s in zip(ours, theirs, stride, strict=True):
        at.append(f"{'' if s == 1 else f'{s}*'}{i}+{u}-{s}")
    c = ["c"] * len(channels)
    within = ", ".join(f"{u} in {s}" for u, s in zip(theirs, size, strict=True))
    text = f"{kind}({within}: {x}[{','.join([*c, *at])}])"

    def step(d: Data) -> Any:
        parts = [windows(image, size, stride, reduce) for image in (d[x] if channels else d[x][None])]
        return np.array(parts) if channels else parts[0]

    n.equation((*channels, *_places(extent, size, stride)), text, step, f"[{','.join([*c, *ours])}]")


def windows(image: Any, size: Shape, stride: Shape, function: Callable[[Any], Any], channels: int = 0) -> Any:
    """A function of every window of an image, which may have channels in front."""
    places = _places(image.shape[channels:], size, stride)
    found = []
    for place in product(*map(range, places)):
        parts = zip(place, size, stride, strict=True)
        found.append(function(image[(..., *(slice(p * s, p * s + m) for p, m, s in parts))]))
    return np.reshape(np.array(found), places)


def _parts(shape: Shape) -> tuple[Shape, Shape]:
    """Channels, if there are any, and the extent of the image."""
    return (shape[:1], shape[1:]) if len(shape) == 3 else ((), shape)


def _places(extent: Shape, size: Shape, stride: Shape, border: Shape = ()) -> Shape:
    wide = [length + 2 * b for length, b in zip(extent, border or (0,) * len(extent), strict=True)]
    return tuple((length - m) // s + 1 for length, m, s in zip(wide, size, stride, strict=True))
