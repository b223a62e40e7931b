"""What a person at a terminal sees: a line a stage, one bar for epochs, a table at the end."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.logging import RichHandler
from rich.markdown import Markdown
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.prompt import Confirm
from rich.table import Table

from secateur.proof.telling import checked_line
from secateur.report.compress import CompressReport, compress_summary, step_table
from secateur.report.data_tables import card_summary
from secateur.report.record import StageRecord
from secateur.report.schema import Report
from secateur.report.search import SearchReport
from secateur.report.search_tables import (
    search_summary,
    search_verdict,
    sensitivity_summary,
    sensitivity_table,
    winner_table,
)
from secateur.report.speed import verdict
from secateur.report.sweep import SweepReport
from secateur.report.sweep_tables import front_table, sweep_summary
from secateur.report.tables import cost_table, summary
from secateur.report.transfer import TransferReport, model_table, transfer_summary
from secateur.searching.curves import Sensitivity
from secateur.searching.latency_table import LatencyTable

if TYPE_CHECKING:
    from secateur.evaluation.any_file import FileEvaluation


class Terminal:
    """Shows the stages of a run as they pass; a bar only where the output is a terminal."""

    def __init__(self, console: Console):
        self._console = console
        self._progress: Progress | None = None
        self._counting = False
        self._epochs = self._total = TaskID(0)

    def begin(self, stage: str, epochs: int) -> None:
        if not self._console.is_terminal:
            return
        if not self._counting:
            self._progress = self._bars()
            self._progress.start()
        if self._progress is not None:
            self._epochs = self._progress.add_task(stage, total=epochs or 1, metrics="")

    def advance(self, epoch: float, metrics: dict[str, float]) -> None:
        if self._progress is None:
            return
        text = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        self._progress.update(self._epochs, completed=epoch, metrics=text)

    def end(self) -> None:
        if self._progress is None:
            return
        self._progress.remove_task(self._epochs)
        if not self._counting:
            self._progress.stop()
            self._progress = None

    def finished(self, record: StageRecord) -> None:
        if self._counting:
            return
        name = f"{record.name} {record.subject}" if record.subject else record.name
        result = "[dim]cached[/dim]" if record.cached else f"{record.seconds:.1f} s"
        self._console.print(f"  [green]✓[/green] {name:<22} {result}", highlight=False)

    def begin_count(self, what: str, total: int) -> None:
        self._counting = True
        if self._console.is_terminal:
            self._progress = self._bars()
            self._total = self._progress.add_task(what, total=total, metrics="")
            self._progress.start()

    def count(self, name: str, error: str | None) -> None:
        if error is not None:
            self._console.print(f"  [red]✗[/red] {escape(name)}: {escape(error)}", highlight=False)
        else:
            self._console.print(f"  [green]✓[/green] {escape(name)}", highlight=False)
        if self._progress is not None:
            self._progress.update(self._total, advance=1)

    def end_count(self) -> None:
        self._counting = False
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def ask(self, figures: str) -> bool:
        """Shows the figures and asks whether the results shall be written."""
        self._console.print(Markdown(figures))
        return Confirm.ask("Write the results?", console=self._console, default=False)

    def _bars(self) -> Progress:
        columns = (
            TextColumn("  {task.description:<12}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[metrics]}", style="dim"),
            TimeRemainingColumn(),
        )
        return Progress(*columns, console=self._console, transient=True)

    def show(self, report: Report, output: Path) -> None:
        """The result, on standard output: the table, one sentence, and where the files are."""
        console = _results()
        _show(console, cost_table(report), report.notices, summary(report))
        for said in (verdict(report), checked_line(report.checks)):
            if said:
                console.print(said, highlight=False, markup=False)
        _say_where(console, "Report and model", output)

    def show_compressed(self, report: CompressReport, output: Path) -> None:
        """The steps, on standard output, and where the files are."""
        console = _results()
        _show(console, step_table(report), report.notices, compress_summary(report))
        if said := checked_line(report.checks):
            console.print(said, highlight=False, markup=False)
        _say_where(console, "Report and files", output)

    def show_file(self, found: FileEvaluation, path: Path) -> None:
        """What was measured of one file, on standard output."""
        console = _results()
        rows = [[name, f"{value:.4f}"] for name, value in found.metrics.items()]
        rows += [[f"bytes, {k}", f"{v:,}"] for k, v in found.bytes.model_dump().items() if v]
        rows += [[f"bytes of memory ({k})", f"{v:,}"] for k, v in found.memory.items()]
        rows += [
            [f"ms ({name})", f"{t.median:.4g} ({t.p10:.4g} to {t.p90:.4g})"]
            for name, t in found.latency_ms.items()
        ]
        console.print(_table([path.name, ""], rows))
        if found.data_card is not None:
            said = [card_summary(found.data_card), *found.data_card.warnings]
            console.print("\n".join(said), highlight=False, markup=False)

    def show_sweep(self, report: SweepReport, output: Path) -> None:
        """What is worth its cost, on standard output, and where the files are."""
        console = _results()
        _show(console, front_table(report), report.notices, sweep_summary(report))
        _say_where(console, "sweep.json, sweep.html and models", output)

    def show_transfer(self, report: TransferReport, output: Path) -> None:
        """The transferred model beside a fresh start, on standard output, and the files."""
        console = _results()
        _show(console, model_table(report), report.notices, transfer_summary(report))
        if said := checked_line(report.checks):
            console.print(said, highlight=False, markup=False)
        _say_where(console, "Report and model", output)

    def show_sensitivity(self, found: list[Sensitivity], output: Path) -> None:
        """Each layer's curve as a row, on standard output, and where the files are."""
        console = _results()
        for each in found:
            _show(console, sensitivity_table(each), each.notices, sensitivity_summary(each))
        _say_where(console, "sensitivity.json and sensitivity.png", output)

    def show_profile(self, table: LatencyTable) -> None:
        """Milliseconds of single operations, on standard output."""
        console = _results()
        rows = [
            [kind, f"{flops:,.0f}", f"{ms:.4f}"]
            for kind, points in table.kinds.items()
            for flops, ms in points
        ]
        console.print(_table(["operation", "FLOPs", "milliseconds"], rows))
        console.print(
            f"A call that computes next to nothing takes {table.call:.4f} ms.", highlight=False
        )

    def show_search(self, report: SearchReport, output: Path) -> None:
        """What was found, on standard output, and where the files are."""
        console = _results()
        said = f"{search_summary(report)} {search_verdict(report)}"
        _show(console, winner_table(report), report.notices, said)
        _say_where(console, "search.json, search.html, prune.yaml and model", output)


def _results() -> Console:
    """Standard output; a file has no width that a table would have to fit into."""
    return Console() if sys.stdout.isatty() else Console(width=200)


def _show(
    console: Console,
    table: tuple[list[str], list[list[str]]],
    notices: Sequence[str],
    sentence: str,
) -> None:
    """A table, what is to be noticed, and one sentence on what came out."""
    console.print()
    console.print(_table(*table))
    console.print()
    for notice in notices:
        console.print(f"[yellow]![/yellow] {escape(notice)}", highlight=False)
    console.print(sentence, highlight=False, markup=False)


def _say_where(console: Console, what: str, output: Path) -> None:
    console.print(f"{what}: {output}", highlight=False, markup=False, soft_wrap=True)


def _table(header: list[str], rows: list[list[str]]) -> Table:
    """First column text, others numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(header):
        table.add_column(name, justify="left" if number == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def quiet_logs(console: Console) -> None:
    """Shows warnings of the pipeline, and keeps all else off the terminal.

    Prefect's own log goes on to its server, where the UI shows it.
    """
    handler = RichHandler(
        logging.WARNING, console=console, show_time=False, show_path=False, show_level=False
    )
    logger = logging.getLogger("secateur")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
