"""Networks beyond dense layers, as a user would write them, each beside its loss in plain autograd/NumPy code.

The losses were written from the mathematics, with slices and einsum where the specification has indices.
"""

from __future__ import annotations

from typing import Any

import autograd.numpy as np
import numpy
from oracles import Case, Data, cross_entropy, relu, sigmoid


def softmax(z: Any) -> Any:
    """Along the last axis."""
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def correlate(x: Any, k: Any, stride: int = 1) -> Any:
    """Channels x images with a stack of kernels k[out, in, height, width], without padding."""
    height, width = ((n - m) // stride + 1 for n, m in zip(x.shape[1:], k.shape[2:], strict=True))
    parts = [
        np.einsum("oc,cij->oij", k[:, :, u, v], x[:, u : u + stride * height : stride, v : v + stride * width : stride])
        for u in range(k.shape[2])
        for v in range(k.shape[3])
    ]
    return sum(parts[1:], parts[0])


def windows(x: Any, size: int) -> Any:
    """x[c, i, j] cut into squares: [c, i, j, square]."""
    c, h, w = x.shape
    parts = x.reshape(c, h // size, size, w // size, size)
    return np.transpose(parts, (0, 1, 3, 2, 4)).reshape(c, h // size, w // size, size * size)


def _residual_stack(d: Data) -> Any:
    h = np.dot(d["W1"], d["x"]) + d["b1"]
    for n in (2, 3):
        h = h + relu(np.dot(d[f"W{n}"], h) + d[f"b{n}"])
    return (np.dot(d["W4"], h)[0] - d["t"]) ** 2


def _fork_and_join(d: Data) -> Any:
    h = np.tanh(np.dot(d["W1"], d["x"]))
    a, b = sigmoid(np.dot(d["W2"], h)), np.sin(np.dot(d["W3"], h))
    return np.sum((a * b + h + np.dot(d["W4"], d["x"]) - d["t"]) ** 2)


def _siamese(d: Data) -> Any:
    a, b = (np.tanh(np.dot(d["W"], d[x]) + d["b"]) for x in ("x", "z"))
    distance = np.sum((a - b) ** 2)
    return d["t"] * distance + (1 - d["t"]) * np.maximum(1 - distance, 0)


def _tied(d: Data) -> Any:
    h = sigmoid(np.dot(d["W"], d["x"]) + d["b"])
    return np.sum((np.dot(d["W"].T, h) + d["c"] - d["x"]) ** 2)


def _several(d: Data) -> Any:
    h = np.tanh(np.dot(d["A"], d["x"]) + np.dot(d["B"], d["u"]))
    y = np.dot(d["W2"], h)[0] + d["b2"][0]
    return cross_entropy(d["t"], softmax(np.dot(d["W1"], h) + d["b1"])) + 0.3 * (y - d["r"]) ** 2


def _strided_1d(d: Data) -> Any:
    h = np.stack([relu(np.sum(d["K"] * d["x"][:, 2 * i : 2 * i + 3], axis=(1, 2)) + d["b"]) for i in range(4)], axis=1)
    return np.sum((np.einsum("oi,oi->", d["W1"][0], h) + d["b1"][0] - d["t"]) ** 2)


def _conv_2d(d: Data) -> Any:
    h = relu(correlate(d["x"], d["K"]) + d["b"][:, None, None])
    m = np.max(windows(h, 2), axis=3)
    return cross_entropy(d["t"], softmax(np.einsum("kcij,cij->k", d["W1"], m) + d["b1"]))


def _stride_2d(d: Data) -> Any:
    h = np.tanh(correlate(d["x"], d["K"], 2))
    return np.sum((np.mean(correlate(h, d["M"]), axis=(1, 2)) - d["t"]) ** 2)


def _same_1d(d: Data) -> Any:
    def same(k: Any, x: Any) -> Any:
        n = len(k) // 2
        x = np.concatenate([np.zeros(n), x, np.zeros(n)])
        return sum(k[u] * x[u : u + 6] for u in range(len(k)))

    h = np.tanh(same(d["K"], d["x"]))
    g = same(d["M"], h**2) + d["x"]
    return (np.dot(d["v"], g) - d["t"]) ** 2 + 0.1 * np.sum(h**2)


def _padded_2d(d: Data) -> Any:
    h = np.tanh(correlate(np.pad(d["x"], ((0, 0), (1, 1), (1, 1)), "constant"), d["K"], 2))
    g = correlate(np.pad(h, ((0, 0), (1, 1), (2, 2)), "constant"), d["M"])
    return np.sum((np.einsum("kcij,cij->k", d["W1"], g) + d["b1"] - d["t"]) ** 2)


def _strided_over_zeros(d: Data) -> Any:
    p = np.concatenate([np.zeros(1), np.tanh(d["w"] * d["x"]), np.zeros(1)])
    return np.sum((np.array([np.dot(d["K"], p[i : i + 2]) for i in (0, 3)]) - d["t"]) ** 2)


def _average_pool(d: Data) -> Any:
    h = np.mean(windows(np.tanh(correlate(d["x"][None], d["K"][:, None])), 3), axis=3)
    return np.sum((np.einsum("cij,c->ij", h, d["g"]) - d["t"]) ** 2)


def _rms_norm(d: Data) -> Any:
    z = np.dot(d["W"], d["x"])
    return np.sum((d["g"] * z / np.sqrt(np.mean(z**2) + 1e-3) - d["t"]) ** 2)


def _layer_norm_rows(d: Data) -> Any:
    z = np.dot(d["x"], d["W"].T)
    centred = z - np.mean(z, axis=1, keepdims=True)
    n = centred / np.sqrt(np.mean(centred**2, axis=1, keepdims=True) + 1e-3)
    return np.sum((n * d["g"] + d["b"] - d["t"]) ** 2)


def _causal_attention(d: Data) -> Any:
    x = d["x"] + d["P"]
    q, k, v = (np.dot(x, d[w].T) for w in ("Q", "K", "V"))
    mask = numpy.triu(numpy.full((3, 3), -1e4), 1)
    return np.sum((np.dot(softmax(np.dot(q, k.T) / np.sqrt(2.0) + mask), v) - d["t"]) ** 2)


def _multi_head(d: Data) -> Any:
    x = d["x"]
    q, k, v = (np.einsum("hcd,id->hic", d[w], x) for w in ("Q", "K", "V"))
    a = softmax(np.einsum("hic,hjc->hij", q, k) / np.sqrt(2.0))
    heads = np.einsum("hij,hjc->hic", a, v)
    y = x + np.einsum("dhc,hic->id", d["O"], heads)
    return np.sum((y - d["t"]) ** 2)


def _mixture(d: Data) -> Any:
    gate = softmax(np.dot(d["G"], d["x"]))
    experts = np.tanh(np.einsum("eoj,j->eo", d["V"], d["x"]) + d["c"])
    return np.sum((np.dot(gate, experts) - d["t"]) ** 2)


def _bilinear(d: Data) -> Any:
    y = np.einsum("i,kij,j->k", d["x"], d["B"], d["z"])
    return np.sum((y - d["t"]) ** 2) + (np.dot(d["x"], np.dot(d["M"], d["z"]))) ** 2


def _cross_stitch(d: Data) -> Any:
    a, b = np.tanh(np.dot(d["A"], d["x"])), np.tanh(np.dot(d["B"], d["x"]))
    s = d["S"]
    u, v = s[0, 0] * a + s[0, 1] * b, s[1, 0] * a + s[1, 1] * b
    return (np.dot(d["p"], u) - d["t"]) ** 2 + (np.dot(d["q"], v) - d["r"]) ** 2


def place(number: Any) -> Any:
    """A whole number from 1 as a place from 0."""
    return numpy.asarray(number).astype(int) - 1


def _words(d: Data) -> Any:
    h = np.tanh(np.mean(d["E"][place(d["w"])] + d["P"], axis=0))
    return (np.dot(d["W1"], h)[0] - d["r"]) ** 2 + 0.01 * np.sum(d["E"] ** 2)


def _tables(d: Data) -> Any:
    h = np.tanh(d["U"][place(d["u"])] * d["V"][place(d["v"])] + d["b"][numpy.array([2, 0, 1])])
    p = softmax(np.dot(d["W1"], h) + d["b1"])
    return -np.log(p[place(d["k"])]) + d["c"][place(d["u"])] ** 2


def _shared_table(d: Data) -> Any:
    return (np.sum(np.dot(d["E"][place(d["w"])], d["E"][place(d["n"])])) - d["r"]) ** 2


def _smooth(d: Data) -> Any:
    w = d["w"]
    return (np.dot(w, d["x"]) - d["t"]) ** 2 + 0.1 * np.sum((w[1:] - w[:-1]) ** 2)


CONSTRUCTIONS: dict[str, Case] = {
    "residual stack": Case(
        """
        input x[3]
        h0[4] = dense(x)
        h1 = h0 + relu(dense(h0))
        h2 = h1 + relu(dense(h1))
        y = linear(h2)
        target t
        loss L = (y - t)^2
        """,
        _residual_stack,
    ),
    "fork and join with a skip connection": Case(
        """
        input x[3]
        h[4] = tanh(linear(x))
        a[4] = sigmoid(linear(h))
        b[4] = sin(linear(h))
        y[4] = a * b + h + linear(x)
        target t[4]
        loss L = squared_error(y, t)
        """,
        _fork_and_join,
    ),
    "two towers that share weights": Case(
        """
        input x[3], z[3]
        weight W[4, 3], b[4]
        a = tanh(W @ x + b)
        c = tanh(W @ z + b)
        target t
        D = sum((a - c)^2)
        loss L = t * D + (1 - t) * max(1 - D, 0)
        """,
        _siamese,
    ),
    "tied weights by the transpose": Case(
        """
        input x[4]
        weight W[2, 4], b[2], c[4]
        h = sigmoid(W @ x + b)
        y = transpose(W) @ h + c
        loss L = squared_error(y, x)
        """,
        _tied,
    ),
    "several inputs, outputs and losses": Case(
        """
        input x[3], u[2]
        weight A[4, 3], B[4, 2]
        h = tanh(A @ x + B @ u)
        p[3] = softmax(dense(h))
        y = dense(h)
        target t[3], r
        loss L = cross_entropy(t, p) + 0.3 * (y - r)^2
        """,
        _several,
    ),
    "one-dimensional convolution with channels and stride": Case(
        """
        input x[2, 9]
        weight K[3, 2, 3], b[3]
        h[o,i] = relu(sum(c, u: K[o,c,u] * x[c,2*i+u-2]) + b[o])
        y = dense(h)
        target t
        loss L = (y - t)^2
        """,
        _strided_1d,
    ),
    "two-dimensional convolution with maximum pooling": Case(
        """
        input x[2, 6, 6]
        weight K[3, 2, 3, 3], b[3]
        h[o,i,j] = relu(sum(c, u, v: K[o,c,u,v] * x[c,i+u-1,j+v-1]) + b[o])
        m[o,i,j] = max(u in 2, v in 2: h[o,2*i+u-2,2*j+v-2])
        p[3] = softmax(dense(m))
        target t[3]
        loss L = cross_entropy(t, p)
        """,
        _conv_2d,
    ),
    "two convolutions, the first with stride two, and a global mean": Case(
        """
        input x[1, 9, 7]
        weight K[2, 1, 3, 3], M[3, 2, 2, 2]
        h[o,i,j] = tanh(sum(c, u, v: K[o,c,u,v] * x[c,2*i+u-2,2*j+v-2]))
        g[o,i,j] = sum(c, u, v: M[o,c,u,v] * h[c,i+u-1,j+v-1])
        y[o] = mean(i, j: g[o,i,j])
        target t[3]
        loss L = squared_error(y, t)
        """,
        _stride_2d,
    ),
    "one-dimensional convolution that keeps the length": Case(
        """
        input x[6]
        weight K[3], M[5], v[6]
        p = pad(x, 1)
        h[i] = tanh(sum(u: K[u] * p[i+u-2]))
        q = pad(h^2, 2)
        g[i] = sum(u: M[u] * q[i+u-3]) + x[i]
        target t
        loss L = (v @ g - t)^2 + 0.1 * sum(q)
        """,
        _same_1d,
    ),
    "two-dimensional convolution with padding and stride": Case(
        """
        input x[2, 4, 6]
        weight K[3, 2, 3, 3], M[2, 3, 3, 5]
        p = pad(x, 0, 1, 1)
        h[o,i,j] = tanh(sum(c, u, v: K[o,c,u,v] * p[c,2*i+u-3,2*j+v-3]))
        q = pad(h, 0, 1, 2)
        g[o,i,j] = sum(c, u, v: M[o,c,u,v] * q[c,i+u-2,j+v-3])
        y[3] = dense(g)
        target t[3]
        loss L = squared_error(y, t)
        """,
        _padded_2d,
    ),
    "strided convolution of hidden values with zeros around them": Case(
        """
        input x[5]
        weight w[5], K[2]
        h = tanh(w * x)
        p = pad(h, 1)
        g[i] = sum(u: K[u] * p[3*i+u-4])
        target t[2]
        loss L = squared_error(g, t)
        """,
        _strided_over_zeros,
    ),
    "average pooling": Case(
        """
        input x[8, 8]
        weight K[2, 3, 3], g[2]
        h[o,i,j] = tanh(sum(u, v: K[o,u,v] * x[i+u-1,j+v-1]))
        a[o,i,j] = mean(u in 3, v in 3: h[o,3*i+u-3,3*j+v-3])
        y[i,j] = sum(o: a[o,i,j] * g[o])
        target t[2, 2]
        loss L = squared_error(y, t)
        """,
        _average_pool,
    ),
    "RMS normalisation": Case(
        """
        input x[3]
        weight W[4, 3], g[4]
        z = W @ x
        y = g * z / sqrt(mean(z^2) + 0.001)
        target t[4]
        loss L = squared_error(y, t)
        """,
        _rms_norm,
    ),
    "layer normalisation of every row": Case(
        """
        input x[3, 2]
        weight W[4, 2], g[4], b[4]
        z[i] = W @ x[i]
        m[i] = mean(z[i])
        s[i] = sqrt(mean(j: (z[i,j] - m[i])^2) + 0.001)
        y[i] = g * (z[i] - m[i]) / s[i] + b
        target t[3, 4]
        loss L = squared_error(y, t)
        """,
        _layer_norm_rows,
    ),
    "causal attention with positions": Case(
        """
        input x[3, 4]
        weight P[3, 4], Q[2, 4], K[2, 4], V[3, 4]
        constant M[3, 3] = [[0, -10000, -10000], [0, 0, -10000], [0, 0, 0]]
        e = x + P
        q[i] = Q @ e[i]
        k[i] = K @ e[i]
        v[i] = V @ e[i]
        s[i,j] = q[i] @ k[j] / sqrt(2) + M[i,j]
        a[i] = softmax(s[i])
        y = a @ v
        target t[3, 3]
        loss L = squared_error(y, t)
        """,
        _causal_attention,
    ),
    "attention with several heads": Case(
        """
        size d = 4
        input x[3, d]
        weight Q[2, 2, d], K[2, 2, d], V[2, 2, d], O[d, 2, 2]
        q[h,i] = Q[h] @ x[i]
        k[h,i] = K[h] @ x[i]
        v[h,i] = V[h] @ x[i]
        s[h,i,j] = q[h,i] @ k[h,j] / sqrt(2)
        a[h,i] = softmax(s[h,i])
        z[h] = a[h] @ v[h]
        y[i,l] = x[i,l] + sum(h, c: O[l,h,c] * z[h,i,c])
        target t[3, d]
        loss L = squared_error(y, t)
        """,
        _multi_head,
    ),
    "mixture of experts": Case(
        """
        input x[3]
        weight G[4, 3], V[4, 2, 3], c[4, 2]
        g = softmax(G @ x)
        f[e] = tanh(V[e] @ x + c[e])
        y[o] = sum(e: g[e] * f[e,o])
        target t[2]
        loss L = squared_error(y, t)
        """,
        _mixture,
    ),
    "bilinear forms": Case(
        """
        input x[3], z[2]
        weight B[4, 3, 2], M[3, 2]
        y[k] = sum(i, j: x[i] * B[k,i,j] * z[j])
        target t[4]
        loss L = squared_error(y, t) + (x @ M @ z)^2
        """,
        _bilinear,
    ),
    "cross-stitch": Case(
        """
        input x[3]
        weight A[4, 3], B[4, 3], S[2, 2], p[4], q[4]
        a = tanh(A @ x)
        b = tanh(B @ x)
        u = S[1,1] * a + S[1,2] * b
        v = S[2,1] * a + S[2,2] * b
        target t, r
        loss L = (p @ u - t)^2 + (q @ v - r)^2
        """,
        _cross_stitch,
    ),
    "embedding of words": Case(
        """
        input w[4]
        weight E[7, 3], P[4, 3]
        e[t] = E[w[t]] + P[t]
        h = tanh(mean(t: e[t]))
        y = linear(h)
        target r
        loss L = (y - r)^2 + 0.01 * sum(E^2)
        """,
        _words,
    ),
    "two tables and a class as a number": Case(
        """
        input u, v
        weight U[5, 3], V[6, 3], b[3], c[5]
        constant order[3] = [3, 1, 2]
        h[j] = tanh(U[u,j] * V[v,j] + b[order[j]])
        p[4] = softmax(dense(h))
        target k
        loss L = -log(p[k]) + c[u]^2
        """,
        _tables,
    ),
    "neighbouring words share one table": Case(
        """
        input w[3], n
        weight E[5, 2]
        s = sum(t: E[w[t]] @ E[n])
        target r
        loss L = (s - r)^2
        """,
        _shared_table,
    ),
    "differences of neighbours": Case(
        """
        input x[5]
        weight w[5]
        target t
        loss L = (w @ x - t)^2 + 0.1 * sum(i: (w[i+1] - w[i])^2)
        """,
        _smooth,
    ),
}
