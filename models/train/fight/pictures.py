"""Pictures as the daemon keeps and samples them: `src/frame/sample.rs` and `src/model/input.rs`, in Python."""

import math
from dataclasses import dataclass

import av
import numpy as np
from PIL import Image

# GStreamer's guess where a video does not say: the colours of BT.709 above this height in pixels, else those of BT.601.
STANDARD_HEIGHT = 576
# Shares of red and of blue in the luma.
BT601 = (0.299, 0.114)
BT709 = (0.2126, 0.0722)


@dataclass
class Picture:
    """The planes of Y, U and V, the last two of half the size; values of the limited range."""

    planes: list[Image.Image]
    shares: tuple[float, float]

    @classmethod
    def of(cls, frame: av.VideoFrame) -> "Picture":
        planes = frame.reformat(format="yuv420p").planes
        images = []
        for plane in planes:
            rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            images.append(Image.fromarray(rows[: plane.height, : plane.width].copy()))
        return cls(images, BT709 if frame.height > STANDARD_HEIGHT else BT601)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.planes[0].size

    def shrink(self, longest: int, by: Image.Resampling) -> "Picture":
        """The same with at most `longest` pixels on the longer side."""
        scale = min(1.0, longest / max(self.size))
        width, height = (math.floor(side * scale + 0.5) for side in self.size)
        half = (math.ceil(width / 2), math.ceil(height / 2))
        sizes = [(width, height), half, half]
        planes = [plane.resize(size, by) for plane, size in zip(self.planes, sizes)]
        return Picture(planes, self.shares)

    def sample(
        self,
        corner: tuple[float, float],
        scale: float,
        size: tuple[int, int],
        by: Image.Resampling,
    ) -> np.ndarray:
        """RGB u8 [height, width, 3] of the given `size`, as width and height.

        `corner` is the left upper one in pixels, which need not lie in the picture; a pixel of the picture becomes `scale` of
        the result. What lies outside is black, and so is what lies outside in part.
        """
        shown = np.zeros((*size[::-1], 3), np.uint8)
        first, end, low, high = [], [], [], []
        for at, most, side in zip(corner, size, self.size):
            first.append(max(0, math.ceil(-at * scale - 1e-6)))
            end.append(min(most, math.floor((side - at) * scale + 1e-6)))
            low.append(max(0.0, at + first[-1] / scale))
            high.append(min(float(side), at + end[-1] / scale))
        count = (end[0] - first[0], end[1] - first[1])
        if min(count) <= 0:
            return shown
        scaled = []
        for plane in self.planes:
            across, down = (part / whole for part, whole in zip(plane.size, self.size))
            box = (low[0] * across, low[1] * down, high[0] * across, high[1] * down)
            part = plane.resize(count, by, box=box)
            scaled.append(np.asarray(part, np.float32))
        shown[first[1] : end[1], first[0] : end[0]] = self.rgb(*scaled)
        return shown

    def rgb(self, luma: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """The colours of samples (ITU-T H.273, table 4)."""
        of_red, of_blue = self.shares
        luma = (luma - 16) / 219
        red = luma + 2 * (1 - of_red) * (v - 128) / 224
        blue = luma + 2 * (1 - of_blue) * (u - 128) / 224
        green = (luma - of_red * red - of_blue * blue) / (1 - of_red - of_blue)
        values = np.stack([red, green, blue], 2) * 255 + 0.5
        return values.clip(0, 255).astype(np.uint8)
