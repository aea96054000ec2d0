"""Chooses packages so that every need is met: first choices where they do, others where not.

What leaves no choice comes first, breadth first, so that a choice finds all that is there anyway.
A need that nothing meets sends the search back to the latest choice that had a part in it
(conflict-directed backjumping), so the first choices stand wherever they can and the outcome
depends on the archive and the question alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pants_plugin_minimg.bundler.debian.relations import Clause, Relation
from pants_plugin_minimg.bundler.debian.universe import Record, Universe

#: Choices before it is given up; a resolution takes about as many as it has packages.
MAX_STEPS = 100_000


@dataclass(frozen=True)
class Need:
    """`asker` is the name of the package that has the need, None for what was asked for.

    Met by any package that satisfies `clause`, or for what was asked for by `fixed`.
    """

    asker: str | None
    clause: Clause
    fixed: Record | None = None


class Chosen:
    """The packages taken so far, at most one version of each name; the last can be put back."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        #: For whose need each was taken first; None for what was asked for.
        self.askers: dict[str, str | None] = {}
        self._providers: dict[str, list[Record]] = {}
        self._excluding: dict[str, list[tuple[Record, Relation]]] = {}

    def take(self, record: Record, asker: str | None) -> None:
        self.records[record.name] = record
        self.askers[record.name] = asker
        for given in record.provides:
            self._providers.setdefault(given.name, []).append(record)
        for relation in record.excludes:
            self._excluding.setdefault(relation.name, []).append((record, relation))

    def put_back(self) -> None:
        """The last that was taken."""
        _, record = self.records.popitem()
        del self.askers[record.name]
        for given in record.provides:
            self._providers[given.name].pop()
        for relation in record.excludes:
            self._excluding[relation.name].pop()

    def meeting(self, need: Need) -> Record | None:
        """The package that meets the need: by its first alternative that is met, the real package
        before one that provides it, the important and then the first name of these."""
        if need.fixed is not None:
            found = self.records.get(need.fixed.name)
            return found if found is need.fixed else None
        for relation in need.clause:
            real = self.records.get(relation.name)
            if real is not None and real.satisfies(relation):
                return real
            given = [r for r in self._providers.get(relation.name, ()) if r.satisfies(relation)]
            if given:
                return min(given, key=lambda record: (record.importance, record.name))
        return None

    def against(self, record: Record) -> Record | None:
        """A chosen package that cannot be there together with this one."""
        other = self.records.get(record.name)
        if other is not None:
            return other
        for relation in record.excludes:
            named = [self.records.get(relation.name), *self._providers.get(relation.name, ())]
            for other in named:
                if other is not None and other.excluded_by(relation):
                    return other
        for name in (record.name, *(given.name for given in record.provides)):
            for other, relation in self._excluding.get(name, ()):
                if other.name != record.name and record.excluded_by(relation):
                    return other
        return None


class Agenda:
    """The needs that were not looked at yet: those with a single option, then those with more."""

    def __init__(self, universe: Universe, needs: Iterable[Need]) -> None:
        self._universe = universe
        self._options: dict[Need, tuple[Record, ...]] = {}
        self._queues: tuple[list[Need], list[Need]] = ([], [])
        self._seen = [0, 0]
        self.add(needs)

    def add(self, needs: Iterable[Need]) -> None:
        for need in needs:
            self._queues[len(self.options(need)) > 1].append(need)

    def next(self) -> Need | None:
        for number, queue in enumerate(self._queues):
            if self._seen[number] < len(queue):
                self._seen[number] += 1
                return queue[self._seen[number] - 1]
        return None

    def mark(self) -> tuple[int, ...]:
        return (*self._seen, *map(len, self._queues))

    def back_to(self, mark: tuple[int, ...]) -> None:
        """As it was when `mark` was made."""
        self._seen[:] = mark[:2]
        for queue, length in zip(self._queues, mark[2:]):
            del queue[length:]

    def options(self, need: Need) -> tuple[Record, ...]:
        """What would meet the need, the first choice first.

        The preferred version of each: by alternative, the real package before those that provide
        it. Only then the other versions, which apt would take only when told to.
        """
        found = self._options.get(need)
        if found is None:
            found = self._options[need] = tuple(dict.fromkeys(self._listed(need)))
        return found

    def _listed(self, need: Need) -> list[Record]:
        if need.fixed is not None:
            return [need.fixed]
        preferred: list[Record] = []
        others: list[Record] = []
        for relation in need.clause:
            names = [relation.name, *self._universe.providers(relation.name)]
            for name in dict.fromkeys(names):
                for number, record in enumerate(self._universe.records(name)):
                    if record.satisfies(relation):
                        (others if number else preferred).append(record)
        return [*preferred, *others]


@dataclass
class _Frame:
    """One choice: for which need, what is left to try, and who had a part in what failed."""

    need: Need
    left: Iterator[Record]
    mark: tuple[int, ...]
    blame: set[str]
    taken: Record | None = None


class Search:
    def __init__(self, universe: Universe, needs: Iterable[Need]) -> None:
        self.chosen = Chosen()
        self._agenda = Agenda(universe, needs)
        self._frames: list[_Frame] = []
        self._steps = 0

    def run(self) -> bool:
        """Whether all needs can be met: then `chosen` has the packages."""
        while True:
            need = self._agenda.next()
            if need is None:
                return True
            if self.chosen.meeting(need) is not None:
                continue
            left = iter(self._agenda.options(need))
            blame = set() if need.asker is None else {need.asker}
            self._frames.append(_Frame(need, left, self._agenda.mark(), blame))
            if not self._advance():
                return False

    def _advance(self) -> bool:
        """Take the next option of the latest choice that has one and could help."""
        while self._frames:
            frame = self._frames[-1]
            for record in frame.left:
                self._steps += 1
                if self._steps > MAX_STEPS:
                    return False
                clash = self.chosen.against(record)
                if clash is None:
                    frame.taken = record
                    self.chosen.take(record, frame.need.asker)
                    self._agenda.add(needs_of(record))
                    return True
                frame.blame.add(clash.name)
            self._frames.pop()
            self._jump(frame.blame)
        return False

    def _jump(self, blame: set[str]) -> None:
        """Back to the latest choice with a part in the failure, which is undone."""
        while self._frames:
            frame = self._frames[-1]
            assert frame.taken is not None
            self.chosen.put_back()
            self._agenda.back_to(frame.mark)
            name, frame.taken = frame.taken.name, None
            if name in blame:
                frame.blame |= blame - {name}
                return
            self._frames.pop()


def needs_of(record: Record) -> list[Need]:
    return [Need(record.name, clause) for clause in record.needs]


def first_choices(
    universe: Universe, needs: Iterable[Need]
) -> Iterator[tuple[Need, tuple[Record, ...], Chosen]]:
    """Walk by first choices alone, over what cannot be met: each such need, as it comes up.

    With it what would meet it but for what is chosen.
    """
    agenda, chosen = Agenda(universe, needs), Chosen()
    while True:
        need = agenda.next()
        if need is None:
            return
        if chosen.meeting(need) is not None:
            continue
        for record in agenda.options(need):
            if chosen.against(record) is None:
                chosen.take(record, need.asker)
                agenda.add(needs_of(record))
                break
        else:
            yield need, agenda.options(need), chosen
