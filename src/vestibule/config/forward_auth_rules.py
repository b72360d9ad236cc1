"""Rules about upstreams that an operator's own reverse proxy serves, and that ask us at /auth."""

from collections.abc import Iterator

from vestibule.config.models import Configuration
from vestibule.errors import Fault

_THE_PROXYS = "its calls do not pass here: your proxy relays them"


def what_a_proxy_serves_is_the_proxys(configuration: Configuration) -> Iterator[Fault]:
    for index, upstream in enumerate(configuration.upstreams):
        where = f"upstreams[{index}]"
        if upstream.served_by == "gateway":
            if upstream.trust_routing_headers:
                yield Fault(f"{where}.trust_routing_headers", "here the body decides", "remove it")
            continue
        for key in ("url", "socket", "transport", "timeouts"):
            if key in upstream.model_fields_set:
                yield Fault(f"{where}.{key}", _THE_PROXYS, "remove it, and say it in the proxy's configuration")
        if upstream.credential.kind != "none":
            yield Fault(f"{where}.credential", _THE_PROXYS, "remove it, and let the proxy set the header")
        if upstream.hide_denied:
            yield Fault(f"{where}.hide_denied", _THE_PROXYS, "remove it; calls are refused all the same")


def proxies_that_ask_are_named(configuration: Configuration) -> Iterator[Fault]:
    if any(one.served_by == "proxy" for one in configuration.upstreams) and not configuration.trusted_proxies:
        yield Fault(
            "trusted_proxies",
            "nobody could ask at /auth: an upstream is served_by: proxy, and no proxy is named",
            "name your proxy's address, such as [127.0.0.1/32]",
        )


def notes_on_forward_auth(configuration: Configuration) -> Iterator[str]:
    for one in configuration.upstreams:
        by_name = one.scopes.tools or one.scopes.prompts or one.scopes.resources or configuration.policy is not None
        if one.served_by == "proxy" and by_name and not one.trust_routing_headers:
            yield (
                f"{one.name}: scopes or rules that hang on what is called are refused at /auth unless the proxy sends "
                "the body along, as Envoy can; see trust_routing_headers"
            )


FORWARD_AUTH_RULES = (what_a_proxy_serves_is_the_proxys, proxies_that_ask_are_named)
