"""Processes of this folder, which are asked and answer in lines of JSON on their standard input and output."""

import json
import pathlib
import subprocess
import sys


class Helper:
    def __init__(self, name):
        self.process = subprocess.Popen(
            [sys.executable, pathlib.Path(__file__).with_name(f"{name}.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.facts = json.loads(self.process.stdout.readline())

    def ask(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.kill()
        self.process.wait()


def serve(facts, answer):
    """Tells the facts, and then answers all lines until the other end closes."""
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(line.strip())), flush=True)
