"""Whether something grows: a slope that single outliers do not move, and a verdict.

Theil and Sen: the median of the slopes between all pairs of points. Only points
of the same life are paired, for a process that is started again begins small.
"""

from dataclasses import dataclass
from statistics import median

# What a process needs to be as large as it will be.
SETTLE_SECONDS = 30


@dataclass(frozen=True)
class Point:
    """A value at a moment, of the life that began at another."""

    seconds: float
    value: float
    born: float = float("-inf")


@dataclass(frozen=True)
class Growth:
    """How much something grew over the span that is judged; None: too few points."""

    name: str
    level: float
    by: float | None
    tolerated: float

    @property
    def grew(self):
        """Whether it did more than is tolerated."""
        return self.by is not None and self.by > self.tolerated

    def verdict(self):
        """In a word."""
        if self.by is None:
            return "not known"
        return "GREW" if self.grew else "flat"


def slope(points):
    """Units a second, or None without two moments of one life."""
    slopes = [(right.value - left.value) / (right.seconds - left.seconds)
              for index, left in enumerate(points) for right in points[index + 1:]
              if left.born == right.born and right.seconds > left.seconds]
    return median(slopes) if slopes else None


def judge(name, points, end, least, share):
    """Growth over the second half of the time until `end`.

    Tolerated is `least`, or this share of the level where that is more.
    """
    begin = end / 2
    judged = [point for point in points
              if point.seconds >= begin and point.seconds - point.born >= SETTLE_SECONDS]
    level = median(point.value for point in judged) if judged else 0.0
    steep = slope(judged)
    by = None if steep is None else steep * (end - begin)
    return Growth(name, level, by, max(least, share * level))
