"""Digests of source code: what a stage runs, found by reading and never by importing."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeGuard

from secateur.store.content import content_hash

FIRST_PARTY = ("secateur",)
"""Top-level packages that `source_digest` follows."""

BESIDE = {("secateur", "flows"): "flows", ("secateur", "tasks"): "tasks"}
"""Packages that lie beside `secateur` in a checkout; in an installation they lie inside it."""


class SourceDigest(NamedTuple):
    """The digest of a closure of modules, and the files in it (sorted)."""

    digest: str
    files: list[Path]


def source_digest(
    path: str | os.PathLike[str],
    root: str | os.PathLike[str],
    packages: Iterable[str] = FIRST_PARTY,
) -> SourceDigest:
    """Digest of a module and of every first-party module that it can import.

    Imports are followed by `ast`, wherever they stand (functions included, `if TYPE_CHECKING:`
    excluded): absolute and relative ones, submodules named in `from package import submodule`,
    literal `importlib.import_module("...")`, and the `__init__` of every package on the way.
    Two kinds of packages count with their whole folder: a registry (its `__init__` has the module
    constant `REGISTRY = True`), and a package with a lazy `__getattr__` from which a name is taken
    that its `__init__` does not bind. Comments, formatting and docstrings do not count.

    Args:
        path: the Python file to start from, such as `tasks/train.py`.
        root: the folder that holds the first-party packages.
        packages: names of the first-party packages.

    Returns:
        The digest (64 hex digits, the same for the same code in any folder, and in a checkout as
        in an installation) and the files.

    Raises:
        ValueError: if `path` is not a Python file below `root`, or a file has a syntax error.
    """
    # Not `resolve()`: a symlinked file must keep the module name under which it is imported.
    start, base = Path(os.path.abspath(path)), Path(os.path.abspath(root))
    if not start.is_relative_to(base) or start.suffix != ".py" or not start.is_file():
        raise ValueError(f"{os.fspath(path)!r} is not a Python file below {os.fspath(root)!r}.")
    names = frozenset(packages)
    known = _remembered.get((start, base, names))
    if known is not None and known[0] == _stamps(known[0]):
        return known[1]
    found = _digest(base, _closure([start], base, names, BESIDE), BESIDE)
    # A module that appears changes its folder, so the folders count as well.
    _remembered[start, base, names] = (
        _stamps({*found.files, *(file.parent for file in found.files), base}),
        found,
    )
    return found


_Stamp = tuple[int, int, int, int]
_Stamps = dict[Path, _Stamp | None]
_remembered: dict[tuple[Path, Path, frozenset[str]], tuple[_Stamps, SourceDigest]] = {}
"""What was found before, with the stamps of all files and folders that it was found in."""


def _stamps(paths: Iterable[Path]) -> _Stamps:
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> _Stamp | None:
    try:
        return _of_status(path.stat())
    except OSError:
        return None


def _of_status(status: os.stat_result) -> _Stamp:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def first_party_file(module: str, root: str | os.PathLike[str]) -> Path:
    """The file of a first-party module, such as `secateur.tasks.train`, below `root`."""
    place = _place(Path(root), module.split("."), BESIDE)
    return _module_file(place) or place.with_name(f"{place.name}.py")


def package_digest(module: str) -> str:
    """Digest of a user's own code: the whole top-level package (or module file) of `module`.

    Nothing is imported. Python files count by their syntax tree, all other files by content.
    Modules beside the package that it imports are followed too, unless
    it lies in an installation's `site-packages`.

    Args:
        module: a dotted name, such as `my_models.resnet`.

    Returns:
        64 hex digits.

    Raises:
        ValueError: if no such top-level module can be found, or it has a syntax error.
    """
    top = module.partition(".")[0]
    loaded = sys.modules.get(top)
    try:
        spec = getattr(loaded, "__spec__", None) or importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise ValueError(
            f"There is no module {top!r} to be found for {module!r}; "
            "install it or add its folder to PYTHONPATH."
        )
    places = [Path(place) for place in spec.submodule_search_locations or ()]
    if not places and spec.has_location and spec.origin:
        places = [Path(spec.origin)]
    if not places:  # built into the interpreter
        return hashlib.sha256(f"{top} {sys.version}".encode()).hexdigest()
    parts = []
    for place in places:
        base = place.parent
        files = list(_folder(place)) if place.is_dir() else [place]
        code = [file for file in files if file.suffix == ".py"]
        if not _installed(base):
            code = _closure(code, base, _neighbours(base))
        parts.append(_digest(base, {*files, *code}).digest)
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def _installed(folder: Path) -> bool:
    known = {sysconfig.get_paths()[name] for name in ("purelib", "platlib", "stdlib", "platstdlib")}
    return str(folder) in known or folder.name in {"site-packages", "dist-packages"}


def _neighbours(folder: Path) -> frozenset[str]:
    return frozenset(
        entry.stem if entry.suffix == ".py" else entry.name
        for entry in folder.iterdir()
        if entry.suffix == ".py" or (entry / "__init__.py").is_file()
    )


def _folder(folder: Path) -> Iterator[Path]:
    """All files below a folder that can matter: no caches, nothing hidden."""
    for here, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(f for f in folders if f != "__pycache__" and not f.startswith("."))
        for name in files:
            if not name.startswith(".") and not name.endswith((".pyc", ".pyo")):
                yield Path(here, name)


# ---- one file ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Import:
    """`module` at relative `level` is imported; `names` are taken from it (None: it is bound)."""

    level: int
    module: str
    names: tuple[str, ...] | None
    whole_chain: bool = False  # `import a.b.c` binds `a` and reaches all of the chain


@dataclass(frozen=True)
class _Parsed:
    digest: str
    imports: tuple[_Import, ...] = ()
    bound: frozenset[str] = frozenset()
    lazy: bool = False
    registry: bool = False


_parsed: dict[Path, tuple[_Stamp, _Parsed]] = {}


def _parse(path: Path) -> _Parsed:
    if path.suffix != ".py":
        return _Parsed(content_hash(path))
    stamp = _of_status(path.stat())
    known = _parsed.get(path)
    if known is None or known[0] != stamp:
        known = (stamp, _read_code(path))
        _parsed[path] = known
    return known[1]


def _read_code(path: Path) -> _Parsed:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"{str(path)!r} is not valid Python: {error}.") from error
    imports: list[_Import] = []
    _strip(tree, imports)
    bound = frozenset(_bound(tree.body))
    return _Parsed(
        digest=hashlib.sha256(ast.dump(tree).encode("utf-8", "surrogatepass")).hexdigest(),
        imports=tuple(dict.fromkeys(imports)),
        bound=bound,
        lazy="__getattr__" in bound,
        registry=any(_says_registry(statement) for statement in tree.body),
    )


def _strip(node: ast.AST, imports: list[_Import], followed: bool = True) -> None:
    """Collects the imports below `node` and takes out docstrings (strings as statements)."""
    for name, value in ast.iter_fields(node):
        if isinstance(value, list):
            if name == "body":
                value[:] = [child for child in value if not _is_docstring(child)]
            follow = followed and not (name == "body" and _is_typing_only(node))
            for child in value:
                if isinstance(child, ast.AST):
                    _strip(child, imports, follow)
        elif isinstance(value, ast.AST):
            _strip(value, imports, followed)
    if followed:
        imports.extend(_imports_of(node))


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_typing_only(node: ast.AST) -> TypeGuard[ast.If]:
    if not isinstance(node, ast.If):
        return False
    test = node.test
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"


def _imports_of(node: ast.AST) -> Iterator[_Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield _Import(0, alias.name, None, whole_chain=alias.asname is None)
    elif isinstance(node, ast.ImportFrom):
        yield _Import(node.level, node.module or "", tuple(alias.name for alias in node.names))
    elif isinstance(node, ast.Call) and node.args:
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        first = node.args[0]
        if name not in {"import_module", "__import__"} or not isinstance(first, ast.Constant):
            return
        if isinstance(first.value, str):
            module = first.value.lstrip(".")
            yield _Import(len(first.value) - len(module), module, None, whole_chain=True)


def _bound(body: Iterable[ast.stmt]) -> Iterator[str]:
    """Names that a module's top level binds, also below `if`, `try` and `with`."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement.name
            continue
        for node in _walk(statement):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    yield alias.asname or alias.name.partition(".")[0]
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield node.name


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """`ast.walk` without what stands under `if TYPE_CHECKING:`."""
    yield node
    children = node.orelse if _is_typing_only(node) else ast.iter_child_nodes(node)
    for child in children:
        yield from _walk(child)


def _says_registry(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assign):
        targets, value = statement.targets, statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets, value = [statement.target], statement.value
    else:
        return False
    return (
        any(isinstance(target, ast.Name) and target.id == "REGISTRY" for target in targets)
        and isinstance(value, ast.Constant)
        and value.value is True
    )


# ---- all files of a closure --------------------------------------------------------------------

_Beside = Mapping[tuple[str, str], str]
"""Which packages inside another one lie beside it: see `BESIDE`."""


def _place(root: Path, module: Sequence[str], beside: _Beside) -> Path:
    """Where the parts of a dotted name lie, without a suffix."""
    folder = beside.get((module[0], module[1])) if len(module) > 1 else None
    if folder is None or root.joinpath(*module[:2]).is_dir():
        return root.joinpath(*module)
    return root.joinpath(folder, *module[2:])


def _module(root: Path, path: Path, beside: _Beside) -> tuple[str, ...]:
    """The parts of the dotted name under which a file or folder is imported, with its suffix."""
    parts = path.relative_to(root).parts
    for package, folder in beside.items():
        if parts[:1] == (folder,) and not root.joinpath(*package).is_dir():
            return (*package, *parts[1:])
    return parts


def _closure(
    start: Iterable[Path], root: Path, packages: frozenset[str], beside: _Beside | None = None
) -> list[Path]:
    """Every first-party file that the files of `start` can reach."""
    beside = beside or {}
    found: set[Path] = set()
    waiting = list(start)
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        parents = _module(root, path, beside)[:-1]
        for depth in range(1, len(parents) + 1):  # every package's __init__ on the way
            init = _place(root, parents[:depth], beside) / "__init__.py"
            if init.is_file():
                waiting.append(init)
        if path.suffix != ".py":
            continue
        parsed = _parse(path)
        if path.name == "__init__.py" and parsed.registry:
            waiting.extend(_folder(path.parent))
        for item in parsed.imports:
            waiting.extend(_targets(item, parents, root, packages, beside))
    return sorted(found)


def _targets(
    item: _Import,
    package: tuple[str, ...],
    root: Path,
    packages: frozenset[str],
    beside: _Beside,
) -> Iterator[Path]:
    """Files that an import reaches from a module of `package`."""
    base: tuple[str, ...] = ()
    if item.level:
        if item.level > len(package) + 1:
            return
        base = package[: len(package) - (item.level - 1)]
    elif item.module.partition(".")[0] not in packages:
        return
    parts = item.module.split(".") if item.module else []
    for depth, _ in enumerate(parts, start=1):
        place = _place(root, (*base, *parts[:depth]), beside)
        file = _module_file(place)
        if file is None:
            if not place.is_dir():
                return
            continue
        yield file
        # A bound lazy package may be asked for any of its names.
        bound = item.names is None and (item.whole_chain or depth == len(parts))
        if bound and file.name == "__init__.py" and _parse(file).lazy:
            yield from _folder(file.parent)
    for name in item.names or ():
        yield from _taken(name, (*base, *parts), root, beside)


def _taken(name: str, package: tuple[str, ...], root: Path, beside: _Beside) -> Iterator[Path]:
    """Files behind `name` in `from package import name`."""
    place = _place(root, package, beside) if package else root
    init = place / "__init__.py"
    if name == "*":
        if init.is_file() and _parse(init).lazy:
            yield from _folder(place)
        return
    submodule = _module_file(_place(root, (*package, name), beside))
    if submodule is not None:
        yield submodule
        if submodule.name == "__init__.py" and _parse(submodule).lazy:
            yield from _folder(submodule.parent)
    elif init.is_file() and (parsed := _parse(init)).lazy and name not in parsed.bound:
        yield from _folder(place)


def _module_file(place: Path) -> Path | None:
    if (init := place / "__init__.py").is_file():
        return init
    file = place.parent / f"{place.name}.py"
    return file if file.is_file() else None


def _digest(root: Path, files: Iterable[Path], beside: _Beside | None = None) -> SourceDigest:
    named = sorted(("/".join(_module(root, file, beside or {})), file) for file in files)
    whole = hashlib.sha256()
    for name, file in named:
        whole.update(f"{name}\0{_parse(file).digest}\n".encode("utf-8", "surrogatepass"))
    return SourceDigest(whole.hexdigest(), [file for _, file in named])
