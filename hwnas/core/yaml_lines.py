"""Where in a YAML file a key stands."""

from __future__ import annotations

from collections.abc import Iterable

import yaml


def line_of(root: yaml.Node, path: Iterable[str | int]) -> int:
    """The line, from 1, of the key or item that `path` leads to, or of the last one on the way that exists."""
    node, line = root, root.start_mark.line
    for step in path:
        if isinstance(node, yaml.MappingNode):
            pairs = [(key, value) for key, value in node.value if key.value == str(step)]
            if not pairs:
                break
            (key, node), *_ = pairs
            line = key.start_mark.line
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line
        else:
            break
    return int(line) + 1


def repeated_key(root: yaml.Node) -> yaml.Node | None:
    """The second of two equal keys in one mapping, which YAML forbids; PyYAML takes it without a word."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        # Anchors let a node stand in several places, and in itself.
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            keys: set[tuple[str, str]] = set()  # 1 and "1" are two keys
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    if (key.tag, key.value) in keys:
                        return key
                    keys.add((key.tag, key.value))
                waiting.append(value)
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
    return None
