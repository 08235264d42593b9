from apps.integrations.models import SyncStatus
from apps.integrations.sources.reading import UNIT
from tests.integrations.folder_source.files import record, rows_of


class FolderReader:
    """Reads each file at once: the list is its length, the details are its content."""

    def __init__(self, sync, alone):
        self._sync, self._alone = sync, alone

    def list_pass(self, rows, start):
        for tracked in rows:
            if tracked.cursor["phase"] != "skeleton":
                continue
            with self._alone(tracked):
                self._sync.check()
                found = len(self._records(tracked))
                with self._sync.ctx.unit(unit=UNIT) as unit:
                    tracked.sync_status = SyncStatus.SYNCING
                    tracked.cursor = {**tracked.cursor, "phase": "detail", "found": found}
                    tracked.total = found
                    self._sync.save(tracked, unit, f"{found} found")

    def detail(self, rows):
        for tracked in rows:
            with self._alone(tracked):
                self._sync.check()
                with self._sync.ctx.unit(unit=UNIT, last=True) as unit:
                    self._sync.ingest(tracked, self._records(tracked))
                    self._sync.count(tracked)
                    self._sync.save(tracked, unit)
                self._sync.end(tracked)

    def _records(self, tracked):
        records = [record(row) for row in rows_of(tracked.repository.full_name)]
        return [item for item in records if item.updated_at >= self._sync.since]
