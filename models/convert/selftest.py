"""Cut the pictures of the packages' self-tests out of vtest.avi of Debian's opencv-doc."""

import argparse
from pathlib import Path

import cv2

MODELS = Path(__file__).parent.parent
FRAME = 200
QUALITY = 85
# Left, top, right and bottom in pixels: the whole frame, a walker, two walkers.
PICTURES = {
    "centernet-mobilenetv3-coco": (0, 0, 768, 576),
    "movenet-lightning": (590, 256, 680, 376),
    "fight-maps": (580, 230, 768, 400),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    video = cv2.VideoCapture(str(parser.parse_args().video))
    for _ in range(FRAME + 1):
        read, frame = video.read()
        if not read:
            raise SystemExit(f"the video has fewer than {FRAME + 1} frames")
    for package, (left, top, right, bottom) in PICTURES.items():
        path = str(MODELS / package / "selftest.jpg")
        quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
        cv2.imwrite(path, frame[top:bottom, left:right], quality)


if __name__ == "__main__":
    main()
