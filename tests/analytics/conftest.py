from tests.pipelines.conftest import lab, queue

__all__ = ["lab", "queue"]
