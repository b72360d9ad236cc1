"""DPoP proofs at our doors: one use, and a nonce of ours (RFC 9449 §8, §9, §11.1).

A nonce is a keyed tag of the time, so every replica knows every other's without a store. With it a proof is good for
ten minutes at most wherever it was made, whatever its maker's clock says. What was seen is remembered by this replica
for as long as it could be shown again; `/token` also asks the store, which knows what the others have seen.
"""

from collections import OrderedDict
from collections.abc import Sequence

from vestibule.errors import InvalidDpopProof, UseDpopNonce
from vestibule.model import Proof
from vestibule.ports import Authenticator, Clock

PURPOSE = "dpop-nonce"
MAX_REMEMBERED = 200_000  # proofs; about 200 bytes each


class DpopProofs:
    """Implements `ports.ProofChecker`."""

    def __init__(
        self, *, authenticator: Authenticator, clock: Clock, needs_nonce: bool = True, remember: int = MAX_REMEMBERED
    ) -> None:
        self._authenticator = authenticator
        self._clock = clock
        self._needs_nonce = needs_nonce
        self._remember = remember
        self._seen: OrderedDict[bytes, float] = OrderedDict()

    def check(
        self,
        proofs: Sequence[str],
        *,
        method: str,
        url: str,
        access_token: str | None = None,
        remember: bool = True,
    ) -> Proof:
        from vestibule.protocol.dpop import check_proof, remembered_until  # brings the JOSE library: 3 MB

        now = self._clock().timestamp()
        proof = check_proof(proofs, method=method, url=url, now=now, access_token=access_token)
        if (self._needs_nonce or proof.nonce) and not self._is_ours(proof.nonce, now):
            raise UseDpopNonce(self.nonce())
        if remember:
            self._see(proof.digest, float(remembered_until(proof)), now)
        return proof

    def nonce(self) -> str:
        from vestibule.protocol.dpop import NONCE_LIFETIME

        return self._authenticator.tag(PURPOSE, _period(self._clock().timestamp(), NONCE_LIFETIME))

    def _is_ours(self, nonce: str, now: float) -> bool:
        from vestibule.protocol.dpop import NONCE_LIFETIME

        verdicts = [
            self._authenticator.verify(PURPOSE, _period(moment, NONCE_LIFETIME), nonce)
            for moment in (now, now - NONCE_LIFETIME)
        ]
        return any(verdicts)

    def _see(self, digest: bytes, until: float, now: float) -> None:
        if self._seen.get(digest, 0.0) > now:
            raise InvalidDpopProof("The DPoP proof has been used already.", action="Make one for each request.")
        while self._seen and (next(iter(self._seen.values())) <= now):
            self._seen.popitem(last=False)
        if len(self._seen) >= self._remember:
            # Forgetting a live one would let it be replayed; refusing a new one only delays it.
            raise InvalidDpopProof("Too many DPoP proofs at once.", action="Try again in a minute.")
        self._seen.pop(digest, None)
        self._seen[digest] = until


def _period(now: float, length: int) -> bytes:
    return str(int(now // length)).encode()
