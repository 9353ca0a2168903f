"""The certificate of a qualification test on a terminal and in files; shared by the simulated and the running park."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from controllers.proof.certificate_page import certificate_html
from controllers.proof.qualification import Certificate, number
from controllers.proof.words import mw, percent, seconds
from vpp.errors import AccountError

__all__ = ["show_certificate", "write_certificate"]


def write_certificate(found: Certificate, json_file: Path | None, html_file: Path | None) -> None:
    """Writes what was asked for.

    Raises:
        AccountError: A file cannot be written.
    """
    files = (("--json", json_file, found.to_json() + b"\n"), ("--html", html_file, certificate_html(found).encode()))
    for option, path, content in files:
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            except OSError as error:
                raise AccountError(f"{option}: {path}: cannot be written: {error.strerror}") from error


def show_certificate(console: Console, found: Certificate) -> None:
    """Criteria, then steps."""
    word = "[green]passed 合格[/]" if found.passed else "[red]not passed 不合格[/]"
    console.print(f"[bold]{found.name_zh} {found.name}[/]  {found.park}  {found.connection}  {word}", soft_wrap=True)
    console.print(found.where, soft_wrap=True)
    criteria = Table(box=box.SIMPLE)
    criteria.add_column("criterion 指标")
    for name in ("asked 要求", "measured 实测"):
        criteria.add_column(name, justify="right")
    criteria.add_column("")
    criteria.add_column("basis 依据")
    for one in found.criteria:
        asked = one.threshold
        sign = "≥" if asked.sense == "at_least" else "≤"
        passed = "[green]✓[/]" if one.passed else "[red]✗[/]"
        criteria.add_row(
            f"{asked.name_zh} {asked.name}",
            f"{sign} {number(asked, asked.value)}",
            number(asked, one.measured),
            passed,
            asked.mark,
        )
    console.print(criteria)
    steps = Table(box=box.SIMPLE)
    steps.add_column("step 步骤")
    for name in ("requested MW", "given MW", "response 响应", "accuracy 精度", "held 持续"):
        steps.add_column(name, justify="right")
    steps.add_column("answered")
    for step in found.steps:
        steps.add_row(
            f"{step.step.id} {step.step.about}",
            mw(step.requested_mw),
            mw(step.delivered_mw),
            seconds(step.response_s),
            percent(step.accuracy_frac),
            percent(step.sustained_frac),
            "yes" if step.answered else "[red]refused 拒绝[/]" if step.refused else "[red]no[/]",
        )
    console.print(steps)
