"""Decide the state of a team, a run of any kind, a repository, and a credential, once
for all places that show it.

Only the decisions are in this package. Types are in `apps.teams.states`, so that lower
apps can name them; they get the state of a team from `apps.teams.states.of_team`,
templates get it as `team_state` from `project.context`. Pages, badges, emails, the API,
and commands render a state and decide nothing themselves. It may import all apps below
onboarding. Start reading at `of_team` in `teams`, and `run_state` in `runs`.

    from apps.onboarding import state

    state.of_team(team.pk)            # TeamState: state, figures, live, newest, failing, resumable, repositories,
                                      #   credentials, gaps, updated_at
    state.of_run(run, team.name)      # RunState: kind, state, title, percent, eta, gaps, resumes_at
    state.home_of(team)               # the address that sign-in, joining, and the logo lead to
    state.as_json(team_state)         # what the API and `--json` publish

A `State` has `name`, `label`, `since`, `cause`, `reason`, `remedy`, `act`, `actor`,
`until`, and `figures`. In HTML, `{% include "components/state_attributes.html" with
state=… only %}` writes them as data attributes.

Example: the nightly refresh fails because GitHub refuses the token.

    team_state = state.of_team(team.pk)
    team_state.state.name             # "failed"
    team_state.state.cause            # "token_refused"
    team_state.state.remedy           # "new_token"
    team_state.figures                # "old"
    team_state.credentials[0].state   # State(name="refused", label="Token refused", remedy="new_token", …)
"""

from apps.onboarding.state.kinds import Kind, kind_of_run
from apps.onboarding.state.runs import of_run, run_state, with_workers
from apps.onboarding.state.teams import home_of, of_team
from apps.teams.state_json import as_json, run_as_json

__all__ = [
    "Kind",
    "as_json",
    "home_of",
    "kind_of_run",
    "of_run",
    "of_team",
    "run_as_json",
    "run_state",
    "with_workers",
]
