"""Chroma: a collection in a folder, cosine, M 16, ef_construction 200."""

import os
import time

import chromadb
import numpy

import exam

BATCH = 50


class Chroma(exam.Peer):
    def build(self, rows):
        settings = chromadb.config.Settings(anonymized_telemetry=False)
        path = os.path.join(self.folder, "chroma")
        self.client = chromadb.PersistentClient(path=path, settings=settings)
        hnsw = {"space": "cosine", "ef_construction": 200, "max_neighbors": 16}
        hnsw["num_threads"] = exam.THREADS
        configuration = {"hnsw": hnsw}
        self.rows = self.client.create_collection(
            "rows", configuration=configuration, embedding_function=None
        )
        self.effort = None
        self.add(0, rows)

    def add(self, first, rows):
        step = min(5_000, self.client.get_max_batch_size())
        for at in range(0, len(rows), step):
            some = numpy.array(rows[at : at + step])
            ids = [str(first + at + idx) for idx in range(len(some))]
            self.rows.add(ids=ids, embeddings=some)

    def rate(self, questions, effort, milliseconds):
        # Many questions at once, on its own threads: better than threads of Python.
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < milliseconds / 1e3:
            some = questions[count % len(questions) :][:BATCH]
            self.rows.query(query_embeddings=some, n_results=exam.NEAREST, include=[])
            count += len(some)
        return count / (time.perf_counter() - began)

    def ask(self, question, effort):
        if effort != self.effort:
            self.rows.modify(configuration={"hnsw": {"ef_search": effort}})
            self.effort = effort
        found = self.rows.query(query_embeddings=[question], n_results=exam.NEAREST, include=[])
        return found["ids"][0]

    def replace(self, gone, first, fresh):
        gone = list(gone)
        for at in range(0, len(gone), 5_000):
            self.rows.delete(ids=[str(row) for row in gone[at : at + 5_000]])
        self.add(first, fresh)


exam.serve(Chroma)
