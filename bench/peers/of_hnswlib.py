"""hnswlib: cosine, M 16, ef_construction 200, as its own examples have it."""

import time

import hnswlib

import exam


class Hnswlib(exam.Peer):
    def build(self, rows):
        self.index = hnswlib.Index(space="cosine", dim=self.dimensions)
        room = len(rows) + len(rows) // exam.CHURN
        self.index.init_index(max_elements=room, M=16, ef_construction=200)
        self.index.add_items(rows, range(len(rows)), num_threads=exam.THREADS)

    def ask(self, question, effort):
        self.index.set_ef(max(effort, exam.NEAREST))
        labels, _ = self.index.knn_query(question, k=exam.NEAREST, num_threads=1)
        return labels[0]

    def rate(self, questions, effort, milliseconds):
        # All questions at once, on its own threads: better than threads of Python.
        self.index.set_ef(max(effort, exam.NEAREST))
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < milliseconds / 1e3:
            self.index.knn_query(questions, k=exam.NEAREST, num_threads=exam.THREADS)
            count += len(questions)
        return count / (time.perf_counter() - began)

    def replace(self, gone, first, fresh):
        for row in gone:
            self.index.mark_deleted(row)
        self.index.add_items(fresh, range(first, first + len(fresh)), num_threads=exam.THREADS)


exam.serve(Hnswlib)
