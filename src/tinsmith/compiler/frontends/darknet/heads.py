"""The layers that networks end with: softmax, logistic, and heads of detectors, as Darknet leaves them.

How to make boxes of the numbers, by the anchors, is the business of the reader: docs/frameworks/darknet.md.
"""

from __future__ import annotations

from tinsmith.compiler.frontends.darknet.layer import Layer, layer
from tinsmith.compiler.shaping.builder import Value


@layer("softmax")
def softmax(node: Layer) -> Value:
    """[batch, numbers], in `groups` parts of one sum each."""
    x = node.row()
    batch, count = x.shape
    groups, temperature = node.size("groups", 1), node.section.real("temperature", 1)
    if count % groups:
        raise node.error(f"groups is {groups}, expected a divisor of {count} numbers")
    if temperature != 1:
        x = node.add("Div", x, temperature)
    if groups == 1:
        return node.add("Softmax", x, axis=1)
    parts = node.add("Softmax", x.reshape(batch, groups, count // groups), axis=2)
    return parts.reshape(batch, count)


@layer("logistic")
def logistic(node: Layer) -> Value:
    """Any shape."""
    return node.add("Sigmoid", node.input)


@layer("yolo")
def yolo(node: Layer) -> Value:
    """Per anchor: x, y (logistic), w, h (as they are), objectness and classes (logistic)."""
    masks = node.section.integers("mask")
    anchors = len(masks) if masks else node.size("num", 1)
    classes = node.section.integer("classes", 20)
    x, boxes = _boxes(node, anchors, 5 + classes)
    grow = node.section.real("scale_x_y", 1)
    if node.section.flag("new_coords"):
        places, sizes, scores = (boxes.slice(2, *part) for part in ((0, 2), (2, 4), (4, 5 + classes)))
    else:
        places, scores = (node.add("Sigmoid", boxes.slice(2, *part)) for part in ((0, 2), (4, 5 + classes)))
        sizes = boxes.slice(2, 2, 4)
    if grow != 1:
        places = node.add("Sub", node.add("Mul", places, grow), 0.5 * (grow - 1))
    return node.add("Concat", places, sizes, scores, axis=2).reshape(*x.shape)


@layer("region")
def region(node: Layer) -> Value:
    """Per anchor: x, y (logistic), the other coordinates (as they are), objectness (logistic unless with
    `background`), classes (softmax or logistic).
    """
    coords, classes = node.section.integer("coords", 4), node.section.integer("classes", 20)
    background, soft = node.section.flag("background"), node.section.flag("softmax")
    if coords < 2 or classes < 1:
        raise node.error(f"coords is {coords} and classes is {classes}, expected at least 2 and 1")
    x, boxes = _boxes(node, node.size("num", 1), coords + 1 + classes)
    places = node.add("Sigmoid", boxes.slice(2, 0, 2))
    parts = [places, *([boxes.slice(2, 2, coords)] if coords > 2 else [])]
    if background and soft:
        parts.append(node.add("Softmax", boxes.slice(2, coords, coords + 1 + classes), axis=2))
    else:
        score = boxes.slice(2, coords, coords + 1)
        parts.append(score if background else node.add("Sigmoid", score))
        found = boxes.slice(2, coords + 1, coords + 1 + classes)
        parts.append(node.add("Softmax", found, axis=2) if soft else node.add("Sigmoid", found))
    return node.add("Concat", *parts, axis=2).reshape(*x.shape)


def _boxes(node: Layer, anchors: int, each: int) -> tuple[Value, Value]:
    """The input, and the same as [batch, anchors, numbers of each, pixels]."""
    x, (batch, channels, height, width) = node.image()
    if channels != anchors * each:
        raise node.error(
            f"its input has {channels} channels, expected {anchors * each}: {each} numbers for each of "
            f"{anchors} anchors"
        )
    return x, x.reshape(batch, anchors, each, height * width)


@layer("detection")
def detection(node: Layer) -> Value:
    """[batch, numbers] as they are, with a softmax over the classes of each cell if asked for."""
    x = node.row()
    batch, count = x.shape
    cells, classes = node.size("side", 7) ** 2, node.size("classes", 1)
    boxes, coords = node.section.integer("num", 1), node.section.integer("coords", 1)
    expected = cells * ((1 + coords) * boxes + classes)
    if count != expected:
        raise node.error(f"its input has {count} numbers, expected {expected}")
    if not node.section.flag("softmax"):
        return x
    scores = x.slice(1, 0, cells * classes).reshape(batch, cells, classes)
    scores = node.add("Softmax", scores, axis=2).reshape(batch, cells * classes)
    return node.add("Concat", scores, x.slice(1, cells * classes, count), axis=1)


@layer("iseg")
def iseg(node: Layer) -> Value:
    """The channels of classes (logistic), then those of embeddings as they are."""
    x, (_, channels, _, _) = node.image()
    classes = node.section.integer("classes", 20)
    if not 1 <= classes <= channels:
        raise node.error(f"classes is {classes}, expected 1 to {channels}, the channels of its input")
    scores = node.add("Sigmoid", x.slice(1, 0, classes))
    if classes == channels:
        return scores
    return node.add("Concat", scores, x.slice(1, classes, channels), axis=1)
