"""What a process imports when it starts: each of them pays for it, and so does every
command.
"""

import subprocess
import sys

SET_UP = "import sys, django; django.setup(); import project.urls; print(*sys.modules)"


def test_no_process_imports_the_model_client_at_its_start():
    done = subprocess.run(
        [sys.executable, "-c", SET_UP], capture_output=True, text=True, check=True, timeout=60
    )
    modules = done.stdout.split()
    assert "apps.metrics.llm.client" in modules
    assert "openai" not in modules  # 0.8 s
