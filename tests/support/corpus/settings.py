"""Cases of configurations in TOML, and of tables of experiments."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from corpus.case import Either, Expected, Reads, Refuses, add, case

REFUSES = Refuses()
READS = Reads(None)


def toml(name: str, content: str | bytes, expected: Expected) -> None:
    """Add a case of a configuration of training."""

    def make(folder: Path) -> Path:
        path = folder / "run.toml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    add(f"TOML: {name}", make, expected, kind="config")


toml("good", "steps = 100\n[[kinds]]\nkind = 'discs'\n[network]\nheads = 8\n", READS)
toml("empty", "", READS)
toml("learning_rate = 0", "learning_rate = 0\n", Either(READS))
for _line in (
    "steps = -5", "steps = 0", "steps = 1.5", "steps = true", "steps = 'a'",
    "steps = nan", "steps = 99999999999999999999", "steps = 1979-05-27",
    "batch_size = 0", "batch_size = -1", "batch_size = true",
    "learning_rate = -1.0", "learning_rate = nan", "learning_rate = inf",
    "learning_rate = 'fast'",
    "weight_decay = -0.1", "gradient_clip = -1.0", "gradient_clip = nan",
    "warmup_steps = -1", "ema_decay = 2.0", "ema_decay = nan", "consistency = 1.5",
    "consistency = nan", "validate_every = 0", "validation_fields = 0",
    "validation_fields = -8", "patience = -1", "checkpoint_every = 0", "seed = -1",
    "seed = 1.5", "precision = '8'", "precision = 32", "precision = []",
    "kinds = [1]", "kinds = 3", "kinds = []", "kinds = ['discs']", "kinds = [[]]",
    "kinds = [{kind = 'none'}]", "kinds = [{kind = 3}]", "kinds = [{kind = []}]",
    "kinds = [{shapes = 3}]", "kinds = [{shapes = [3]}]", "kinds = [{shapes = []}]",
    "kinds = [{shapes = [[0, 8]]}]", "kinds = [{shapes = [[8, 8, 8]]}]",
    "kinds = [{shapes = [['a', 'b']]}]", "kinds = [{shapes = [[1e9, 1e9]]}]",
    "kinds = [{windows = [-1.0]}]", "kinds = [{windows = []}]",
    "kinds = [{windows = ['a']}]", "kinds = [{share = -1.0}]",
    "kinds = [{share = nan}]", "kinds = [{options = 3}]",
    "kinds = [{options = {none = 3}}]", "kinds = [{noise = 3}]",
    "network = 3", "network = []", "network = {heads = 0}", "network = {width = -8}",
    "network = {heads = 3}", "network = {depth = 'six'}", "network = {none = 1}",
    "network = {regularisations = []}", "network = {regularisations = ['a']}",
    "network = {regularisations = [-1.0]}", "network = {refinements = -1}",
    "network = {traction_scale = nan}", "network = {traction_scale = 0.0}",
    "noise = 3", "noise = {none = 3}", "loss = 'square'", "loss = {exponent = nan}",
    "loss = {exponent = -1.0}", "loss = {background = -1.0}", "unknown = 3",
    "'\\u001b[31m' = 3",
):  # fmt: skip
    toml(_line, _line + "\n", REFUSES)
for _words, _content in [
    ("not TOML", "steps == 3"),
    ("not UTF-8", b"steps = 3 # \xff\xfe"),
    ("UTF-16", "steps = 3".encode("utf-16")),
    ("NUL", "steps = 3\0"),
    ("a key twice", "steps = 3\nsteps = 4\n"),
    ("a table twice", "[network]\n[network]\n"),
    ("10,000 brackets", "kinds = " + "[" * 10_000),
    ("10,000 tables", "[" + ".".join("a" * 10_000) + "]\n"),
    ("a number of 5,000 digits", "steps = " + "9" * 5000),
    ("JSON", '{"steps": 3}'),
    ("a picture", bytes(range(256)) * 10),
]:
    toml(_words, _content, REFUSES)  # type: ignore[arg-type]
toml("a byte-order mark", "\ufeffsteps = 100\n", Either(READS))
toml("CRLF", "steps = 100\r\n", READS)


@case("TOML: a FIFO", REFUSES, kind="config")
def _(folder: Path) -> Path:
    os.mkfifo(folder / "run.toml")
    return folder / "run.toml"


@case("TOML: a folder", REFUSES, kind="config")
def _(folder: Path) -> Path:
    (folder / "run.toml").mkdir()
    return folder / "run.toml"


@case("TOML: missing", REFUSES, kind="config")
def _(folder: Path) -> Path:
    return folder / "none.toml"


def table(name: str, content: str | bytes, expected: Expected, **about: Any) -> None:
    """Add a case of a table of experiments."""

    def make(folder: Path) -> Path:
        path = folder / "dishes.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    add(f"experiments: {name}", make, expected, kind="experiments", **about)


table("good", "file,young_pa,condition\na.h5,8000,control\n", READS)
table("a byte-order mark, CRLF", "\ufefffile,young_pa\r\na.h5,8000\r\n", READS)
table("UTF-16", "file\tyoung_pa\na.h5\t8000\n".encode("utf-16"), READS)
table("separator that is a letter", "sep=\xe9\nfile\na.h5\n", Either(READS))
table("separator that is a quote", 'sep="\nfile\na.h5\n', Either(READS))
table("decimal commas", "file;poisson\na.h5;0,45\n", READS)
table("line of the separator", "sep=;\nfile;poisson\na.h5;0.45\n", READS)
for _words, _content in [
    ("empty", ""),
    ("only the line of the separator", "sep=;\n"),
    ("no separator", "sep=\nfoo\n"),
    ("no column of files", "young_pa\n8000\n"),
    ("a column twice", "file,file\na.h5,b.h5\n"),
    ("a column without a name", "file,\na.h5,3\n"),
    ("a column of the summary", "file,frame\na.h5,3\n"),
    ("modulus of 1e39", "file,young_pa\na.h5,1e39\n"),
    ("modulus of 0", "file,young_pa\na.h5,0\n"),
    ("modulus of 1_0", "file,young_pa\na.h5,1_0\n"),
    ("quotation mark that does not end", 'file,dish\na.h5,"1\nb.h5,2\n'),
    ("modulus in other digits", "file,young_pa\na.h5,\u0663\u0663\n"),
    ("modulus of NaN", "file,young_pa\na.h5,nan\n"),
    ("modulus is a word", "file,young_pa\na.h5,soft\n"),
    ("Poisson ratio of 3", "file,poisson\na.h5,3\n"),
    ("thickness of 30e-6", "file,thickness_um\na.h5,30e-6\n"),
    ("spacing of 1e-40", "file,spacing_um\na.h5,1e-40\n"),
    ("negative spacing", "file,spacing_um\na.h5,-1\n"),
    ("spacing of 0", "file,spacing_um\na.h5,0\n"),
    ("unknown unit", "file,unit\na.h5,\x1b[31mfurlong\n"),
    ("unknown y", "file,y\na.h5,left\n"),
    ("a field less", "file,young_pa\na.h5\n"),
    ("a field more", "file,young_pa\na.h5,1,2\n"),
    ("an empty file", "file,young_pa\n,8000\n"),
    ("name of another folder", "file,experiment\na.h5,../../b\n"),
    ("name with NUL", "file,experiment\na.h5,a\0b\n"),
    ("NUL in the file's name", "file\na\0.h5\n"),
    ("names twice", "file,experiment\na.h5,b\nc.h5,B\n"),
    ("an open quote", 'file,young_pa\n"a.h5,8000\n' * 1000),
    ("a field of 10 MB", "file,note\na.h5," + "x" * 10_000_000 + "\n"),
]:
    table(_words, _content, REFUSES)
table("not any encoding", b"file,note\na.h5,\xff\xfe\x81\n", Either(READS))
table("zeros", bytes(10_000), REFUSES)
table("one file 20,000 times", "file,n\n" + "a.h5,1\n" * 20_000, Either(READS))
