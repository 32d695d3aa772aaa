"""Where provider keys live: the OS keyring, or an encrypted file in the home.

Knows no provider and writes no log line.
"""

from freeloader.secrets.environ import forget
from freeloader.secrets.ring import Keyring, system_keyring
from freeloader.secrets.store import SecretStore

__all__ = ["Keyring", "SecretStore", "forget", "system_keyring"]
