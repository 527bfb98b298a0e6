"""Whether a plan computes what its equations say: checked for every trainer before its text is written.

The rules, each on elements as far as indices are affine, else on whole tensors:

1. what is read has been written before, every term of it: earlier in the text, or in an earlier turn of a loop;
2. what is added to starts somewhere, from zero or from a first value;
3. no value is lost: of what a loop writes in every turn to the same place, nothing outside the loop reads, and no place
   is given a value twice in the same way;
4. a weight that is updated is not read any more;
5. a product writes neither of its factors;
6. no two tensors have the same memory;
7. all results are there, and every index is inside its tensor.

A plan that breaks one is a mistake of ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sympy

from codegen.trainer.nodes import SAMPLE, WHOLE, Assign, Clear, Contraction, Loop, Node, Product, Range, Reduce
from derive.expressions import Access, Index, Within, index_symbols
from derive.network import Tensor

Path = tuple[int, ...]


class IllegalPlan(Exception):
    """A plan that does not compute its equations: a mistake of ours, not of the specification."""

    def __init__(self, what: str) -> None:
        super().__init__(f"illegal plan: {what}")


@dataclass(frozen=True)
class Touch:
    """A place where a tensor is read or written; ``access`` is ``None`` where all of it is."""

    path: Path  # the position in the text: of every loop around it, then its own
    loops: tuple[Loop, ...]
    tensor: str
    access: Access | None
    adds: bool = False
    guarded: bool = False  # a range says for which indices it is looked at
    zero: bool = False  # nothing but a start

    @property
    def indices(self) -> tuple[sympy.Expr, ...]:
        return self.access.indices if self.access is not None else ()


def check(
    kernels: Sequence[Iterable[Node]],
    tensors: Mapping[str, Tensor],
    *,
    given: Collection[str],
    started: Collection[str] = (),
    results: Collection[str],
    memory: Mapping[str, str],
) -> None:
    """Check kernels that run one after the other; raise :class:`IllegalPlan`.

    ``given`` tensors have values before; those of the ``started`` are what others have added so far.  ``results`` are
    wanted afterwards; ``memory`` names the place of every tensor that has one.
    """
    writes: dict[str, list[Touch]] = {}
    reads: list[Touch] = []
    for n, nodes in enumerate(kernels):
        for touch, is_read in _touches(tuple(nodes), (n,), ()):
            if is_read:
                reads.append(touch)
            else:
                writes.setdefault(touch.tensor, []).append(touch)
            _inside(touch, tensors)
    for place in memory.values():
        same = [name for name, other in memory.items() if other == place]
        _require(len(same) == 1, f"{' and '.join(same)} share memory")
    for name in results:
        _require(name in writes, f"nothing computes {name}")
    for tensor, found in writes.items():
        _starts(tensor, found, tensor in started)
        if tensor not in given:
            _once(tensor, found)
    for r in reads:
        found = writes.get(r.tensor, [])
        if r.tensor in given:
            late = all(r.path <= w.path for w in found if not _earlier_turn(r, w))
            _require(late, f"{r.tensor} is read after its update")
        else:
            _require(any(not w.zero for w in found) or r.tensor in started, f"{r.tensor} is read and never written")
            _everywhere(r, found)
            for w in found:
                _before(w, r, found)
    for tensor, found in writes.items():
        outside = [r for r in reads if r.tensor == tensor]
        for w in found:
            _not_lost(w, outside, tensor in results and tensor not in given)


def _touches(nodes: tuple[Node, ...], path: Path, loops: tuple[Loop, ...]) -> Iterator[tuple[Touch, bool]]:
    """Everything that is read (true) or written (false), in the order of the text."""
    for n, node in enumerate(nodes):
        here = (*path, n)
        match node:
            case Loop():
                yield from _touches(node.body, here, (*loops, node))
            case Clear():
                yield Touch(here, loops, node.tensor, None, zero=True), False
            case Product():
                for factor in (node.left, node.right):
                    _require(factor.tensor != node.out.tensor, f"a product reads {factor.tensor}, which it writes")
                    yield Touch(here, loops, factor.tensor, None), True
                yield Touch(here, loops, node.out.tensor, None), False
            case Contraction():
                inner = [Loop(i, span, ()) for i, span in (*node.rows, *node.columns, *node.over, (SAMPLE, WHOLE))]
                for access in (node.left, node.right):
                    yield Touch(here, (*loops, *inner), access.tensor, access), True
                own = [loop for loop in inner if loop.index in index_symbols(sympy.Tuple(*node.target.indices))]
                yield Touch(here, (*loops, *own), node.target.tensor, node.target, node.add), False
            case Assign() | Reduce():
                inner = [Loop(i, span, ()) for i, span in node.loops] if isinstance(node, Reduce) else []
                chosen = [a for i in node.target.indices for a in i.atoms(Access)]
                guarded = {a for part in node.value.atoms(Within) for a in part.atoms(Access)}
                for access in sorted({*node.value.atoms(Access), *chosen}, key=str):
                    yield Touch(here, (*loops, *inner), access.tensor, access, guarded=access in guarded), True
                yield Touch(here, loops, node.target.tensor, node.target, node.add, zero=node.value == 0), False


def _shared(one: Touch, other: Touch) -> tuple[Loop, ...]:
    """The loops around both."""
    count = 0
    for a, b in zip(one.path[:-1], other.path[:-1], strict=False):
        if a != b:
            break
        count += 1
    return one.loops[: max(0, count - 1)]


def _turn(write: Touch, other: Touch, loop: Loop) -> int | None:
    """In which turn of a loop an element was written, as the turn of ``other`` sees it: −1 before, 0 the same, 1 later.

    ``None`` where the indices do not tell.
    """
    if write.access is None or other.access is None:
        return None
    for x, y in zip(write.indices, other.indices, strict=True):
        if loop.index in index_symbols(x) and loop.index in index_symbols(y) and not (x - y).has(Access):
            difference = sympy.expand(y - x)
            if difference == 0 and index_symbols(x) == {loop.index}:
                return 0
            if difference.is_Integer and x.coeff(loop.index) in (1, -1):
                step = int(difference * x.coeff(loop.index)) * (-1 if loop.backward else 1)
                return (step > 0) - (step < 0)
    return None


def _earlier_turn(first: Touch, second: Touch) -> bool:
    """Whether what both touch is touched by the first in a turn before that of the second."""
    return any(_turn(first, second, loop) == -1 for loop in _shared(first, second))


def _before(w: Touch, r: Touch, writes: list[Touch]) -> None:
    """Rule 1 for one write and one read; a statement may give a value anew from the one that is there."""
    if w.path == r.path and w.access == r.access and any(o.path < w.path for o in writes if not o.zero):
        return
    if _apart(w, r):
        return
    for loop in _shared(w, r):
        turn = _turn(w, r, loop)
        if turn == -1:
            return
        _require(turn != 1, f"{r.tensor} is read in a turn before that which writes it")
        untouched = loop.index not in _symbols(w) and loop.index not in _symbols(r)
        if untouched and w.adds and _extent(loop) > 1:
            anew = any(not o.adds and loop in o.loops and o.path < w.path for o in writes)
            _require(anew, f"{r.tensor} is read before all its terms are there")
    _require(w.path < r.path, f"{r.tensor} is read before it is written")


def _apart(one: Touch, other: Touch) -> bool:
    """Whether no element is touched by both: in some dimension one ends before the other begins."""
    for d in range(min(len(one.indices), len(other.indices))):
        a, b = _bounds(one, d), _bounds(other, d)
        if a is not None and b is not None and (a[1] < b[0] or b[1] < a[0]):
            return True
    return False


def _everywhere(r: Touch, writes: list[Touch]) -> None:
    """Rule 1, the ends of the ranges: no element is read that is outside all that is written."""
    if r.access is None or r.guarded or any(w.access is None for w in writes):
        return
    for d, i in enumerate(r.indices):
        if i is SAMPLE or any(_bounds(t, d) is None for t in (r, *writes)):
            continue
        low, high = _bounds(r, d) or (0, 0)
        ends = [bounds for w in writes if (bounds := _bounds(w, d))]
        covered = min(a for a, _ in ends) <= low and high <= max(b for _, b in ends)
        _require(covered, f"{r.access} is read where nothing is written")


def _starts(tensor: str, writes: list[Touch], started: bool) -> None:
    """Rule 2."""
    for w in writes:
        first = any(not o.adds and o.path < w.path for o in writes)
        _require(started or not w.adds or first, f"{tensor} is added to and never started")


def _once(tensor: str, writes: list[Touch]) -> None:
    """Rule 3, the second half; a start at zero may be followed by values for some places."""
    seen: list[tuple[sympy.Expr, ...]] = []
    for w in writes:
        if w.adds or w.access is None:
            continue
        form = tuple(sympy.Symbol("any") if i.is_Symbol else i for i in w.indices)
        _require(form not in seen, f"{tensor} is written twice")
        seen.append(form)
    whole = [w for w in writes if w.access is None]
    _require(len(whole) <= 1, f"{tensor} is written twice")


def _not_lost(w: Touch, reads: list[Touch], wanted: bool) -> None:
    """Rule 3, the first half."""
    for loop in w.loops if w.access is None else ():
        whole = all(loop in _shared(w, r) for r in reads)
        _require(whole and not wanted, f"{w.tensor} is cleared anew in every turn of a loop")
    for loop in w.loops:
        if w.adds or w.access is None or _extent(loop) == 1 or loop.index in _symbols(w):
            continue
        inside = all(loop in _shared(w, r) for r in reads)
        _require(inside and not wanted, f"of {w.tensor} the last turn of a loop is left")


def _inside(touch: Touch, tensors: Mapping[str, Tensor]) -> None:
    """The second half of rule 7."""
    tensor = tensors[touch.tensor]
    if touch.access is None or touch.guarded:
        return
    samples = touch.indices[:1] == (SAMPLE,)
    _require(len(touch.indices) - samples == len(tensor.shape), f"{touch.access} has not the indices of {tensor}")
    for d in range(len(tensor.shape)):
        bounds = _bounds(touch, d + samples)
        if bounds is not None:
            inside = tensor.start(d) <= bounds[0] and bounds[1] < tensor.start(d) + tensor.shape[d]
            _require(inside, f"{touch.access} leaves {tensor}")


def _bounds(touch: Touch, place: int) -> Range | None:
    """The least and the largest value of an index; ``None`` where data choose it."""
    i = touch.indices[place]
    ranges = {loop.index: loop.range for loop in touch.loops}
    if i.has(Access) or not index_symbols(i) <= ranges.keys():
        return None
    low = high = int(i.as_coeff_Add()[0])
    for s in sorted(index_symbols(i), key=str):
        ends = sorted(int(i.coeff(s)) * bound for bound in ranges[s])
        low, high = low + ends[0], high + ends[1]
    return low, high


def _symbols(touch: Touch) -> set[Index]:
    return set().union(*(index_symbols(i) for i in touch.indices)) if touch.indices else set()


def _extent(loop: Loop) -> int:
    return 2 if loop.index is SAMPLE else loop.range[1] - loop.range[0] + 1


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise IllegalPlan(what)
