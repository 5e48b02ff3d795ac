"""`convsmith spaces`: what a search can choose among, and what a budget leaves of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from convsmith.cli.guard import guarded

if TYPE_CHECKING:
    from convsmith.search.budget import Budget
    from convsmith.search.spaces import Space

WORDS = 12
"""Options of a choice that are listed one by one."""


@guarded
def command(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A space, or a .toml file of your own; to see its choices.")
    ] = None,
    side: Annotated[int | None, typer.Option(help="For images of this side.")] = None,
    channels: Annotated[int | None, typer.Option(help="For images of so many channels.")] = None,
    classes: Annotated[int | None, typer.Option(help="For so many classes.")] = None,
    max_params: Annotated[str | None, typer.Option(help="Count members of at most so many parameters.")] = None,
    max_macs: Annotated[str | None, typer.Option(help="Count members of at most so many MACs.")] = None,
    max_weights: Annotated[str | None, typer.Option(help="Count members of at most so many bytes of weights.")] = None,
    max_memory: Annotated[
        str | None, typer.Option(help="Count members whose forward pass holds at most so many bytes.")
    ] = None,
    draw: Annotated[int, typer.Option(min=0, max=10_000, help="Show so many members, drawn by --seed.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of what is drawn.")] = 0,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the search spaces; or show one: its choices, its size, what a budget leaves of it, and some members.

    Example: convsmith spaces mnas --max-macs 300M --draw 5
    """
    from convsmith.cli.words import size
    from convsmith.search.budget import Budget
    from convsmith.search.spaces import SPACES, space
    from convsmith.spec.errors import SpaceError
    from convsmith.spec.signature import positive_size

    given = {"side": side, "channels": channels, "classes": classes}
    images = {key: positive_size(key, value) for key, value in given.items() if value is not None}
    budget = Budget(size(max_params), size(max_macs), size(max_weights), size(max_memory))
    if name is not None:
        return _show(space(name, **images), budget, draw, seed, json_)
    if budget.limits or draw:
        raise SpaceError("a budget and --draw are for one space: convsmith spaces NAME ...")
    return _list([make(**images) for make in SPACES.values()], json_)


def _list(spaces: list[Space], json_: bool) -> None:
    """A line each."""
    if json_:
        return _print([_head(space) for space in spaces])
    for space in spaces:
        print(f"{space.name:9} {_count(space.size):>11} members  {space.about}")
    return None


def _show(space: Space, budget: Budget, draw: int, seed: int, json_: bool) -> None:
    """Everything about one."""
    from convsmith.search.costs import Costs, costs
    from convsmith.search.reach import reach

    members = space.draw(draw, seed)
    prices = costs(space, space.rows(members)) if members else None
    found = reach(space, budget, seed=seed) if budget.limits else None
    if json_:
        data = _head(space) | {"choices": [_choice(choice) for choice in space.choices]}
        if found is not None:
            data["reach"] = {"budget": budget.to_json(), **found._asdict(), "exact": found.exact}
        if prices is not None:
            data["members"] = [
                genome.to_json()
                | {"sha256": genome.sha256}
                | {name: int(getattr(prices, name)[i]) for name in Costs._fields}
                for i, genome in enumerate(members)
            ]
        return _print(data)
    print(f"{space.name}: {_count(space.size)} members\n{space.about}\n")
    width = max(len(choice.name) for choice in space.choices)
    for choice in space.choices:
        when = "" if choice.when is None else f"  (when {choice.when[0]} is {_options(choice.when[1])})"
        print(f"{choice.name:{width}}  {_options(choice.options)}{when}")
    if found is not None:
        print(f"\n{_reached(space, budget, found)}")
    for i, genome in enumerate(members):
        assert prices is not None
        print(f"\n{genome}\n  {_priced({name: int(getattr(prices, name)[i]) for name in Costs._fields})}")
    return None


def _reached(space: Space, budget: Budget, found: Any) -> str:
    from convsmith.search.costs import Costs, costs_of
    from convsmith.search.reach import nearest

    share = f"{found.fitting:,} of {found.seen:,}{'' if found.exact else ' that were drawn'}"
    line = f"within {budget}: {share} ({found.fitting / found.seen:.2%})"
    if found.fitting:
        return line
    near = nearest(space, budget)
    costs = dict(zip(Costs._fields, costs_of(near.graph), strict=True))
    inside = all(costs[name] <= value for name, value in budget.limits.items())
    return f"{line}; {'one that is' if inside else 'the nearest that was found'}:\n  {near}\n  {_priced(costs)}"


def _priced(costs: dict[str, int]) -> str:
    from convsmith.views.units import short

    return (
        f"{short(costs['params'])} parameters ({short(costs['weight_bytes'], 'B')}), {short(costs['macs'])} MACs, "
        f"{short(costs['activations'])} outputs, {short(costs['memory_bytes'], 'B')} at the peak"
    )


def _head(space: Space) -> dict[str, Any]:
    return {
        "space": space.name, "about": space.about, "images": dict(space.images), "members": space.size,
        "sha256": space.sha256,
    }  # fmt: skip


def _choice(choice: Any) -> dict[str, Any]:
    found = {"name": choice.name, "options": list(choice.options)}
    return found if choice.when is None else found | {"when": [choice.when[0], list(choice.when[1])]}


def _options(options: tuple[Any, ...]) -> str:
    some = options if len(options) <= WORDS else (*options[: WORDS - 2], "...", options[-1])
    return ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in some)


def _count(size: int) -> str:
    return f"{size:,}" if size < 10**9 else f"{size:.3g}".replace("e+", "e")


def _print(data: Any) -> None:
    import json

    print(json.dumps(data, ensure_ascii=False, indent=1))
