"""`import secateur` is enough for all that the README names, and stays quick."""

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"


def test_all_that_the_readme_names_is_found_after_one_import():
    text = README.read_text()
    names = set(re.findall(r"`(?:help\()?(secateur(?:\.\w+)+)", text))
    names = {name for name in names if not name.startswith("secateur.flows")}
    assert "secateur.importance.score" in names
    assert len(names) > 5
    code = "import secateur, sys; assert 'keras' not in sys.modules; "
    code += "; ".join(sorted(names))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr[-500:]


def test_what_there_is_not_is_no_attribute():
    import secateur

    assert not hasattr(secateur, "no_such_room")
    assert not hasattr(secateur.structure, "no_such_module")
