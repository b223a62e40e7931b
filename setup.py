"""Where the packages lie: `flows` and `tasks` are folders of the repository's top.

They are installed as `secateur.flows` and `secateur.tasks`, so that nothing but `secateur` is at
the top of an environment; the YAML and the Dockerfile of `deployments` lie beside them. All else
is in pyproject.toml.
"""

from setuptools import find_packages, setup

INSIDE = ("flows", "tasks")

setup(
    packages=[
        *find_packages(include=["secateur", "secateur.*"]),
        *(
            f"secateur.{name}"
            for inside in INSIDE
            for name in find_packages(include=[inside, f"{inside}.*"])
        ),
        "secateur.deployments",
    ],
    package_dir={
        **{f"secateur.{inside}": inside for inside in INSIDE},
        "secateur.deployments": "deployments",
    },
)
