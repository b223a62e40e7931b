"""What a person at a terminal sees: a line a stage, one bar for epochs, a table at the end."""

from __future__ import annotations

import logging
from pathlib import Path

from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from secateur.report.record import StageRecord
from secateur.report.schema import Report
from secateur.report.tables import cost_table, summary


class Terminal:
    """Shows the stages of a run as they pass; a bar only where the output is a terminal."""

    def __init__(self, console: Console):
        self._console = console
        self._progress: Progress | None = None

    def begin(self, stage: str, epochs: int) -> None:
        if not self._console.is_terminal:
            return
        columns = (
            TextColumn("  {task.description:<12}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[metrics]}", style="dim"),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._progress.add_task(stage, total=epochs or 1, metrics="")
        self._progress.start()

    def advance(self, epoch: float, metrics: dict[str, float]) -> None:
        if self._progress is None:
            return
        text = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        task = self._progress.task_ids[0]
        self._progress.update(task, completed=epoch, metrics=text)

    def end(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def finished(self, record: StageRecord) -> None:
        name = f"{record.name} {record.subject}" if record.subject else record.name
        result = "[dim]cached[/dim]" if record.cached else f"{record.seconds:.1f} s"
        self._console.print(f"  [green]✓[/green] {name:<22} {result}", highlight=False)

    def show(self, report: Report, output: Path) -> None:
        """The result, on standard output: the table, one sentence, and where the files are."""
        console = Console()
        header, rows = cost_table(report)
        table = Table(box=None, pad_edge=False, header_style="bold")
        for number, name in enumerate(header):
            table.add_column(name, justify="left" if number == 0 else "right")
        for row in rows:
            table.add_row(*row)
        console.print()
        console.print(table)
        console.print()
        for notice in report.notices:
            console.print(f"[yellow]![/yellow] {escape(notice)}", highlight=False)
        console.print(summary(report), highlight=False, markup=False)
        console.print(f"Report and model: {output}", highlight=False, markup=False, soft_wrap=True)


def quiet_logs(console: Console) -> None:
    """Shows warnings of the pipeline, and keeps all else off the terminal.

    Prefect's own log goes on to its server, where the UI shows it.
    """
    handler = RichHandler(
        logging.WARNING, console=console, show_time=False, show_path=False, show_level=False
    )
    for name in ("secateur", "tasks"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
