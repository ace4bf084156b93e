"""Train an ensemble on clips."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from skeleton import camera, gestures
from skeleton.clips import Clips
from skeleton.network import Ensemble, Features, Net


@dataclass
class Plan:
    """What is trained, and how long."""

    members: int = 3
    steps: int = 1200
    batch: int = 64
    rate: float = 3e-3
    decay: float = 0.05
    smoothing: float = 0.1
    average: float = 0.995
    # Drawn clips of each label that is drawn, and windows of them in a batch on top.
    drawn_clips: int = 400
    drawn: int = 24


def ensemble(clips: Clips, seed: int, plan: Plan) -> Ensemble:
    """The moving averages of nets trained on the same varied windows of the clips and of drawn ones.

    The members differ by their first weights and by what their dropout hides.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    nets = nn.ModuleList(Net(len(clips.names)) for _ in range(plan.members))
    nets = nets.to(memory_format=torch.channels_last).train()
    mean = copy.deepcopy(nets).eval()
    weights = list(nets.parameters())
    optimizer = torch.optim.AdamW(
        [
            {"params": [w for w in weights if w.ndim > 1], "weight_decay": plan.decay},
            {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
        ],
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, plan.rate, total_steps=plan.steps, pct_start=0.1
    )
    features = Features()
    recipe = camera.Recipe()
    drawn = gestures.draw(clips.names, plan.drawn_clips, seed)
    order = np.array([], int)
    for step in range(plan.steps):
        if len(order) < plan.batch:
            order = np.concatenate([order, rng.permutation(len(clips))])
        chosen, order = order[: plan.batch], order[plan.batch :]
        batch = camera.batch(rng, clips, chosen, recipe)
        chosen = rng.integers(len(drawn), size=plan.drawn)
        both = zip(batch, camera.batch(rng, drawn, chosen, recipe))
        windows, target = (torch.from_numpy(np.concatenate(part)) for part in both)
        given, seen = features(windows)
        optimizer.zero_grad()
        for net in nets:
            guess = net.classify(given, seen)
            F.cross_entropy(guess, target, label_smoothing=plan.smoothing).backward()
        optimizer.step()
        schedule.step()
        follow(mean, nets, min(plan.average, (1 + step) / (10 + step)))
    return Ensemble(list(mean), 1.0).eval()


@torch.no_grad()
def follow(mean: nn.Module, nets: nn.Module, inertia: float) -> None:
    """Move the averages' weights and batch statistics towards the nets'."""
    for theirs, ours in zip(mean.state_dict().values(), nets.state_dict().values()):
        if theirs.dtype.is_floating_point:
            theirs.lerp_(ours, 1 - inertia)


@torch.no_grad()
def logits(model: Ensemble, windows: np.ndarray) -> np.ndarray:
    parts = torch.from_numpy(windows).split(256)
    return torch.cat([model.logits(part) for part in parts]).numpy()
