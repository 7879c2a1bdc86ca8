"""The same exam for every peer that is reached through Python; see `bench/src/peers/near.rs`.

A peer is a process. It is told a folder, the numbers in a vector, and how many milliseconds each
thread asks when it is counted how many answers there are a second. In the folder are `rows.f32`,
`questions.f32` and `right.u32`, ten rows for each question; `fresh.f32` and `right_after.u32` for
the rows that come when one in five goes. It reads commands, a line each, and answers each with a
line of JSON: `build` gives the seconds of the build, MiB of anonymous memory more than before, and
the least effort that reaches a recall of .95; `round` gives p50 in microseconds, answers a second
on two threads, and recall; `churn` replaces rows, and gives the same and its seconds.
"""

import json
import os
import sys
import threading
import time

import numpy

NEAREST = 10
RECALL = 0.95
LADDER = [10, 12, 16, 20, 25, 32, 40, 50, 64, 80, 100, 128, 160, 200, 256, 400, 800]
THREADS = 2
CHURN = 5
# Who is slow is not asked every question.
SIT_SECONDS_MAX = 3


class Peer:
    """What a peer can do. `rate` may be better than threads of Python."""

    def __init__(self, dimensions, folder):
        self.dimensions = dimensions
        self.folder = folder

    def build(self, rows):
        raise NotImplementedError

    def ask(self, question, effort):
        raise NotImplementedError

    def replace(self, gone, first, fresh):
        raise NotImplementedError

    def rate(self, questions, effort, milliseconds):
        counts = [0] * THREADS

        def work(thread):
            first = thread * len(questions) // THREADS
            until = time.perf_counter() + milliseconds / 1e3
            while time.perf_counter() < until:
                self.ask(questions[(first + counts[thread]) % len(questions)], effort)
                counts[thread] += 1

        threads = [threading.Thread(target=work, args=(it,)) for it in range(THREADS)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts) / (time.perf_counter() - began)


def anonymous_mib():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


class Exam:
    def __init__(self, peer, folder, dimensions, rate_ms):
        def floats(name):
            path = os.path.join(folder, name)
            return numpy.memmap(path, dtype="<f4", mode="r").reshape(-1, dimensions)

        def right(name):
            path = os.path.join(folder, name)
            return numpy.fromfile(path, dtype="<u4").reshape(-1, NEAREST)

        self.peer, self.rate_ms = peer, rate_ms
        self.rows, self.fresh = floats("rows.f32"), floats("fresh.f32")
        self.questions = numpy.array(floats("questions.f32"))
        self.right, self.right_after = right("right.u32"), right("right_after.u32")
        self.effort = LADDER[0]

    def sit(self, effort):
        times, found = [], 0
        began = time.perf_counter()
        for question, right in zip(self.questions, self.right):
            start = time.perf_counter()
            rows = self.peer.ask(question, effort)
            times.append(time.perf_counter() - start)
            found += len(set(int(row) for row in rows) & set(int(row) for row in right))
            if time.perf_counter() - began > SIT_SECONDS_MAX:
                break
        return found / len(times) / NEAREST, sorted(times)[len(times) // 2] * 1e6

    def build(self):
        self.before, began = anonymous_mib(), time.perf_counter()
        self.peer.build(self.rows)
        seconds = time.perf_counter() - began
        memory = anonymous_mib() - self.before
        for effort in self.peer.ladder() if hasattr(self.peer, "ladder") else LADDER:
            self.effort = effort
            if self.sit(effort)[0] >= RECALL:
                break
        return {"build_s": seconds, "memory_mib": memory, "effort": self.effort}

    def round(self):
        recall, p50_us = self.sit(self.effort)
        rate = self.peer.rate(self.questions, self.effort, self.rate_ms)
        return {"p50_us": p50_us, "rate": rate, "recall": recall}

    def churn(self):
        began = time.perf_counter()
        gone = range(0, len(self.rows), CHURN)
        self.peer.replace(gone, len(self.rows), self.fresh)
        seconds = time.perf_counter() - began
        self.right = self.right_after
        return {"churn_s": seconds, "memory_mib": anonymous_mib() - self.before, **self.round()}


def serve(peer):
    # Answers go where standard output was; what libraries print goes to standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    folder, dimensions, rate_ms = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    exam = Exam(peer(dimensions, folder), folder, dimensions, rate_ms)
    commands = {"build": exam.build, "round": exam.round, "churn": exam.churn}
    for line in sys.stdin:
        try:
            said = commands[line.strip()]()
        except Exception as error:  # What a peer can't do is told, and no bench fails.
            said = {"failed": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(said), file=answers, flush=True)
