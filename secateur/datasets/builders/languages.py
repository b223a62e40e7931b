"""`languages`: in which of sixteen close languages a text is, from the translations of Django."""

from __future__ import annotations

import gettext
import hashlib
import importlib.util
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import tensorflow_datasets as tfds

LANGUAGES = (
    *("ca", "es", "fr", "gl", "it", "pt", "ro"),
    *("cs", "hr", "pl", "sk", "sl"),
    *("da", "nb", "nn", "sv"),
)
"""Three families of neighbours: Romance, Slavic and Scandinavian."""

_FILLED_IN = re.compile(r"%\(\w+\)[sdi]|%[sdi]|\{[^}]*\}|&\w+;|<[^>]+>")
_WORDS = 2  # a shorter text often belongs to several languages


class Languages(tfds.core.GeneratorBasedBuilder):
    """Sentences of a web framework's user interface, each in one of sixteen languages.

    What Django says in English is the origin of each text, and all translations of it are in the
    same split: a text of the test split has no translation in the training split. Texts that stand
    in several languages, and second ones of the same words, are left out.
    """

    name = "languages"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Sixteen languages, split by the text's origin."}  # noqa: RUF012

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Texts of a user interface in close languages: which language is it?",
            features=tfds.features.FeaturesDict(
                {
                    "text": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=list(LANGUAGES)),
                }
            ),
            supervised_keys=("text", "label"),
            homepage="https://www.djangoproject.com",
        )

    def _split_generators(self, dl_manager):
        parts = defaultdict(list)
        for origin, text, language in texts():
            parts[split_of(origin)].append({"text": text, "label": language})
        return {split: self._generate_examples(parts[split]) for split in sorted(parts)}

    def _generate_examples(self, examples):
        yield from enumerate(examples)


def split_of(origin: str) -> str:
    """The split of all translations of an English text: 70 % train, 10 % validation, 20 % test."""
    place = int(hashlib.sha256(origin.encode()).hexdigest()[:8], 16) / 2**32
    return "train" if place < 0.7 else "validation" if place < 0.8 else "test"


def texts() -> list[tuple[str, str, str]]:
    """English origin, text and language of each example, in a fixed order."""
    found: dict[str, tuple[str, set[str]]] = {}
    for language in LANGUAGES:
        for origin, text in sorted(_translations(language)):
            found.setdefault(text, (origin, set()))[1].add(language)
    return sorted(
        (origin, text, next(iter(languages)))
        for text, (origin, languages) in found.items()
        if len(languages) == 1
    )


def _translations(language: str) -> Iterator[tuple[str, str]]:
    spec = importlib.util.find_spec("django")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(
            "The package django, from which the data set languages is made, is not installed: "
            "pip install 'secateur[text]'."
        )
    for file in sorted(Path(spec.submodule_search_locations[0]).rglob(f"{language}/*/*.mo")):
        with file.open("rb") as opened:
            catalog = gettext.GNUTranslations(opened)._catalog  # type: ignore[attr-defined]
        for key, text in catalog.items():
            origin = (key[0] if isinstance(key, tuple) else key).rpartition("\x04")[2]
            text = " ".join(_FILLED_IN.sub(" ", text).split())
            if origin and len(text.split()) >= _WORDS:
                yield origin, text
