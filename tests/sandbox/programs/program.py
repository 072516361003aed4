# SPDX-License-Identifier: Apache-2.0
"""What Python programs do: processes, threads, a database, files, sockets to themselves."""
import hashlib
import multiprocessing
import os
import socket
import sqlite3
import subprocess
import tempfile
import threading


def square(number):
    return number * number


def main():
    with multiprocessing.Pool(4) as pool:
        print("processes", sum(pool.map(square, range(1000))))
    found = []
    threads = [threading.Thread(target=lambda n=n: found.append(square(n))) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("threads", sum(found))
    with tempfile.TemporaryDirectory() as directory:
        database = sqlite3.connect(os.path.join(directory, "database"))
        database.execute("create table t (n integer)")
        database.executemany("insert into t values (?)", [(n,) for n in range(1000)])
        database.commit()
        print("database", database.execute("select sum(n) from t").fetchone()[0])
    print("digest", hashlib.sha256(b"duet" * 100000).hexdigest())
    print("child", subprocess.run(["sh", "-c", "echo from a child"], capture_output=True, check=True, text=True).stdout.strip())
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        connection, _ = server.accept()
        client.sendall(b"over the loopback")
        print("socket", connection.recv(100).decode())


if __name__ == "__main__":
    main()
