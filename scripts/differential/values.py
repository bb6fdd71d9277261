"""Values of the engines in one form, without a change of the value."""

import base64
import datetime
import json
import math
import re
import struct
import uuid
from decimal import Decimal, localcontext

FAILED = "failed"
INSTANT = re.compile(r"(\d{4,6})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d(?::?\d\d)?)?( BC)?")


def from_json(text):
    return None if text is None else json.loads(text, parse_float=Decimal, parse_int=Decimal)


def from_duckdb(value):
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (int, Decimal)):
        return Decimal(value)
    if isinstance(value, datetime.datetime):
        if value.tzinfo:
            value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return value.isoformat() + "Z"
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return "\\x" + bytes(value).hex()
    if isinstance(value, (list, tuple)):
        return [from_duckdb(item) for item in value]
    if isinstance(value, dict):
        return {str(name): from_duckdb(item) for name, item in value.items()}
    if isinstance(value, uuid.UUID):
        return str(value)
    raise TypeError(f"a value of {type(value)}: {value!r}")


def failed(value):
    return isinstance(value, tuple)


def astronomical(text):
    """The year before the year 1 as 0, as ISO 8601 has it, not as 1 BC."""
    if not isinstance(text, str) or not text.endswith(" BC"):
        return text
    year, rest = text.removesuffix(" BC").split("-", 1)
    return f"{1 - int(year):04}-{rest}"


def instant(text):
    """An ISO timestamp as moment and fraction; the text itself where it is none."""
    text = astronomical(text)
    found = INSTANT.fullmatch(text)
    if not found:
        return text
    fraction = Decimal("0" + (found[7] or ".0"))
    zone = found[8] or "Z"
    try:
        moment = datetime.datetime(*(int(found[part]) for part in range(1, 7)))
        if zone != "Z":
            hours, minutes = int(zone[1:3]), int(zone[-2:]) if len(zone) > 3 else 0
            offset = datetime.timedelta(hours=hours, minutes=minutes)
            moment = moment - offset if zone[0] == "+" else moment + offset
    except (ValueError, OverflowError):
        # The year 0 is none of Python's.
        return (text[:19].replace(" ", "T"), fraction)
    return (moment, fraction)


def clock(text):
    """A time of day without zeros at its end."""
    return re.sub(r"\.?0*$", "", text) if "." in text else text


def same(ours, theirs, kind):
    """Whether two values are one, by the type that ours has."""
    kind = kind.removesuffix(" not null")
    if ours is None or theirs is None:
        return ours is None and theirs is None
    if kind.startswith("list<"):
        return (isinstance(theirs, list) and len(ours) == len(theirs)
                and all(same(*pair, kind[5:-1]) for pair in zip(ours, theirs)))
    if kind.startswith("map<"):
        inner = kind[4:-1].partition(",")[2].strip()
        return isinstance(theirs, dict) and ours.keys() == theirs.keys() and all(
            same(ours[name], theirs[name], inner) for name in ours)
    if kind.startswith("struct<"):
        inner = parts(kind[7:-1])
        if isinstance(theirs, list):  # a struct without names
            theirs = dict(zip(ours, theirs))
        return isinstance(theirs, dict) and list(ours) == list(theirs) and all(
            same(ours[name], theirs[name], inner.get(name, "")) for name in ours)
    if kind == "date" and isinstance(theirs, str):
        return ours == astronomical(theirs)
    if kind == "timestamp" and isinstance(theirs, str):
        return instant(ours) == instant(theirs)
    if kind == "time" and isinstance(theirs, str):
        return clock(ours) == clock(theirs)
    if kind == "binary" and isinstance(theirs, str):
        return "\\x" + base64.b64decode(ours).hex() == theirs
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, Decimal):
        return same_number(ours, theirs, kind)
    return ours == theirs


def parts(text):
    """The fields of a struct by name."""
    fields, depth, start = {}, 0, 0
    for index, sign in enumerate(text + ","):
        depth += {"<": 1, "(": 1, ">": -1, ")": -1}.get(sign, 0)
        if sign == "," and depth == 0:
            name, _, kind = text[start:index].strip().partition(":")
            fields[name.strip('"`')] = kind.strip()
            start = index + 1
    return fields


def same_number(ours, theirs, kind):
    if isinstance(theirs, str) or theirs is None:
        return False
    if kind in ("double", "float"):
        narrow = float if kind == "double" else lambda number: struct.unpack("f", struct.pack("f", float(number)))[0]
        try:
            left, right = narrow(ours), narrow(theirs)
        except OverflowError:
            return False
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    with localcontext() as context:
        context.prec = 100
        return ours == Decimal(theirs)
