#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Print vectors_ieee.inc: what IEEE 754-2019 says that operations on binary64 and binary32 give.

Every result is computed as an exact rational number and rounded once, to nearest with ties to even, as clauses 4.3.1,
5.4.1 and 7 of the standard say; no floating-point unit is asked. Zeros, infinities and NaNs follow clauses 6.1 to 6.3.
The build does not need this; run it by hand when the table changes.
"""
from fractions import Fraction
from math import isqrt

FORMATS = {64: (11, 52), 32: (8, 23)}
NAN, INF = "nan", "inf"


def decode(bits, width):
    ebits, fbits = FORMATS[width]
    sign = bits >> (width - 1)
    exponent = (bits >> fbits) & ((1 << ebits) - 1)
    fraction = bits & ((1 << fbits) - 1)
    bias = (1 << (ebits - 1)) - 1
    if exponent == (1 << ebits) - 1:
        return (sign, NAN if fraction else INF)
    if exponent == 0:
        return (sign, Fraction(fraction) * Fraction(2) ** (1 - bias - fbits))
    return (sign, Fraction(fraction + (1 << fbits)) * Fraction(2) ** (exponent - bias - fbits))


def round_even(x):
    n, d = x.numerator, x.denominator
    q, r = divmod(n, d)
    return q + (1 if 2 * r > d or (2 * r == d and q & 1) else 0)


def encode(sign, value, width):
    ebits, fbits = FORMATS[width]
    bias = (1 << (ebits - 1)) - 1
    top = sign << (width - 1)
    if value == NAN:
        return ((1 << ebits) - 1) << fbits | 1 << (fbits - 1)
    if value == INF:
        return top | ((1 << ebits) - 1) << fbits
    if value == 0:
        return top
    e = value.numerator.bit_length() - value.denominator.bit_length()
    if Fraction(2) ** e > value:
        e -= 1
    e = max(e, 1 - bias)
    m = round_even(value / Fraction(2) ** (e - fbits))
    if m == 1 << (fbits + 1):
        m, e = m >> 1, e + 1
    if e > bias:
        return top | ((1 << ebits) - 1) << fbits
    if m < 1 << fbits:
        return top | m
    return top | (e + bias) << fbits | (m - (1 << fbits))


def add(a, b):
    (sa, va), (sb, vb) = a, b
    if NAN in (va, vb) or (va == INF and vb == INF and sa != sb):
        return (0, NAN)
    if va == INF:
        return (sa, INF)
    if vb == INF:
        return (sb, INF)
    total = (-va if sa else va) + (-vb if sb else vb)
    if total == 0:
        return (1 if sa and sb else 0, Fraction(0))
    return (int(total < 0), abs(total))


def mul(a, b):
    (sa, va), (sb, vb) = a, b
    if NAN in (va, vb) or (va == INF and vb == 0) or (vb == INF and va == 0):
        return (0, NAN)
    return (sa ^ sb, INF if INF in (va, vb) else va * vb)


def div(a, b):
    (sa, va), (sb, vb) = a, b
    if NAN in (va, vb) or (va == INF and vb == INF) or (va == 0 and vb == 0):
        return (0, NAN)
    if va == INF or vb == 0:
        return (sa ^ sb, INF)
    return (sa ^ sb, Fraction(0) if vb == INF else va / vb)


def sqrt(a):
    sign, value = a
    if value == NAN or (sign and value != 0):
        return (0, NAN)
    if value in (INF, 0):
        return a
    # An exact or a sticky root: 2^400 times finer than any format rounds.
    scale = 400 + 2 * max(0, value.denominator.bit_length())
    n = (value.numerator << (2 * scale)) // value.denominator
    root = isqrt(n)
    sticky = Fraction(1, 4) if root * root != n else 0
    return (0, (Fraction(root) + sticky) / (1 << scale))


SAMPLES = {
    64: [0, 1 << 63, 1, 0x000fffffffffffff, 0x0010000000000000, 0x3ff0000000000000, 0xbff0000000000000,
         0x3ff0000000000001, 0x3fefffffffffffff, 0x3fd5555555555555, 0x4008000000000000, 0x4340000000000000,
         0x4340000000000001, 0x3ca0000000000000, 0x7fefffffffffffff, 0xffefffffffffffff, 0x7ff0000000000000,
         0xfff0000000000000, 0x7ff8000000000000, 0x400921fb54442d18, 0x1ff0000000000003, 0x0008000000000001],
    32: [0, 1 << 31, 1, 0x007fffff, 0x00800000, 0x3f800000, 0xbf800000, 0x3f800001, 0x3f7fffff, 0x3eaaaaab,
         0x40400000, 0x4b800000, 0x4b800001, 0x33800000, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000,
         0x7fc00000, 0x40490fdb, 0x1f800003, 0x00400001],
}


def pairs(values, step):
    n = len(values)
    return [(values[i], values[(i * step + step) % n]) for i in range(n)] + \
           [(values[i], values[(i + step) % n]) for i in range(n)]


def main():
    rows = []
    for width, values in SAMPLES.items():
        for k, (name, f) in enumerate((("ADD", add), ("SUB", None), ("MUL", mul), ("DIV", div))):
            for a, b in pairs(values, 3 + 2 * k):
                x, y = decode(a, width), decode(b, width)
                if name == "SUB":
                    z = add(x, (y[0] ^ 1, y[1]))
                else:
                    z = f(x, y)
                rows.append((name, width, a, b, encode(*z, width)))
        for a in values:
            rows.append(("SQRT", width, a, 0, encode(*sqrt(decode(a, width)), width)))
    for a in SAMPLES[64] + [0x47efffffe0000000, 0x47effffff0000000, 0x36a0000000000000, 0x3690000000000000,
                            0x3690000000000001, 0x3810000010000000, 0x3ff0000010000000, 0x3ff0000030000000]:
        rows.append(("NARROW", 64, a, 0, encode(*decode(a, 64), 32)))
    for a in SAMPLES[32]:
        rows.append(("WIDEN", 32, a, 0, encode(*decode(a, 32), 64)))
    for a in (0, 1, 0xffffffff, 0x1000001, 0x1000003, 0x7fffffff, 0x80000000, 0x7fffffc0, 0x7fffffbf, 0x80000041):
        s = a - (1 << 32) if a >> 31 else a
        for width in (64, 32):
            rows.append(("FROM_S32", width, a, 0, encode(int(s < 0), Fraction(abs(s)), width)))
    print("/* SPDX-License-Identifier: GPL-2.0-or-later */")
    print("/* Printed by vectors_ieee.py: operation, width, operands, result. Any NaN may stand for a NaN. */")
    for name, width, a, b, z in rows:
        print("{ %s, %d, 0x%x, 0x%x, 0x%x }," % (name, width, a, b, z))


main()
