"""Who may do what: accounts, users, roles and policies, signatures and sessions."""
