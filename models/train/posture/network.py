"""The network: a temporal convolution net over windows, averaged with its mirror image."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drawn.body import MIRROR
from posture.plays import LABELS
from posture.window import JOINTS, SEEN, VALUES


class Net(nn.Module):
    """Logits [B, K] of windows [B, STEPS, VALUES]."""

    def __init__(self, width: int = 64, dropout: float = 0.15) -> None:
        super().__init__()
        dilations = (1, 2, 4, 8)
        self.stem = nn.Conv1d(VALUES, width, 1)
        self.first = nn.BatchNorm1d(width)
        self.drop = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(width, width, 3, dilation=d, padding=d),
                nn.BatchNorm1d(width),
                nn.ReLU(),
            )
            for d in dilations
        )
        self.head = nn.Sequential(
            nn.Linear(3 * width, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, len(LABELS)),
        )

    def forward(self, window: Tensor) -> Tensor:
        x = F.relu(self.first(self.stem(window.transpose(1, 2))))
        for layer in self.layers:
            x = x + layer(self.drop(x))
        return self.head(torch.cat([x[:, :, -3:].mean(2), x.mean(2), x.amax(2)], 1))


def mirror() -> Tensor:
    """The matrix [VALUES, VALUES] that takes a window's steps to their mirror image."""
    out = torch.zeros(VALUES, VALUES)
    # The left edge becomes the right one, and what cuts it as well.
    out[1, 0] = out[0, 1] = -1
    out[7, 6] = out[6, 7] = 1
    for same in (2, 3, 4, 5, 8, 9, 49, 50):
        out[same, same] = 1
    for joint, other in enumerate(MIRROR):
        out[JOINTS.start + 2 * other, JOINTS.start + 2 * joint] = -1
        out[JOINTS.start + 2 * other + 1, JOINTS.start + 2 * joint + 1] = 1
        out[SEEN.start + other, SEEN.start + joint] = 1
    return out


# What the package tells. Who jumps is on their feet: jumps are told apart too badly.
TOLD = [label for label in LABELS if label != "jump"]


def told() -> Tensor:
    """The matrix [K, 6] that takes the net's labels to the package's."""
    out = torch.zeros(len(LABELS), len(TOLD))
    for place, label in enumerate(LABELS):
        out[place, TOLD.index("up" if label == "jump" else label)] = 1
    return out


class Model(nn.Module):
    """What becomes the ONNX graph: probabilities [B, 6], calibrated by a temperature."""

    def __init__(self, net: Net, temperature: float) -> None:
        super().__init__()
        self.net = net
        self.temperature = temperature
        self.register_buffer("mirror", mirror(), persistent=False)
        self.register_buffer("told", told(), persistent=False)

    def forward(self, person: Tensor) -> Tensor:
        logits = self.net(torch.cat([person, person @ self.mirror]))
        plain, mirrored = torch.softmax(logits / self.temperature, 1).chunk(2)
        return (plain + mirrored) / 2 @ self.told
