"""Upstreams that are commands, from the configuration."""

from vestibule.config.upstreams import UpstreamConfig
from vestibule.model import Command


def command_of(one: UpstreamConfig) -> Command | None:
    if not one.command:
        return None
    return Command(
        arguments=one.command,
        environment=one.environment,
        working_directory=one.working_directory,
        instances=one.instances,
        idle=one.idle,
        max_instances=one.max_instances,
    )
