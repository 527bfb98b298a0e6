"""Which weights are shown step by step: those asked for by name, or as many as the level of detail wants."""

from __future__ import annotations

from codegen.options import Options
from derive.diagnostics import SpecError, did_you_mean
from derive.expressions import Access
from derive.naming import element_names
from derive.network import Network, Tensor

EVERY = 12  # weights of a network that is shown weight by weight at the normal level
MOST_SUGGESTED = 2000  # names that are searched for one like a wrong one


def chosen(network: Network, options: Options, small: bool) -> list[Access]:
    """The weights to be shown, the last first; raises :class:`SpecError` for a name that no weight has."""
    if options.weights:
        wanted = {named(network, name) for name in options.weights}
        return [e for w in reversed(network.weights) for e in reversed(list(w.elements())) if e in wanted]
    if options.detail == "brief":
        return []
    total = sum(w.size for w in network.weights)
    if small and (options.detail == "full" or total <= EVERY):
        return [e for w in reversed(network.weights) for e in reversed(list(w.elements()))]
    return [example(w) for w in reversed(network.weights)]


def named(network: Network, name: str) -> Access:
    """The weight of a name as the JSON has it: ``w1``, ``W1[1,2]``."""
    names = {text: element for element, text in element_names(network.weights, network.notation).items()}
    wanted = name.replace(" ", "")
    if wanted in names:
        return names[wanted]
    array = next((w for w in network.weights if w.name == wanted), None)
    if array is not None:
        first, last = (next(text for text, e in names.items() if e == end) for end in ends(array))
        raise SpecError(f"'{name}' is an array of {array.size} weights", help=f"choose among {first} … {last}")
    known = list(names) if len(names) <= MOST_SUGGESTED else [w.name for w in network.weights]
    listed = ", ".join(known[:6]) + (", …" if len(known) > 6 else "")
    help = did_you_mean(wanted, known) or f"the weights are {listed}"
    raise SpecError(f"no weight is called '{name}'", help=help)


def ends(array: Tensor) -> tuple[Access, Access]:
    """The first and the last element."""
    first = (array.start(d) for d in range(len(array.shape)))
    return Access(array.name, *first), Access(array.name, *array.last)


def example(weight: Tensor) -> Access:
    """An element whose indices differ as far as they can, so that one sees which is which: W[1,2]."""
    return Access(weight.name, *(weight.start(d) + min(d, extent - 1) for d, extent in enumerate(weight.shape)))
