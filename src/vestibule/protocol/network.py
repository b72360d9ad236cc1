"""Whom an address belongs to."""

from vestibule.authorization_server.throttle import network_of as network_of
