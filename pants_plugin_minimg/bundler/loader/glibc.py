"""Who is loaded and in which order, by glibc's rules (elf/dl-deps.c, dl-load.c, rtld.c)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pants_plugin_minimg.bundler.binaries.elf import DF_1_NOOPEN, DT_AUXILIARY, DT_NEEDED
from pants_plugin_minimg.bundler.loader.context import Context, LoaderFacts, file_id
from pants_plugin_minimg.bundler.loader.dst import expand
from pants_plugin_minimg.bundler.loader.glibc_search import (
    Fatal,
    NotFound,
    Object,
    Search,
    Unusable,
    dirname,
)
from pants_plugin_minimg.bundler.loader.model import (
    Closure,
    Loaded,
    Missing,
    Opener,
    Refused,
    Settings,
)
from pants_plugin_minimg.bundler.sysroots.sysroot import Walk
from pants_plugin_minimg.bundler.text import text

PRELOAD = b"/etc/ld.so.preload"


class _Node:
    """An element of the list that dl-deps.c builds."""

    __slots__ = ("item", "done", "next")

    def __init__(self, item: Object, done: bool, following: _Node | None = None) -> None:
        self.item = item
        self.done = done
        self.next = following


class Resolution(Opener):
    """One program start. `closure` is filled by `run` and `open`."""

    def __init__(
        self, context: Context, closure: Closure, facts: LoaderFacts, settings: Settings
    ) -> None:
        self.context = context
        self.closure = closure
        self.facts = facts
        self.settings = settings
        self._ids: dict[tuple[int, int], Object] = {}
        #: Who answers to a name; of several, which are rare, all of them.
        self._names: dict[bytes, Object] = {}
        self._namesakes: dict[bytes, list[Object]] = {}
        self._reported: set[tuple[bytes, bytes]] = set()
        self._dlopen = False
        self._rtld_asked = False
        self.main = self._main()
        self.rtld = self._rtld()
        #: glibc's list of objects, whose order decides between equal names.
        self._maps = [self.main, self.rtld]
        self._listed: set[Object] = {self.main}
        self.search = Search(context, closure, facts, self.main, settings.ld_library_path)

    # The two that are there from the start.

    def _main(self) -> Object:
        closure = self.closure
        started = closure.elf.interp is not None
        # The kernel tells a program its real path; a library is named by whoever opens it.
        path = closure.walk.real if started else closure.program
        main = Object(path, closure.elf, None, dirname(path), None, closure.program)
        self._name(main, b"", closure.elf.soname)
        stat = closure.walk.stat
        if not started and stat is not None:  # of what the kernel mapped no number is known
            self._ids[file_id(stat)] = main
        return main

    def _rtld(self) -> Object:
        closure = self.closure
        path = closure.interpreter or b""
        walk = closure.interp_walk or Walk(path, None, (), "ENOENT")
        loaded = Loaded(path, path, walk, closure.program, "interp")
        rtld = Object(path, None, None, dirname(path), loaded, path)
        self._name(rtld, path or None, self.facts.soname)
        return rtld

    def _name(self, item: Object, *names: bytes | None) -> None:
        for name in names:
            if name is not None:
                first = self._names.setdefault(name, item)
                if first is not item:
                    known = self._namesakes.setdefault(name, [first])
                    if item not in known:
                        known.append(item)

    # Running.

    def run(self) -> None:
        preloaded = [item for item in self._preloads() if item is not None]
        for item in self._dependencies(self.main, preloaded):
            self._list(item)

    def open(self, name: bytes, requester: bytes | None = None) -> None:
        """dlopen(name), called by the program or by the library whose path is `requester`."""
        try:
            self._open(name, self._requester(requester))
        except Fatal as problem:
            self._report(problem)

    def attempt(self, name: bytes, requester: bytes | None = None) -> Missing | Refused | None:
        """See `Opener`."""
        try:
            self._open(name, self._requester(requester))
        except NotFound as problem:
            return problem.missing
        except Unusable as problem:
            return problem.refused
        return None

    def find(self, name: bytes, requester: bytes | None = None) -> Walk | None:
        """See `Opener`."""
        by = self._requester(requester)
        known = self._names.get(name)
        if known is not None and known.loaded is not None:
            return known.loaded.walk
        try:
            found = self.search.find(by, name, [])
        except Unusable:
            return None
        return None if found is None or found.error is not None else found.walk

    def _requester(self, path: bytes | None) -> Object:
        by = self.main
        for item in self._maps:
            if path is not None and item.path == path:
                by = item
        return by

    def _open(self, name: bytes, by: Object) -> None:
        self._dlopen = True
        try:
            opened = self._map(by, name, None)
            self._list(opened)
            for item in self._dependencies(opened, []):
                self._list(item)
        finally:
            self._dlopen = False

    def has(self, name: bytes) -> bool:
        """Whether a library that answers to `name` is loaded."""
        return any(item in self._listed for item in self._named(name))

    def _named(self, name: bytes) -> Sequence[Object]:
        if name in self._namesakes:
            return self._namesakes[name]
        return (self._names[name],) if name in self._names else ()

    def _list(self, item: Object) -> None:
        if item not in self._listed and item.loaded is not None:
            self._listed.add(item)
            self.closure.load(item.loaded)

    def _preloads(self) -> Iterator[Object | None]:
        for raw in self.settings.ld_preload.replace(b":", b" ").split(b" "):
            name = expand(raw, self.search.tokens(self.main)) if raw else b""
            if name:
                yield self._preload(name)
        if self.settings.preload_file:
            content = self.context.text(PRELOAD) or b""
            lines = [line.partition(b"#")[0] for line in content.split(b"\n")]
            for name in b" ".join(lines).replace(b":", b" ").split():
                yield self._preload(name)

    def _preload(self, name: bytes) -> Object | None:
        try:
            return self._map(self.main, name, "preload")
        except Fatal:
            self.closure.warn(f"{text(name)} cannot be preloaded, which the loader ignores")
            return None

    # dl-deps.c.

    def _dependencies(self, root: Object, preloaded: Sequence[Object]) -> list[Object]:
        """The search list without `root` itself, as _dl_map_object_deps orders it."""
        first = tail = _Node(root, False)
        reserved = {root}
        for item in preloaded:
            if item not in reserved:
                reserved.add(item)
                tail.next = _Node(item, False)
                tail = tail.next
        rounds = 0
        node: _Node | None = first
        while node is not None:
            node.done = True
            rounds += 1
            if rounds > 4 * len(self._maps) + 64:  # glibc itself would go round for ever
                reason = "libraries filter each other in a circle, which the loader never leaves"
                self._report(Unusable(Refused(node.item.path, node.item.who, reason)))
                break
            tail = self._ask(node, tail, reserved)
            while node is not None and node.done:
                node = node.next
        out = []
        node = first
        while node is not None:
            if node.item is not root:
                out.append(node.item)
            node = node.next
        return out

    def _ask(self, node: _Node, tail: _Node, reserved: set[Object]) -> _Node:
        """Loads what `node` asks for; returns the list's last node."""
        asking = node.item
        place = node
        for tag, raw in () if asking.elf is None else asking.elf.needed:
            name = expand(raw, self.search.tokens(asking)) if b"$" in raw else raw
            if name is None or (name == b"" and raw != b""):
                continue
            try:
                found = self._map(asking, name, None)
            except Fatal as problem:
                if tag != DT_AUXILIARY:
                    self._report(problem)
                continue
            if tag == DT_NEEDED:
                if found not in reserved:
                    reserved.add(found)
                    tail.next = _Node(found, False)
                    tail = tail.next
                continue
            place, tail = self._insert(place, found, tail, reserved)
        return tail

    def _insert(
        self, place: _Node, found: Object, tail: _Node, reserved: set[Object]
    ) -> tuple[_Node, _Node]:
        """Puts a filtee in front of its filter: (where the filter is now, the last node)."""
        copy = _Node(place.item, place.done, place.next)
        if found in reserved:
            late = copy
            while late.next is not None and late.next.item is not found:
                late = late.next
            if late.next is None:
                return place, tail  # it is earlier in the list already
            place.item, place.done, place.next = found, False, copy
            if tail is late.next:
                tail = late
            late.next = late.next.next
        else:
            place.item, place.done, place.next = found, False, copy
            reserved.add(found)
        self._maps.remove(found)
        self._maps.insert(self._maps.index(copy.item), found)
        if place is tail:
            tail = copy
        return copy, tail

    # dl-load.c.

    def _report(self, problem: Fatal) -> None:
        if isinstance(problem, NotFound):
            if (problem.missing.name, problem.missing.by) not in self._reported:
                self._reported.add((problem.missing.name, problem.missing.by))
                self.closure.missing.append(problem.missing)
        elif isinstance(problem, Unusable):
            if problem.refused not in self.closure.refused:
                self.closure.refused.append(problem.refused)

    def _map(self, by: Object, name: bytes, via: str | None) -> Object:
        """_dl_map_object: the object that `name` means for `by`."""
        item = self._names.get(name)
        if item is not None:
            if name in self._namesakes:
                item = min(self._namesakes[name], key=self._maps.index)
            if item is self.rtld:
                self._first_asked(name, by)
            return item
        searched: list[bytes] = []
        found = self.search.find(by, name, searched)
        if found is None:
            raise NotFound(Missing(name, by.who, tuple(searched)))
        path, walk, how, number, origin, elf, error = found
        loaded = Loaded(name, path, walk, by.who, via or how)
        same = self._ids.get(number)
        if same is not None:
            self._name(same, name)
            if same.path != path:
                self.closure.twins.append(loaded)
            return same
        if error is not None:
            raise Unusable(Refused(path, by.who, error))
        assert elf is not None  # where there is none, there is an error
        if self._dlopen and elf.flags_1 & DF_1_NOOPEN:
            reason = "the library forbids to be opened at run time"
            raise Unusable(Refused(path, by.who, reason))
        item = Object(path, elf, by, origin, loaded, path)
        self._name(item, name, path, elf.soname)
        self._ids[number] = item
        self._maps.append(item)
        return item

    def _first_asked(self, name: bytes, by: Object) -> None:
        if not self._rtld_asked and self.rtld.loaded is not None:
            self._rtld_asked = True
            self.rtld.loaded = self.rtld.loaded._replace(name=name, by=by.who)
