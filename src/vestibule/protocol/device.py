"""User codes: what a device shows and a person types (RFC 8628 §6.1).

Eight consonants: no vowels, so no words; no letters and digits that look alike. 20^8 codes live ten minutes each, and
whoever guesses is slowed down, so the best of guessers has one chance in a hundred million a minute.
"""

from collections.abc import Callable

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH = 8


def make_user_code(entropy: Callable[[int], bytes]) -> str:
    """Eight letters of the alphabet, each as likely as the others."""
    letters = ""
    while len(letters) < LENGTH:
        letters += "".join(ALPHABET[byte % 20] for byte in entropy(LENGTH * 2) if byte < 240)
    return letters[:LENGTH]


def show_user_code(code: str) -> str:
    return f"{code[:4]}-{code[4:]}"


def read_user_code(typed: str) -> str:
    """What was typed, as it is stored: case, dashes and spaces do not matter. Empty when it cannot be a code."""
    letters = "".join(char for char in typed[:64].upper() if char.isalnum())
    return letters if len(letters) == LENGTH and all(letter in ALPHABET for letter in letters) else ""
