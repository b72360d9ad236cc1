"""Who tells us who someone is. One file per kind; `oidc` is the base of all that speak OpenID Connect."""
