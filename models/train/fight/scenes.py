"""Which clips of the Surveillance Camera Fight data set show one scene: told by looking at them.

Clips were cut from longer videos, so neighbours in number often show the same people and the same room. A scene stays on one side
when a net is measured. Each line names the calm clips and the fights of a scene; a scene may have only one kind.
"""

from random import Random

SCENES = [
    ("1-5", "1-4,82-83"),
    ("", "5-12"),
    ("18", "13-14"),
    ("16-17", "15-17"),
    ("43-44", "18"),
    ("45-48", "19-25"),
    ("57-60", "26-30"),
    ("29-33", "31-42"),
    ("", "43"),
    ("22", "44-45"),
    ("23-24", "46-47,49-50"),
    ("25", "48"),
    ("39-42", "51-55"),
    ("37-38", "56-58"),
    ("", "59-64"),
    ("96-98", "65-67"),
    ("", "68-70"),
    ("", "71"),
    ("", "72"),
    ("", "73-74"),
    ("49", "75-76"),
    ("10", "77,90-92"),
    ("", "78-81"),
    ("6", "84"),
    ("7-8", "85-88"),
    ("9", "89"),
    ("12-13", "93-95"),
    ("14-15", "96-98"),
    ("19-20", "99-100"),
    ("11", ""),
    ("21", ""),
    ("26-27", ""),
    ("28", ""),
    ("34-35", ""),
    ("36", ""),
    ("50-52", ""),
    ("53-54", ""),
    ("55-56", ""),
    ("61,92", ""),
    ("62-68", ""),
    ("69-76", ""),
    ("77-83", ""),
    ("84-87", ""),
    ("88-91", ""),
    ("93-95", ""),
    ("99", ""),
    ("100", ""),
]


def numbers(text: str) -> list[int]:
    """From `1-3,7` to 1, 2, 3, 7."""
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def clips(scene: tuple[str, str]) -> list[str]:
    """The names of a scene's clips."""
    kinds = zip(("calm", "fight"), scene)
    return [f"{kind}-{number:03}" for kind, text in kinds for number in numbers(text)]


def folds(count: int, seed: int) -> dict[str, int]:
    """The fold of each clip. Scenes are never split, and folds have about as many calm clips and fights as each other."""
    random = Random(seed)
    scenes = [clips(scene) for scene in SCENES]
    random.shuffle(scenes)
    load = [[0, 0] for _ in range(count)]
    found: dict[str, int] = {}
    for scene in sorted(scenes, key=len, reverse=True):
        fights = sum(name.startswith("fight") for name in scene)
        more = (len(scene) - fights, fights)
        fold = min(
            range(count),
            key=lambda at: sum(
                (2 * have + new) * new for have, new in zip(load[at], more)
            ),
        )
        load[fold] = [have + new for have, new in zip(load[fold], more)]
        found.update(dict.fromkeys(scene, fold))
    return found
