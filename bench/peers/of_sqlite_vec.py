"""sqlite-vec: a table of vectors in a file, which it compares all, so it has no effort to tune."""

import os
import threading

import apsw
import numpy
import sqlite_vec

import exam

ASK = "SELECT rowid FROM rows WHERE vector MATCH ? AND k = ?"


class SqliteVec(exam.Peer):
    def connect(self):
        connection = apsw.Connection(os.path.join(self.folder, "rows.sqlite"))
        connection.enable_load_extension(True)
        connection.load_extension(sqlite_vec.loadable_path())
        connection.execute("PRAGMA journal_mode = WAL; PRAGMA cache_size = -400000")
        return connection

    def build(self, rows):
        self.own = threading.local()
        column = f"vector float[{self.dimensions}] distance_metric=cosine"
        self.here().execute(f"CREATE VIRTUAL TABLE rows USING vec0({column})")
        self.add(0, rows)

    def here(self):
        if not hasattr(self.own, "connection"):
            self.own.connection = self.connect()
        return self.own.connection

    def add(self, first, rows):
        insert = "INSERT INTO rows (rowid, vector) VALUES (?, ?)"
        with self.here() as connection:
            pairs = ((first + idx, numpy.array(row).tobytes()) for idx, row in enumerate(rows))
            connection.executemany(insert, pairs)

    def ladder(self):
        return [0]

    def ask(self, question, effort):
        found = self.here().execute(ASK, (question.tobytes(), exam.NEAREST))
        return [row for (row,) in found]

    def replace(self, gone, first, fresh):
        with self.here() as connection:
            connection.executemany("DELETE FROM rows WHERE rowid = ?", ((row,) for row in gone))
        self.add(first, fresh)


exam.serve(SqliteVec)
