"""What Microsoft Entra's error codes (AADSTS…) mean for us.

Entra answers with the codes of RFC 6749, but one of those stands for dozens of causes, and the same cause comes under
several of them. The number tells.
Source: learn.microsoft.com, "Microsoft Entra authentication & authorization error codes".
"""

import re
from collections.abc import Mapping
from typing import Any

from vestibule.oauth_client.refusals import Meaning, Refused, meaning_of

_NUMBER = re.compile(r"AADSTS(\d{4,9})\b")

_SIGN_IN: Mapping[int, str] = {
    16000: "the person must choose an account",
    50055: "the password has expired",
    50058: "there is no session at Entra",
    50072: "the person must register for multi-factor authentication",
    50074: "a second factor is asked for",
    50076: "a second factor is asked for: a Conditional Access policy, or the person is somewhere else than usual",
    50078: "the second factor is too old",
    50079: "the person must register for multi-factor authentication",
    50097: "device authentication is asked for",
    50125: "the password was reset or must be registered",
    50132: "the session was revoked, or the password changed",
    50133: "the session was revoked, or the password changed",
    50144: "the password has expired",
    50158: "an external security challenge was not satisfied",
    50173: "the refresh token was revoked: the password changed, or an administrator ended the sessions",
    53000: "the device is not compliant (Conditional Access)",
    53001: "the device is not joined to the domain (Conditional Access)",
    65001: "nobody has consented to what the application asks for: the person or an administrator must",
    70008: "the code or the refresh token has expired",
    70043: "the refresh token has expired (sign-in frequency of Conditional Access)",
    70044: "the session has expired (sign-in frequency of Conditional Access)",
    700081: "the refresh token has reached its last day",
    700082: "the refresh token was not used for 90 days",
    700084: "the refresh token of a single-page application lives a day",
}

_DENIED: Mapping[int, str] = {
    50020: "the account is of another tenant, and no guest in this one",
    50034: "there is no such account in this tenant",
    50053: "the account is locked",
    50057: "the account is disabled",
    50105: "the person is not assigned to the application: assign the person or a group under Enterprise applications, "
    "Users and groups",
    53003: "a Conditional Access policy blocks it",
    53004: "the person must register for multi-factor authentication from a safe place",
    65004: "the person declined the consent",
    90072: "the account is of another tenant, and no guest in this one",
    90094: "an administrator must consent: Enterprise applications, Permissions, Grant admin consent",
    90095: "an administrator must approve the request for consent",
    500011: "the resource that is asked for has no service principal in this tenant",
    500212: "the tenant's policy keeps its people from this tenant (cross-tenant access)",
    530004: "the tenant's policy asks for a device of its own",
}

_OPERATOR: Mapping[int, str] = {
    50011: "register the redirect URI <public_url>/callback/<name> under Authentication, platform Web",
    50194: "the application is not multi-tenant: name one tenant, or change Supported account types",
    70001: "the application is not in this tenant: check client_id and tenant",
    70002: "the client could not be authenticated: check client_secret",
    70011: "a scope is not one that Entra knows: check scopes",
    70021: "no federated credential of the application fits our assertion: check issuer, subject and audience there",
    90002: "there is no such tenant: check tenant",
    90023: "the request is not one that Entra takes",
    650053: "the application asks for a scope that the resource does not have: check scopes",
    650057: "the resource is not among the application's API permissions",
    700016: "the application is not in this tenant: check client_id and tenant",
    700024: "our assertion is not valid now: check this computer's clock",
    700027: "the certificate is not the application's: upload it under Certificates & secrets",
    700211: "no federated credential of the application has our assertion's issuer",
    700212: "no federated credential of the application has our assertion's audience",
    700213: "no federated credential of the application has our assertion's subject",
    900144: "the request lacks a parameter",
    7000112: "the application is disabled",
    7000215: "the client secret is wrong: give the secret's value, not its id",
    7000218: "the application wants client_secret, client_certificate or client_assertion",
    7000222: "the client secret has expired: make a new one under Certificates & secrets",
    9002313: "the request is not one that Entra takes",
    9010010: "a resource parameter went to the v2 endpoint",
}

_LATER: Mapping[int, str] = {
    50196: "Entra sees a loop of requests and waits",
    50197: "Entra asks to try again",
    90006: "Entra asks to try again",
    90012: "the request took too long",
    90033: "Entra is not available for now",
    90055: "too many requests",
}


def number_of(text: str) -> int | None:
    """The first AADSTS number in an error_description."""
    found = _NUMBER.search(text)
    return int(found[1]) if found else None


def meaning_of_entra(error: str, description: str = "", document: Mapping[str, Any] | None = None) -> Refused:
    """Of an error at the callback, or of the token endpoint's answer with its `error_codes`."""
    for number in (*_numbers((document or {}).get("error_codes")), number_of(description) or 0):
        for meaning, hints in (
            (Meaning.SIGN_IN, _SIGN_IN),
            (Meaning.DENIED, _DENIED),
            (Meaning.OPERATOR, _OPERATOR),
            (Meaning.LATER, _LATER),
        ):
            if number in hints:
                return Refused(meaning, f"AADSTS{number}: {hints[number]}")
    return meaning_of(error)


def _numbers(codes: Any) -> tuple[int, ...]:
    return tuple(one for one in codes[:10] if isinstance(one, int)) if isinstance(codes, list) else ()
