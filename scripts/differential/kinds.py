"""How two values may differ, for the kinds of `differences.toml` that accept more than any value."""

import re
import struct
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext

from values import astronomical


def numbers(test):
    """Applies the test to numbers, and to those of two lists."""

    def apply(here, there, kind):
        if isinstance(here, list):
            return isinstance(there, list) and len(here) == len(there) and all(
                left is right is None or apply(left, right, kind.removeprefix("list<").removesuffix(">"))
                for left, right in zip(here, there))
        if isinstance(here, bool) or isinstance(there, bool) or here is None or there is None:
            return False
        try:
            with localcontext() as context:
                context.prec = 120
                return test(Decimal(here), Decimal(there), kind)
        except (InvalidOperation, TypeError, ValueError, OverflowError):
            return False

    return apply


def single(number):
    return struct.unpack("f", struct.pack("f", float(number)))[0]


def rounded(here, there, kind):
    """Decimals of which one has fewer digits after the point, rounded."""
    scale = re.search(r"decimal\(\d+,\s*(\d+)\)", kind)
    if not scale:
        return False
    unit = Decimal(1).scaleb(-int(scale[1]))
    return here == there.quantize(unit, ROUND_HALF_UP) or there == here.quantize(there, ROUND_HALF_UP)


TESTS = {
    # Equal apart from the sign of zero.
    "zero": numbers(lambda here, there, kind: here == there or here == there == 0),
    # Equal up to the last digits of a double, or of a float.
    "nearly": numbers(lambda here, there, kind: abs(here - there) <= abs(there) * Decimal("1e-13") if "float" not in kind
                      else abs(here - there) <= abs(there) * Decimal("3e-7")),
    "close": numbers(lambda here, there, kind: abs(here - there) <= 1),
    "six digits": numbers(lambda here, there, kind: abs(here - there) <= abs(there) * Decimal("1e-5")),
    "float": numbers(lambda here, there, kind: single(here) == single(there)),
    "rounded": numbers(rounded),
    "null here": lambda here, there, kind: here is None,
    "null there": lambda here, there, kind: there is None,
    # A date and the start of its day.
    "midnight": lambda here, there, kind: astronomical(there) in (f"{here}T00:00:00", f"{here}T00:00:00+00:00")
    or here == f"{there}T00:00:00Z",
    # The same text after the year.
    "year": lambda here, there, kind: re.sub(r"^\+?\d+", "", str(here)) == re.sub(r"^\+?\d+", "", str(there)),
    "order": lambda here, there, kind: isinstance(here, list) and isinstance(there, list)
    and sorted(map(str, here)) == sorted(map(str, there)),
    "any": lambda here, there, kind: True,
}
