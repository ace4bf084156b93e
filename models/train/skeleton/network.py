"""The network: features of a window of joints, a temporal convolution net, an ensemble."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drawn.body import BONES, MIRROR

LARGEST = 2.0
PAIRS = list(itertools.combinations(range(13), 2))


def differences(pairs: list[tuple[int, int]]) -> Tensor:
    """The matrix [13, P] that takes joints to the differences of pairs of them."""
    matrix = torch.zeros(13, len(pairs))
    for column, (start, end) in enumerate(pairs):
        matrix[start, column], matrix[end, column] = -1, 1
    return matrix


class Features(nn.Module):
    """Windows [B, STEPS, 13, 3] to features [B, STEPS, C], seen instants [B, STEPS, 1].

    Takes out the origin and the unit: everything is relative to the window's mean
    joint and to the spread of an instant's joints.
    """

    # Joints in three frames of reference, bones, what is seen, two speeds, distances.
    count = 26 + 26 + 26 + 2 * len(BONES) + 13 + 26 + 26 + len(PAIRS)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bones", differences(BONES), persistent=False)
        self.register_buffer("pairs", differences(PAIRS), persistent=False)

    def forward(self, joints: Tensor) -> tuple[Tensor, Tensor]:
        seen = (joints[..., 2:] > 0.5).float().transpose(2, 3)
        place = joints[..., :2].transpose(2, 3)
        place = torch.where(seen > 0.5, place, torch.zeros(()))
        total = seen.sum((1, 3), keepdim=True).clamp(min=1)
        place = (place - place.sum((1, 3), keepdim=True) / total) * seen
        count = seen.sum(3, keepdim=True)
        middle = place.sum(3, keepdim=True) / count.clamp(min=1)
        inner = (place - middle) * seen
        spread = inner.square().sum((1, 2, 3), keepdim=True) / total
        scale = 0.4 * torch.rsqrt(spread.clamp(min=1e-10))
        place, inner = place * scale, inner * scale

        def change(steps: int) -> Tensor:
            both = seen[:, steps:] * seen[:, :-steps]
            moved = (place[:, steps:] - place[:, :-steps]) * both
            return F.pad(moved, (0, 0, 0, 0, steps, 0)).flatten(2)

        def both_seen(matrix: Tensor) -> Tensor:
            return (seen @ matrix.abs() > 1.5).float()

        apart = (inner @ self.pairs).square().sum(2, keepdim=True)
        apart = ((apart + 1e-6).sqrt() * both_seen(self.pairs)).flatten(2)
        bone = inner @ self.bones
        bone = bone * torch.rsqrt(bone.square().sum(2, keepdim=True) + 1e-4)
        bone = bone * both_seen(self.bones)
        # Where a joint is usually: what is left shows at once whether anything moves.
        usual = inner.sum(1, keepdim=True) / seen.sum(1, keepdim=True).clamp(min=1)
        swing = 3 * (inner - usual) * seen
        pose = torch.cat([place, inner, swing, bone], 3).flatten(2)
        pose = torch.cat([pose, seen.flatten(2)], 2)
        features = torch.cat([pose, 8 * change(1), 3 * change(4), apart], 2)
        # Without bounds a window of one joint or a wild outlier would rule the
        # statistics of a batch.
        features = features.clamp(-LARGEST, LARGEST)
        return features, (count[..., 0] > 0).float()


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1
) -> nn.Sequential:
    """A convolution in time with its normalisation."""
    return nn.Sequential(
        nn.Conv2d(
            inputs, outputs, (1, kernel), (1, stride), (0, kernel // 2), bias=False
        ),
        nn.BatchNorm2d(outputs),
    )


class Block(nn.Module):
    """A residual block with a squeeze-and-excite gate."""

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(width, width, kernel),
            nn.ReLU(),
            nn.Dropout2d(dropout),
            convolution(width, width, 1),
        )
        self.gate = nn.Sequential(
            nn.Linear(width, width // 4),
            nn.ReLU(),
            nn.Linear(width // 4, width),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return F.relu(x + y * self.gate(y.mean((2, 3)))[:, :, None, None])


class Net(nn.Module):
    """One member: logits [B, K] of windows [B, STEPS, 13, 3]."""

    def __init__(
        self,
        classes: int,
        width: int = 80,
        stem: int = 80,
        kernel: int = 3,
        join: int = 5,
        depth: tuple[int, int] = (1, 2),
        dropout: float = 0.1,
        head_dropout: float = 0.4,
    ) -> None:
        super().__init__()
        self.features = Features()
        self.norm = nn.BatchNorm1d(Features.count)
        self.mix = nn.Sequential(
            nn.Linear(Features.count, stem, bias=False), nn.BatchNorm1d(stem), nn.ReLU()
        )
        self.drop = nn.Dropout2d(dropout)
        self.join = nn.Sequential(convolution(stem, width, join, 2), nn.ReLU())
        early, late = depth
        self.early = nn.Sequential(
            *(Block(width, kernel, dropout) for _ in range(early))
        )
        self.late = nn.Sequential(*(Block(width, kernel, dropout) for _ in range(late)))
        self.head = nn.Sequential(
            nn.Dropout(head_dropout), nn.Linear(2 * width, classes)
        )

    def forward(self, joints: Tensor) -> Tensor:
        return self.classify(*self.features(joints))

    def classify(self, features: Tensor, seen: Tensor) -> Tensor:
        batch, steps, count = features.shape
        x = self.mix(self.norm(features.reshape(-1, count)))
        x = x.reshape(batch, steps, -1) * seen
        x = self.drop(x.transpose(1, 2)[:, :, None])
        x = F.max_pool2d(self.early(self.join(x)), (1, 2))
        x = self.late(x)
        seen = F.max_pool2d(seen.transpose(1, 2)[:, :, None], (1, 4))
        x = x * seen
        mean = x.sum((2, 3)) / seen.sum((2, 3)).clamp(min=1)
        return self.head(torch.cat([mean, x.amax((2, 3))], 1))


class Ensemble(nn.Module):
    """Scores [B, K] of windows: members and the mirrored input averaged, calibrated."""

    def __init__(self, members: list[nn.Module], temperature: float) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("mirror", torch.tensor(MIRROR), persistent=False)
        self.register_buffer("sign", torch.tensor([-1.0, 1.0, 1.0]), persistent=False)
        self.temperature = temperature

    def logits(self, joints: Tensor) -> Tensor:
        both = torch.cat([joints, joints[:, :, self.mirror] * self.sign])
        seen = self.members[0].features(both)
        out = sum(F.log_softmax(net.classify(*seen), 1) for net in self.members)
        plain, mirrored = out.chunk(2)
        return (plain + mirrored) / (2 * len(self.members))

    def forward(self, joints: Tensor) -> Tensor:
        return torch.softmax(self.logits(joints) / self.temperature, 1)
