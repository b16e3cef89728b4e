"""How a client asks a server: ways to it, and what it says."""
