"""What every measurement shares: its result file, the machine's facts, a real server to measure, README's tables."""
