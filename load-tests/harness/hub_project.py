"""A project folder for the hub, derived from the samples of the repository.

Its topics carry the prefix of the run, so that runs do not meet; so does the
name of its pipeline, for consumer groups and transactional ids come of it.
"""

import re

INPUT = "raw.orders"
OUTPUTS = ("orders.extracted", "orders.transformed", "orders.loaded")
DEAD_LETTERS = "orders.dlq"
PIPELINE = "orders"


class SampleError(Exception):
    """The samples are not what this module expects of them."""


def write(samples, project, input_topic, prefix, partitions, arrow=None):
    """Writes the project and returns the name of its pipeline.

    `samples` holds the `topics/` and `pipelines/` to derive from. `arrow`: what
    only stages read has many rows a record, and is compressed so.
    """
    names = {INPUT: input_topic} | {name: prefix + name for name in OUTPUTS}
    pipeline = pipeline_name(prefix)
    for folder in ("topics", "pipelines"):
        (project / folder).mkdir(parents=True)
    for old, new in names.items():
        text = _read(samples / "topics" / f"{old}.yaml")
        text = _rename(text, names)
        text = _set(text, "partitions", str(partitions))
        if old != INPUT:
            # The clock of the measurement is the broker's.
            text = _set(text, "config", "{ message.timestamp.type: LogAppendTime }")
            text = _set(text, "compression", "lz4")
        if arrow and old in OUTPUTS[:-1]:
            text = _set(text, "format", "arrow")
            text = _set(text, "compression", arrow)
        (project / "topics" / f"{new}.yaml").write_text(text, encoding="utf-8")
    text = _rename(_read(samples / "pipelines" / f"{PIPELINE}.yaml"), names)
    text = _set(text, "pipeline", pipeline)
    text = _with_dead_letters(text, prefix + DEAD_LETTERS)
    (project / "pipelines" / f"{pipeline}.yaml").write_text(text, encoding="utf-8")
    return pipeline


def pipeline_name(prefix):
    """A dot is good in the name of a topic only."""
    return prefix.replace(".", "-") + PIPELINE


def _read(path):
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SampleError(f"{path} is missing: the load test derives its project from it") from None


def _rename(text, names):
    """Replaces topic names where they stand alone, not as a part of a longer one.

    All at once, so that what one name became is not renamed again.
    """
    alternatives = "|".join(re.escape(name) for name in names)
    pattern = re.compile(rf"(?<![\w.-])({alternatives})(?![\w-]|\.\w)")
    return pattern.sub(lambda match: names[match[1]], text)


def _set(text, key, value):
    """Sets a top-level key that has a value of one line."""
    line = f"{key}: {value}"
    pattern = re.compile(rf"^{re.escape(key)}:[^\n]*(\n[ \t]+[^\n]*)*", re.MULTILINE)
    if pattern.search(text):
        return pattern.sub(lambda _: line, text, count=1)
    return f"{text.rstrip()}\n{line}\n"


def _with_dead_letters(text, topic):
    """Sends the dead letters of every stage to one topic."""
    text = re.sub(r"^[ \t]+dead_letter:[ \t]*\{[^\n]*\}[ \t]*\n", "", text, flags=re.MULTILINE)
    added = rf"\g<0>\n\g<indent>dead_letter: {{ topic: {topic} }}"
    text, stages = re.subn(r"^(?P<indent>[ \t]+)to:[ \t]*\S[^\n]*", added, text, flags=re.MULTILINE)
    if stages != len(OUTPUTS):
        raise SampleError(f"the sample pipeline has {stages} lines with `to:`, expected {len(OUTPUTS)}")
    return text
