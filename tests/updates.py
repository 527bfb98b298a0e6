"""Optimizers and learning rates written from the papers and from PyTorch's documentation, in NumPy.

An optimizer is a function of weights, gradient, rate and number of the update, all weights in one vector; it keeps its
state between calls; a schedule tells the rate of update k = 1, 2, …
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Step = Callable[[np.ndarray, np.ndarray, float, int], np.ndarray]


def sgd() -> Step:
    """Cauchy (1847)."""
    return lambda x, g, a, k: x - a * g


def momentum(mu: float = 0.9) -> Step:
    """Polyak (1964), the velocity in units of the weight, as in scikit-learn."""
    v = 0.0

    def step(x, g, a, k):
        nonlocal v
        v = mu * v - a * g
        return x + v

    return step


def nesterov(mu: float = 0.9) -> Step:
    """Bengio, Boulanger-Lewandowski and Pascanu (2013), at the point ahead, as in scikit-learn."""
    v = 0.0

    def step(x, g, a, k):
        nonlocal v
        v = mu * v - a * g
        return x + mu * v - a * g

    return step


def adagrad(epsilon: float = 1e-10) -> Step:
    """Duchi, Hazan and Singer (2011)."""
    total = 0.0

    def step(x, g, a, k):
        nonlocal total
        total = total + g**2
        return x - a * g / (np.sqrt(total) + epsilon)

    return step


def rmsprop(rho: float = 0.99, epsilon: float = 1e-8) -> Step:
    """torch.optim.RMSprop."""
    mean = 0.0

    def step(x, g, a, k):
        nonlocal mean
        mean = rho * mean + (1 - rho) * g**2
        return x - a * g / (np.sqrt(mean) + epsilon)

    return step


def adadelta(rho: float = 0.9, epsilon: float = 1e-6) -> Step:
    """Zeiler (2012), algorithm 1; its rate is 1."""
    squares = changes = 0.0

    def step(x, g, a, k):
        nonlocal squares, changes
        squares = rho * squares + (1 - rho) * g**2
        change = -np.sqrt(changes + epsilon) / np.sqrt(squares + epsilon) * g
        changes = rho * changes + (1 - rho) * change**2
        return x + a * change

    return step


def adam(beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8, decay: float = 0.0) -> Step:
    """Kingma and Ba (2015), algorithm 1; with ``decay`` torch.optim.AdamW, where the weights decay first."""
    m = v = 0.0

    def step(x, g, a, k):
        nonlocal m, v
        m, v = beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g**2
        x = x * (1 - a * decay)
        return x - a * (m / (1 - beta_1**k)) / (np.sqrt(v / (1 - beta_2**k)) + epsilon)

    return step


def adamw(beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8, decay: float = 0.01) -> Step:
    """Loshchilov and Hutter (2019)."""
    return adam(beta_1, beta_2, epsilon, decay)


def nadam(beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8) -> Step:
    """Dozat (2016), algorithm 2 with a constant μ: there the products of the μ are powers."""
    m = v = 0.0

    def step(x, g, a, k):
        nonlocal m, v
        ahead = g / (1 - beta_1**k)
        m, v = beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g**2
        mixed = (1 - beta_1) * ahead + beta_1 * m / (1 - beta_1 ** (k + 1))
        return x - a * mixed / (np.sqrt(v / (1 - beta_2**k)) + epsilon)

    return step


def rprop(grow: float = 1.2, shrink: float = 0.5) -> Step:
    """torch.optim.Rprop, element by element; the rate is the first step."""
    steps, before = np.empty(0), np.empty(0)

    def step(x, g, a, k):
        nonlocal steps, before
        if k == 1:
            steps, before = np.full(x.shape, a), np.zeros(x.shape)
        g, x = g.copy(), x.copy()
        for i in range(len(x)):
            product = g[i] * before[i]
            if product > 0:
                steps[i] = min(steps[i] * grow, 50)
            elif product < 0:
                steps[i] = max(steps[i] * shrink, 1e-6)
                g[i] = 0
            x[i] -= np.sign(g[i]) * steps[i]
            before[i] = g[i]
        return x

    return step


def half_cosine(t: float) -> float:
    return (1 + math.cos(math.pi * t)) / 2


#: What stands in a ``rate`` line, and the rate of update k.
SCHEDULES: dict[str, Callable[[int], float]] = {
    "0.1": lambda k: 0.1,
    "1/20": lambda k: 0.05,
    "0.1 / sqrt(k)": lambda k: 0.1 / math.sqrt(k),
    "0.1 * exp(-0.01 * k)": lambda k: 0.1 * math.exp(-0.01 * k),
    "step(0.1, 0.5, 10)": lambda k: 0.1 * 0.5 ** ((k - 1) // 10),
    "step(0.3, d = 0.3, n = 7)": lambda k: 0.3 * 0.3 ** ((k - 1) // 7),
    "exponential(0.1, 0.99)": lambda k: 0.1 * 0.99 ** (k - 1),
    "inverse_scaling(0.1)": lambda k: 0.1 / k**0.5,
    "inverse_scaling(0.1, 0.7)": lambda k: 0.1 / k**0.7,
    "cosine(0.1, 100)": lambda k: 0.1 * half_cosine(min(k - 1, 100) / 100),
    "cosine(0.1, 100, 0.01)": lambda k: 0.01 + 0.09 * half_cosine(min(k - 1, 100) / 100),
    "warmup(0.1, 30)": lambda k: 0.1 * min(k / 30, 1),
    "warmup_cosine(0.1, 30, 130)": lambda k: 0.1 * k / 30 if k <= 30 else 0.1 * half_cosine((min(k, 130) - 30) / 100),
}
