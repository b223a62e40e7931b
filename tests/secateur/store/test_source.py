"""Source digests: an edit in code that can run counts, any other does not."""

import subprocess
import sys
from pathlib import Path

import pytest

from secateur.store import first_party_file, package_digest, source_digest

TREE = {
    "tasks/__init__.py": "",
    "tasks/train.py": "import os\nfrom secateur.training import fit\ndef train(): return fit()\n",
    "secateur/__init__.py": '"""The library."""\n',
    "secateur/training/__init__.py": "from .loop import fit\n",
    "secateur/training/loop.py": (
        "def fit():\n    '''Fits.'''\n    from secateur import other\n    return other.value()\n"
    ),
    "secateur/other.py": "def value():\n    return 1\n",
    "secateur/unrelated.py": "X = 1\n",
}


class Tree:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.write(TREE)

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def digest(self) -> str:
        return source_digest(self.root / "tasks/train.py", self.root).digest

    def names(self) -> set[str]:
        files = source_digest(self.root / "tasks/train.py", self.root).files
        return {file.relative_to(self.root).as_posix() for file in files}


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def test_the_closure_is_what_the_stage_can_import(tree):
    assert tree.names() == set(TREE) - {"secateur/unrelated.py"}


def test_the_digest_does_not_depend_on_the_folder(tree, tmp_path_factory):
    assert Tree(tmp_path_factory.mktemp("elsewhere")).digest() == tree.digest()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("secateur/other.py", "# A comment.\ndef value( ):\n\n    return (1)  # one\n"),
        ("secateur/other.py", "'''Docs.'''\ndef value():\n    '''Docs.'''\n    return 1\n"),
        ("secateur/other.py", "\r\ndef value():\r\n    return 1\r\n"),
        ("secateur/__init__.py", ""),
        ("secateur/unrelated.py", "X = 2\n"),
        ("secateur/fresh.py", "X = 2\n"),
    ],
)
def test_what_does_not_count(tree, name, text):
    before = tree.digest()
    tree.write({name: text})
    assert tree.digest() == before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tasks/train.py", TREE["tasks/train.py"] + "Y = 1\n"),
        ("tasks/__init__.py", "import sys\n"),
        ("secateur/__init__.py", "SETTING = 1\n"),
        ("secateur/training/__init__.py", "from .loop import fit\nfrom . import loop\n"),
        ("secateur/training/loop.py", TREE["secateur/training/loop.py"] + "Z = 1\n"),
        ("secateur/other.py", "def value():\n    return 2\n"),
        ("secateur/other.py", "def value():\n    return 1.0\n"),
        ("secateur/other.py", "def value():\n    return 'a string that is not a docstring'\n"),
    ],
)
def test_what_counts(tree, name, text):
    before = tree.digest()
    tree.write({name: text})
    assert tree.digest() != before


@pytest.mark.parametrize(
    "statement",
    [
        "import secateur.extra.deep",
        "import secateur.extra.deep as d",
        "from secateur.extra import deep",
        "from secateur.extra.deep import thing",
        "from secateur.extra.deep import *",
        "from .extra import deep",
        "from .extra.deep import thing",
        "from . import extra\nfrom .extra import deep as d",
        "class A:\n    def f(self):\n        if self:\n            import secateur.extra.deep",
        "try:\n    import secateur.extra.deep\nexcept ImportError:\n    pass",
        "import importlib\nd = importlib.import_module('secateur.extra.deep')",
        "from importlib import import_module\nd = import_module('.extra.deep', __package__)",
        "async def f():\n  match 1:\n    case 1:\n      from secateur.extra import deep",
    ],
)
def test_every_way_to_import_is_followed(tree, statement):
    tree.write(
        {
            "secateur/other.py": statement + "\n",
            "secateur/extra/__init__.py": "",
            "secateur/extra/deep.py": "thing = 1\n",
        }
    )
    assert {"secateur/extra/__init__.py", "secateur/extra/deep.py"} <= tree.names()


def test_relative_imports_from_above(tree):
    tree.write(
        {
            "secateur/training/loop.py": "from ..extra.deep import thing\n",
            "secateur/extra/__init__.py": "from .. import unrelated\n",
            "secateur/extra/deep.py": "thing = 1\n",
        }
    )
    expected = {"secateur/extra/__init__.py", "secateur/extra/deep.py", "secateur/unrelated.py"}
    assert expected <= tree.names()


def test_a_module_that_appears_counts(tree):
    tree.write({"secateur/other.py": "def value():\n    from secateur import late\n"})
    before = tree.digest()
    tree.write({"secateur/late.py": ""})
    assert tree.digest() != before


def test_imports_for_types_alone_do_not_count(tree):
    tree.write(
        {
            "secateur/other.py": "from typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    from secateur import unrelated\n"
            "else:\n    from secateur import alternative\n",
            "secateur/alternative.py": "",
        }
    )
    assert "secateur/unrelated.py" not in tree.names()
    assert "secateur/alternative.py" in tree.names()


@pytest.mark.parametrize("mark", ["REGISTRY = True", "REGISTRY: bool = True"])
def test_a_registry_counts_with_its_whole_folder(tree, mark):
    files = {
        "secateur/other.py": "from secateur.criteria import get\n",
        "secateur/criteria/__init__.py": f"{mark}\ndef get(name): ...\n",
        "secateur/criteria/magnitude.py": "from secateur import unrelated\n",
        "secateur/criteria/sub/__init__.py": "",
        "secateur/criteria/table.json": "{}",
    }
    tree.write(files)
    assert {*files, "secateur/unrelated.py"} <= tree.names()
    before = tree.digest()
    tree.write({"secateur/criteria/table.json": "[]"})
    changed = tree.digest()
    assert changed != before
    tree.write({"secateur/criteria/fresh.py": ""})
    assert tree.digest() != changed


@pytest.mark.parametrize("mark", ["REGISTRY = False", "registry = True", "'''REGISTRY = True'''"])
def test_no_registry_without_the_mark(tree, mark):
    tree.write(
        {
            "secateur/other.py": "from secateur.criteria import get\n",
            "secateur/criteria/__init__.py": f"{mark}\ndef get(name): ...\n",
            "secateur/criteria/magnitude.py": "",
        }
    )
    assert "secateur/criteria/magnitude.py" not in tree.names()


LAZY = (
    "from typing import TYPE_CHECKING\nfrom .plain import known\n"
    "if TYPE_CHECKING:\n    from .hidden import entry\n"
    "def __getattr__(name):\n    import importlib\n"
    "    return getattr(importlib.import_module(f'{__name__}.hidden'), name)\n"
)


@pytest.mark.parametrize(
    ("statement", "whole"),
    [
        ("from secateur.room import entry", True),
        ("from secateur.room import *", True),
        ("from secateur import room", True),
        ("import secateur.room", True),
        ("from secateur.room import known", False),
        ("from secateur.room import plain", False),
        ("from secateur.room.plain import known", False),
    ],
)
def test_a_lazy_package_counts_whole_where_it_may_be_asked_for_more(tree, statement, whole):
    tree.write(
        {
            "secateur/other.py": statement + "\n",
            "secateur/room/__init__.py": LAZY,
            "secateur/room/plain.py": "known = 1\n",
            "secateur/room/hidden.py": "entry = 1\n",
        }
    )
    assert "secateur/room/plain.py" in tree.names()
    assert ("secateur/room/hidden.py" in tree.names()) is whole


def test_cycles_end(tree):
    tree.write({"secateur/other.py": "from secateur.training import loop\n"})
    assert "secateur/training/loop.py" in tree.names()


def test_bad_input(tree):
    with pytest.raises(ValueError, match="not a Python file below"):
        source_digest(tree.root / "tasks/nothing.py", tree.root)
    with pytest.raises(ValueError, match="not a Python file below"):
        source_digest(Path(__file__), tree.root)
    tree.write({"secateur/other.py": "def (:\n"})
    with pytest.raises(ValueError, match=r"other\.py' is not valid Python"):
        tree.digest()


def test_the_modules_of_the_store_itself_are_in_its_closure():
    root = Path(__file__).parents[3]
    code = (
        "import sys, secateur.store, secateur.store.settings\n"
        "print(*[m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'secateur'],"
        " sep='\\n')"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    closure = source_digest(root / "secateur/store/__init__.py", root).files
    assert {Path(line).resolve() for line in run.stdout.split()} <= {f.resolve() for f in closure}


def test_a_users_package_counts_whole_and_is_not_imported(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    files = {
        "my_models_a/__init__.py": "raise RuntimeError('imported')\n",
        "my_models_a/net.py": "import helper_a\n",
        "my_models_a/table.csv": "1,2\n",
        "helper_a.py": "X = 1\n",
        "stranger_a.py": "X = 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    seen = {package_digest("my_models_a.net")}
    for name in ("my_models_a/net.py", "my_models_a/table.csv", "helper_a.py"):
        (tmp_path / name).write_text(files[name] + "import math\n")
        seen.add(package_digest("my_models_a.net"))
    assert len(seen) == 4
    (tmp_path / "stranger_a.py").write_text("X = 2\n")
    (tmp_path / "my_models_a/net.py").write_text(files["my_models_a/net.py"] + "import math #\n")
    assert package_digest("my_models_a") in seen
    assert "my_models_a" not in sys.modules


def test_a_users_single_module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "factory_b.py").write_text("def f(): return 1\n")
    before = package_digest("factory_b")
    (tmp_path / "factory_b.py").write_text("def f(): return 2\n")
    assert package_digest("factory_b") != before


def test_a_module_that_is_not_there():
    with pytest.raises(ValueError, match="no module 'nowhere_to_be_found'"):
        package_digest("nowhere_to_be_found.net")


def test_a_checkout_and_an_installation_have_the_same_digest(tmp_path):
    """In an installation the folders `flows` and `tasks` lie inside `secateur`."""
    code = {
        "tasks/__init__.py": "",
        "tasks/train.py": "from secateur.tasks import stage\nfrom .quiet import silence\n",
        "tasks/stage.py": "from ..store import key\nfrom .. import layout\n",
        "tasks/quiet.py": "import secateur.tasks.progress as p\n",
        "tasks/progress.py": "",
        "tasks/prune.py": "",
        "secateur/__init__.py": "",
        "secateur/store.py": "",
        "secateur/layout.py": "",
        "secateur/other.py": "",
    }
    digests = {}
    for kind in ("checkout", "installation"):
        for name, text in code.items():
            inside = kind == "installation" and name.startswith("tasks/")
            path = tmp_path / kind / ("secateur" if inside else "") / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        start = first_party_file("secateur.tasks.train", tmp_path / kind)
        found = source_digest(start, tmp_path / kind)
        assert {file.name for file in found.files} == {
            "__init__.py",
            "train.py",
            "stage.py",
            "quiet.py",
            "progress.py",
            "store.py",
            "layout.py",
        }
        digests[kind] = found.digest
    assert digests["checkout"] == digests["installation"]
    (tmp_path / "installation/secateur/tasks/quiet.py").write_text("x = 1\n")
    changed = source_digest(start, tmp_path / "installation")
    assert changed.digest != digests["checkout"]
