"""`secateur inspect`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from secateur.flows.commands import OK, refuse


def add(commands) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "inspect",
        help="show the layers of a model, and what can be cut",
        description="Shows the layers of a model, the groups of channels that can be removed, the "
        "blocks and layers that can, and what stays and why.",
    )
    parser.add_argument("model", metavar="MODEL", help="A .keras file.")
    parser.add_argument(
        "--axes",
        action="store_true",
        help="Also list the weights that each group runs through, with the axis.",
    )
    parser.add_argument(
        "--through-normalization",
        action="store_true",
        help="Also cut channels that a LayerNormalization takes its statistics over.",
    )
    parser.add_argument(
        "--picture",
        metavar="FILE",
        help="Draw the graph to this .svg, .png or .pdf file, coloured by the groups.",
    )
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace, console: Console) -> int:
    """Prints to the standard output; no Prefect is needed."""
    from secateur.models.config import ModelConfig
    from secateur.models.sources import check_model
    from secateur.output import check_file, locate, replace
    from secateur.tasks.quiet import import_tensorflow

    try:
        check_model(ModelConfig(path=namespace.model))
        picture = locate(Path(namespace.picture), "--picture") if namespace.picture else None
        if picture is not None:
            check_file(picture)
        import_tensorflow()
        from secateur.models.build import load_model
        from secateur.structure.printing import inspect

        found = inspect(
            load_model(namespace.model),
            axes=namespace.axes,
            through_normalization=namespace.through_normalization,
        )
        sys.stdout.write(f"{found}\n")
        if picture is not None:
            from secateur.structure.picture import check_format, draw

            check_format(picture)
            name = picture.name

            def write(folder: Path) -> None:
                draw(found.graph, folder / name)

            replace(picture.parent, f"inspect {name}", write, name)
            console.print(f"Picture: {namespace.picture}", highlight=False, soft_wrap=True)
    except (ValueError, OSError) as error:
        return refuse(console, "inspect", error)
    return OK
