"""How far tractions can be trusted: what they explain, and how sure they are."""
