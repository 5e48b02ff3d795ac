"""What AutoAugment found: 25 pairs of operations for ImageNet and for CIFAR-10.

Cubuk et al. 2018, "AutoAugment: learning augmentation strategies from data", tables 9 and 7. A step is the operation,
the probability of applying it, and its strength, 0..9 of ten; some operations have none.
"""

from __future__ import annotations

Step = tuple[str, float, int | None]


def _pairs(table: str) -> tuple[tuple[Step, Step], ...]:
    return tuple((_step(first), _step(second)) for first, second in (line.split(" then ") for line in _lines(table)))


def _lines(table: str) -> list[str]:
    return [line for line in table.splitlines() if line.strip()]


def _step(words: str) -> Step:
    name, chance, *strength = words.split()
    return name, float(chance), int(strength[0]) if strength else None


IMAGENET = _pairs("""
    posterise 0.4 8 then rotate 0.6 9
    solarise 0.6 5 then autocontrast 0.6
    equalise 0.8 then equalise 0.6
    posterise 0.6 7 then posterise 0.6 6
    equalise 0.4 then solarise 0.2 4
    equalise 0.4 then rotate 0.8 8
    solarise 0.6 3 then equalise 0.6
    posterise 0.8 5 then equalise 1.0
    rotate 0.2 3 then solarise 0.6 8
    equalise 0.6 then posterise 0.4 6
    rotate 0.8 8 then colour 0.4 0
    rotate 0.4 9 then equalise 0.6
    equalise 0.0 then equalise 0.8
    invert 0.6 then equalise 1.0
    colour 0.6 4 then contrast 1.0 8
    rotate 0.8 8 then colour 1.0 2
    colour 0.8 8 then solarise 0.8 7
    sharpness 0.4 7 then invert 0.6
    shear_x 0.6 5 then equalise 1.0
    colour 0.4 0 then equalise 0.6
    equalise 0.4 then solarise 0.2 4
    solarise 0.6 5 then autocontrast 0.6
    invert 0.6 then equalise 1.0
    colour 0.6 4 then contrast 1.0 8
    equalise 0.8 then equalise 0.6
""")

CIFAR10 = _pairs("""
    invert 0.1 then contrast 0.2 6
    rotate 0.7 2 then translate_x 0.3 9
    sharpness 0.8 1 then sharpness 0.9 3
    shear_y 0.5 8 then translate_y 0.7 9
    autocontrast 0.5 then equalise 0.9
    shear_y 0.2 7 then posterise 0.3 7
    colour 0.4 3 then brightness 0.6 7
    sharpness 0.3 9 then brightness 0.7 9
    equalise 0.6 then equalise 0.5
    contrast 0.6 7 then sharpness 0.6 5
    colour 0.7 7 then translate_x 0.5 8
    equalise 0.3 then autocontrast 0.4
    translate_y 0.4 3 then sharpness 0.2 6
    brightness 0.9 6 then colour 0.2 8
    solarise 0.5 2 then invert 0.0
    equalise 0.2 then autocontrast 0.6
    equalise 0.2 then equalise 0.6
    colour 0.9 9 then equalise 0.6
    autocontrast 0.8 then solarise 0.2 8
    brightness 0.1 3 then colour 0.7 0
    solarise 0.4 5 then autocontrast 0.9
    translate_y 0.9 9 then translate_y 0.7 9
    autocontrast 0.9 then solarise 0.8 3
    equalise 0.8 then invert 0.1
    translate_y 0.7 9 then autocontrast 0.9
""")
