"""The table's rows."""

from __future__ import annotations

from benchmarks.training.convolution import Convolution
from benchmarks.training.dense import Dense
from benchmarks.training.recurrence import Recurrence
from benchmarks.training.works import Work

WORKS: tuple[Work, ...] = (
    Dense(
        name="2-8-1 sigmoid, one sample at a time",
        sizes=(2, 8, 1),
        hidden="tanh",
        output="sigmoid",
        samples=1000,
        batch=1,
        epochs=100,
        rate=0.05,
        goal=0.204,
    ),
    Dense(
        name="4-16-3 tanh softmax, batch 16",
        sizes=(4, 16, 3),
        hidden="tanh",
        output="softmax",
        samples=1600,
        batch=16,
        epochs=100,
        rate=0.1,
        goal=0.19,
    ),
    Dense(
        name="4-32-16-4 tanh, batch 10,000",
        sizes=(4, 32, 16, 4),
        hidden="tanh",
        output="linear",
        samples=10_000,
        batch=10_000,
        epochs=60,
        rate=0.1,
    ),
    Dense(
        name="64-64-10 relu softmax, batch 32",
        sizes=(64, 64, 10),
        hidden="relu",
        output="softmax",
        samples=1600,
        batch=32,
        epochs=20,
        rate=0.1,
        goal=0.5,
    ),
    Dense(
        name="784-128-10 relu softmax, batch 64",
        sizes=(784, 128, 10),
        hidden="relu",
        output="softmax",
        samples=6400,
        batch=64,
        epochs=4,
        rate=0.1,
        goal=0.1,
    ),
    Convolution(
        name="two 1-D convolutions of 8 channels, relu softmax, batch 32",
        length=32,
        channels=8,
        width=5,
        classes=4,
        samples=1600,
        batch=32,
        epochs=5,
        rate=0.05,
        goal=0.6,
    ),
    Recurrence(
        name="recurrence of 16 tanh units over 20 steps, softmax, batch 32",
        times=20,
        inputs=4,
        units=16,
        classes=3,
        samples=1600,
        batch=32,
        epochs=10,
        rate=0.1,
        goal=0.9,
    ),
)
