"""Leaves the matrix of all architectures out, unless it is asked for by `-m matrix`."""


def pytest_collection_modifyitems(config, items):
    if "matrix" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("matrix")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
