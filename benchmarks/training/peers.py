"""Those who are compared.  Each takes a work and first weights and gives a function that trains one call from there.

The function returns the weights after the call; only its second and later calls are timed, so that nobody's
compilation counts.  Whoever is not installed is left out.
"""

from __future__ import annotations

import ctypes
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

from benchmarks.training.works import Weights, Work, step

Run = Callable[[], Weights]
SOURCE = Path(__file__).with_name("plain.c")
C_FLAGS = ("-O3", "-march=native", "-ffast-math", "-fPIC", "-shared")


def generated(work: Work) -> ModuleType:
    """The trainer module that derive writes for a work."""
    from codegen.trainer import module as trainer
    from derive.diagnostics import Source
    from derive.gradient import sweep
    from derive.language.build import load

    network = load(Source("work.spec", work.spec()))
    folder = Path(tempfile.mkdtemp(prefix="derive-benchmark-"))
    text = trainer.render(network, sweep(network), spec_name="work.spec", module_name="work_trainer")
    path = folder / "work_trainer.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"work_trainer_{id(work)}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def initial(module: ModuleType) -> Weights:
    """The first weights of a generated trainer, which everybody starts from."""
    named = module.unpacked(module.initial(0, np.dtype(np.float32)))
    layers = len(named) // 2
    return [(named[f"W{n}"].copy(), named[f"b{n}"].copy()) for n in range(1, layers + 1)]


def derive(work: Work, module: ModuleType) -> Run:
    """A trainer's ``fit``: checks of the data, first weights and all."""
    x, t = work.data()
    trainer = module.Trainer(
        solver="sgd",
        learning_rate_init=work.rate,
        batch_size=work.batch,
        max_iter=work.epochs,
        shuffle=False,
        n_iter_no_change=work.epochs,
        dtype="float32",
    )
    target = t[:, 0] if work.output == "sigmoid" else t

    def run() -> Weights:
        trainer.fit(x, target)
        named = trainer.weights_
        return [(named[f"W{n}"], named[f"b{n}"]) for n in range(1, len(work.sizes))]

    return run


def numpy(work: Work, weights: Weights) -> Run:
    """Written by hand, in single precision."""
    x, t = work.data()

    def run() -> Weights:
        layers = [(w.copy(), b.copy()) for w, b in weights]
        for _ in range(work.epochs):
            for start in range(0, work.samples, work.batch):
                step(work, layers, x[start : start + work.batch], t[start : start + work.batch])
        return layers

    return run


def c(work: Work, weights: Weights) -> Run | None:
    """``plain.c`` compiled for the sizes of the work."""
    if shutil.which("gcc") is None:
        return None
    x, t = work.data()
    library = ctypes.CDLL(str(_built(work)))
    pointer = ctypes.POINTER(ctypes.c_float)

    def run() -> Weights:
        layers = [(np.ascontiguousarray(w.T), b.copy()) for w, b in weights]
        arrays = [a.ctypes.data_as(pointer) for layer in layers for a in layer]
        data = x.ctypes.data_as(pointer), t.ctypes.data_as(pointer)
        library.train(work.epochs, work.samples, *data, ctypes.c_float(work.rate), *arrays)
        return [(w.T, b) for w, b in layers]

    return run


def _built(work: Work) -> Path:
    result = Path(tempfile.mkdtemp(prefix="derive-benchmark-")) / "plain.so"
    sizes = [f"-DS{n}={size}" for n, size in enumerate(work.sizes)]
    kinds = [f"-D{work.hidden.upper()}", f"-D{work.output.upper()}", f"-DLAYERS={len(work.sizes) - 1}"]
    command = ["gcc", *C_FLAGS, *sizes, *kinds, f"-DBATCH={work.batch}", str(SOURCE), "-o", str(result), "-lm"]
    subprocess.run(command, check=True)
    return result


def jax(work: Work, weights: Weights) -> Run | None:
    """One jitted call: scan over minibatches inside a loop over epochs."""
    if importlib.util.find_spec("jax") is None:
        return None
    import jax as j
    import jax.numpy as jnp

    x, t = work.data()
    count = work.samples // work.batch
    batches = (jnp.asarray(x.reshape(count, work.batch, -1)), jnp.asarray(t.reshape(count, work.batch, -1)))
    first = [(jnp.asarray(w), jnp.asarray(b)) for w, b in weights]

    def loss(layers, batch):  # type: ignore[no-untyped-def]
        value, goal = batch
        for w, b in layers[:-1]:
            value = value @ w.T + b
            value = jnp.tanh(value) if work.hidden == "tanh" else jnp.maximum(value, 0)
        w, b = layers[-1]
        z = value @ w.T + b
        if work.output == "sigmoid":
            return jnp.mean(jnp.sum(jnp.logaddexp(0.0, z) - goal * z, axis=1))
        if work.output == "softmax":
            return -jnp.mean(jnp.sum(goal * j.nn.log_softmax(z), axis=1))
        return 0.5 * jnp.mean(jnp.sum((z - goal) ** 2, axis=1))

    def update(layers, batch):  # type: ignore[no-untyped-def]
        slopes = j.grad(loss)(layers, batch)
        return j.tree.map(lambda p, g: p - work.rate * g, layers, slopes), None

    @j.jit
    def train(layers, data):  # type: ignore[no-untyped-def]
        return j.lax.fori_loop(0, work.epochs, lambda _, p: j.lax.scan(update, p, data)[0], layers)

    def run() -> Weights:
        return [(np.asarray(w), np.asarray(b)) for w, b in j.block_until_ready(train(first, batches))]

    return run


def torch(work: Work, weights: Weights, *, compiled: bool) -> Run | None:
    """Autograd and ``torch.optim.SGD``; compiled, the loss and its gradient go through ``torch.compile``."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch as tc

    functional = tc.nn.functional
    x, t = (tc.from_numpy(a) for a in work.data())

    def loss(layers, value, goal):  # type: ignore[no-untyped-def]
        for w, b in layers[:-1]:
            value = functional.linear(value, w, b)
            value = tc.tanh(value) if work.hidden == "tanh" else tc.relu(value)
        z = functional.linear(value, *layers[-1])
        if work.output == "sigmoid":
            return functional.binary_cross_entropy_with_logits(z, goal)
        if work.output == "softmax":
            return functional.cross_entropy(z, goal)
        return 0.5 * ((z - goal) ** 2).sum(dim=1).mean()

    measured = tc.compile(loss) if compiled else loss

    def run() -> Weights:
        layers = [(tc.tensor(w, requires_grad=True), tc.tensor(b, requires_grad=True)) for w, b in weights]
        optimizer = tc.optim.SGD([p for layer in layers for p in layer], lr=work.rate)
        for _ in range(work.epochs):
            for start in range(0, work.samples, work.batch):
                optimizer.zero_grad(set_to_none=True)
                measured(layers, x[start : start + work.batch], t[start : start + work.batch]).backward()
                optimizer.step()
        return [(w.detach().numpy(), b.detach().numpy()) for w, b in layers]

    return run


def scikit(work: Work, weights: Weights) -> Run | None:
    """``MLPClassifier`` or ``MLPRegressor``, started from the same weights."""
    if importlib.util.find_spec("sklearn") is None:
        return None
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    x, t = work.data()
    labels = {"sigmoid": lambda: t[:, 0], "softmax": lambda: t.argmax(axis=1), "linear": lambda: t}[work.output]()
    share = work.sizes[-1] if work.output == "linear" else 1  # newer versions take the mean over outputs

    def run() -> Weights:
        model = (MLPRegressor if work.output == "linear" else MLPClassifier)(
            work.sizes[1:-1],
            activation=work.hidden,
            solver="sgd",
            alpha=0.0,
            momentum=0.0,
            batch_size=work.batch,
            learning_rate_init=work.rate * share,
            max_iter=work.epochs,
            shuffle=False,
            tol=0.0,
            n_iter_no_change=work.epochs + 1,
            warm_start=True,
        )
        warnings.simplefilter("ignore", ConvergenceWarning)
        model._random_state = np.random.RandomState(0)
        _start(model, x, labels, weights)
        model.fit(x, labels)
        return [(w.T, b) for w, b in zip(model.coefs_, model.intercepts_, strict=True)]

    return run


def _start(model, x, labels, weights: Weights) -> None:  # type: ignore[no-untyped-def]
    """Let the next fit go on from given weights: one tiny fit makes the model's shapes, then they are replaced."""
    epochs, model.max_iter = model.max_iter, 1
    model.fit(x, labels)
    model.max_iter = epochs
    model.coefs_ = [w.T.copy() for w, _ in weights]
    model.intercepts_ = [b.copy() for _, b in weights]
    model.n_iter_, model.t_, model.loss_curve_ = 0, 0, []
    model._no_improvement_count, model.best_loss_ = 0, np.inf
    model._optimizer.velocities = [np.zeros_like(p) for p in model.coefs_ + model.intercepts_]
    model._optimizer.params = model.coefs_ + model.intercepts_


def everybody(work: Work, weights: Weights, module: ModuleType) -> dict[str, Run]:
    """Who can run here, ourselves first."""
    found = {
        "derive": derive(work, module),
        "C": c(work, weights),
        "JAX": jax(work, weights),
        "NumPy": numpy(work, weights),
        "torch": torch(work, weights, compiled=False),
        "torch compiled": torch(work, weights, compiled=True),
        "scikit-learn": scikit(work, weights),
    }
    return {name: run for name, run in found.items() if run is not None}
