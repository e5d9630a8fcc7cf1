"""Contract suites that third parties subclass to test their own backends, databases, spaces and evaluators."""
