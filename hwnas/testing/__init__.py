"""Contract suites that third parties subclass to test their own backends and stores."""
