"""What survives: from a trace prefix and a durability profile to the legal disk images after a death."""
