"""The folder that a run leaves its results in: nothing of the user's in it is ever lost.

    place = Destination("prune", folder, names=names_of("prune"), inputs=[("model.path", path)])
    place.check()                       # refuses before any work, in one sentence
    with place.claim():                 # no other run writes into the folder meanwhile
        ...
        replace(folder, "prune", write, last="report.json")     # all of the results, or none

A hidden file of the folder, `.secateur.json`, tells what earlier runs wrote, with a digest of each
file: what it names, and was not changed since, may be replaced, and nothing else.
"""

from secateur.output.destination import Destination, check_file
from secateur.output.folder import OutputFolder, locate
from secateur.output.names import names_of
from secateur.output.switch import OutputError, replace

__all__ = [
    "Destination",
    "OutputError",
    "OutputFolder",
    "check_file",
    "locate",
    "names_of",
    "replace",
]
