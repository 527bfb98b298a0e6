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
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np

from benchmarks.training.dense import Dense
from benchmarks.training.works import Weights, Work

Run = Callable[[], Weights]
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
    found = module.unpacked(module.initial(0, np.dtype(np.float32)))
    return {name: w.copy() for name, w in found.items()}


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
    target = t[:, 0] if t.shape[1] == 1 else t

    def run() -> Weights:
        trainer.fit(x, target)
        return dict(trainer.weights_)

    return run


def numpy(work: Work, weights: Weights) -> Run:
    """Written by hand, in single precision."""
    return lambda: work.trained(weights, np.float32)


def c(work: Work, weights: Weights) -> Run | None:
    """A program of plain loops compiled for the sizes of the work."""
    if shutil.which("gcc") is None:
        return None
    x, t = work.data()
    library = ctypes.CDLL(str(compiled(work.source, work.macros())))
    pointer = ctypes.POINTER(ctypes.c_float)

    def run() -> Weights:
        arrays = work.to_c(weights)
        given = [a.ctypes.data_as(pointer) for a in arrays]
        data = x.ctypes.data_as(pointer), t.ctypes.data_as(pointer)
        library.train(work.epochs, work.samples, *data, ctypes.c_float(work.rate), *given)
        return work.from_c(arrays, weights)

    return run


def compiled(source: Path, macros: dict[str, int | str]) -> Path:
    """A shared library from a C file."""
    result = Path(tempfile.mkdtemp(prefix="derive-benchmark-")) / f"{source.stem}.so"
    defined = [f"-D{name}={value}" for name, value in macros.items()]
    subprocess.run(["gcc", *C_FLAGS, *defined, str(source), "-o", str(result), "-lm"], check=True)
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
    first = {name: jnp.asarray(w) for name, w in weights.items()}

    def update(weights, batch):  # type: ignore[no-untyped-def]
        slopes = j.grad(work.jax_loss)(weights, *batch)
        return j.tree.map(lambda p, g: p - work.rate * g, weights, slopes), None

    @j.jit
    def train(weights, data):  # type: ignore[no-untyped-def]
        return j.lax.fori_loop(0, work.epochs, lambda _, p: j.lax.scan(update, p, data)[0], weights)

    def run() -> Weights:
        return {name: np.asarray(w) for name, w in j.block_until_ready(train(first, batches)).items()}

    return run


def torch(work: Work, weights: Weights, *, compiled: bool) -> Run | None:
    """Autograd and ``torch.optim.SGD``; compiled, the loss and its gradient go through ``torch.compile``."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch as tc

    x, t = (tc.from_numpy(a) for a in work.data())
    measured = tc.compile(work.torch_loss) if compiled else work.torch_loss

    def run() -> Weights:
        found = {name: tc.tensor(w, requires_grad=True) for name, w in weights.items()}
        optimizer = tc.optim.SGD(list(found.values()), lr=work.rate)
        for _ in range(work.epochs):
            for start in range(0, work.samples, work.batch):
                optimizer.zero_grad(set_to_none=True)
                measured(found, x[start : start + work.batch], t[start : start + work.batch]).backward()
                optimizer.step()
        return {name: w.detach().numpy() for name, w in found.items()}

    return run


def scikit(work: Work, weights: Weights) -> Run | None:
    """``MLPClassifier`` or ``MLPRegressor``, started from the same weights."""
    if not isinstance(work, Dense) or importlib.util.find_spec("sklearn") is None:
        return None
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    x, t = work.data()
    labels = {"sigmoid": lambda: t[:, 0], "softmax": lambda: t.argmax(axis=1), "linear": lambda: t}[work.output]()

    def run() -> Weights:
        model = (MLPRegressor if work.output == "linear" else MLPClassifier)(
            hidden_layer_sizes=work.sizes[1:-1],
            activation=work.hidden,
            solver="sgd",
            alpha=0.0,
            momentum=0.0,
            batch_size=work.batch,
            learning_rate_init=work.rate,  # the loss it reports is a mean over outputs, its gradient is that of the sum
            max_iter=work.epochs,
            shuffle=False,
            tol=0.0,
            n_iter_no_change=work.epochs + 1,
            warm_start=True,
        )
        warnings.simplefilter("ignore", ConvergenceWarning)
        model._random_state = np.random.RandomState(0)
        _start(model, x, labels, work.to_c(weights))
        model.fit(x, labels)
        pairs = zip(model.coefs_, model.intercepts_, strict=True)
        return work.from_c([a for pair in pairs for a in pair], weights)

    return run


def _start(model, x, labels, arrays) -> None:  # type: ignore[no-untyped-def]
    """Let the next fit go on from given weights: one tiny fit makes the model's shapes, then they are replaced."""
    epochs, model.max_iter = model.max_iter, 1
    model.fit(x, labels)
    model.max_iter = epochs
    model.coefs_, model.intercepts_ = arrays[::2], arrays[1::2]
    model.n_iter_, model.t_, model.loss_curve_ = 0, 0, []
    model._no_improvement_count, model.best_loss_ = 0, np.inf
    model._optimizer.velocities = [np.zeros_like(p) for p in model.coefs_ + model.intercepts_]
    model._optimizer.params = model.coefs_ + model.intercepts_


#: Everybody but ourselves, by name: who trains a work from given weights, or nobody.
PEERS: dict[str, Callable[[Work, Weights], Run | None]] = {
    "C": c,
    "JAX": jax,
    "NumPy": numpy,
    "torch": lambda work, weights: torch(work, weights, compiled=False),
    "torch compiled": lambda work, weights: torch(work, weights, compiled=True),
    "scikit-learn": scikit,
}


SLOW = ("NumPy", "torch", "torch compiled", "scikit-learn")
MOST_UPDATES = 2000  # of those in a call


def brief(work: Work) -> Work:
    """The same work for fewer epochs, where whole minutes would go by otherwise; an update is the same."""
    each = work.steps // work.epochs
    return replace(work, epochs=max(1, min(work.epochs, MOST_UPDATES // each)))


def everybody(
    work: Work, weights: Weights, module: ModuleType, names: tuple[str, ...] = ()
) -> dict[str, tuple[Work, Run]]:
    """Who can run here and what they do in a call, ourselves first; of the others those named, or all."""
    works = {name: brief(work) if name in SLOW else work for name in PEERS if not names or name in names}
    runs = {name: (given, PEERS[name](given, weights)) for name, given in works.items()}
    return {"derive": (work, derive(work, module)), **{n: (w, run) for n, (w, run) in runs.items() if run is not None}}
