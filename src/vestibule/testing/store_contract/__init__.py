"""What every store promises (`vestibule.ports`), as tests: for ours, and for those of plug-in authors.

Subclass, and give a fixture that opens the same database as often as it is asked to:

    class TestMyStore(StoreContract):
        @pytest.fixture
        async def open_store(self, tmp_path):
            opened = []
            async def opener():
                opened.append(await MyStore.open(tmp_path / "db"))
                return opened[-1]
            yield opener
            for store in opened:
                await store.close()

The tests are plain coroutines with assertions; pytest with asyncio_mode "auto" runs them. Races are run over two
stores on one database, as two replicas would.
"""

from vestibule.testing.store_contract.api_keys import ApiKeyContract
from vestibule.testing.store_contract.audit import AuditContract
from vestibule.testing.store_contract.blocks import BlockContract
from vestibule.testing.store_contract.clients import ClientContract
from vestibule.testing.store_contract.codes import CodeContract
from vestibule.testing.store_contract.device_requests import DeviceRequestContract
from vestibule.testing.store_contract.durability import DurabilityContract, KeyContract
from vestibule.testing.store_contract.grants import GrantContract
from vestibule.testing.store_contract.housekeeping import HousekeepingContract
from vestibule.testing.store_contract.kept_tokens import KeptTokenContract
from vestibule.testing.store_contract.one_time import OneTimeContract
from vestibule.testing.store_contract.people import ConsentContract, SessionContract
from vestibule.testing.store_contract.pushed_requests import PushedRequestContract
from vestibule.testing.store_contract.refresh_tokens import RefreshTokenContract
from vestibule.testing.store_contract.requests import AuthorizationRequestContract
from vestibule.testing.store_contract.revocations import RevocationContract
from vestibule.testing.store_contract.support import StoreOpener
from vestibule.testing.store_contract.tenants import TenantContract

__all__ = ["StoreContract", "StoreOpener"]


class StoreContract(
    ClientContract,
    AuthorizationRequestContract,
    PushedRequestContract,
    DeviceRequestContract,
    OneTimeContract,
    ConsentContract,
    SessionContract,
    GrantContract,
    CodeContract,
    RefreshTokenContract,
    KeptTokenContract,
    BlockContract,
    ApiKeyContract,
    TenantContract,
    RevocationContract,
    AuditContract,
    HousekeepingContract,
    KeyContract,
    DurabilityContract,
):
    """All of it."""
