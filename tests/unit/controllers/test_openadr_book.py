"""The VTN's objects are let go of only when nobody writes them any more."""

from __future__ import annotations

import threading
from pathlib import Path

from controllers.adapters.openadr3.vtn.book import ObjectBook, Record
from vpp.errors import StoreError


def record(k: int) -> Record:
    return Record(kind="PROGRAM", id=f"p{k}", owner="op", created="t", modified="t", body={"programName": f"p{k}"})


def test_a_book_that_is_closed_while_somebody_writes_keeps_what_was_written_and_refuses_the_rest(tmp_path: Path) -> None:
    for round_ in range(5):
        path = tmp_path / f"objects{round_}.sqlite3"
        book, kept, refused = ObjectBook(path), list[int](), list[str]()
        begun = threading.Event()

        def write(
            book: ObjectBook = book, kept: list[int] = kept, refused: list[str] = refused, begun: threading.Event = begun
        ) -> None:
            for k in range(10_000):
                try:
                    book.put(record(k))
                except StoreError as error:
                    refused.append(str(error))
                    return
                kept.append(k)
                begun.set()

        writer = threading.Thread(target=write)
        writer.start()
        assert begun.wait(10.0)
        book.close()
        writer.join(10.0)
        assert not writer.is_alive()
        assert len(refused) == 1
        again = ObjectBook(path)
        assert len(again.all("PROGRAM")) == len(kept)
        again.close()
