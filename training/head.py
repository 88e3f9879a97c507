"""Where a network's head begins: the last feature map, the embedding that its classifier reads, and class maps.

torchvision's networks end in a few ways, and each gives the three outputs of the deployed graph:

- Global average pooling and a classifier, which is most of them: the embedding is the vector that the classifier's
  first layer reads, the features are what was pooled.
- A classifier that is itself a convolution, pooled afterwards (SqueezeNet): the features are what that convolution
  reads, and the embedding is their average.
- Fully connected layers on a flattened map (AlexNet, VGG): the features are that map before it is brought to the size
  that the layers take, and the embedding is their average. Flattened, they would be a vector of 25,088 numbers.
- A class token (vision transformers): the embedding is the token that the classifier reads, the features are the
  patches' tokens, laid out as the patches are.
"""

from __future__ import annotations

import math
import operator
from typing import Any, Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import fx, nn

from twinlens.errors import TwinlensError

# What may lie between the pooled features and a classifier for class maps to be exact: nothing that computes.
_MOVES: Final = (torch.flatten, "flatten", "view", "reshape")


class Head(NamedTuple):
    """Where a network's head begins, and what it allows.

    ``class_map`` names the Linear module whose weight (labels, channels), applied to the features, gives class
    activation maps; it is ``None`` where the head is more than global average pooling and one Linear.
    """

    embedding_size: int
    class_map: str | None


def module_of(graph: fx.GraphModule, node: Any) -> nn.Module | None:
    """The module that a node calls, if it calls one."""
    if isinstance(node, fx.Node) and node.op == "call_module":
        return graph.get_submodule(str(node.target))
    return None


def shape_of(node: fx.Node) -> torch.Size:
    """The shape of a node's tensor for two images, as ``FakeTensorProp`` has found it."""
    shape: torch.Size = node.meta["val"].shape
    return shape


def expose_head(graph: fx.GraphModule) -> Head:
    """Return embedding and features beside the logits, and write every average pool over the whole map as a mean.

    :param graph: a network after ``FakeTensorProp``; it is changed in place.
    :raises TwinlensError: ``unsupported_operation`` if the network ends in another way than those above.
    """
    for node in list(graph.graph.nodes):
        _write_average(graph, node)
    nodes = list(graph.graph.nodes)
    convolutions = [index for index, node in enumerate(nodes) if isinstance(module_of(graph, node), nn.Conv2d)]
    pools = [index for index, node in enumerate(nodes) if node.target is torch.mean]
    layers = [node for node in nodes if isinstance(module_of(graph, node), nn.Linear | nn.Conv2d)]
    token = next((node for node in nodes if _is_class_token(node)), None)
    flat = next((node for node in nodes if _is_flattened_map(graph, node)), None)
    logits: Any = output_of(graph).args[0]
    features: Any
    class_map = None
    if layers and isinstance(module_of(graph, layers[-1]), nn.Conv2d) and pools:
        features = layers[-1].args[0]
        embedding, size = _average(graph, features), shape_of(features)[1]
    elif pools and pools[-1] > max(convolutions, default=-1):
        features, embedding, direct = nodes[pools[-1]].args[0], nodes[pools[-1]], True
        while len(shape_of(embedding)) > 2:
            (embedding,) = embedding.users
            direct = direct and _only_moves(graph, embedding)
        size = shape_of(embedding)[1]
        if direct and isinstance(module_of(graph, logits), nn.Linear) and logits.args[0] is embedding:
            class_map = str(logits.target)
    elif token is not None:
        features, embedding, size = _patches(graph, token, shape_of(nodes[convolutions[-1]])), token, shape_of(token)[1]
    elif flat is not None:
        features = flat.args[0].meta.get("pooled_from", flat.args[0])
        embedding, size = _average(graph, features), shape_of(features)[1]
    else:
        raise TwinlensError(
            "unsupported_operation",
            "The network's head is of no known kind: it has no global average pooling, no feature map that is "
            "flattened, and no class token. Choose another network, mobilenet_v2 for example.",
        )
    output_of(graph).args = ((logits, embedding, features),)
    return Head(int(size), class_map)


def output_of(graph: fx.GraphModule) -> fx.Node:
    """The node that says what the graph returns."""
    (output,) = graph.graph.find_nodes(op="output")
    node: fx.Node = output
    return node


def _average(graph: fx.GraphModule, features: fx.Node) -> fx.Node:
    with graph.graph.inserting_before(output_of(graph)):
        return graph.graph.call_function(torch.mean, (features, (2, 3), False))


def _only_moves(graph: fx.GraphModule, node: fx.Node) -> bool:
    return node.target in _MOVES or isinstance(module_of(graph, node), nn.Flatten)


def _is_class_token(node: fx.Node) -> bool:
    """The first token of each image: ``tokens[:, 0]``."""
    return node.target is operator.getitem and node.args[1] == (slice(None), 0) and len(shape_of(node)) == 2


def _is_flattened_map(graph: fx.GraphModule, node: fx.Node) -> bool:
    flattens = node.target in (torch.flatten, "flatten") or isinstance(module_of(graph, node), nn.Flatten)
    return flattens and len(shape_of(node.args[0])) == 4  # type: ignore[arg-type]


def _patches(graph: fx.GraphModule, token: fx.Node, shape: torch.Size) -> fx.Node:
    """The tokens after the class token as a map, of the height and width that the patches were taken in."""
    call = graph.graph.call_function
    with graph.graph.inserting_before(output_of(graph)):
        patches = call(operator.getitem, (token.args[0], (slice(None), slice(1, None))))
        return call(torch.unflatten, (call(torch.transpose, (patches, 1, 2)), 2, tuple(shape[2:])))


def _write_average(graph: fx.GraphModule, node: fx.Node) -> None:
    """Write an average pool over the whole map as a mean, and one to a fixed size as a pool, or as part of a Linear."""
    module = module_of(graph, node)
    if node.target in ("mean", torch.mean):
        axes = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
        if tuple(axes or ()) in ((2, 3), (-2, -1)):  # type: ignore[arg-type]
            _become(node, torch.mean, (node.args[0], (2, 3), len(shape_of(node)) == 4))
        return
    if isinstance(module, nn.AdaptiveAvgPool2d):
        size: Any = module.output_size
    elif node.target is F.adaptive_avg_pool2d:
        size = node.args[1]
    else:
        return
    source: Any = node.args[0]
    before, after = tuple(shape_of(source)[2:]), (size, size) if isinstance(size, int) else tuple(size)
    if after == (1, 1):
        _become(node, torch.mean, (source, (2, 3), True))
    elif before == after:
        node.replace_all_uses_with(source)
    elif all(large % small == 0 for large, small in zip(before, after, strict=True)):
        _become(node, F.avg_pool2d, (source, tuple(large // small for large, small in zip(before, after, strict=True))))
        node.meta["pooled_from"] = source
    else:
        _fold_into_linear(graph, node, before, after)


def _become(node: fx.Node, target: Any, args: tuple[Any, ...]) -> None:
    node.op, node.target, node.args, node.kwargs = "call_function", target, args, {}


def _fold_into_linear(graph: fx.GraphModule, pool: fx.Node, before: tuple[int, ...], after: tuple[int, ...]) -> None:
    """Let the Linear that reads an adaptive pool of a small map take the map itself; the two are one linear map.

    The windows of such a pool overlap or repeat, which no fixed pool does.
    """
    readers = list(pool.users)
    flat = readers[0] if len(readers) == 1 and _is_flattened_map(graph, readers[0]) else None
    linear = module_of(graph, next(iter(flat.users))) if flat is not None and len(flat.users) == 1 else None
    if flat is None or not isinstance(linear, nn.Linear) or math.prod(before) > math.prod(after):
        raise TwinlensError(
            "unsupported_operation",
            f"The network pools a map of {before[0]} x {before[1]} to {after[0]} x {after[1]}, which is not exact. "
            f"Choose an image size that makes the map no larger, or a multiple, of {after[0]} x {after[1]}.",
        )
    down, across = (_adaptive(*sizes) for sizes in zip(before, after, strict=True))
    weight = linear.weight.data.reshape(len(linear.weight), -1, *after)
    linear.weight.data = torch.einsum("ocij,iy,jx->ocyx", weight, down, across).flatten(1)
    linear.in_features = linear.weight.shape[1]
    pool.replace_all_uses_with(pool.args[0])  # type: ignore[arg-type]


def _adaptive(before: int, after: int) -> torch.Tensor:
    """Adaptive average pooling along one axis as a matrix (after, before), float64."""
    return F.adaptive_avg_pool1d(torch.eye(before, dtype=torch.float64), after).T
