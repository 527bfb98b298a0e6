"""Elementary functions that vectorise inside Numba kernels, in single and double precision.

Numba compiles ``np.exp`` and ``np.tanh`` into calls of a scalar library function, and a loop with such a call is not
vectorised.  The functions below are branch-free polynomial arithmetic, which LLVM turns into SIMD instructions.

Called from a compiled kernel, ``tanh(x)`` takes the precision of its argument.  Called from plain Python (also with
``NUMBA_DISABLE_JIT=1``) it falls back to NumPy.  The calling kernel may be compiled with any of the fastmath flags
contract, reassoc, arcp, nsz and afn: the functions carry flags of their own, which keep the order of operations.
``codegen.trainer.vectormath`` copies into a generated module those that it uses.
"""

import functools
import math

import numpy as np
from numba import njit, types
from numba.extending import intrinsic, overload

# A product may fuse with a sum; nothing may be reordered: (x + 1.5*2^52) - 1.5*2^52 rounds x to an integer.
# A call that LLVM does not inline keeps the loop around it scalar.
_FLAGS = {"fastmath": {"contract"}, "error_model": "numpy", "forceinline": True}


def _compiled(function):
    """Decorate ``build(real)``: its result is what a kernel runs for ``function(x)``, x of the type ``real``."""

    def register(build):
        @overload(function, jit_options=_FLAGS)
        def select(x):
            if isinstance(x, types.Integer):
                return lambda x: function(float(x))
            real = {types.float32: np.float32, types.float64: np.float64}.get(x)
            return None if real is None else build(real)

        return build

    return register


def _typed(real, single, double):
    """The number or the tuple of numbers for this precision, in this precision."""
    chosen = single if real is np.float32 else double
    return tuple(real(c) for c in chosen) if isinstance(chosen, tuple) else real(chosen)


@intrinsic
def _polynomial(typing, x, coefficients):
    """c[0] + c[1] x + c[2] x^2 + ... by Estrin's scheme, whose chain of dependent operations is short."""

    def emit(context, builder, signature, arguments):
        power, table = arguments
        terms = [builder.extract_value(table, i) for i in range(coefficients.count)]
        while len(terms) > 1:
            pairs = [terms[i : i + 2] for i in range(0, len(terms), 2)]
            terms = [
                builder.fadd(pair[0], builder.fmul(pair[1], power, flags=("contract",)), flags=("contract",))
                if len(pair) == 2
                else pair[0]
                for pair in pairs
            ]
            power = builder.fmul(power, power)
        return terms[0]

    return x(x, coefficients), emit


@intrinsic
def _power_of_two(typing, k):
    """2^k for an integral k inside the exponent range, by bits: adding 1.5*2^m leaves k in the low bits of the sum."""
    integer, mantissa, bias = (types.int32, 23, 127) if k == types.float32 else (types.int64, 52, 1023)

    def emit(context, builder, signature, arguments):
        shifted = builder.fadd(arguments[0], context.get_constant(k, 1.5 * 2.0**mantissa + bias))
        bits = builder.bitcast(shifted, context.get_value_type(integer))
        bits = builder.shl(bits, context.get_constant(integer, mantissa))
        return builder.bitcast(bits, context.get_value_type(k))

    return k(k), emit


@intrinsic
def _split_exponent(typing, x):
    """(m, k) with x = m 2^k and sqrt(1/2) <= m < sqrt(2), for a positive normal x, by bits."""
    integer, mantissa, bias, root = (
        (types.int32, 23, 127, 0x3F3504F3) if x == types.float32 else (types.int64, 52, 1023, 0x3FE6A09E667F3BCD)
    )

    def emit(context, builder, signature, arguments):
        def constant(value):
            return context.get_constant(integer, value)

        magic = 1.5 * 2.0**mantissa + bias
        real, whole = context.get_value_type(x), context.get_value_type(integer)
        bits = builder.add(builder.bitcast(arguments[0], whole), constant((bias << mantissa) - root))
        m = builder.add(builder.and_(bits, constant((1 << mantissa) - 1)), constant(root))
        magic_bits = builder.bitcast(context.get_constant(x, 1.5 * 2.0**mantissa), whole)
        k = builder.bitcast(builder.add(builder.lshr(bits, constant(mantissa)), magic_bits), real)
        k = builder.fsub(k, context.get_constant(x, magic))
        return context.make_tuple(builder, signature.return_type, [builder.bitcast(m, real), k])

    return types.UniTuple(x, 2)(x), emit


@intrinsic
def _copy_sign(typing, magnitude, sign):
    """``magnitude``, which is not negative, with the sign bit of ``sign``."""
    integer, lowest = (types.int32, -(2**31)) if sign == types.float32 else (types.int64, -(2**63))

    def emit(context, builder, signature, arguments):
        whole = context.get_value_type(integer)
        bits, sign_bits = (builder.bitcast(argument, whole) for argument in arguments)
        bits = builder.or_(bits, builder.and_(sign_bits, context.get_constant(integer, lowest)))
        return builder.bitcast(bits, context.get_value_type(sign))

    return magnitude(magnitude, magnitude), emit


# ln(2) in two parts
_LN2_32 = (
    0.69314575,
    1.4286068e-06,
)
_LN2_64 = (
    0.6931471805598903,
    5.497923018708371e-14,
)

# (exp(r) - 1 - r) / r^2 for |r| <= ln(2)/2
# relative error 2.4e-10 (float32) and 2.6e-19 (float64)
_EXP_32 = (
    0.5,
    0.16666666,
    0.04166636,
    0.00833339,
    0.0013940716,
    0.00019845835,
)
_EXP_64 = (
    0.5,
    0.16666666666666677,
    0.041666666666666505,
    0.00833333333332161,
    0.0013888888888962893,
    0.00019841269886200112,
    2.4801587171879954e-05,
    2.75572441127194e-06,
    2.755740290492716e-07,
    2.5109078206068258e-08,
    2.0875338665824936e-09,
)


@functools.cache
def _exp_reduction(real):
    """x -> (k, expm1(r)) with x = k ln(2) + r, k integral and |r| <= ln(2)/2, so that exp(x) = 2^k (1 + expm1(r)).

    ln(2) is subtracted in two parts (Cody and Waite); expm1(r) = r + r^2 p(r) with a minimax polynomial p.
    """
    magic, log2e = _typed(real, 1.5 * 2.0**23, 1.5 * 2.0**52), real(math.log2(math.e))
    ln2_high, ln2_low = _typed(real, _LN2_32, _LN2_64)
    coefficients = _typed(real, _EXP_32, _EXP_64)

    @njit(**_FLAGS)
    def exp_reduction(x):
        k = (x * log2e + magic) - magic
        high, low = x - k * ln2_high, k * ln2_low
        r = high - low
        return k, high + (r * r * _polynomial(r, coefficients) - low)

    return exp_reduction


def exp(x):
    """e^x; overflows to inf, underflows through the subnormal numbers to 0.

    Measured error: at most 1.0 ulp in float32, 1.0 ulp in float64.
    """
    return np.exp(x)


@_compiled(exp)
def _exp(real):
    """2^k (1 + expm1(r)), scaled in two steps because 2^k alone may be out of range."""
    low, high = _typed(real, (-104.5, 89.0), (-746.0, 710.0))
    magic, half, one = _typed(real, 1.5 * 2.0**23, 1.5 * 2.0**52), real(0.5), real(1)
    reduction = _exp_reduction(real)

    def exp(x):
        x = low if x < low else x
        x = high if x > high else x
        k, q = reduction(x)
        k1 = (k * half + magic) - magic
        return (one + q) * _power_of_two(k1) * _power_of_two(k - k1)

    return exp


def expm1(x):
    """e^x - 1, with full relative accuracy near 0.

    Measured error: at most 1.7 ulp in float32, 1.8 ulp in float64.
    """
    return np.expm1(x)


@_compiled(expm1)
def _expm1(real):
    """2 (2^(k-1) expm1(r) + 2^(k-1) - 1/2); the factor 2 stays outside so that 2^(k-1) cannot overflow."""
    low, high = _typed(real, (-40.0, 89.0), (-60.0, 710.0))
    half, one, two = real(0.5), real(1), real(2)
    reduction = _exp_reduction(real)

    def expm1(x):
        t = low if x < low else x
        t = high if t > high else t
        k, q = reduction(t)
        scale = _power_of_two(k - one)
        return x if x == 0 else two * (scale * q + (scale - half))

    return expm1


# (tanh(r)/r - 1) / r^2 in z = r^2 for |r| <= ln(2)/4
# relative error 1.6e-10 (float32) and 1.2e-20 (float64)
_TANH_32 = (
    -0.33333322,
    0.13331176,
    -0.052724905,
)
_TANH_64 = (
    -0.3333333333333333,
    0.13333333333330483,
    -0.05396825396006798,
    0.02186948742079733,
    -0.00886315417507005,
    0.003588860606558254,
    -0.0013874962891432664,
)


@functools.cache
def _tanh_near(real):
    """r -> tanh(r) = r + r^3 p(r^2) for |r| <= ln(2)/4, with a minimax polynomial p."""
    coefficients = _typed(real, _TANH_32, _TANH_64)

    @njit(**_FLAGS)
    def tanh_near(r):
        z = r * r
        return r + (r * z) * _polynomial(z, coefficients)

    return tanh_near


def tanh(x):
    """Hyperbolic tangent, with full relative accuracy near 0; +-1 at infinity.

    Measured error: at most 2.8 ulp in float32, 3.0 ulp in float64.
    """
    return np.tanh(x)


@_compiled(tanh)
def _tanh(real):
    """The addition theorem for |x| = k ln(2)/2 + r, where tanh(k ln(2)/2) = (2^k - 1)/(2^k + 1).

    tanh|x| = ((2^k - 1) + (2^k + 1) t) / ((2^k + 1) + (2^k - 1) t) with t = tanh(r); it is 1 in this precision at the
    limit.  The multiples of ln(2)/2 need no second part: what they lack counts less the larger k is.
    """
    limit, one, two = _typed(real, 10.0, 20.0), real(1), real(2)
    magic, reciprocal = _typed(real, 1.5 * 2.0**23, 1.5 * 2.0**52), real(2 * math.log2(math.e))
    half_ln2, near = real(math.log(2) / 2), _tanh_near(real)

    def tanh(x):
        a = abs(x)
        a = limit if a > limit else a
        k = (a * reciprocal + magic) - magic
        t = near(a - k * half_ln2)
        scale = _power_of_two(k)
        y = (scale - one) + (scale + one) * t
        return _copy_sign(y / (y + (two - two * t)), x)

    return tanh


def sigmoid(x):
    """Logistic function 1/(1 + e^-x).

    Measured error: at most 2.5 ulp in float32, 2.5 ulp in float64.
    Below -89 (float32) or -710.5 (float64), where the value is subnormal, the result is 0.
    """
    t = np.exp(-abs(x))
    return (1 if x >= 0 else t) / (1 + t)


@_compiled(sigmoid)
def _sigmoid(real):
    """e^x/(1 + e^x) with e^x = 2^k (1 + t)/(1 - t), where t = tanh(r) and x = k ln(2) + 2r.

    That is 2^k (1 + t) / (2^k + 1 + (2^k - 1) t), and all of it is multiplied by 4, so that 2^k is no subnormal number.
    """
    low, high = _typed(real, (-89.0, 20.0), (-710.5, 40.0))
    magic, log2e = _typed(real, 1.5 * 2.0**23, 1.5 * 2.0**52), real(math.log2(math.e))
    half_ln2_high, half_ln2_low = (real(part / 2) for part in _typed(real, _LN2_32, _LN2_64))
    zero, half, two, four, near = real(0), real(0.5), real(2), real(4), _tanh_near(real)

    def sigmoid(x):
        a = low if x < low else x
        a = high if a > high else a
        k = (a * log2e + magic) - magic
        t = near((half * a - k * half_ln2_high) - k * half_ln2_low)
        scale = _power_of_two(k + two)
        y = scale + scale * t
        return zero if x < low else y / (y + (four - four * t))

    return sigmoid


def sigmoid_slope(x):
    """The derivative of the logistic function, e^x/(1 + e^x)^2.

    Measured error: at most 4.3 ulp in float32, 4.1 ulp in float64.
    Beyond 87 (float32) or 708 (float64) the result is subnormal, at last 0.
    """
    t = np.exp(-abs(x))
    return t / ((1 + t) * (1 + t))


@_compiled(sigmoid_slope)
def _sigmoid_slope(real):
    """t/(1 + t)^2 with t = exp(-|x|) in [0, 1], which cannot overflow."""
    one = real(1)

    def sigmoid_slope(x):
        t = exp(-abs(x))
        d = one + t
        return t / (d * d)

    return sigmoid_slope


# (sinh(r)/r - 1) / r^2 in z = r^2 for |r| <= 1
# relative error 5.2e-11 (float32) and 8.6e-20 (float64)
_SINH_32 = (
    0.16666667,
    0.00833335,
    0.0001983616,
    2.8169497e-06,
)
_SINH_64 = (
    0.16666666666666669,
    0.008333333333333148,
    0.00019841269841431864,
    2.755731915707385e-06,
    2.5052123136456877e-08,
    1.6057259786775234e-10,
    7.758748312347914e-13,
)


def sinh(x):
    """Hyperbolic sine, with full relative accuracy near 0.

    Measured error: at most 1.7 ulp in float32, 1.7 ulp in float64.
    """
    return np.sinh(x)


@_compiled(sinh)
def _sinh(real):
    """x + x^3 p(x^2) for |x| <= 1; h - 1/(4h) with h = exp(|x|)/2 beyond, which overflows only where sinh does."""
    limit, quarter, one, two = _typed(real, 89.5, 710.6), real(0.25), real(1), real(2)
    coefficients = _typed(real, _SINH_32, _SINH_64)
    reduction = _exp_reduction(real)

    def sinh(x):
        a = abs(x)
        z = x * x
        small = a + a * (z * _polynomial(z, coefficients))
        k, q = reduction(limit if a > limit else a)
        h = _power_of_two(k - two) * (one + q) * two
        return _copy_sign(small if a <= one else h - quarter / h, x)

    return sinh


def cosh(x):
    """Hyperbolic cosine.

    Measured error: at most 1.4 ulp in float32, 1.4 ulp in float64.
    """
    return np.cosh(x)


@_compiled(cosh)
def _cosh(real):
    """cosh(x) = h + 1/(4h) with h = exp(|x|)/2, which overflows only where cosh does."""
    limit, quarter, one, two = _typed(real, 89.5, 710.6), real(0.25), real(1), real(2)
    reduction = _exp_reduction(real)

    def cosh(x):
        a = abs(x)
        k, q = reduction(limit if a > limit else a)
        h = _power_of_two(k - two) * (one + q) * two
        return h + quarter / h

    return cosh


# (2 atanh(s)/s - 2) / s^2 in z = s^2, s = f/(2 + f), for sqrt(1/2) <= 1 + f <= sqrt(2)
# relative error 8.1e-10 (float32) and 1.2e-18 (float64)
_LOG_32 = (
    0.66666776,
    0.3997753,
    0.29872248,
)
_LOG_64 = (
    0.6666666666666735,
    0.39999999999412916,
    0.28571428742858856,
    0.2222219851700911,
    0.18183567633159117,
    0.15313956465876136,
    0.14796981987087768,
)


@functools.cache
def _log_sum(real):
    """(f, k) -> k ln(2) + log(1 + f) for sqrt(1/2) <= 1 + f <= sqrt(2), with full relative accuracy near 0.

    With s = f/(2 + f) and R(s) = 2 atanh(s) - 2s the logarithm is 2 atanh(s) = f - (f^2/2 - s (f^2/2 + R/s)): the
    rounding errors of s and R reach only a small correction of f.
    """
    half, two = real(0.5), real(2)
    ln2_high, ln2_low = _typed(real, _LN2_32, _LN2_64)
    coefficients = _typed(real, _LOG_32, _LOG_64)

    @njit(**_FLAGS)
    def log_sum(f, k):
        s = f / (two + f)
        z = s * s
        square = half * f * f
        return k * ln2_high + (f - (square - (s * (square + z * _polynomial(z, coefficients)) + k * ln2_low)))

    return log_sum


def log(x):
    """Natural logarithm; -inf at 0, NaN below, right for subnormal numbers.

    Measured error: at most 0.9 ulp in float32, 0.9 ulp in float64.
    """
    return np.log(x)


@_compiled(log)
def _log(real):
    """log(m 2^k) = k ln(2) + log(m); a subnormal x is scaled first."""
    tiny, lift, digits = _typed(real, (2.0**-126, 2.0**25, 25.0), (2.0**-1022, 2.0**54, 54.0))
    zero, one, inf, nan = real(0), real(1), real(np.inf), real(np.nan)
    log_sum = _log_sum(real)

    def log(x):
        subnormal = x < tiny
        m, k = _split_exponent(x * lift if subnormal else x)
        y = log_sum(m - one, k - (digits if subnormal else zero))
        y = y if x < inf else x
        y = y if x != 0 else -inf
        return nan if x < 0 else y

    return log


def log1p(x):
    """log(1 + x), with full relative accuracy near 0; -inf at -1, NaN below.

    Measured error: at most 1.5 ulp in float32, 1.5 ulp in float64.
    """
    return np.log1p(x)


@_compiled(log1p)
def _log1p(real):
    """log(1 + x) = k ln(2) + log(1 + f) with 1 + f = (1 + x)/2^k, where f includes the rounding error c of 1 + x."""
    half, one, inf, nan = real(0.5), real(1), real(np.inf), real(np.nan)
    log_sum = _log_sum(real)

    def log1p(x):
        u = one + x
        c = x - (u - one) if x < one else one - (u - x)
        m, k = _split_exponent(u)
        scale = _power_of_two(one - k) * half  # 2^-k itself is out of range at the largest x
        y = log_sum((m - one) + c * scale, k)
        y = y if x < inf and x != 0 else x
        y = y if x != -one else -inf
        return nan if x < -one else y

    return log1p


# (2 atanh(s)/s - 2) / s^2 in z = s^2, s = t/(2 + t), for 0 <= t <= 1
# relative error 1.1e-10 (float32) and 1.3e-18 (float64)
_SOFTPLUS_32 = (
    0.66666675,
    0.39998883,
    0.28616744,
    0.21428978,
    0.24296775,
)
_SOFTPLUS_64 = (
    0.6666666666666631,
    0.40000000000156555,
    0.2857142854792447,
    0.22222223966336088,
    0.18181744010757575,
    0.15386558785161997,
    0.133009798628122,
    0.12106101954620438,
    0.08339760708258372,
    0.17019688154277585,
)


def softplus(x):
    """log(1 + e^x), for every x.

    Measured error: at most 2.0 ulp in float32, 2.0 ulp in float64.
    """
    return np.logaddexp(x, 0)


@_compiled(softplus)
def _softplus(real):
    """max(x, 0) + log(1 + t) with t = exp(-|x|) in [0, 1], which cannot overflow.

    With s = t/(2 + t) the logarithm is 2 atanh(s) = t - s (t - s^2 p(s^2)).
    """
    zero, two = real(0), real(2)
    coefficients = _typed(real, _SOFTPLUS_32, _SOFTPLUS_64)

    def softplus(x):
        t = exp(-abs(x))
        s = t / (two + t)
        z = s * s
        return (zero if x < zero else x) + (t - s * (t - z * _polynomial(z, coefficients)))

    return softplus


# pi/2 in four parts
_HALF_PI = (
    1.5707963267341256,
    6.077100506303966e-11,
    2.0222662487111665e-21,
    8.4784276603689e-32,
)

# (sin(r)/r - 1) / r^2 in z = r^2 for |r| <= pi/4
# relative error 3.8e-9 (float32) and 3.6e-18 (float64)
_SIN_32 = (
    -0.16666655,
    0.008332158,
    -0.00019514971,
)
_SIN_64 = (
    -0.1666666666666663,
    0.008333333333322064,
    -0.00019841269829544046,
    2.7557313605070606e-06,
    -2.505074512832927e-08,
    1.5896072989728305e-10,
)

# (cos(r) - 1 + r^2/2) / r^4 in z = r^2 for |r| <= pi/4
# relative error 1.2e-10 (float32) and 5.6e-20 (float64)
_COS_32 = (
    0.041666646,
    -0.0013887313,
    2.4432804e-05,
)
_COS_64 = (
    0.041666666666666595,
    -0.0013888888888872978,
    2.4801587288801695e-05,
    -2.7557314164460804e-07,
    2.087569877516982e-09,
    -1.1358427024315236e-11,
)


@functools.cache
def _sin_cos(real):
    """x -> (sin(r), cos(r), m) with x = r + k pi/2, k integral, |r| <= pi/4 and m = k modulo 4, one of -2 ... 2.

    k pi/2 is subtracted in double precision and in four parts, the first three exact for |k| < 2^20; e is what r does
    not hold of the difference, so that it is accurate next to a multiple of pi/2 too.  Up to |x| = 2^45 the products
    lose their last bits gradually; x beyond that counts as 0.
    """
    magic, two_over_pi, limit = 1.5 * 2.0**52, 2 / math.pi, 2.0**45
    a, b, c, d = _HALF_PI
    sin_coefficients, cos_coefficients = _typed(real, _SIN_32, _SIN_64), _typed(real, _COS_32, _COS_64)
    one, half = real(1), real(0.5)

    @njit(**_FLAGS)
    def sin_cos(x):
        wide = np.float64(x)
        wide = wide if abs(wide) <= limit else wide - wide
        k = (wide * two_over_pi + magic) - magic
        m = real(k - 4.0 * ((k * 0.25 + magic) - magic))
        wide = wide - k * a
        r = real(wide - k * b)
        e = real(((wide - np.float64(r)) - k * b) - (k * c + k * d))
        z = r * r
        sin_r = r + (r * (z * _polynomial(z, sin_coefficients)) + e * (one - half * z))
        cos_r = one - (half * z - (z * z * _polynomial(z, cos_coefficients) - r * e))
        return sin_r, cos_r, m

    return sin_cos


def sin(x):
    """Sine; NaN at infinity.

    Measured error: at most 1.1 ulp in float32, 1.1 ulp in float64.
    The error is stated for |x| <= 1e4 (float32) or 1e5 (float64); beyond, it grows with |x|.
    """
    return np.sin(x)


@_compiled(sin)
def _sin(real):
    """sin(r + m pi/2) is sin(r), cos(r), -sin(r) or -cos(r)."""
    one = real(1)
    sin_cos = _sin_cos(real)

    def sin(x):
        sin_r, cos_r, m = sin_cos(x)
        y = m * cos_r if abs(m) == one else (one - abs(m)) * sin_r
        return x if x == 0 else y

    return sin


def cos(x):
    """Cosine; NaN at infinity.

    Measured error: at most 1.1 ulp in float32, 1.1 ulp in float64.
    The error is stated for |x| <= 1e4 (float32) or 1e5 (float64); beyond, it grows with |x|.
    """
    return np.cos(x)


@_compiled(cos)
def _cos(real):
    """cos(r + m pi/2) is cos(r), -sin(r), -cos(r) or sin(r)."""
    one = real(1)
    sin_cos = _sin_cos(real)

    def cos(x):
        sin_r, cos_r, m = sin_cos(x)
        return -m * sin_r if abs(m) == one else (one - abs(m)) * cos_r

    return cos


# erf(r)/r - 1 in z = r^2 for |r| <= 1/2
# relative error 1.4e-9 (float32) and 3.9e-18 (float64)
_ERF_32 = (
    0.12837917,
    -0.37612608,
    0.112828225,
    -0.026757184,
    0.0047179903,
)
_ERF_64 = (
    0.12837916709551256,
    -0.37612638903183465,
    0.11283791670924813,
    -0.02686617063271574,
    0.005223977370326539,
    -0.0008548297524464964,
    0.00012053324318751822,
    -1.4845583895635687e-05,
    1.4723217159602895e-06,
)

# -log(erfc(a)) / a for 1/2 <= a <= 4 (float32) or 6 (float64), relative to erf
# relative error 4.8e-10 (float32) and 1.5e-18 (float64)
_LOG_ERFC_32 = (
    1.1283888,
    0.6365376,
    0.10307216,
    -0.019730553,
    0.0005119105,
    0.0011927315,
    -0.00043494883,
    7.295867e-05,
    -5.0682465e-06,
)
_LOG_ERFC_64 = (
    1.128379167244259,
    0.6366197699167716,
    0.10277262188336313,
    -0.019128532820025686,
    -0.00020892589224078537,
    0.0016956069986519189,
    -0.0005891628488609271,
    2.4804872873365928e-05,
    6.517308687638699e-05,
    -2.957900290545769e-05,
    2.4154142025305457e-06,
    4.264763749880496e-06,
    -3.0865573832463815e-06,
    1.283839588145304e-06,
    -3.856965499517222e-07,
    8.847964443646475e-08,
    -1.5668871166395488e-08,
    2.1177732210638855e-09,
    -2.118348619318391e-10,
    1.4798224720962885e-11,
    -6.447142411378118e-13,
    1.3183727878669791e-14,
)


def erf(x):
    """Error function, with full relative accuracy near 0.

    Measured error: at most 2.0 ulp in float32, 2.0 ulp in float64.
    """
    return np.float32(math.erf(x)) if isinstance(x, np.float32) else math.erf(x)


@_compiled(erf)
def _erf(real):
    """x + x p(x^2) for |x| <= 1/2; beyond, -expm1(-a g(a)) with a polynomial g(a) for -log(erfc(a))/a."""
    limit, half, one = _typed(real, 4.0, 6.0), real(0.5), real(1)
    coefficients, log_coefficients = _typed(real, _ERF_32, _ERF_64), _typed(real, _LOG_ERFC_32, _LOG_ERFC_64)
    reduction = _exp_reduction(real)

    def erf(x):
        a = abs(x)
        small = a + a * _polynomial(x * x, coefficients)
        b = limit if a > limit else a
        k, q = reduction(-b * _polynomial(b, log_coefficients))
        scale = _power_of_two(k)
        large = (one - scale) - scale * q
        return _copy_sign(small if a <= half else large, x)

    return erf


# (3 + a) exp(a^2) erfc(a) in q = (a - 3)/(a + 3) for 1/2 <= a <= 10.5 (float32) or 28 (float64)
# relative error 1.2e-9 (float32) and 6.2e-19 (float64)
_ERFCX_32 = (
    1.0740069,
    -0.8833945,
    0.5902282,
    -0.3104668,
    0.11953096,
    -0.026832618,
    -0.0012372086,
    0.0030542072,
    -0.0004650919,
    -0.00029136578,
)
_ERFCX_64 = (
    1.0740069070883398,
    -0.8833944531698836,
    0.5902283571041019,
    -0.31046726190056045,
    0.11952776128728718,
    -0.026827234624765498,
    -0.00121241662709124,
    0.003034062006439701,
    -0.0005483096944254368,
    -0.0002767778978999445,
    0.00010756152149707135,
    3.0398462143560483e-05,
    -1.7470830425653342e-05,
    -4.750283721365076e-06,
    2.7665887733848707e-06,
    1.0011604824706637e-06,
    -4.112673949982881e-07,
    -2.3619587452856963e-07,
    5.150716579868887e-08,
    5.168994447416759e-08,
    -6.005991685739116e-09,
    -7.522271630025488e-09,
    1.1496996498919693e-09,
)


def erfc(x):
    """Complementary error function 1 - erf(x), with full relative accuracy far out, where it is small.

    Measured error: at most 6.8 ulp in float32, 6.5 ulp in float64.
    """
    return np.float32(math.erfc(x)) if isinstance(x, np.float32) else math.erfc(x)


@_compiled(erfc)
def _erfc(real):
    """exp(-a^2) g(a) for a = |x| >= 1/2 with a polynomial for g(a) (3 + a); 1 - erf(x) from its series within.

    a^2 = b^2 + (a - b)(a + b), where b is a rounded to so few digits that its square is exact.
    """
    limit, magic = _typed(real, (10.5, 1.5 * 2.0**15), (28.0, 1.5 * 2.0**32))
    rounder = _typed(real, 1.5 * 2.0**23, 1.5 * 2.0**52)
    half, one, two, three = real(0.5), real(1), real(2), real(3)
    zero = real(0)
    coefficients, small_coefficients = _typed(real, _ERFCX_32, _ERFCX_64), _typed(real, _ERF_32, _ERF_64)
    exp_coefficients = _typed(real, _EXP_32, _EXP_64)
    reduction = _exp_reduction(real)

    def erfc(x):
        a = abs(x)
        small = one - (x + x * _polynomial(x * x, small_coefficients))
        a = limit if a > limit else a
        b = (a + magic) - magic
        d = (b - a) * (b + a)
        k, p = reduction(-b * b)
        p = p + (one + p) * (d + d * d * _polynomial(d, exp_coefficients))
        k1 = (k * half + rounder) - rounder
        r = one / (a + three)
        tail = (one + p) * (_polynomial((a - three) * r, coefficients) * r)
        tail = tail * _power_of_two(k1) * _power_of_two(k - k1)
        large = two - tail if x < zero else tail
        return small if a <= half else large

    return erfc
