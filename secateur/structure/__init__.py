"""Structure: channels, heads and layers that are really removed.

```python
graph = structure.analyse(model)                              # what depends on what
print(structure.describe(graph))
removal = structure.choose(graph, scores, ratio=0.5, measure="flops")
small = structure.remove(model, removal)                      # an ordinary Keras model

removal = structure.choose_layers(model, data=(x, y), ratio=0.3)   # whole blocks and layers
small = structure.shrink(model, masks)                        # what masks leave nothing of
```
"""

from __future__ import annotations

import importlib
from typing import Any

from secateur.lazy import submodule

_WHERE = {
    "Cut": "shrinking",
    "Graph": "dependency",
    "Group": "dependency",
    "LayerRemoval": "layers",
    "Part": "blocks",
    "Removal": "removal",
    "analyse": "dependency",
    "choose": "choosing",
    "choose_layers": "layers",
    "describe": "printing",
    "describe_layers": "printing",
    "describe_parts": "printing",
    "draw": "picture",
    "groups": "grouping",
    "parts": "blocks",
    "recalibrate": "recalibration",
    "remove": "cutting",
    "remove_least": "pruning",
    "rule": "rules",
    "shrink": "shrinking",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    return submodule(__name__, name)
