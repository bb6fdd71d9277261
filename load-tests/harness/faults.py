"""Who is killed when: fixed by a seed."""

import random
from dataclasses import dataclass

# At the start everything is still joining its groups.
FIRST_AFTER_SECONDS = 15
# The last one is to be recovered from while load goes on.
LAST_BEFORE_END_SECONDS = 15
DOWN_SECONDS_MAX = 2.0


@dataclass(frozen=True)
class Fault:
    """A stage that is killed at a moment, and how long it stays away."""

    seconds: float
    stage: str
    down: float


def schedule(seed, seconds, each, stages):
    """Kills between half and one and a half times `each` apart."""
    chance = random.Random(seed)
    faults = []
    moment = FIRST_AFTER_SECONDS + chance.uniform(0, each)
    while moment < seconds - LAST_BEFORE_END_SECONDS:
        faults.append(Fault(moment, chance.choice(stages), chance.uniform(0, DOWN_SECONDS_MAX)))
        moment += max(DOWN_SECONDS_MAX, each * chance.uniform(0.5, 1.5))
    return faults
