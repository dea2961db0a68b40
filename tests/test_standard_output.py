"""What others print inside a block goes to standard error, and standard output is as it was afterwards."""

import subprocess
import sys

PRINTS = """
import ctypes, os, threading
from relu2mip.runtime.standard_output import to_stderr

c, both = ctypes.CDLL(None), threading.Barrier(2)
print("before")

def work(name):
    with to_stderr():
        both.wait(10)
        with to_stderr():
            print(name, "python", flush=True)
        c.printf(f"{name} c\\n".encode())
        both.wait(10)

threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
try:
    with to_stderr():
        c.printf(b"three c\\n")
        raise RuntimeError
except RuntimeError:
    pass
os.write(1, b"after\\n")
"""


def test_prints_of_python_and_c_go_to_standard_error_and_only_inside_the_blocks() -> None:
    ended = subprocess.run([sys.executable, "-u", "-c", PRINTS], capture_output=True, text=True, check=True)
    assert ended.stdout == "before\nafter\n"
    lines = ["one c", "one python", "three c", "two c", "two python"]
    assert sorted(ended.stderr.replace("\n", "")) == sorted("".join(lines))  # two threads may mix within a line
