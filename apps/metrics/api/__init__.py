"""The read-only JSON interface: `/api/v1/`, with a team's token."""
