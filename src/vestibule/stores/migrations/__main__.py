"""`python -m vestibule.stores.migrations`: the other side of `apart`."""

import asyncio
import json
import sys

from vestibule.errors import StartError
from vestibule.stores.open import open_store


async def main() -> int:
    try:
        store = await open_store(sys.stdin.read())
    except StartError as error:
        fault = {"message": error.message, "action": error.action, "detail": error.detail}
        sys.stdout.write(json.dumps(fault))
        return 1
    await store.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
