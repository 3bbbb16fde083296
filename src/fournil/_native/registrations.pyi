from _typeshed import FileDescriptorLike
from typing_extensions import disjoint_base

from fournil._native.handles import Handle

@disjoint_base
class Registrations:
    def __new__(cls, *args: object) -> Registrations: ...
    def registration(
        self, file: FileDescriptorLike
    ) -> tuple[FileDescriptorLike, int, Handle | None, Handle | None]: ...
    def watched_fds(self) -> list[int]: ...
