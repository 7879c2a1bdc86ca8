"""LanceDB: one partition of HNSW over vectors of 8 bits, refined by the full ones."""

import os

import lancedb
import numpy
import pyarrow

import exam

REFINE = 2


class LanceDb(exam.Peer):
    def table(self, first, rows):
        flat = pyarrow.array(numpy.ascontiguousarray(rows).reshape(-1), type=pyarrow.float32())
        vectors = pyarrow.FixedSizeListArray.from_arrays(flat, self.dimensions)
        ids = pyarrow.array(range(first, first + len(rows)), type=pyarrow.int64())
        return pyarrow.table({"id": ids, "vector": vectors})

    def build(self, rows):
        database = lancedb.connect(os.path.join(self.folder, "lancedb"))
        self.rows = database.create_table("rows", self.table(0, rows))
        self.rows.create_index(
            metric="cosine",
            vector_column_name="vector",
            index_type="IVF_HNSW_SQ",
            num_partitions=1,
            m=16,
            ef_construction=200,
        )

    def ask(self, question, effort):
        search = self.rows.search(question).distance_type("cosine").limit(exam.NEAREST)
        search = search.ef(max(effort, exam.NEAREST * REFINE)).nprobes(1).refine_factor(REFINE)
        return search.select(["id", "_distance"]).to_arrow()["id"].to_pylist()

    def replace(self, gone, first, fresh):
        self.rows.delete(f"id < {first} AND id % {exam.CHURN} = 0")
        self.rows.add(self.table(first, fresh))
        self.rows.optimize()


exam.serve(LanceDb)
