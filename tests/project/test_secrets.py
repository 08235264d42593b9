import secrets
import subprocess
import sys
import threading
from pathlib import Path

from project.secrets import kept_secret

ROOT = Path(__file__).parents[2]
ASK = """
import secrets, sys
from pathlib import Path
from project.secrets import kept_secret
sys.stdin.readline()
print(kept_secret(Path(sys.argv[1]), lambda: secrets.token_hex(2000)))
"""


def test_processes_that_start_at_once_agree(tmp_path):
    command = [sys.executable, "-c", ASK, str(tmp_path / "key")]
    processes = [
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=30)[0] for process in processes]
    assert len(set(answers)) == 1
    assert len(answers[0].strip()) == 4000
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_threads_that_start_at_once_agree(tmp_path):
    path, answers, together = tmp_path / "key", [], threading.Barrier(16)

    def ask():
        together.wait()
        answers.append(kept_secret(path, lambda: secrets.token_hex(2000)))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [path.read_text()] * 16


def test_only_the_owner_can_read_it(tmp_path):
    kept_secret(tmp_path / "key", lambda: "made")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_kept_secret_is_not_made_again(tmp_path):
    (tmp_path / "key").write_text("kept\n")
    assert kept_secret(tmp_path / "key", lambda: "made") == "kept"
