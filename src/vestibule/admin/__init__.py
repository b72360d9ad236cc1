"""What an operator may do, without a screen: the commands and the admin API both ask here.

Who administers is an `Administrator`: of one tenant, or of all. Everything that changes something stands in the trail
before it is answered; what is only read does not.
"""

from vestibule.admin.api_keys import ApiKeyOffice, NewKey, facts_of, read_new_key
from vestibule.admin.entrance import Administrator, Entrance, Knock, Rights

__all__ = ["Administrator", "ApiKeyOffice", "Entrance", "Knock", "NewKey", "Rights", "facts_of", "read_new_key"]
