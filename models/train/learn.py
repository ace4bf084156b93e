"""Train one member, or an ensemble of them, on clips."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

import camera
from clips import Clips
from network import Ensemble, Net


@dataclass
class Plan:
    """What is trained, and how long."""

    members: int = 3
    steps: int = 700
    batch: int = 64
    rate: float = 3e-3
    decay: float = 0.05
    smoothing: float = 0.1
    average: float = 0.995


def member(clips: Clips, seed: int, plan: Plan) -> Net:
    """The moving average of a net trained on varied windows of the clips."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    net = Net(len(clips.names)).to(memory_format=torch.channels_last)
    mean = copy.deepcopy(net).eval()
    weights = list(net.parameters())
    optimizer = torch.optim.AdamW(
        [
            {"params": [w for w in weights if w.ndim > 1], "weight_decay": plan.decay},
            {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
        ]
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, plan.rate, total_steps=plan.steps, pct_start=0.1
    )
    recipe = camera.Recipe()
    order = np.array([], int)
    net.train()
    for step in range(plan.steps):
        if len(order) < plan.batch:
            order = np.concatenate([order, rng.permutation(len(clips))])
        chosen, order = order[: plan.batch], order[plan.batch :]
        windows, label = camera.batch(rng, clips, chosen, recipe)
        loss = F.cross_entropy(
            net(torch.from_numpy(windows)),
            torch.from_numpy(label),
            label_smoothing=plan.smoothing,
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        follow(mean, net, min(plan.average, (1 + step) / (10 + step)))
    return mean


@torch.no_grad()
def follow(mean: Net, net: Net, inertia: float) -> None:
    """Move the average's weights and batch statistics towards the net's."""
    for theirs, ours in zip(mean.state_dict().values(), net.state_dict().values()):
        if theirs.dtype.is_floating_point:
            theirs.lerp_(ours, 1 - inertia)


def ensemble(clips: Clips, seed: int, plan: Plan) -> Ensemble:
    members = [member(clips, seed + number, plan) for number in range(plan.members)]
    return Ensemble(members, 1.0).eval()


@torch.no_grad()
def logits(model: Ensemble, windows: np.ndarray) -> np.ndarray:
    parts = torch.from_numpy(windows).split(256)
    return torch.cat([model.logits(part) for part in parts]).numpy()
