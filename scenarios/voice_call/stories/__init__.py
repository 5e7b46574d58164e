"""What happens in the recorded runs: short stories, by what they are about."""
