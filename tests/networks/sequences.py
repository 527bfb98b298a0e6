"""What goes along a sequence: recurrences of numbers and of vectors, attention, tables of words."""

from __future__ import annotations

from typing import Any

import autograd.numpy as np
import numpy
from oracles import Data

from .draft import Draft, softmax


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def recurrence(n: Draft) -> None:
    """Over the first index of a vector or a matrix, with the state before the first step given or zero."""
    x = n.node((1, 2))
    if x is None:
        return
    times, *width = n.shapes[x]
    if not width:
        a, b = n.weight(), n.weight()
        back = n.one(1, 2)

        def scalars(d: Data) -> Any:
            h: list[Any] = []
            for t in range(times):
                h.append(np.tanh(d[a] * d[x][t] + d[b] * (h[t - back] if t >= back else 0.0)))
            return np.array(h)

        n.equation((times,), f"tanh({a} * {x}[t] + {b} * @SELF[t-{back}])", scalars, "[t]")
        return
    k = n.size()
    u, v, s = n.weight(k, k), n.weight(k, *width), n.weight(k)
    at, order = n.one(("t", 1), (f"{times + 1}-t", -1)) if x in n.data else ("t", 1)
    start = n.one("", "zero", "given")
    if start == "given":
        n.lines.append(f"h{len(n.steps) + 1}[0] = {s}")
    elif start == "zero":
        n.lines.append(f"h{len(n.steps) + 1}[0] = 0")

    def vectors(d: Data) -> Any:
        h, out = (d[s] if start == "given" else np.zeros(k)), []
        for row in d[x][::order]:
            h = np.tanh(np.dot(d[u], h) + np.dot(d[v], row) + d[s])
            out.append(h)
        return np.array(out)

    n.equation((times, k), f"tanh({u} @ @SELF[t-1] + {v} @ {x}[{at}] + {s})", vectors, "[t]")


def gated(n: Draft) -> None:
    """Two equations that need each other through time, after the fashion of a gated recurrent unit."""
    x = n.node((2,))
    if x is None:
        return
    times, width = n.shapes[x]
    k = n.size()
    u, v, w = n.weight(k, k), n.weight(k, width), n.weight(k, width)
    number = len(n.steps) + 1
    z, h = f"h{number}", f"h{number + 1}"

    def both(d: Data) -> Any:
        state, out = np.zeros(k), []
        for t in range(times):
            gate = sigmoid(np.dot(d[v], d[x][t]) + np.dot(d[u], state))
            state = (1 - gate) * state + gate * np.tanh(np.dot(d[w], d[x][t]))
            out.append((gate, state))
        return [np.array(part) for part in zip(*out, strict=True)]

    n.equation((times, k), f"sigmoid({v} @ {x}[t] + {u} @ {h}[t-1])", lambda d: both(d)[0], "[t]")
    n.equation((times, k), f"(1 - {z}[t]) * {h}[t-1] + {z}[t] * tanh({w} @ {x}[t])", lambda d: both(d)[1], f"[t, {k}]")
    n.unused.discard(z)


def cell(n: Draft) -> None:
    """A gated recurrent unit or a long short-term memory of vectors, its weights made by layers."""
    x = n.node((2,))
    if x is None:
        return
    times, width = n.shapes[x]
    k, number = n.size(1, 3), len(n.steps) + 1
    a, b, c, e, f = (f"h{number + place}" for place in range(5))
    inner = (k,)

    def two() -> Any:
        """``dense(x[t]) + linear(state)``"""
        first, second = n.layer("dense", inner, (width,)), n.layer("linear", inner, inner)
        return lambda d, row, state: first(d, row) + second(d, state)

    if n.one("gru", "lstm") == "gru":
        update, reset, candidate = two(), two(), two()
        lines = [
            f"sigmoid(dense({x}[t]) + linear({e}[t-1]))",
            f"sigmoid(dense({x}[t]) + linear({e}[t-1]))",
            f"tanh(dense({x}[t]) + linear({b}[t] * {e}[t-1]))",
            f"(1 - {a}[t]) * {c}[t] + {a}[t] * {e}[t-1]",
        ]

        def run(d: Data) -> Any:
            state, out = np.zeros(k), []
            for row in d[x]:
                z, r = sigmoid(update(d, row, state)), sigmoid(reset(d, row, state))
                new = np.tanh(candidate(d, row, r * state))
                state = (1 - z) * new + z * state
                out.append((z, r, new, state))
            return [np.array(part) for part in zip(*out, strict=True)]

    else:
        forget, write, candidate, show = two(), two(), two(), two()
        lines = [
            f"sigmoid(dense({x}[t]) + linear({f}[t-1]))",
            f"sigmoid(dense({x}[t]) + linear({f}[t-1]))",
            f"tanh(dense({x}[t]) + linear({f}[t-1]))",
            f"{a}[t] * {e}[t-1] + {b}[t] * {c}[t]",
            f"sigmoid(dense({x}[t]) + linear({f}[t-1])) * tanh({e}[t])",
        ]

        def run(d: Data) -> Any:
            memory, state, out = np.zeros(k), np.zeros(k), []
            for row in d[x]:
                keep, into = sigmoid(forget(d, row, state)), sigmoid(write(d, row, state))
                new = np.tanh(candidate(d, row, state))
                memory = keep * memory + into * new
                state = sigmoid(show(d, row, state)) * np.tanh(memory)
                out.append((keep, into, new, memory, state))
            return [np.array(part) for part in zip(*out, strict=True)]

    for place, text in enumerate(lines):
        n.unused.discard(n.equation((times, k), text, lambda d, place=place: run(d)[place], f"[t, {k}]"))
    n.unused.add(f"h{len(n.steps)}")


def attention(n: Draft) -> None:
    """Scaled dot products of the rows of a matrix; perhaps no row looks ahead, perhaps data say which are there."""
    x = n.node((2,))
    if x is None:
        return
    times, width = n.shapes[x]
    k, out = n.size(1, 3), n.size(1, 3)
    q, keys, v = n.weight(k, width), n.weight(k, width), n.weight(out, width)
    kind, hidden = n.one("all", "causal", "given"), ""
    ahead = numpy.triu(numpy.full((times, times), -10000), 1)
    if kind == "causal":
        hidden = f" + {n.constant((times, times), ahead)}[i,j]"
    elif kind == "given":
        there = n.input("input", "b", (times,))
        hidden = f" - 100 * (1 - {there}[j])"

    def scores(d: Data) -> Any:
        found = np.dot(np.dot(d[x], d[q].T), np.dot(d[x], d[keys].T).T) / numpy.sqrt(k)
        return found + ahead if kind == "causal" else found - 100 * (1 - d[there]) if kind == "given" else found

    asked, offered = n.helper(f"{x} @ transpose({q})"), n.helper(f"{x} @ transpose({keys})")
    text = f"{asked}[i] @ {offered}[j] / sqrt({k}){hidden}"
    s = n.equation((times, times), text, scores, "[i,j]")
    a = n.equation((times, times), f"softmax({s}[i])", lambda d: softmax(d[s]), "[i]")
    n.equation((times, out), f"{a} @ {x} @ transpose({v})", lambda d: np.dot(np.dot(d[a], d[x]), d[v].T))
    n.unused -= {s, a}


def table(n: Draft) -> None:
    """Whole numbers of the data look up rows of a table: one of them, or a row for every place of a sequence."""
    words, width = n.size(1, 4), n.size(1, 3)
    e = n.weight(words, width)
    if n.one(True, False):
        word = n.input("input", f"k{words}", ())
        n.equation((width,), f"{e}[{word},j]", lambda d: d[e][place(d[word])], "[j]")
        return
    times = n.size(2, 4)
    text = n.input("input", f"k{words}", (times,))
    n.equation((times, width), f"{e}[{text}[t]]", lambda d: d[e][place(d[text])], "[t]")


def place(number: Any) -> Any:
    """A whole number from 1 as a place from 0."""
    return numpy.asarray(number).astype(int) - 1
