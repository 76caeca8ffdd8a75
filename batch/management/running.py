"""Run a command's job in its workers, and show and write the answers."""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, OutputWrapper
from tqdm import tqdm

from batch.exports.chain_table import NEEDED, chain_lines
from batch.exports.files import write_file
from batch.exports.formats import SUFFIXES
from batch.exports.plots import check_plot, draw
from batch.exports.stream import table_of
from batch.jobs import services
from batch.jobs.command_jobs import follow, submit
from batch.jobs.local_workers import LocalWorkers, WorkerEnded
from batch.jobs.models import Job
from signalsite.foundation.blocks import count_words
from signalsite.foundation.computations.files import choose_columns, split_names
from signalsite.foundation.computations.registry import computations, find
from signalsite.foundation.errors import ConfigurationError, InvalidInput
from signalsite.foundation.process import uninterrupted


def run(workers: LocalWorkers, options: dict[str, Any], selector: dict[str, Any], stdout: OutputWrapper) -> None:
    """Run the job of a command's options. Raises CommandError with the reason if it has no answers."""
    out, plot = (Path(options[name]) if options[name] else None for name in ("out", "plot"))
    fields = _check(options, out, plot)
    try:
        job = _finished(workers, options, selector)
        answers = table_of(job, choose_columns(find(job.kind), job.params, []))
    except WorkerEnded as error:
        raise CommandError(str(error)) from error
    except Exception as error:
        if refusal := _refusal(error):
            raise refusal from error
        raise
    seconds = (job.finished_at - job.created_at).total_seconds() if job.finished_at else 0.0
    stdout.write(
        f"job {job.id} as of {job.as_of:%Y-%m-%d %H:%M:%S %Z}: {job.total} items, "
        f"{job.completed} with a value, {job.failed} with a reason, in {seconds:.2f} s"
    )
    words = Counter(count_words(answers.column("status")))
    for status, count in [("ok", words.pop("ok", 0)), *words.most_common()]:
        stdout.write(f"  {status:16} {count}")
    if chain := list(chain_lines(answers, ascii_only=not stdout.isatty())):
        stdout.write("\n".join(["", *chain]))
    try:
        if out:
            write_file(out, answers.select(fields))
            stdout.write(f"written to {out}")
        if plot:
            draw(plot, answers, as_of=f"{job.as_of:%d %B %Y, %H:%M %Z}")
            stdout.write(f"drawn in {plot}")
    except InvalidInput as error:
        raise CommandError(str(error)) from error
    except OSError as error:  # a full disk, a folder of that name
        raise CommandError(f"job {job.id} has its answers, but its file cannot be written: {error}") from error


def _finished(workers: LocalWorkers, options: dict[str, Any], selector: dict[str, Any]) -> Job:
    """Run the job to its end and return it. Ctrl-C cancels it."""
    items = [*options["keys"], *options["item"]]
    body = {"kind": options["kind"], "params": dict(options["param"]), "as_of": options["at"]}
    job = submit(body | ({"items": items} if items else {"selector": selector}))
    try:
        with tqdm(total=1, unit=" items", file=sys.stderr) as bar:
            chunk_ids = workers.compute(job.id)
            with uninterrupted():  # Celery stays without tasks when its set-up is interrupted
                from batch.tasks import enqueue_chunks  # it loads Celery; the workers compute meanwhile

                enqueue_chunks(chunk_ids)  # for Celery's workers, if there are any
            for state in follow(job.id):
                if state.finished_at is None:
                    workers.check()
                bar.total = state.total or 1
                bar.update(state.completed + state.failed - bar.n)
    except KeyboardInterrupt:
        from batch.tasks import enqueue_chunks

        enqueue_chunks(services.cancel(job))
        raise
    if state.status != Job.Status.COMPLETED:
        raise CommandError(f"job {job.id} {state.status}: {state.error}")
    return state


def _refusal(error: Exception) -> CommandError | None:
    """Return what the API would answer, or None for a bug."""
    from signalsite.foundation.problems import problem_of  # it imports DRF's views

    answer = problem_of(error)
    if answer is None:
        return None
    wrong = "; ".join(f"{row['field']}: {row['detail']}" for row in answer.data.get("errors", ()))
    return CommandError(wrong or answer.data["detail"])


def _check(options: dict[str, Any], out: Path | None, plot: Path | None) -> list[str]:
    """Return the columns to write. Raises CommandError for what would fail after the job."""
    kind, fields, params = options["kind"], options["fields"], dict(options["param"])
    if out and out.suffix.lower() not in SUFFIXES:
        raise CommandError(f"out: {out} must end in {' or '.join(SUFFIXES)}")
    if fields is not None and not out:
        raise CommandError("fields: they choose the columns of a file; name it with --out")
    for name, path in (("out", out), ("plot", plot)):
        if path and not path.absolute().parent.is_dir():
            raise CommandError(f"{name}: there is no folder {path.parent}")
    try:
        computation = computations()[kind]
        if plot:
            check_plot(plot)
            there = {column.name for column in computation.file_columns_for(params)}
            for name in sorted(NEEDED & computation.picked.keys() - there):
                raise InvalidInput("plot", f"it needs {name}: {computation.picked[name]} must name it")
        columns = choose_columns(computation, params, [] if fields is None else split_names(fields))
    except (InvalidInput, ConfigurationError) as error:
        raise CommandError(str(error)) from error
    return [column.name for column in columns]
