"""One module per noun; each gives click commands and nothing else."""

from __future__ import annotations

import click

from freeloader.cli.commands.account import account
from freeloader.cli.commands.analytics import analytics, audit
from freeloader.cli.commands.ask import ask, explain
from freeloader.cli.commands.backup import backup
from freeloader.cli.commands.bench import bench
from freeloader.cli.commands.budget import budget
from freeloader.cli.commands.config import config
from freeloader.cli.commands.decisions import decisions
from freeloader.cli.commands.discover import discover
from freeloader.cli.commands.doctor import doctor
from freeloader.cli.commands.env import env
from freeloader.cli.commands.export import export
from freeloader.cli.commands.feedback import feedback
from freeloader.cli.commands.jobs import jobs
from freeloader.cli.commands.key import key
from freeloader.cli.commands.logs import logs
from freeloader.cli.commands.manager import service as managed
from freeloader.cli.commands.models import models
from freeloader.cli.commands.notify import notify
from freeloader.cli.commands.planned import PLANNED
from freeloader.cli.commands.quota import free
from freeloader.cli.commands.service import init, restart, start, stop
from freeloader.cli.commands.status import status

COMMANDS: tuple[click.Command, ...] = (
    init,
    start,
    stop,
    restart,
    status,
    logs,
    account,
    key,
    models,
    ask,
    explain,
    decisions,
    feedback,
    analytics,
    audit,
    export,
    jobs,
    budget,
    free,
    config,
    env,
    discover,
    bench,
    notify,
    backup,
    doctor,
    managed,
    *PLANNED,
)
