"""Name the team of a run in the run's subject, which the engine compares but does not
interpret.

    subject_of(5)              # "team:5"
    team_id_of("team:5")       # 5
    team_id_of("ai_reading:5") # None: a subject of another kind
"""

from apps.teams.models import Team

PREFIX = "team:"


def subject_of(team_id: int) -> str:
    """Return the subject of a team's runs."""
    return f"{PREFIX}{team_id}"


def team_id_of(subject: str) -> int | None:
    """Return the id of the team that a subject names; None if it names none."""
    number = subject.removeprefix(PREFIX)
    if number == subject or not number.isascii() or not number.isdecimal():
        return None
    return int(number)


def team_of(subject: str) -> Team:
    """Return the team that a subject names.

    Raises Team.DoesNotExist if there is none, or not any more.
    """
    return Team.objects.get(pk=team_id_of(subject) or 0)
