"""The domain of an e-mail address, where an organisation hangs on it.

One reading only: an address in which two readers could see two domains has none. Nothing is mapped, folded or trimmed
but the case of ASCII letters: what looks like a letter and is another one stays another one, and domains are compared
as A-labels (RFC 5890 §2.3.2.1), so that `bücher.example` and `xn--bcher-kva.example` are the same domain.
"""

import re
import unicodedata

MAX_ADDRESS = 254  # characters (RFC 5321 §4.5.3.1.3)

PUBLIC_MAIL = frozenset(
    "gmail.com googlemail.com outlook.com hotmail.com live.com msn.com hotmail.co.uk outlook.de hotmail.de hotmail.fr "
    "live.de live.fr yahoo.com yahoo.co.uk yahoo.de yahoo.fr yahoo.co.jp ymail.com rocketmail.com aol.com icloud.com "
    "me.com mac.com proton.me protonmail.com pm.me tutanota.com tuta.io tuta.com gmx.com gmx.de gmx.net gmx.at gmx.ch "
    "web.de t-online.de freenet.de mail.com mail.ru yandex.ru yandex.com ya.ru rambler.ru bk.ru inbox.ru list.ru "
    "qq.com 163.com 126.com foxmail.com sina.com naver.com daum.net zoho.com zohomail.com fastmail.com fastmail.fm "
    "hey.com hushmail.com duck.com orange.fr free.fr laposte.net wanadoo.fr libero.it virgilio.it seznam.cz wp.pl "
    "o2.pl onet.pl uol.com.br bol.com.br terra.com.br btinternet.com sky.com comcast.net verizon.net att.net "
    "sbcglobal.net cox.net bigpond.com shaw.ca rogers.com mailinator.com guerrillamail.com 10minutemail.com".split()
)
"""Where anybody gets an address."""

PUBLIC_SUFFIXES = frozenset(
    "co.uk org.uk ac.uk gov.uk com.au net.au org.au co.jp ne.jp or.jp ac.jp co.nz com.br co.in co.za com.cn com.mx "
    "com.tr com.sg com.hk co.kr com.tw co.il github.io gitlab.io pages.dev workers.dev vercel.app netlify.app "
    "herokuapp.com azurewebsites.net cloudapp.net amazonaws.com appspot.com web.app blogspot.com "
    "onmicrosoft.com".split()
)
"""Below which anybody gets a domain. Not all there are: the list of publicsuffix.org is longer than this program."""

_LOCAL = re.compile(r"[^\s\"(),:;<>@\[\\\]\x00-\x1f\x7f]+")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def domain_of(address: str) -> str | None:
    """The domain as A-labels in lower case, or None where it is not beyond doubt."""
    if not 0 < len(address) <= MAX_ADDRESS or unicodedata.normalize("NFKC", address).count("@") != 1:
        return None  # a full-width @ is one to some readers
    local, at, domain = address.rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or not local.isprintable():
        return None
    return plain_domain(domain)


def plain_domain(domain: str) -> str | None:
    """A domain of two labels or more as A-labels in lower case; None for what is none, or could be two."""
    labels = [_label(part) for part in domain.split(".")]
    if len(labels) < 2 or None in labels:
        return None
    text = ".".join(label for label in labels if label)
    return None if len(text) > 253 or labels[-1] is None or labels[-1].isdigit() else text


def _label(part: str) -> str | None:
    if part.isascii():
        folded = part.lower()
        return folded if _LABEL.fullmatch(folded) and not (folded[2:4] == "--" and folded[:2] != "xn") else None
    # No mapping at all: what Unicode would fold into something else is not this label (full-width letters, U+212A).
    if not part.isprintable() or part != unicodedata.normalize("NFKC", part) or part != part.lower():
        return None
    if not all(unicodedata.category(char)[0] in "LMN" or char == "-" for char in part):
        return None
    label = "xn--" + part.encode("punycode").decode("ascii")
    return label if _LABEL.fullmatch(label) else None
