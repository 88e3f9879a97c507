import copy

import torch
from torch import fx, nn

from training.folding import fold_layer_norms, fold_layer_scales


class Block(nn.Module):
    """What a ConvNeXt block is: a layer norm, linear layers, and a learned scale per channel."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(6)
        self.up = nn.Linear(6, 8, bias=False)
        self.down = nn.Linear(8, 6)
        self.scale = nn.Parameter(torch.rand(6, 1, 1))
        nn.init.uniform_(self.norm.weight, 0.5, 1.5)
        nn.init.uniform_(self.norm.bias, -0.5, 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(torch.permute(x, [0, 2, 3, 1]))
        y = torch.permute(self.down(torch.relu(self.up(y))), [0, 3, 1, 2])
        return x + self.scale * y


def test_a_linear_layer_takes_up_the_norm_before_and_the_scale_after_it() -> None:
    torch.manual_seed(0)
    block = Block().double()
    folded = fx.symbolic_trace(copy.deepcopy(block))
    fold_layer_norms(folded)
    fold_layer_scales(folded)
    folded.graph.eliminate_dead_code()
    folded.recompile()
    x = torch.randn(2, 6, 3, 3, dtype=torch.float64)
    assert torch.allclose(folded(x), block(x), atol=1e-12)
    norm = folded.get_submodule("norm")
    assert torch.equal(norm.weight, torch.ones(6)) and torch.equal(norm.bias, torch.zeros(6))
    assert not [node for node in folded.graph.nodes if node.op == "get_attr"]


def test_a_norm_that_others_read_too_stays_as_it_is() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.linear = nn.LayerNorm(4), nn.Linear(4, 4)
            nn.init.uniform_(self.norm.weight, 0.5, 1.5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.norm(x)
            return y + self.linear(y)

    shared = Shared()
    folded = fx.symbolic_trace(copy.deepcopy(shared))
    fold_layer_norms(folded)
    assert torch.equal(folded.get_submodule("norm").weight, shared.norm.weight)
