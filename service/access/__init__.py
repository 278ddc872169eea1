"""Who may do what: API keys, the scopes that paths need, the gate that asks for them, and rates."""
