"""What people see. Plain HTML without JavaScript, one stylesheet, and a policy that allows nothing else."""

from vestibule.web.pages.render import Pages

__all__ = ["Pages"]
