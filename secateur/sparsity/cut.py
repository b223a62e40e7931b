"""Exact selection of the lowest scores of many arrays, without putting them together.

A sample brackets the threshold; one pass counts what is below the bracket and picks out the few
scores inside it, among which the threshold is found exactly. Where the sample misleads (many equal
scores, odd distributions) bisection over the bit patterns of the scores takes over: slower, and as
exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

_CHUNK = 1 << 17  # scores: a chunk stays in the processor's cache; a multiple of 8
_SMALL = 1 << 18  # fewer scores are simply put together
_STEP = 512  # one score in so many is sampled
_SPREAD = 4.0  # half the width of the bracket in standard errors


_BITS: dict[np.dtype, np.dtype] = {
    np.dtype(np.float32): np.dtype(np.uint32),
    np.dtype(np.float64): np.dtype(np.uint64),
}


class Source:
    """The scores of one weight, flat, read in chunks.

    Args:
        name: Path of the weight, for messages.
        scores: Array of any shape and any real type.
        within: Packed mask of the weights that can still be removed; None: all of them.
    """

    def __init__(self, name: str, scores: np.ndarray, within: np.ndarray | None = None) -> None:
        self.name = name
        self.flat = np.ascontiguousarray(scores).reshape(-1)
        self.within = within
        self.total = self.flat.size
        self.size = self.total if within is None else int(np.bitwise_count(within).sum())
        wide = self.flat.dtype.itemsize > 4 or self.flat.dtype.kind in "iu"
        self.dtype = np.dtype(np.float64 if wide else np.float32)
        self._checked = False

    def pieces(self, dtype: np.dtype) -> Iterator[tuple[int, np.ndarray, np.ndarray | None]]:
        """(start, scores, mask of those that can still be removed) of one chunk after another.

        The first pass through all of them checks the scores on the way, while they are in the
        cache anyway.

        Raises:
            ValueError: If a score is NaN, infinite or negative.
        """
        checked, bits = self._checked, _BITS[dtype]
        infinite = np.array(math.inf, dtype).view(bits)
        for start in range(0, self.total, _CHUNK):
            scores = self.flat[start : start + _CHUNK].astype(dtype, copy=False)
            # What is NaN, infinite or has a sign has higher bits.
            if not checked and scores.view(bits).max() >= infinite:
                self._refuse(scores)
            free = None
            if self.within is not None:
                packed = self.within[start >> 3 : (start + _CHUNK) >> 3]
                free = np.unpackbits(packed, count=scores.size).view(np.bool_)
            yield start, scores, free
        self._checked = True

    def check(self) -> None:
        """Refuses scores that cannot be ranked.

        Raises:
            ValueError: If a score is NaN, infinite or negative.
        """
        for _ in self.pieces(self.dtype):
            pass

    def _refuse(self, scores: np.ndarray) -> None:
        bad = int(np.count_nonzero(~((scores >= 0) & (scores < math.inf))))
        if bad:  # a negative zero is none
            raise ValueError(
                f"the scores of {self.name} hold NaN, infinite or negative values (at least "
                f"{bad}); scores must be finite and not negative"
            )


class Cut(NamedTuple):
    """Where to cut: what is below `threshold` goes, and the first `ties` scores equal to it.

    Attributes:
        threshold: The least score that can stay.
        ties: How many scores equal to it go.
        places: Source and start of the chunks that hold equal scores; None if that is not known.
    """

    threshold: float
    ties: int
    places: frozenset[tuple[str, int]] | None = None


class Cutter:
    """Cuts through some sources, which can become fewer; what one cut has learnt serves the next.

    Args:
        sources: Where the scores are.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = list(sources)
        # Of the last pass: how many scores of a source lie below a bracket, and those inside it.
        self._below: dict[str, int] = {}
        self._inside: dict[tuple[str, int], np.ndarray] = {}
        self._bracketed = False  # whether the last cut lies inside

    def cut(self, count: int) -> Cut:
        """The cut that removes exactly the `count` lowest scores.

        Equal scores go in the order of the sources, then of the flat index.

        Args:
            count: How many to remove, from 0 to the number of scores.
        """
        total = sum(source.size for source in self.sources)
        if not 0 <= count <= total:
            raise ValueError(f"cannot remove {count} of {total} scores")
        self._bracketed = False
        if count == total:
            return Cut(math.inf, 0)
        if count == 0:
            return Cut(0.0, 0)
        reader = _Reader(self.sources)
        if total <= _SMALL:
            return _cut_among(np.concatenate(list(reader.chunks())), count)
        found = self._cut_inside(count)
        if found is None:
            limit = max(_SMALL, total // 48)
            low, high = _bracket(reader, count / total, total)
            if low < high:
                self._below, self._inside = reader.between(low, high, limit)
                if sum(piece.size for piece in self._inside.values()) <= limit:
                    found = self._cut_inside(count)
            if found is None:
                self._inside = {}
                return _bisect(reader, count, total, limit, (low - 1, low, high - 1, high))
        self._bracketed = True
        return found

    def drop(self, sources: Sequence[Source]) -> None:
        """Goes on without some of the sources."""
        names = {source.name for source in sources}
        self.sources = [source for source in self.sources if source.name not in names]
        self._inside = {place: x for place, x in self._inside.items() if place[0] not in names}

    def short_of(self, floor: int, cut: Cut) -> list[Source]:
        """The sources of which the last cut keeps fewer than `floor` (and than all they have)."""
        inside: dict[str, list[np.ndarray]] = {source.name: [] for source in self.sources}
        for (name, _), piece in self._inside.items():
            inside[name].append(piece)
        short, ties = [], cut.ties
        for source in self.sources:
            below, pieces = self._below.get(source.name, 0), inside[source.name]
            if not self._bracketed:
                below = 0
                chunks = source.pieces(np.dtype(np.float64))
                pieces = [x if free is None else x[free] for _, x, free in chunks]
            below += sum(int(np.count_nonzero(piece < cut.threshold)) for piece in pieces)
            gone = min(ties, sum(int(np.count_nonzero(x == cut.threshold)) for x in pieces))
            ties -= gone
            if source.size - below - gone < min(floor, source.size):
                short.append(source)
        return short

    def _cut_inside(self, count: int) -> Cut | None:
        """The cut, if it lies inside the bracket of the last pass."""
        if not self._inside:
            return None
        count -= sum(self._below[source.name] for source in self.sources)
        inside = np.concatenate(list(self._inside.values()))
        if not 0 <= count < inside.size:
            return None
        cut = _cut_among(inside, count)
        if not cut.ties:
            return cut
        places = (at for at, piece in self._inside.items() if np.any(piece == cut.threshold))
        return cut._replace(places=frozenset(places))


def find_cut(sources: Sequence[Source], count: int) -> Cut:
    """The cut that removes exactly the `count` lowest scores of `sources`; see `Cutter.cut`."""
    return Cutter(sources).cut(count)


class _Reader:
    """Counts over all scores. Scores are named by their bit patterns, which have their order."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources
        self.dtype = np.result_type(*(source.dtype for source in sources))
        self.bits = _BITS[self.dtype]

    def chunks(self) -> Iterator[np.ndarray]:
        for source in self.sources:
            for _, scores, free in source.pieces(self.dtype):
                yield scores if free is None else scores[free]

    def key(self, score: float) -> int:
        return int(np.array([score + 0], self.dtype).view(self.bits)[0])  # + 0: no negative zero

    def score(self, key: int) -> np.floating:
        """The score of a key; one below all scores for -1."""
        if key < 0:
            return self.dtype.type(-1)
        return np.array([key], self.bits).view(self.dtype)[0]

    def upto(self, key: int) -> int:
        """How many scores are at most that of `key`."""
        high = self.score(key)
        return sum(int(np.count_nonzero(chunk <= high)) for chunk in self.chunks())

    def between(
        self, low_key: int, high_key: int, limit: int
    ) -> tuple[dict[str, int], dict[tuple[str, int], np.ndarray]]:
        """By source, how many scores are at most that of the low key; by chunk, those between.

        Once more than `limit` are found no more are gathered.
        """
        low, high = self.score(low_key), self.score(high_key)
        counts: dict[str, int] = {}
        found: dict[tuple[str, int], np.ndarray] = {}
        length = 0
        for source in self.sources:
            count = 0
            for start, scores, free in source.pieces(self.dtype):
                chunk = scores if free is None else scores[free]
                upto = chunk <= low
                count += int(np.count_nonzero(upto))
                if length <= limit:
                    inside = chunk < high
                    inside ^= upto  # low < high, so what is up to low is below high as well
                    part = found[source.name, start] = chunk.compress(inside)
                    length += part.size
            counts[source.name] = count
        return counts, found


def _bracket(reader: _Reader, share: float, total: int) -> tuple[int, int]:
    """Keys between which the quantile `share` of the scores lies, as far as a sample can tell."""
    random = np.random.default_rng(total)  # the same sample for the same scores
    sample = []
    for source in reader.sources:
        at = np.arange(0, source.total, _STEP)
        at += random.integers(0, np.minimum(_STEP, source.total - at))
        if source.within is not None:
            at = at[(source.within[at >> 3] >> (7 - (at & 7)).astype(np.uint8)) & 1 == 1]
        sample.append(source.flat[at].astype(reader.dtype))
    scores = np.sort(np.concatenate(sample))
    if not scores.size:
        return 0, 0
    middle = share * scores.size
    spread = _SPREAD * math.sqrt(share * (1 - share) * scores.size) + 1
    first, last = math.floor(middle - spread), math.ceil(middle + spread)
    low = -1 if first < 0 else reader.key(scores[first])
    high = reader.key(math.inf if last >= scores.size else scores[last])
    return low, high


def _cut_among(scores: np.ndarray, count: int) -> Cut:
    scores.partition(count)
    threshold = scores[count]
    return Cut(float(threshold), count - int(np.count_nonzero(scores < threshold)))


def _bisect(reader: _Reader, count: int, total: int, limit: int, probes: Sequence[int]) -> Cut:
    """Narrows (bottom, top] around the threshold's key until few scores are left in it."""
    bottom, upto_bottom = -1, 0
    top, upto_top = reader.key(math.inf) - 1, total
    queue = list(probes)
    while top - bottom > 1 and upto_top - upto_bottom > limit:
        key = queue.pop(0) if queue else (bottom + top) // 2
        if not bottom < key < top:
            continue
        upto = reader.upto(key)
        if upto <= count:
            bottom, upto_bottom = key, upto
        else:
            top, upto_top = key, upto
    if top - bottom == 1:
        return Cut(float(reader.score(top)), count - upto_bottom)
    _, pieces = reader.between(bottom, top + 1, limit)
    return _cut_among(np.concatenate(list(pieces.values())), count - upto_bottom)


def pack(source: Source, cut: Cut) -> tuple[np.ndarray, int]:
    """The packed mask of what a cut keeps, and the ties left for the sources that follow."""
    bits = np.empty(-(-source.total // 8), np.uint8)
    ties = cut.ties
    for start, scores, free in source.pieces(source.dtype):
        threshold: float | np.floating = cut.threshold
        if source.dtype == np.float32 and float(np.float32(threshold)) != threshold:
            threshold = np.float64(threshold)  # found among scores of another source's type
        kept = scores >= threshold
        if free is not None:
            kept &= free
        if ties and (cut.places is None or (source.name, start) in cut.places):
            equal = np.flatnonzero(kept & (scores == threshold))[:ties]
            kept[equal] = False
            ties -= equal.size
        bits[start >> 3 : (start + scores.size + 7) >> 3] = np.packbits(kept)
    return bits, ties
