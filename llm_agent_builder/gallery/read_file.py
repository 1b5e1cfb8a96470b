from pathlib import Path

READ_FOLDER = "."
READ_MAX_BYTES = 100_000


def read_file(path: str) -> str:
    """Read a text file, or list the files of a folder.

    Args:
        path: Where it is, seen from the folder given: "notes/today.txt", or "."
    """
    folder = Path(READ_FOLDER).resolve()
    # Links are followed first: what counts is where they lead.
    found = (folder / path).resolve()
    if not found.is_relative_to(folder):
        raise PermissionError(f"{path} is outside the folder given")
    if found.is_dir():
        return "\n".join(sorted(each.name for each in found.iterdir())) or "(empty)"
    if not found.is_file():
        raise FileNotFoundError(f'there is no file {path}; "." lists what there is')
    with found.open("rb") as file:
        content = file.read(READ_MAX_BYTES + 1)
    if b"\0" in content:
        raise ValueError(f"{path} is not a text file")
    text = content[:READ_MAX_BYTES].decode("utf-8-sig", "replace")
    cut = len(content) > READ_MAX_BYTES
    return f"{text}\n[cut after {READ_MAX_BYTES:,} bytes]" if cut else text
