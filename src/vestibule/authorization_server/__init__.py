"""Our issuer: one file per endpoint, one per grant.

Each endpoint parses into a value, decides with the pure functions of `protocol`, and acts: store, audit, reply. It
returns a value of `replies`; `web` turns that into HTTP. `server.AuthorizationServer` holds what they share.
"""
