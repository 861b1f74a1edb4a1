"""What an application tells the guard: where it is served, who may change and read it, and its limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from capas.web_server.host_rule import is_own_host

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class GuardRules:
    """The rules of one application on one port.

    Attributes:
        host: The host that the server was told to listen on.
        port: The port on which it listens.
        token: What a change must carry in ``X-Capas-Token``: drawn anew at every start, written into the pages.
        read_only: Key of the CapasError that refuses every change; "" where changes are allowed.
        viewer: Origin of another site that may read ``viewer_paths``, such as ``https://viewer.example``; "" for none.
        viewer_paths: Prefixes of the paths that the viewer may read.
        statuses: Status of the response to a CapasError, by its key; 400 for the others.
        max_body_bytes: Largest body of a request.
        max_parameters: Largest number of parameters in an address.
        body_timeout_s: Seconds within which a body must be complete.
        content_security_policy: The header of that name.
    """

    host: str
    port: int
    token: str
    read_only: str = ""
    viewer: str = ""
    viewer_paths: tuple[str, ...] = ()
    statuses: Mapping[str, int] = field(default_factory=dict)
    max_body_bytes: int = 64_000
    max_parameters: int = 20
    body_timeout_s: float = 30.0
    content_security_policy: str = CONTENT_SECURITY_POLICY

    def __post_init__(self) -> None:
        if not self.token:
            raise ValueError("token is empty; expected a random text, or every request could change something")

    def allows_host(self, header: str) -> bool:
        """Return whether the ``Host`` header names this server."""
        return is_own_host(header, bound_host=self.host, port=self.port)

    def allows_origin(self, origin: str, host: str, *, changes: bool) -> bool:
        """Return whether a page of ``origin`` may send this request.

        Args:
            origin: The ``Origin`` header.
            host: The ``Host`` header, already accepted.
            changes: Whether the method is one that changes something; the viewer only reads.
        """
        return origin == f"http://{host}" or (not changes and bool(self.viewer) and origin == self.viewer)

    def shows_viewer(self, path: str) -> bool:
        """Return whether the viewer's pages may read the response."""
        return bool(self.viewer) and path.startswith(self.viewer_paths)
