"""A card in a few lines."""

from __future__ import annotations

import pytest

from convsmith import names
from convsmith.views.card import card_facts
from convsmith.zoo.cards import card


@pytest.mark.parametrize("name", names())
def test_facts_are_one_to_five_lines_that_begin_with_the_paper(name: str) -> None:
    facts = card_facts(card(name))
    assert next(iter(facts)) == "paper"
    assert len(facts) <= 5
    assert all(fact and "\n" not in fact for fact in facts.values())


def test_accuracy_weights_and_differing_figures_come_with_their_source() -> None:
    facts = card_facts(card("resnet50_paper"))
    assert facts == {
        "paper": "He, Zhang, Ren & Sun 2015, Deep residual learning for image recognition (arXiv:1512.03385)",
        "published": "top-1 error 22.85 %, top-5 error 6.71 % on ImageNet (10 crops; Table 3)",
        "printed otherwise": "3.8e9 MACs (Table 1): cut, not rounded",
    }
    cifar = card_facts(card("wrn_28_10"))["published"]
    assert cifar == (
        "top-1 error 4.00 % on CIFAR-10 (mirrored and shifted; Table 5); "
        "top-1 error 19.25 % on CIFAR-100 (mirrored and shifted; Table 5)"
    )


def test_the_best_three_weights_are_named_and_the_others_counted() -> None:
    assert card_facts(card("alexnet"))["weights"] == "torchvision:IMAGENET1K_V1 (56.52% top-1 at 224 px)"
    found = card("resnet50")
    words = card_facts(found)["weights"]
    assert words.endswith(f" and {len(found.weights) - 3} more")
    assert words.count("% top-1 at ") == 3


def test_a_figure_at_another_size_gives_way_to_the_variants_own() -> None:
    facts = card_facts(card("mobilenet_v1_075"))
    assert "192 px" not in facts["printed otherwise"]
    assert facts["published"].startswith("top-1 68.4 %, top-5 88.2 % on ImageNet")
