"""Random contexts between this crate and the propagators of others: what they write we read, and what we write they read.

Each peer is a program that reads and writes a line each, as the example `lines` does.
"""

import random
import subprocess
import sys

CONTEXTS = 3000

PEERS = {
    "peer.py": ["b3", "b3multi", "xray", "jaeger", "ottrace", "datadog"],
    "peer.mjs": ["b3", "b3multi", "xray", "jaeger", "datadog"],
}


def ask(command, lines):
    """Returns a program's answers to these lines."""
    done = subprocess.run(command, input="".join(f"{line}\n" for line in lines), capture_output=True, text=True, check=True)
    answers = done.stdout.splitlines()
    assert len(answers) == len(lines), done.stderr
    return answers


def contexts(numbers):
    """Makes up contexts: IDs of all bits, of 64 bits, with zeroes in front, and the lowest and highest."""
    for i in range(CONTEXTS):
        trace_id = numbers.getrandbits([128, 128, 64, 100, 68][i % 5]) or 1
        span_id = numbers.getrandbits([64, 64, 60, 8][i % 4]) or 1
        if i == 0:
            trace_id, span_id = (1 << 128) - 1, (1 << 64) - 1
        yield f"{trace_id:032x} {span_id:016x} {numbers.choice(['deny', 'accept'])}"


def expected(name, context):
    """Returns a context as the format holds it."""
    trace_id, span_id, state = context.split(" ")
    if name == "ottrace":  # F 46: the lower half alone.
        trace_id = trace_id[16:].zfill(32)
    return f"{trace_id} {span_id} {state}"


def ours(peer, name, context):
    """Returns what we read where a peer has written this context, with the two departures of Python's propagators."""
    answer = expected(name, context)
    trace_id, span_id, state = answer.split(" ")
    if (peer, name, state) == ("peer.py", "jaeger", "accept"):  # It asks for debugging whenever a trace is sampled (F 36).
        return f"{trace_id} {span_id} debug"
    if (peer, name) == ("peer.py", "ottrace"):  # It leaves out zeroes in front, so that IDs have another width (F 45).
        for part, digits in [("trace-id", context.split(" ")[0]), ("span-id", span_id)]:
            if (length := len(digits.lstrip("0"))) < 16:
                return f"ottrace: {part} is too short: it ends at offset {length}"
    return answer


def main(lines, python, node):
    numbers = random.Random(1)
    commands = {"peer.py": [python, "tests/peers/peer.py"], "peer.mjs": [node, "tests/peers/peer.mjs"]}
    failed = 0
    for peer, formats in PEERS.items():
        for name in formats:
            made = list(contexts(numbers))
            for direction, writer, reader in [("we read", commands[peer], [lines]), ("it reads", [lines], commands[peer])]:
                written = ask(writer, [f"write\t{name}\t{context}" for context in made])
                # A trace-id whose lower half is zero has no fields in some formats.
                kept = [(context, fields) for context, fields in zip(made, written) if fields]
                answers = ask(reader, [f"read\t{name}\t{fields}" for _, fields in kept])
                wrong = 0
                for (context, fields), answer in zip(kept, answers):
                    right = ours(peer, name, context) if reader == [lines] else expected(name, context)
                    if answer != right:
                        wrong += 1
                        if wrong <= 3:
                            print(f"  {context}\n  written as {fields!r}\n  read as    {answer}", file=sys.stderr)
                failed += wrong
                print(f"{peer}, {name}: {direction} {len(kept)} contexts, {wrong} wrong")
    sys.exit(failed > 0)


main(*sys.argv[1:])
