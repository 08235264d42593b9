"""What must hold of every run, whatever was done to it.

Each check names what it finds; nothing found is good.
"""

from collections import Counter

from apps.mail.models import OutboxMessage
from apps.pipelines.models import Event, Run, RunState, StepRun
from tests.pipelines.lab.models import Effect

ENDED_WELL = (RunState.DONE, RunState.PARTIAL)


def check(plan):
    """The findings about one run, as (kind, words)."""
    run = Run.objects.get(pk=plan.run)
    steps = list(StepRun.objects.filter(run=run).order_by("idx"))
    events = list(Event.objects.filter(run=run).order_by("seq"))
    yield from (("clicks", words) for words in plan.problems)
    if run.is_live:
        yield "lost", f"still {', '.join(f'{step.key} {step.state}' for step in steps)}"
        return
    if run.state not in plan.ends:
        yield "wrong end", f"{run.state} instead of {' or '.join(plan.ends)}: {run.error}"
    yield from effects(plan, run)
    yield from numbers(run, events)
    yield from progress(run, events)
    yield from order(steps, events)


def effects(plan, run):
    counted = Counter(Effect.objects.filter(run=run.pk).values_list("step", "item"))
    for (step, item), count in counted.items():
        if count > 1:
            yield "double effect", f"{step}:{item} {count} times"
    expected = len(StepRun.objects.filter(run=run)) * plan.params["items"]
    if run.state in ENDED_WELL and len(counted) != expected:
        yield "missing effect", f"{len(counted)} of {expected}"


def numbers(run, events):
    if [event.seq for event in events] != list(range(1, run.seq + 1)):
        yield "event numbers", f"{len(events)} events up to number {run.seq}"


def progress(run, events):
    told = [
        (event.data["generation"], event.data["percent"])
        for event in events
        if event.kind == "run"
    ]
    if told != sorted(told):
        yield "progress", "the percentage fell"
    whole = [
        event.data["state"] == RunState.DONE
        for event in events
        if event.kind == "run" and event.data["percent"] == 100
    ]
    # A partial run lacks something of what was asked, so it ends below 100 %.
    if not all(whole) or (run.percent == 100) != (run.state == RunState.DONE):
        yield "progress", "100 % without being done, or less although it is"


def order(steps, events):
    """Steps begin one after the other, and no message of an earlier epoch begins one."""
    place = {step.key: step.idx for step in steps}
    begun = [
        event for event in events if event.kind == "step" and "message_epoch" in event.data
    ]
    epochs = [event.data["message_epoch"] for event in begun]
    if epochs != sorted(epochs):
        yield "stale message", f"messages of epochs {epochs} began steps"
    places = [place[event.key] for event in begun]
    if places != sorted(places):
        yield "order", f"steps began in the order {places}"


def mails(plans, accepted):
    """Findings about mail, and how many messages were accepted twice (kills between
    acceptance and commit).
    """
    ended = Run.objects.filter(
        pk__in=[plan.run for plan in plans], state__in=ENDED_WELL
    ).count()
    sent = OutboxMessage.objects.filter(state="sent")
    findings = []
    if OutboxMessage.objects.count() != ended:
        findings.append(("mail", f"{OutboxMessage.objects.count()} written for {ended} runs"))
    if missing := set(sent.values_list("message_id", flat=True)) - set(accepted):
        findings.append(("mail", f"{len(missing)} called sent and never accepted"))
    if unsent := OutboxMessage.objects.exclude(state="sent").count():
        findings.append(("mail", f"{unsent} not sent"))
    return findings, sum(count - 1 for count in accepted.values())
