import pytest
from django.core.cache import cache

from apps.caches import memory


@pytest.fixture(autouse=True)
def _no_rate_limits_from_other_tests():
    """Allauth counts requests by address in the cache."""
    cache.clear()
    memory.clear()
