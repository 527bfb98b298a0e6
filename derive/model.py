"""Networks put together in Python, from SymPy expressions.

A :class:`Model` collects statements and spells each in the specification language (:mod:`derive.spelling`); when the
network is asked for, the language reads them.  So whatever is checked in a specification is checked here, and an error
shows the statement that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import sympy

from derive.diagnostics import Source, SpecError
from derive.expressions import Index, index
from derive.language.build import load
from derive.quantities import Quantity, expression, total
from derive.spelling import Speller, checked, names_of, number

if TYPE_CHECKING:
    from derive.network import Network

#: What stands in place of a file's name in messages.
SOURCE = "<model>"

Place = int | sympy.Expr


class Model:
    """A network in the making.

    Parameters
    ----------
    title
        The title of the notes.
    notation
        ``"indexed"``, ``"numbered"`` for single weights called w1, w2, …, or a book's, ``"nielsen"``.
    batch
        Whether the loss of a batch is the mean or the sum over its samples.

    Examples
    --------
    >>> import derive
    >>> from derive.catalogue import cross_entropy, softmax
    >>> m = Model("Softmax regression")
    >>> x, t = m.input("x", 4), m.target("t", 3)
    >>> W, b = m.weight("W", 3, 4), m.weight("b", 3)
    >>> p = m.equation("p", softmax(W @ x + b))
    >>> m.loss("L", cross_entropy(t, p))
    L
    >>> derive.gradients(m.network())["W"]
    ∂L/∂W[i,j] = δ[i] x[j]
    """

    def __init__(
        self,
        title: str = "",
        notation: str | None = None,
        batch: Literal["mean", "sum"] | None = None,
    ) -> None:
        self._lines: list[str] = []
        self._roles: dict[str, str] = {}
        if title:
            if not title.isprintable() or '"' in title:
                raise SpecError("a title holds printable characters, no quotes", help='for example: Model("Iris")')
            self.statement(f'network "{title}"')
        for word, choice in (("notation", notation), ("batch", batch)):
            if choice is not None:
                self.statement(f"{word} {checked(choice)}")

    # tensors

    def input(self, name: str, *shape: int) -> Quantity:
        """Data that the network reads; without a shape, a scalar."""
        return self._declare("input", name, shape)

    def target(self, name: str, *shape: int) -> Quantity:
        """Data that the loss compares with."""
        return self._declare("target", name, shape)

    def weight(self, name: str, *shape: int, init: Any = None) -> Quantity:
        """What is learned; ``init`` holds initial values, or one number for all."""
        quantity = self._declare("weight", name, shape)
        if init is not None:
            self.init({quantity: init})
        return quantity

    def mask(self, name: str, probability: Any, *shape: int) -> Quantity:
        """Data that the trainer draws: 0 with this probability; in predictions and here it is 1."""
        self.statement(f"mask {checked(name)}{_brackets(shape)} = {numbers(probability)}")
        return self._quantity("mask", name)

    def constant(self, name: str, values: Any, *shape: int) -> Quantity:
        """Numbers that are used and never updated; the shape is that of the values, or one number fills ``shape``."""
        text = numbers(values)
        shape = shape or _shape(_plain(values))
        self.statement(f"constant {checked(name)}{_brackets(shape)} = {text}")
        return self._quantity("constant", name)

    def value(self, name: str) -> Quantity:
        """A value whose equation stands below: what a recurrence reads of its past, ``h[t-1]``."""
        return self._quantity("value", name)

    # equations

    def equation(self, name: str, *sides: Any) -> Quantity:
        """A value by its equation: ``equation("z", [i], body)`` for z[i] = body.

        Between the name and the body stand, in a list, what the language writes in brackets: index symbols for one
        element (``[i, j]``), sizes for all of a tensor (``[16]``, needed for layers), ``[0]`` for the state before a
        recurrence.  Without them the body's shape is that of the value.
        """
        *left, body = sides or (None,)
        if body is None or len(left) > 1:
            raise SpecError(f"the equation of {name} is incomplete", help='write equation("z", [i], body)')
        places: Sequence[Any] = [] if not left else left[0] if isinstance(left[0], list | tuple) else [left[0]]
        self.statement(f"{checked(name)}{self._brackets(places)} = {self._spell(body)}")
        return self._quantity("value", name)

    def loss(self, *name_and_body: Any) -> Quantity:
        """The one scalar to minimise: ``loss("L", body)``, or ``loss(body)`` for a loss without a name of its own."""
        *names, body = name_and_body or (None,)
        if body is None or len(names) > 1:
            raise SpecError("the loss is incomplete", help='write loss("L", body)')
        left = f"{checked(names[0])} = " if names else ""
        self.statement(f"loss {left}{self._spell(body)}")
        return self._quantity("value", names[0] if names else "L")

    def define(self, name: str, *parameters_and_body: Any) -> Any:
        """A function of one's own: ``define("swish", z, z * sigmoid(z))``, or with a ``sympy.Lambda`` behind the name.

        Returns the function, which applies to expressions.
        """
        if len(parameters_and_body) == 1 and isinstance(parameters_and_body[0], sympy.Lambda):
            parameters, body = list(parameters_and_body[0].signature), parameters_and_body[0].expr
        else:
            *parameters, body = parameters_and_body or (None,)
            parameters = [s for p in parameters for s in (p if isinstance(p, list | tuple) else [p])]
        if body is None or not parameters or not all(isinstance(p, sympy.Symbol) for p in parameters):
            help = 'write define("swish", z, z * sigmoid(z)), the parameters being symbols'
            raise SpecError(f"the definition of {name} is incomplete", help=help)
        speller = Speller({p.name: "value" for p in parameters})
        listed = ", ".join(speller.name(p) for p in parameters)
        self.statement(f"define {checked(name)}({listed}) = {speller(expression(body))}")
        return sympy.Function(name, real=True)

    @staticmethod
    def index(name: str) -> Index:
        """An index symbol; :func:`derive.indices` makes several at once."""
        return index(checked(name))

    # reductions

    @staticmethod
    def sum(body: Any, *over: Index | tuple[Index, int]) -> sympy.Expr:
        """The sum over indices, or over all elements where none are named.

        An index runs over what its shapes tell; ``(u, 2)`` in its place runs from 1 to 2.
        """
        return total("sum", body, over)

    @staticmethod
    def mean(body: Any, *over: Index | tuple[Index, int]) -> sympy.Expr:
        """The mean, like :meth:`sum`."""
        return total("mean", body, over)

    @staticmethod
    def max(body: Any, *over: Index | tuple[Index, int]) -> sympy.Expr:
        """The largest value, like :meth:`sum`; of two expressions ``sympy.Max`` gives the larger."""
        return total("max", body, over)

    @staticmethod
    def min(body: Any, *over: Index | tuple[Index, int]) -> sympy.Expr:
        """The smallest value, like :meth:`max`."""
        return total("min", body, over)

    # numbers and settings

    def init(self, values: Mapping[Any, Any] | None = None, **named: Any) -> None:
        """Initial weights, by name or by symbol: ``init(W=[[1, 2], [3, 4]])``, ``init({b: 0})``.

        Under the numbered notation ``w`` and ``b`` stand for all weights and biases in a flat list.
        """
        for name, given in _by_name(values, named).items():
            text = numbers(given)
            flat = isinstance(_plain(given), list) and name not in self._roles
            self.statement(f"init {name} = {text[1:-1] if flat else text}")

    def sample(self, values: Mapping[Any, Any] | None = None, **named: Any) -> None:
        """One sample for the worked numbers: ``sample(x=[2, 3], t=1)``; several make a batch."""
        given = _by_name(values, named)
        self.statement(f"sample {', '.join(f'{name} = {numbers(v)}' for name, v in given.items())}")

    def rate(self, name: str, value: Any) -> None:
        """The learning rate: its letter and its value."""
        self.statement(f"rate {checked(name)} = {numbers(value)}")

    def optimizer(self, name: str, **settings: Any) -> None:
        """How weights are updated: ``optimizer("momentum", a=0.1, mu=0.9)``."""
        listed = ", ".join(f"{key} = {numbers(value)}" for key, value in settings.items())
        self.statement(f"optimizer {checked(name)}" + (f"({listed})" if listed else ""))

    def statement(self, text: str) -> None:
        """Any statement of the specification language, as text."""
        self._lines.append(text)

    # the network

    @property
    def spec(self) -> str:
        """The specification so far: one statement a line."""
        return "".join(f"{line}\n" for line in self._lines)

    def network(self) -> Network:
        """The network; raises :class:`SpecError` for a mistake in it, as for one in a specification."""
        return load(Source(SOURCE, self.spec))

    def __repr__(self) -> str:
        count = len(self._lines)
        return "\n".join([f"<Model: {count} statement{'s' * (count != 1)}>", *(f" {line}" for line in self._lines)])

    # pieces

    def _declare(self, role: str, name: str, shape: tuple[int, ...]) -> Quantity:
        self.statement(f"{role} {checked(name)}{_brackets(shape)}")
        return self._quantity(role, name)

    def _quantity(self, role: str, name: str) -> Quantity:
        self._roles.setdefault(name, role)
        return Quantity(checked(name))

    def _spell(self, body: Any) -> str:
        return Speller(self._roles)(expression(body))

    def _brackets(self, places: Sequence[Any]) -> str:
        return f"[{', '.join(self._spell(p) for p in places)}]" if places else ""


def from_sympy(
    loss: Any,
    weights: Iterable[sympy.Symbol] | None = None,
    *,
    inputs: Iterable[sympy.Symbol] = (),
    targets: Iterable[sympy.Symbol] = (),
    constants: Mapping[sympy.Symbol, Any] | None = None,
    equations: Mapping[sympy.Symbol, Any] | None = None,
    values: Mapping[sympy.Symbol, Any] | None = None,
    samples: Iterable[Mapping[sympy.Symbol, Any]] = (),
    name: str = "",
    title: str = "",
    rate: tuple[str, Any] | None = None,
) -> Network:
    """A network of scalars: a SymPy expression to minimise, and what its symbols are.

    Parameters
    ----------
    loss
        The expression.
    weights
        The symbols to differentiate by; if left out, all that are nothing else.  An ``IndexedBase`` with a shape is
        an array, here and among inputs and targets.
    inputs, targets
        The symbols that stand for data.
    constants
        The symbols that stand for numbers, with their values.
    equations
        Symbols that stand for parts of the loss, with their expressions, in the order of computation: the derivation
        then speaks of them.
    values
        Initial values of weights and, where there are inputs or targets, their values in one sample.
    samples
        Several samples, in place of the one in ``values``.
    name, title, rate
        The name of the loss, the title of the notes, the learning rate as ``("a", 0.05)``.

    Examples
    --------
    >>> import derive
    >>> x, y, z = sympy.symbols("x y z")
    >>> network = from_sympy((x + y) * z, values={x: -2, y: 5, z: -4})
    >>> derive.gradients(network)["z"].value
    3.0

    Raises
    ------
    SpecError
        for what the language cannot say, and for every mistake that it finds.
    """
    loss, equations = expression(loss), {s: expression(e) for s, e in (equations or {}).items()}
    inputs, targets, constants, values = list(inputs), list(targets), constants or {}, dict(values or {})
    if weights is None:
        others = {_name(s) for s in (*inputs, *targets, *constants, *equations)}
        weights = [s for s in names_of([*equations.values(), loss]) if s.name not in others]
    weights = list(weights)
    model = Model(title)
    for role, symbols in ((model.input, inputs), (model.target, targets), (model.weight, weights)):
        for symbol in symbols:
            role(_name(symbol), *((symbol.shape or ()) if isinstance(symbol, sympy.IndexedBase) else ()))
    for symbol, constant in constants.items():
        model.constant(_name(symbol), constant)
    for symbol, body in equations.items():
        model.equation(_name(symbol), body)
    model.loss(*([name] if name else []), loss)
    if rate is not None:
        model.rate(*rate)
    given = {_name(s): v for s, v in values.items()}
    data = [_name(s) for s in (*inputs, *targets)]
    model.init({n: v for n, v in given.items() if n not in data})
    one = {n: v for n, v in given.items() if n in data}
    for sample in [*([one] if one else []), *({_name(s): v for s, v in sample.items()} for sample in samples)]:
        model.sample(sample)
    return model.network()


def numbers(values: Any) -> str:
    """A number or nested lists of numbers (NumPy arrays and SymPy matrices are) as the language writes them."""
    values = _plain(values)
    if isinstance(values, list):
        if not values:
            raise SpecError("a list of numbers is empty", help="give at least one number")
        return f"[{', '.join(map(numbers, values))}]"
    if isinstance(values, Fraction):
        values = sympy.Rational(values.numerator, values.denominator)
    found = expression(values)
    if not found.is_Rational and not found.is_Float:
        raise SpecError(f"'{values}' is not a rational or a decimal number", help="write numbers such as 1/3 or 0.05")
    return number(found)[0]


def _plain(values: Any) -> Any:
    values = values.tolist() if hasattr(values, "tolist") else values
    return list(values) if isinstance(values, tuple | range) else values


def _shape(values: Any) -> tuple[int, ...]:
    return (len(values), *_shape(_plain(values[0]))) if isinstance(values, list) else ()


def _brackets(shape: Sequence[Any]) -> str:
    if any(not isinstance(n, int | sympy.Integer) or isinstance(n, bool) for n in shape):
        raise SpecError(f"'{shape}' is not a shape", help='sizes are whole numbers: weight("W", 3, 4)')
    return f"[{', '.join(map(str, shape))}]" if shape else ""


def _by_name(values: Mapping[Any, Any] | None, named: Mapping[str, Any]) -> dict[str, Any]:
    return {**{_name(key): v for key, v in (values or {}).items()}, **named}


def _name(key: Any) -> str:
    """The name of a symbol, or a name."""
    if not isinstance(key, str | sympy.Symbol | sympy.IndexedBase):
        raise SpecError(f"'{key}' is not a symbol", help="numbers are given for symbols: {x: 2}")
    if isinstance(key, sympy.Dummy):
        raise SpecError(f"'{key}' is a Dummy, which has no name of its own", help="use a Symbol")
    return checked(str(key))
