"""What a configuration may say of a watched folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from detector.settings import setting

SECOND = 10**9


@dataclass(frozen=True)
class FolderSettings:
    """A watched folder."""

    path: str = setting("path", "the folder into which another program writes captures", example="/var/spool/captures")
    name: str = setting("text", "what metrics and alerts call it; the folder's own name unless set", "")
    pattern: tuple[str, ...] = setting("texts", "names of the files to be read, with * and ?", ("*",))
    recursive: bool = setting("flag", "read folders in it as well", False)
    order: str = setting(
        "text",
        "which file comes first: by name, numbers in it compared as numbers, or by the time of its last change when it is first seen",
        "name",
        choices=("name", "time"),
    )
    finished: str = setting(
        "text",
        "what becomes of files that were read to their end and whose alerts are safe",
        "keep",
        choices=("keep", "delete", "move"),
    )
    move_to: str = setting("path", "where `finished: move` puts them, on the same file system", "")
    quiet: int = setting(
        "span",
        "a file that did not grow for so long is finished, also where no later one has come",
        3600 * SECOND,
        least=SECOND,
    )

    def mistakes(self) -> Iterator[tuple[str, str, str]]:
        """Of settings together."""
        if self.finished == "move" and not self.move_to:
            yield (
                "finished",
                "files are to be moved, and move_to does not say where",
                "move_to: /var/spool/captures-done",
            )
