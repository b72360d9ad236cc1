"""The section about administration: who may, beside whoever has the store and runs the commands."""

from pydantic import Field

from vestibule.config.sections import Model


class AdminConfig(Model):
    """The admin API."""

    enabled: bool = Field(False, description="Whether /admin/api answers.", examples=[True])
    roles: tuple[str, ...] = Field(
        (), description="People of these roles administer their own tenant.", examples=[["admins"]]
    )
    operators: tuple[str, ...] = Field(
        (), description="People of these roles administer all tenants.", examples=[["platform"]]
    )
    clients: tuple[str, ...] = Field(
        (),
        description="Clients of this file that administer all tenants in their own name: confidential ones with the "
        "grant client_credentials and the scope vestibule.admin.",
        examples=[["provisioner"]],
    )
