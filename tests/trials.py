"""Long trials: random sequences and faults that run for minutes, by `make test-long`.

A trial takes how long it lasts from SECONDS, and its random choices from SEED. At its
end it reports how many cases it reached, and fails if they are fewer than its floor, so
that a trial that silently does nothing is noticed:

    @pytest.mark.long
    def test_random_requests_get_no_server_error(trial):
        dice = random.Random(trial.seed)
        cases = 0
        while trial.goes_on(seconds=60):
            ...
            cases += 1
        trial.reached(cases, floor=500)
"""

import os
import time


class Trial:
    """The seed, the duration, and the result of one trial."""

    def __init__(self, record):
        """`record` takes a name and a text, as pytest's `record_property` does."""
        self.seed = int(os.environ.get("SEED") or 1)
        self._record = record
        self._began = time.monotonic()

    @staticmethod
    def seconds(default):
        """Return how many seconds the trial lasts:

        SECONDS from the environment, or its default.
        """
        return float(os.environ.get("SECONDS") or default)

    def goes_on(self, seconds):
        """Return whether there is time left; `seconds` is what the trial takes by
        default.
        """
        return time.monotonic() - self._began < self.seconds(seconds)

    def reached(self, cases, floor):
        """Report the number of cases; raise AssertionError if there were fewer than
        `floor`.

        The floor holds for the trial's own duration: a shorter one by SECONDS has none.
        """
        took = time.monotonic() - self._began
        self._record("trial", f"{cases} cases in {took:.0f} s, seed {self.seed}, floor {floor}")
        assert cases >= floor or os.environ.get("SECONDS"), f"only {cases} cases, floor {floor}"
