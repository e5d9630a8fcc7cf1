"""NNI 3.0 on our spaces and tables: its strategies, tuners and one-shot searches, in this process."""
